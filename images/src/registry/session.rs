//! What is known about one host while an image is pulled from it: its protocol, and the token it gave.

use std::cell::Cell;
use std::time::Instant;

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RANGE,
    WWW_AUTHENTICATE,
};
use reqwest::{Method, Response, Url};
use tokio::sync::Mutex;

use super::challenge::{self, Bearer, Challenge};
use super::endpoint::Endpoint;
use super::fault::{self, Failure, Purpose};
use super::redirect::follow;
use super::token::{basic_header, bearer_header};
use super::transport::Transport;
use crate::auth::Credentials;
use crate::error::{Error, Result};

/// How often one request is made again with other credentials: its own, or those that others got meanwhile.
const MAX_ROUNDS: u32 = 8;
/// Tokens that one request gets when those before it had worked for others.
const MAX_RENEWALS: u32 = 3;

/// One host, and how it is spoken to.
pub(super) struct Session {
    pub(super) endpoint: Endpoint,
    pub(super) credentials: Credentials,
    /// `repository:NAME:pull`.
    pub(super) scope: String,
    /// The protocol that worked.
    scheme: Cell<Option<&'static str>>,
    /// Held while a token is fetched, so that all who need it wait for the one.
    access: Mutex<Access>,
}

/// How requests are authorised.
pub(super) struct Access {
    pub(super) kind: Kind,
    /// Counts changes, so that a late `401` for an old token does not throw away the new one.
    pub(super) generation: u64,
    /// A request succeeded with it.
    pub(super) proved: bool,
}

pub(super) enum Kind {
    /// Nothing was asked for yet.
    Open,
    Basic,
    Token {
        bearer: Bearer,
        token: String,
        expires: Instant,
    },
}

/// What a refused request was shown as allowed by.
struct Used {
    generation: u64,
    /// Tokens that it got itself.
    renewals: u32,
}

/// One request.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// What follows `/v2`.
    pub(super) path: String,
    pub(super) accept: Option<&'static str>,
    /// The first byte wished for.
    pub(super) offset: u64,
    pub(super) purpose: &'a Purpose,
}

impl Session {
    pub(super) fn new(endpoint: Endpoint, credentials: Credentials, repository: &str) -> Session {
        Session {
            endpoint,
            credentials,
            scope: format!("repository:{repository}:pull"),
            scheme: Cell::new(None),
            access: Mutex::new(Access {
                kind: Kind::Open,
                generation: 0,
                proved: false,
            }),
        }
    }

    /// Makes one attempt, over each protocol that the host may speak until one is found. The answer's status is 200, 206, or 416 where
    /// an offset was given.
    pub(super) async fn ask(
        &self,
        transport: &Transport,
        ask: &Ask<'_>,
    ) -> Result<Response, Failure> {
        if let Some(scheme) = self.scheme.get() {
            return self.ask_over(transport, scheme, ask).await;
        }
        let mut schemes = self.endpoint.schemes.iter().copied().peekable();
        while let Some(scheme) = schemes.next() {
            match self.ask_over(transport, scheme, ask).await {
                Err(failure) if failure.unconnected && schemes.peek().is_some() => {}
                result => {
                    if !matches!(&result, Err(failure) if failure.unconnected) {
                        self.scheme.set(Some(scheme));
                    }
                    return result;
                }
            }
        }
        Err(Failure::last(Error::Configuration {
            object: self.endpoint.host.clone(),
            reason: "there is no protocol to reach it by".to_owned(),
        }))
    }

    async fn ask_over(
        &self,
        transport: &Transport,
        scheme: &str,
        ask: &Ask<'_>,
    ) -> Result<Response, Failure> {
        let base = format!(
            "{scheme}://{}{}/v2{}",
            self.endpoint.host, self.endpoint.prefix, ask.path
        );
        let url = Url::parse(&base).map_err(|error| {
            Failure::last(Error::Configuration {
                object: format!("registry {}", self.endpoint.host),
                reason: format!("is no host name: {error}"),
            })
        })?;
        let (mut rounds, mut renewals) = (0, 0);
        loop {
            let (authorization, generation) =
                self.authorization(transport, &url, ask.purpose).await?;
            let (response, same_server) =
                self.exchange(transport, &url, authorization, ask).await?;
            match response.status().as_u16() {
                200 => {}
                206 | 416 if ask.offset > 0 => {}
                401 if same_server && rounds < MAX_ROUNDS => {
                    rounds += 1;
                    let used = Used {
                        generation,
                        renewals,
                    };
                    renewals += self
                        .challenged(transport, &url, response, used, ask.purpose)
                        .await?;
                    continue;
                }
                _ => {
                    return Err(fault::from_answer(
                        transport,
                        response,
                        &self.endpoint.host,
                        ask.purpose,
                        &self.advice(),
                    )
                    .await);
                }
            }
            let mut access = self.access.lock().await;
            if access.generation == generation {
                access.proved = true;
            }
            return Ok(response);
        }
    }

