//! Credentials as `docker login` leaves them: `config.json`, and the helper programs it names.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Deserialize;

use crate::auth::Credentials;
use crate::error::{Error, Result};
use crate::reference::DEFAULT_REGISTRY;

/// The name under which Docker keeps what is for `docker.io`.
const DEFAULT_REGISTRY_KEY: &str = "https://index.docker.io/v1/";
/// The user's name by which a helper says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What concerns us of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConfigFile {
    auths: BTreeMap<String, Entry>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// The usual place of the file: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
pub(crate) fn default_path() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let directory = set("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".docker")))?;
    Some(directory.join("config.json"))
}

/// What the file at `path` has for `registry` (as in a reference: `docker.io`, `localhost:5000`).
///
/// # Errors
/// [`Error::Configuration`] when the file can't be read or understood, or its helper program fails.
pub(crate) fn lookup(path: &Path, registry: &str) -> Result<Credentials> {
    let fail = |reason: String| Error::Configuration {
        object: format!("credentials file {}", path.display()),
        reason,
    };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Credentials::Anonymous),
        Err(error) => return Err(fail(format!("can't be read: {error}"))),
    };
    let config: ConfigFile = serde_json::from_slice(&text)
        .map_err(|error| fail(format!("is not Docker's config.json: {error}")))?;
    let helper = config
        .cred_helpers
        .iter()
        .find(|(key, _)| names(key, registry))
        .map(|(_, helper)| helper.as_str())
        .or((!config.creds_store.is_empty()).then_some(config.creds_store.as_str()));
    if let Some(helper) = helper {
        let found = ask_helper(helper, registry).map_err(fail)?;
        if found != Credentials::Anonymous {
            return Ok(found);
        }
    }
    let entry = config.auths.iter().find(|(key, _)| names(key, registry));
    entry.map_or(Ok(Credentials::Anonymous), |(key, entry)| {
        credentials(entry).map_err(|reason| fail(format!("entry {key:?} {reason}")))
    })
}

/// Does a key of the file stand for the registry? Old files have URLs there.
fn names(key: &str, registry: &str) -> bool {
    if key == registry {
        return true;
    }
    let host = key
        .trim_start_matches("https://")
        .trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or_default();
    if registry == DEFAULT_REGISTRY {
        return matches!(
            host,
            "docker.io" | "index.docker.io" | "registry-1.docker.io"
        );
    }
    host == registry
}

fn credentials(entry: &Entry) -> Result<Credentials, String> {
    if !entry.registrytoken.is_empty() {
        return Ok(Credentials::RegistryToken(entry.registrytoken.clone()));
    }
    if !entry.identitytoken.is_empty() {
        return Ok(Credentials::IdentityToken(entry.identitytoken.clone()));
    }
    if !entry.username.is_empty() {
        return Ok(Credentials::Basic {
            username: entry.username.clone(),
            password: entry.password.clone(),
        });
    }
    if entry.auth.is_empty() {
        return Ok(Credentials::Anonymous);
    }
    let text = entry.auth.trim();
    let pair = STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text.trim_end_matches('=')))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or("has an \"auth\" that is not base64")?;
    let (username, password) = pair
        .split_once(':')
        .ok_or("has an \"auth\" that is not name:password in base64")?;
    Ok(Credentials::Basic {
        username: username.to_owned(),
        password: password.trim_end_matches('\0').to_owned(),
    })
}

/// What a helper prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Runs `docker-credential-NAME get`, which reads the registry's name and prints what it knows.
fn ask_helper(name: &str, registry: &str) -> Result<Credentials, String> {
    let program = format!("docker-credential-{name}");
    if name.is_empty() || name.contains('/') {
        return Err(format!(
            "names {name:?} as credential helper, which is no program's name"
        ));
    }
    let key = if registry == DEFAULT_REGISTRY {
        DEFAULT_REGISTRY_KEY
    } else {
        registry
    };
    let run = || -> io::Result<std::process::Output> {
        let mut child = Command::new(&program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // One that does not read its input says so by its exit.
            let _ = input.write_all(key.as_bytes());
        }
        child.wait_with_output()
    };
    let output = run().map_err(|error| {
        format!("names the credential helper {program}, which can't be run: {error}; install it, or log in without it")
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        if text.contains("credentials not found") {
            return Ok(Credentials::Anonymous);
        }
        let said = format!("{}{}", text, String::from_utf8_lossy(&output.stderr));
        return Err(format!(
            "names the credential helper {program}, which failed: {}",
            said.trim()
        ));
    }
    let answer: Answer = serde_json::from_str(&text).map_err(|error| {
        format!("names the credential helper {program}, whose answer is not understood: {error}")
    })?;
    Ok(match answer.username.as_str() {
        "" if answer.secret.is_empty() => Credentials::Anonymous,
        TOKEN_USER => Credentials::IdentityToken(answer.secret),
        _ => Credentials::Basic {
            username: answer.username,
            password: answer.secret,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, registry: &str) -> Result<Credentials> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        lookup(&path, registry)
    }

    fn basic(username: &str, password: &str) -> Credentials {
        Credentials::Basic {
            username: username.to_owned(),
            password: password.to_owned(),
        }
    }

    #[test]
    fn finds_what_docker_login_wrote() {
        let hub = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpwOng="}}}"#;
        for (json, registry, expected) in [
            ("{}", "docker.io", Credentials::Anonymous),
            (hub, "docker.io", basic("u", "p:x")),
            (hub, "localhost:5000", Credentials::Anonymous),
            (
                r#"{"auths":{"localhost:5000":{"auth":"dTpw"}}}"#,
                "localhost:5000",
                basic("u", "p"),
            ),
            (
                r#"{"auths":{"localhost:5000":{"auth":"dTpw"}}}"#,
                "localhost:5001",
                Credentials::Anonymous,
            ),
            (
                r#"{"auths":{"https://a.com/v2/":{"auth":"dTpwYQ="}}}"#,
                "a.com",
                basic("u", "pa"),
            ),
            (
                r#"{"auths":{"a.com":{"username":"u","password":"p"}}}"#,
                "a.com",
                basic("u", "p"),
            ),
            (
                r#"{"auths":{"a.com":{"identitytoken":"t"}}}"#,
                "a.com",
                Credentials::IdentityToken("t".into()),
            ),
            (
                r#"{"auths":{"a.com":{"registrytoken":"t"}}}"#,
                "a.com",
                Credentials::RegistryToken("t".into()),
            ),
            (
                r#"{"auths":{"a.com":{}},"HttpHeaders":{"X":"y"}}"#,
                "a.com",
                Credentials::Anonymous,
            ),
        ] {
            assert_eq!(
                found(json, registry).unwrap(),
                expected,
                "{json} {registry}"
            );
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (json, reason) in [
            ("", "is not Docker's config.json"),
            (r#"{"auths":{"a.com":{"auth":"%%%"}}}"#, "not base64"),
            (r#"{"auths":{"a.com":{"auth":"dXA="}}}"#, "name:password"),
            (
                r#"{"credsStore":"no-such-helper-here"}"#,
                "docker-credential-no-such-helper-here",
            ),
            (r#"{"credHelpers":{"a.com":"../x"}}"#, "no program's name"),
        ] {
            let error = found(json, "a.com").unwrap_err().to_string();
            assert!(error.contains(reason), "{json}: {error}");
        }
    }

    #[test]
    fn an_absent_file_is_no_error() {
        let nowhere = Path::new("/nonexistent/config.json");
        assert_eq!(lookup(nowhere, "a.com").unwrap(), Credentials::Anonymous);
    }
}
