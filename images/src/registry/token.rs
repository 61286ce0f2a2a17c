//! Tokens: where a registry says they are to be had, and for whom (distribution's token and OAuth 2 specifications).

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, InvalidHeaderValue, LOCATION,
};
use reqwest::{Method, Response, Url};
use serde::Deserialize;

use super::challenge::{self, Bearer};
use super::fault::{self, Failure, Purpose};
use super::redirect::follow;
use super::session::{Access, Kind, Session};
use super::transport::Transport;
use crate::auth::Credentials;
use crate::error::{Error, Result};

/// What a token lives for when its server does not say.
const TOKEN_LIFE: u64 = 60;
/// Bytes of a token server's answer.
const TOKEN_LIMIT: u64 = 1 << 20;

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
    /// Gets a token from the server that the registry named.
    pub(super) async fn renew(
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
}

pub(super) fn bearer_header(token: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    secret(format!("Bearer {token}"))
}

pub(super) fn basic_header(
    username: &str,
    password: &str,
) -> Result<HeaderValue, InvalidHeaderValue> {
    secret(format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    ))
}

fn secret(text: String) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}