    /// Sends a request and follows redirects. Credentials go to the very server they are for, and to no other.
    async fn exchange(
        &self,
        transport: &Transport,
        url: &Url,
        authorization: Option<HeaderValue>,
        ask: &Ask<'_>,
    ) -> Result<(Response, bool), Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(accept) = ask.accept {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if ask.offset > 0 {
            headers.insert(RANGE, number_header(format!("bytes={}-", ask.offset)));
        }
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        let (mut url, mut same_server) = (url.clone(), true);
        let mut followed = 0;
        loop {
            let host = challenge::host_of(&url);
            let response = transport
                .send(ask.method.clone(), url.clone(), headers.clone(), None)
                .await
                .map_err(|trouble| fault::from_trouble(trouble, &host, ask.purpose))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((response, same_server));
            }
            let location = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok());
            let next = follow(&url, location, followed).map_err(|detail| {
                Failure::last(Error::UnexpectedAnswer {
                    operation: ask.purpose.operation.clone(),
                    registry: host,
                    detail,
                })
            })?;
            followed += 1;
            same_server &= next.same_server;
            if !same_server {
                headers.remove(AUTHORIZATION);
            }
            url = next.url;
        }
    }

    /// What to show the registry, as far as it is known; with the generation it is of.
    async fn authorization(
        &self,
        transport: &Transport,
        url: &Url,
        purpose: &Purpose,
    ) -> Result<(Option<HeaderValue>, u64), Failure> {
        let mut access = self.access.lock().await;
        let header = match (&self.credentials, &access.kind) {
            (Credentials::RegistryToken(token), _) => Some(bearer_header(token)),
            (Credentials::Basic { username, password }, Kind::Basic) => {
                Some(basic_header(username, password))
            }
            (_, Kind::Token { token, expires, .. }) if Instant::now() < *expires => {
                Some(bearer_header(token))
            }
            (_, Kind::Token { bearer, .. }) => {
                let bearer = bearer.clone();
                self.renew(&mut access, transport, url, bearer, purpose)
                    .await?;
                match &access.kind {
                    Kind::Token { token, .. } => Some(bearer_header(token)),
                    _ => None,
                }
            }
            _ => None,
        };
        let header = header.transpose().map_err(|_| {
            Failure::last(Error::Configuration {
                object: format!("credentials for {}", self.endpoint.host),
                reason: "can't be sent: there is a control character in them".to_owned(),
            })
        })?;
        Ok((header, access.generation))
    }

    /// Answers a `401`: gets what is asked for, or tells why it can't be had. Returns how many tokens it got.
    async fn challenged(
        &self,
        transport: &Transport,
        url: &Url,
        response: Response,
        used: Used,
        purpose: &Purpose,
    ) -> Result<u32, Failure> {
        let mut access = self.access.lock().await;
        if access.generation != used.generation {
            return Ok(0);
        }
        let enough = if access.proved { MAX_RENEWALS } else { 1 };
        let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenge = challenge::choose(headers.filter_map(|value| value.to_str().ok()));
        match (challenge, &access.kind, &self.credentials) {
            (_, _, Credentials::RegistryToken(_)) | (_, Kind::Basic, _) | (None, _, _) => {}
            (Some(Challenge::Basic), Kind::Open, Credentials::Basic { .. }) => {
                *access = Access {
                    kind: Kind::Basic,
                    generation: used.generation + 1,
                    proved: false,
                };
                return Ok(0);
            }
            (Some(Challenge::Basic), _, _) => {}
            // A token fresh from its server that opens nothing: another like it won't either.
            (Some(Challenge::Bearer(asked)), Kind::Token { bearer, .. }, _)
                if used.renewals >= enough && asked == *bearer => {}
            (Some(Challenge::Bearer(asked)), _, _) => {
                self.renew(&mut access, transport, url, asked, purpose)
                    .await?;
                return Ok(1);
            }
        }
        drop(access);
        Err(fault::from_answer(
            transport,
            response,
            &self.endpoint.host,
            purpose,
            &self.advice(),
        )
        .await)
    }

    /// What a user who was refused can do.
    pub(super) fn advice(&self) -> String {
        let host = &self.endpoint.host;
        match self.credentials {
            Credentials::Anonymous => format!(
                "check the name; if the image is private, put a user name and password for {host} into ~/.docker/config.json (as docker login does)"
            ),
            _ => format!(
                "check the user name and password for {host} in ~/.docker/config.json, and that they give access to the image"
            ),
        }
    }

    pub(super) fn advice_for_stranger(&self, realm: &str) -> String {
        match self.credentials {
            Credentials::Anonymous => self.advice(),
            _ => format!(
                "its token server {realm} is not of the domain of {}, so it was not shown your credentials",
                self.endpoint.host
            ),
        }
    }
}

/// Digits and punctuation are always a valid header.
fn number_header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("bytes=0-"))
}
