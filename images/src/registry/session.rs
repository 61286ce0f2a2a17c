//! What is known about one host while an image is pulled from it: its protocol, and the token it gave.

use std::cell::Cell;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE,
    WWW_AUTHENTICATE,
};
use reqwest::{Method, Response, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::challenge::{self, Bearer, Challenge};
use super::endpoint::Endpoint;
use super::fault::{self, Failure, Purpose};
use super::redirect::follow;
use super::transport::Transport;
use crate::auth::Credentials;
use crate::error::{Error, Result};

/// How often one request may make us get a new token.
const MAX_TOKENS: u32 = 3;
/// What a token lives for when its server does not say (distribution's token specification).
const TOKEN_LIFE: u64 = 60;
/// Bytes of a token server's answer.
const TOKEN_LIMIT: u64 = 1 << 20;

/// One host, and how it is spoken to.
pub(super) struct Session {
    pub(super) endpoint: Endpoint,
    credentials: Credentials,
    /// `repository:NAME:pull`.
    scope: String,
    /// The protocol that worked.
    scheme: Cell<Option<&'static str>>,
    /// Held while a token is fetched, so that all who need it wait for the one.
    access: Mutex<Access>,
}

/// How requests are authorised.
struct Access {
    kind: Kind,
    /// Counts changes, so that a late `401` for an old token does not throw away the new one.
    generation: u64,
    /// A request succeeded with it.
    proved: bool,
}

enum Kind {
    /// Nothing was asked for yet.
    Open,
    Basic,
    Token {
        bearer: Bearer,
        token: String,
        expires: Instant,
    },
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

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
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
        let mut tokens = 0;
        loop {
            let (authorization, generation) =
                self.authorization(transport, &url, ask.purpose).await?;
            let (response, same_server) =
                self.exchange(transport, &url, authorization, ask).await?;
            match response.status().as_u16() {
                200 => {}
                206 | 416 if ask.offset > 0 => {}
                401 if same_server && tokens < MAX_TOKENS => {
                    tokens += 1;
                    self.challenged(transport, &url, response, generation, ask.purpose)
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

    /// Answers a `401`: gets what is asked for, or tells why it can't be had.
    async fn challenged(
        &self,
        transport: &Transport,
        url: &Url,
        response: Response,
        used: u64,
        purpose: &Purpose,
    ) -> Result<(), Failure> {
        let mut access = self.access.lock().await;
        if access.generation != used {
            return Ok(());
        }
        let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenge = challenge::choose(headers.filter_map(|value| value.to_str().ok()));
        match (challenge, &access.kind, &self.credentials) {
            (_, _, Credentials::RegistryToken(_)) | (_, Kind::Basic, _) | (None, _, _) => {}
            (Some(Challenge::Basic), Kind::Open, Credentials::Basic { .. }) => {
                *access = Access {
                    kind: Kind::Basic,
                    generation: used + 1,
                    proved: false,
                };
                return Ok(());
            }
            (Some(Challenge::Basic), _, _) => {}
            // A token fresh from its server that never opened anything: another like it won't either.
            (Some(Challenge::Bearer(asked)), Kind::Token { bearer, .. }, _)
                if !access.proved && asked == *bearer => {}
            (Some(Challenge::Bearer(asked)), _, _) => {
                return self
                    .renew(&mut access, transport, url, asked, purpose)
                    .await;
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

    /// Gets a token from the server that the registry named.
    async fn renew(
        &self,
        access: &mut Access,
        transport: &Transport,
        registry: &Url,
        bearer: Bearer,
        purpose: &Purpose,
    ) -> Result<(), Failure> {
        let unexpected = |registry: String, detail: String| {
            Failure::last(Error::UnexpectedAnswer {
                operation: format!("get a token to {}", purpose.operation),
                registry,
                detail,
            })
        };
        let realm = Url::parse(&bearer.realm)
            .ok()
            .filter(|realm| {
                matches!(realm.scheme(), "https" | "http") && realm.host_str().is_some()
            })
            .ok_or_else(|| {
                unexpected(
                    self.endpoint.host.clone(),
                    format!(
                        "it names {:?} as token server, which is no address",
                        bearer.realm
                    ),
                )
            })?;
        let host = challenge::host_of(&realm);
        let trusted = challenge::may_see_credentials(registry, &realm);
        let response = self
            .request_token(transport, realm, &bearer, trusted, purpose)
            .await?;
        if response.status().as_u16() != 200 {
            let advice = if trusted {
                self.advice()
            } else {
                self.advice_for_stranger(&host)
            };
            return Err(fault::from_answer(transport, response, &host, purpose, &advice).await);
        }
        let body = transport
            .read(response, TOKEN_LIMIT)
            .await
            .map_err(|trouble| fault::from_trouble(trouble, &host, purpose))?;
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| {
            unexpected(
                host.clone(),
                "the token server's answer is not the JSON it should be".to_owned(),
            )
        })?;
        let token = [answer.token, answer.access_token]
            .into_iter()
            .flatten()
            .find(|token| !token.is_empty())
            .ok_or_else(|| {
                unexpected(host, "the token server's answer holds no token".to_owned())
            })?;
        let life = answer
            .expires_in
            .unwrap_or(TOKEN_LIFE)
            .clamp(TOKEN_LIFE, 86400);
        // A little early, so that it does not run out on the way.
        let expires = Instant::now() + Duration::from_secs(life - life / 10);
        *access = Access {
            kind: Kind::Token {
                bearer,
                token,
                expires,
            },
            generation: access.generation + 1,
            proved: false,
        };
        Ok(())
    }

    async fn request_token(
        &self,
        transport: &Transport,
        mut realm: Url,
        bearer: &Bearer,
        trusted: bool,
        purpose: &Purpose,
    ) -> Result<Response, Failure> {
        let scope = bearer.scope.as_deref().unwrap_or(&self.scope);
        let mut parameters: Vec<(&str, &str)> = Vec::new();
        parameters.extend(
            bearer
                .service
                .as_deref()
                .map(|service| ("service", service)),
        );
        parameters.push(("scope", scope));
        let mut headers = HeaderMap::new();
        let mut body = None;
        let mut method = Method::GET;
        match &self.credentials {
            Credentials::IdentityToken(token) if trusted => {
                let more = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", token),
                    ("client_id", "mini"),
                ];
                let mut form = realm.clone();
                form.query_pairs_mut()
                    .clear()
                    .extend_pairs(parameters.into_iter().chain(more));
                body = form.query().map(str::to_owned);
                headers.insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static("application/x-www-form-urlencoded"),
                );
                method = Method::POST;
            }
            Credentials::Basic { username, password } if trusted => {
                realm
                    .query_pairs_mut()
                    .extend_pairs(parameters)
                    .append_pair("account", username);
                headers.extend(
                    basic_header(username, password)
                        .ok()
                        .map(|value| (AUTHORIZATION, value)),
                );
            }
            _ => {
                realm.query_pairs_mut().extend_pairs(parameters);
            }
        }
        let mut followed = 0;
        loop {
            let host = challenge::host_of(&realm);
            let response = transport
                .send(method.clone(), realm.clone(), headers.clone(), body.clone())
                .await
                .map_err(|trouble| fault::from_trouble(trouble, &host, purpose))?;
            // What was posted holds a secret, and goes nowhere else.
            if !response.status().is_redirection() || body.is_some() {
                return Ok(response);
            }
            let location = response
                .headers()
                .get(LOCATION)
                .and_then(|value| value.to_str().ok());
            let next = follow(&realm, location, followed).map_err(|detail| {
                Failure::last(Error::UnexpectedAnswer {
                    operation: format!("get a token to {}", purpose.operation),
                    registry: host,
                    detail,
                })
            })?;
            if !next.same_server {
                headers.remove(AUTHORIZATION);
            }
            followed += 1;
            realm = next.url;
        }
    }

    /// What a user who was refused can do.
    fn advice(&self) -> String {
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

    fn advice_for_stranger(&self, realm: &str) -> String {
        match self.credentials {
            Credentials::Anonymous => self.advice(),
            _ => format!(
                "its token server {realm} is not of the domain of {}, so it was not shown your credentials",
                self.endpoint.host
            ),
        }
    }
}

fn bearer_header(token: &str) -> Result<HeaderValue, reqwest::header::InvalidHeaderValue> {
    secret(format!("Bearer {token}"))
}

fn basic_header(
    username: &str,
    password: &str,
) -> Result<HeaderValue, reqwest::header::InvalidHeaderValue> {
    secret(format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    ))
}

fn secret(text: String) -> Result<HeaderValue, reqwest::header::InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Digits and punctuation are always a valid header.
fn number_header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("bytes=0-"))
}
