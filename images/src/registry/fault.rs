//! What went wrong with a request, in words for a person, and whether to try again.

use std::error::Error as StdError;
use std::io;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::retry::{self, Class};
use super::transport::{Transport, Trouble};
use crate::error::Error;

/// Bytes of an error's text that are read.
const DETAIL_LIMIT: u64 = 64 << 10;

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What is told when it was the last.
    pub(crate) error: Error,
    /// Why another attempt may fare better; `None` when it won't.
    pub(crate) class: Option<Class>,
    /// No byte came back: it may be the wrong protocol.
    pub(super) unconnected: bool,
}

/// What was being done, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Purpose {
    /// `get manifest of redis:7`.
    pub(crate) operation: String,
    /// `image redis:7`.
    pub(crate) object: String,
    /// What is absent where the answer is 404.
    pub(crate) noun: &'static str,
}

impl Failure {
    /// One that no repetition mends.
    pub(crate) fn last(error: Error) -> Failure {
        Failure {
            error,
            class: None,
            unconnected: false,
        }
    }

    /// A short reason, for progress.
    pub(crate) fn why(&self) -> String {
        match &self.error {
            Error::Unreachable { detail, .. }
            | Error::UnexpectedAnswer { detail, .. }
            | Error::RateLimited { detail, .. } => detail.clone(),
            other => other.to_string(),
        }
    }
}

/// Puts a failed connection into words.
pub(super) fn from_trouble(trouble: Trouble, registry: &str, purpose: &Purpose) -> Failure {
    let unreachable = |detail: String, advice: String, class, unconnected| Failure {
        error: Error::Unreachable {
            operation: purpose.operation.clone(),
            registry: registry.to_owned(),
            detail,
            advice,
        },
        class,
        unconnected,
    };
    let running = format!("is the registry running, and {registry} its right name?");
    match trouble {
        Trouble::Refused(error) => Failure::last(error),
        Trouble::TooLarge(limit) => Failure::last(Error::Invalid {
            object: purpose.object.clone(),
            reason: format!("{registry} sends more than the {limit} bytes it may have"),
        }),
        Trouble::Stalled(time) => unreachable(
            format!("nothing came in for {} s", time.as_secs_f64().round()),
            "the network or the registry is too slow, or stands still".to_owned(),
            Some(Class::Broken),
            false,
        ),
        Trouble::Broken(error) => {
            let unconnected = error.is_connect() && !error.is_timeout();
            let (detail, advice, class) = match tls_error(&error) {
                Some(rustls::Error::InvalidCertificate(reason)) => (
                    format!(
                        "its certificate is not accepted: {}",
                        certificate_fault(reason)
                    ),
                    format!(
                        "add the authority that signed it to the trusted ones, or list {registry} as an insecure registry"
                    ),
                    None,
                ),
                Some(rustls::Error::InvalidMessage(_)) => (
                    "it does not speak TLS".to_owned(),
                    format!(
                        "if it is a registry over plain HTTP and you trust the network, list {registry} as an insecure registry"
                    ),
                    None,
                ),
                Some(other) => (other.to_string(), running, Some(Class::Connect)),
                None if error.is_timeout() => (
                    "the connection timed out".to_owned(),
                    running,
                    Some(Class::Connect),
                ),
                None if error.is_connect() => (innermost(&error), running, Some(Class::Connect)),
                None => (
                    innermost(&error),
                    "the connection broke, or this is no registry".to_owned(),
                    Some(Class::Broken),
                ),
            };
            unreachable(detail, advice, class, unconnected)
        }
    }
}

/// The usual faults of certificates in plain words.
fn certificate_fault(fault: &rustls::CertificateError) -> String {
    use rustls::CertificateError as Fault;
    match fault {
        Fault::UnknownIssuer => "it is signed by an authority that is not trusted here".to_owned(),
        Fault::Expired | Fault::ExpiredContext { .. } => "it has expired".to_owned(),
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
            "it is not valid yet; is the clock right?".to_owned()
        }
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        Fault::Revoked => "it was revoked".to_owned(),
        other => other.to_string(),
    }
}

/// Puts an answer that is not the wished one into words.
pub(super) async fn from_answer(
    transport: &Transport,
    response: Response,
    registry: &str,
    purpose: &Purpose,
    advice: &str,
) -> Failure {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let body = transport
        .read(response, DETAIL_LIMIT)
        .await
        .unwrap_or_default();
    let detail = describe(status, &body);
    let registry = registry.to_owned();
    match status.as_u16() {
        401 | 403 => Failure::last(Error::Unauthorized {
            object: purpose.object.clone(),
            registry,
            detail,
            advice: advice.to_owned(),
        }),
        404 => Failure::last(Error::NotFound {
            object: purpose.object.clone(),
            registry,
            noun: purpose.noun,
            detail,
        }),
        429 => Failure {
            error: Error::RateLimited {
                registry,
                detail,
                advice: match retry_after {
                    Some(time) => format!(
                        "try again in {} s, or log in to be allowed more",
                        time.as_secs()
                    ),
                    None => "try again later, or log in to be allowed more".to_owned(),
                },
            },
            class: Some(Class::Busy(retry_after)),
            unconnected: false,
        },
        other => Failure {
            error: Error::UnexpectedAnswer {
                operation: purpose.operation.clone(),
                registry,
                detail,
            },
            class: retry::is_transient(other).then_some(Class::Busy(retry_after)),
            unconnected: false,
        },
    }
}

fn retry_after(headers: &HeaderMap) -> Option<std::time::Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    retry::parse_retry_after(text, Timestamp::now())
}

/// The errors of the distribution specification, or of an OAuth 2 server.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    errors: Vec<ErrorEntry>,
    details: String,
    message: String,
    error_description: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorEntry {
    code: String,
    message: String,
}

/// The status and the registry's own words.
fn describe(status: StatusCode, body: &[u8]) -> String {
    let parsed: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let entry = parsed.errors.first();
    let words = entry
        .map(|entry| {
            if entry.message.is_empty() {
                &entry.code
            } else {
                &entry.message
            }
        })
        .or_else(|| {
            [&parsed.details, &parsed.error_description, &parsed.message]
                .into_iter()
                .find(|text| !text.is_empty())
        })
        .map(|text| {
            text.chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect::<String>()
        })
        .filter(|text| !text.is_empty());
    let status = format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    match words {
        Some(words) => format!("{}: {words}", status.trim_end()),
        None => status.trim_end().to_owned(),
    }
}

/// The error of TLS in a chain of causes. An `io::Error` names not what it was made of as its cause, but the cause of that.
fn tls_error<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    let inner = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match inner {
        Some(inner) => tls_error(inner),
        None => tls_error(error.source()?),
    }
}

/// The cause of all causes, in lower case where it is the kernel's.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::raw_os_error)
    {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_lowercase(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_the_registry() {
        for (status, body, expected) in [
            (
                404,
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                "404 Not Found: manifest unknown",
            ),
            (
                404,
                r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#,
                "404 Not Found: NAME_UNKNOWN",
            ),
            (
                401,
                r#"{"details":"incorrect username or password"}"#,
                "401 Unauthorized: incorrect username or password",
            ),
            (500, "<html>", "500 Internal Server Error"),
            (
                500,
                "{\"message\":\"a\\u001b[31mb\"}",
                "500 Internal Server Error: a[31mb",
            ),
            (599, "", "599"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(describe(status, body.as_bytes()), expected);
        }
    }
}
