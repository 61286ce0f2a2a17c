//! A registry's client (distribution-spec, "Pulling manifests", "Pulling blobs"): bounded in size, time and attempts, and trusting no
//! answer further than a digest goes.
//!
//! What can be decided without a connection is decided in pure modules: `endpoint` (whom to ask), `challenge` (who may see credentials),
//! `redirect` (where to follow), `range` (what an answer brings), `retry` (when to try again).

mod challenge;
mod endpoint;
mod fault;
mod range;
mod redirect;
mod retry;
mod session;
#[cfg(test)]
pub(crate) mod tests;
mod token;
mod transport;

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response};

pub(crate) use fault::{Failure, Purpose};
use range::Brings;
use retry::Class;
pub(crate) use retry::{jitter, wait};
use session::{Ask, Session};
use transport::Transport;

use crate::auth::Credentials;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::media_type;
use crate::pull::PullOptions;
use crate::reference::Reference;

/// Bytes of a manifest or an index.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// Bytes of an image's configuration.
pub(crate) const CONFIG_LIMIT: u64 = 8 << 20;

/// Told of each attempt to come: its number, the wait until then, and why it is needed.
pub(crate) type Notify<'a> = &'a dyn Fn(u32, Duration, &str);

/// What is asked of one repository, at its mirrors and at the registry itself.
pub(crate) struct Client {
    transport: Transport,
    /// Mirrors first.
    sessions: Vec<Session>,
    /// The first session still believed in.
    place: Cell<usize>,
    repository: String,
    image: String,
    attempts: u32,
}

/// A manifest or an index, whole and checked.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
    /// What the server calls it.
    pub(crate) content_type: Option<String>,
    /// Who sent it.
    pub(crate) host: String,
}

/// A blob on its way.
pub(crate) struct Incoming<'a> {
    client: &'a Client,
    response: Response,
    purpose: Purpose,
    host: String,
    /// The bytes start at the blob's first, though those after an offset were asked for.
    pub(crate) from_start: bool,
}

impl Client {
    pub(crate) fn new(
        reference: &Reference,
        options: &PullOptions,
        credentials: &Credentials,
    ) -> Result<Client> {
        let repository = reference.repository();
        let sessions = endpoint::endpoints(reference.registry(), options)?
            .into_iter()
            .map(|endpoint| {
                let credentials = if endpoint.mirror {
                    Credentials::Anonymous
                } else {
                    credentials.clone()
                };
                Session::new(endpoint, credentials, repository)
            })
            .collect();
        Ok(Client {
            transport: Transport::new(options),
            sessions,
            place: Cell::new(0),
            repository: repository.to_owned(),
            image: reference.to_string(),
            attempts: options.attempts.max(1),
        })
    }

    /// The digest of what `target` (a tag) stands for, if the registry tells it without sending it.
    pub(crate) async fn head(&self, target: &str) -> Option<Digest> {
        let purpose = self.purpose("manifest");
        let ask = Ask {
            method: Method::HEAD,
            path: format!("/{}/manifests/{target}", self.repository),
            accept: Some(media_type::ACCEPT),
            offset: 0,
            purpose: &purpose,
        };
        let response = self.session().ask(&self.transport, &ask).await.ok()?;
        content_digest(response.headers())?.parse().ok()
    }

