//! Connections: which of them are encrypted and verified, and how long they may stand still.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Method, Response, Url, redirect};

use super::endpoint::{Trust, authority, trust};
use crate::error::{Error, Result};
use crate::pull::PullOptions;

/// Sends single requests. It follows no redirect and repeats nothing.
pub(super) struct Transport {
    clients: [OnceCell<reqwest::Client>; 3],
    insecure: Vec<String>,
    certificates: Vec<PathBuf>,
    connect_timeout: Duration,
    stall_timeout: Duration,
}

/// Why a request got no answer, or an answer no end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is not to be sent at all.
    Refused(Error),
    /// The connection was not made, or broke.
    Broken(reqwest::Error),
    /// Nothing came in for so long.
    Stalled(Duration),
    /// More came in than is taken.
    TooLarge(u64),
}

impl Transport {
    pub(super) fn new(options: &PullOptions) -> Transport {
        // The first to come decides for the process; a provider that is there already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Transport {
            clients: Default::default(),
            insecure: options.insecure.clone(),
            certificates: options.certificates.clone(),
            connect_timeout: options.connect_timeout,
            stall_timeout: options.stall_timeout,
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<String>,
    ) -> Result<Response, Trouble> {
        let client = self.client(&url).map_err(Trouble::Refused)?;
        let mut request = client.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let patience = self.connect_timeout + self.stall_timeout;
        match tokio::time::timeout(patience, request.send()).await {
            Ok(result) => result.map_err(Trouble::Broken),
            Err(_) => Err(Trouble::Stalled(patience)),
        }
    }

    /// The next bytes of an answer; `None` at its end.
    pub(super) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Trouble> {
        match tokio::time::timeout(self.stall_timeout, response.chunk()).await {
            Ok(result) => result.map_err(Trouble::Broken),
            Err(_) => Err(Trouble::Stalled(self.stall_timeout)),
        }
    }

    /// All of an answer, if it has at most `limit` bytes.
    pub(super) async fn read(
        &self,
        mut response: Response,
        limit: u64,
    ) -> Result<Vec<u8>, Trouble> {
        if response
            .content_length()
            .is_some_and(|length| length > limit)
        {
            return Err(Trouble::TooLarge(limit));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(Trouble::TooLarge(limit));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// The client for an address, made when it is first needed: reading the system's certificates takes its time.
    fn client(&self, url: &Url) -> Result<&reqwest::Client> {
        let host = authority(url);
        let trust = trust(&host, &self.insecure);
        if url.scheme() != "https" && trust == Trust::Verified {
            return Err(Error::Configuration {
                object: host,
                reason: "plain HTTP is for this machine's loopback and for hosts listed as insecure registries".to_owned(),
            });
        }
        let cell = &self.clients[trust as usize];
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let client = self.build(trust)?;
        Ok(cell.get_or_init(|| client))
    }

    fn build(&self, trust: Trust) -> Result<reqwest::Client> {
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .http1_only()
            .connect_timeout(self.connect_timeout)
            .user_agent(concat!("mini/", env!("CARGO_PKG_VERSION")));
        match trust {
            Trust::Verified => builder = builder.tls_certs_merge(self.certificates()?),
            Trust::Insecure => builder = builder.tls_danger_accept_invalid_certs(true),
            Trust::Loopback => builder = builder.tls_danger_accept_invalid_certs(true).no_proxy(),
        }
        builder.build().map_err(|error| Error::Configuration {
            object: "system certificates".to_owned(),
            reason: format!(
                "can't be used ({}); is the package ca-certificates installed?",
                super::fault::innermost(&error)
            ),
        })
    }

    fn certificates(&self) -> Result<Vec<Certificate>> {
        let mut all = Vec::new();
        for path in &self.certificates {
            let fail = |reason: String| Error::Configuration {
                object: format!("certificates in {}", path.display()),
                reason,
            };
            let pem =
                std::fs::read(path).map_err(|error| fail(format!("can't be read: {error}")))?;
            let found = Certificate::from_pem_bundle(&pem)
                .map_err(|error| fail(format!("can't be understood: {error}")))?;
            if found.is_empty() {
                return Err(fail("there is none in PEM form".to_owned()));
            }
            all.extend(found);
        }
        Ok(all)
    }
}