    /// Fetches a manifest or an index by tag or digest, and checks it against the digest and what the server says.
    pub(crate) async fn manifest(
        &self,
        target: &str,
        expected: Option<&Digest>,
        notify: Notify<'_>,
    ) -> Result<Fetched> {
        let purpose = self.purpose("manifest");
        let ask = Ask {
            method: Method::GET,
            path: format!("/{}/manifests/{target}", self.repository),
            accept: Some(media_type::ACCEPT),
            offset: 0,
            purpose: &purpose,
        };
        self.retrying(notify, async |session| {
            let response = session.ask(&self.transport, &ask).await?;
            let claimed = content_digest(response.headers()).map(str::to_owned);
            let content_type = response
                .headers()
                .get(CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .map(media_type::essence);
            let host = session.endpoint.host.clone();
            let read = self.transport.read(response, MANIFEST_LIMIT).await;
            let bytes = read.map_err(|trouble| fault::from_trouble(trouble, &host, &purpose))?;
            let digest = Digest::of(&bytes);
            let claims = [
                expected.map(ToString::to_string),
                claimed.filter(|claimed| claimed.starts_with("sha256:")),
            ];
            if let Some(wrong) = claims
                .into_iter()
                .flatten()
                .find(|claim| *claim != digest.to_string())
            {
                return Err(Failure::last(self.mismatch(
                    format!("manifest of {} from {host}", self.image),
                    wrong,
                    &digest,
                )));
            }
            Ok(Fetched {
                digest,
                bytes,
                content_type,
                host,
            })
        })
        .await
    }

    /// Fetches a blob into memory and checks it.
    pub(crate) async fn small_blob(
        &self,
        digest: &Digest,
        size: u64,
        limit: u64,
        notify: Notify<'_>,
    ) -> Result<Vec<u8>> {
        let object = format!("configuration {digest} of {}", self.image);
        if size > limit {
            let reason = format!(
                "it has {size} bytes, and {} MiB are the most that is taken",
                limit >> 20
            );
            return Err(Error::Invalid { object, reason });
        }
        let purpose = Purpose {
            operation: format!("get {object}"),
            object,
            noun: "blob",
        };
        let ask = self.blob_request(digest, 0, &purpose);
        self.retrying(notify, async |session| {
            let response = session.ask(&self.transport, &ask).await?;
            let read = self.transport.read(response, size).await;
            let bytes = read.map_err(|trouble| {
                fault::from_trouble(trouble, &session.endpoint.host, &purpose)
            })?;
            let actual = Digest::of(&bytes);
            if actual != *digest {
                return Err(Failure::last(self.mismatch(
                    purpose.object.clone(),
                    digest.to_string(),
                    &actual,
                )));
            }
            Ok(bytes)
        })
        .await
    }

    /// Makes one attempt to get a blob of `size` bytes from `offset` on.
    pub(crate) async fn blob(
        &self,
        digest: &Digest,
        offset: u64,
        size: u64,
    ) -> Result<Incoming<'_>, Failure> {
        let object = format!("layer {digest} of {}", self.image);
        let purpose = Purpose {
            operation: format!("get {object}"),
            object,
            noun: "blob",
        };
        let session = self.session();
        let host = session.endpoint.host.clone();
        let mut response = session
            .ask(
                &self.transport,
                &self.blob_request(digest, offset, &purpose),
            )
            .await?;
        let mut brings = judge(&response, offset, size);
        if brings == Brings::Nothing && offset > 0 {
            response = session
                .ask(&self.transport, &self.blob_request(digest, 0, &purpose))
                .await?;
            brings = judge(&response, 0, size);
        }
        if brings == Brings::Nothing {
            return Err(Failure::last(Error::UnexpectedAnswer {
                operation: purpose.operation,
                registry: host,
                detail: format!("{} in answer to a request for the whole", response.status()),
            }));
        }
        Ok(Incoming {
            client: self,
            response,
            purpose,
            host,
            from_start: brings == Brings::Whole,
        })
    }

    /// After a failure: is there another host to ask instead? Mirrors are passed over, never the registry itself.
    pub(crate) fn pass_over_mirror(&self) -> bool {
        let place = self.place.get();
        let is_mirror = place + 1 < self.sessions.len();
        if is_mirror {
            self.place.set(place + 1);
        }
        is_mirror
    }

    /// Attempts that are made at most.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The image, as people write it.
    pub(crate) fn image(&self) -> &str {
        &self.image
    }

    fn session(&self) -> &Session {
        &self.sessions[self.place.get()]
    }

    async fn retrying<T>(
        &self,
        notify: Notify<'_>,
        attempt: impl AsyncFn(&Session) -> Result<T, Failure>,
    ) -> Result<T> {
        let mut made = 0;
        loop {
            let failure = match attempt(self.session()).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if self.pass_over_mirror() {
                made = 0;
                continue;
            }
            made += 1;
            let Some(wait) = failure
                .class
                .and_then(|class| wait(class, made, self.attempts, jitter()))
            else {
                return Err(failure.error);
            };
            notify(made + 1, wait, &failure.why());
            tokio::time::sleep(wait).await;
        }
    }

    fn blob_request<'a>(&self, digest: &Digest, offset: u64, purpose: &'a Purpose) -> Ask<'a> {
        Ask {
            method: Method::GET,
            path: format!("/{}/blobs/{digest}", self.repository),
            accept: None,
            offset,
            purpose,
        }
    }

    fn purpose(&self, what: &str) -> Purpose {
        Purpose {
            operation: format!("get {what} of {}", self.image),
            object: format!("image {}", self.image),
            noun: "repository or tag",
        }
    }

    fn mismatch(&self, object: String, expected: String, actual: &Digest) -> Error {
        Error::DigestMismatch {
            object,
            expected,
            actual: actual.to_string(),
        }
    }
}

impl Incoming<'_> {
    /// The next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let chunk = self.client.transport.chunk(&mut self.response).await;
        chunk.map_err(|trouble| fault::from_trouble(trouble, &self.host, &self.purpose))
    }

    /// The failure of an answer that ended before the blob did.
    pub(crate) fn ended_early(&self, have: u64, size: u64) -> Failure {
        Failure {
            error: Error::Unreachable {
                operation: self.purpose.operation.clone(),
                registry: self.host.clone(),
                detail: format!("the answer ended after {have} of {size} bytes"),
                advice: "the registry or something on the way to it is faulty".to_owned(),
            },
            class: Some(Class::Broken),
            unconnected: false,
        }
    }
}

fn judge(response: &Response, offset: u64, size: u64) -> Brings {
    let header = response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|value| value.to_str().ok());
    range::judge(response.status().as_u16(), header, offset, size)
}

fn content_digest(headers: &HeaderMap) -> Option<&str> {
    headers.get("docker-content-digest")?.to_str().ok()
}
