//! Where a daemon is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use identity::{Credential, TrustBundle, client_config, server_name};
use tonic::transport::Channel;

use super::dial;
use super::saved::Saved;
use crate::failure::Failure;

/// Where a daemon is, and how one gets there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Behind a socket of this host.
    Unix(PathBuf),
    /// On another host, through ssh.
    Ssh(String),
    /// A manager's port, with a manager's certificate.
    Tcp { address: String, tls: TlsFiles },
}

/// Files in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct TlsFiles {
    pub(crate) ca: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Endpoint {
    /// Reads what a person wrote: `unix://PATH`, a path, `ssh://[USER@]HOST[:PORT]`, `tcp://HOST:PORT`.
    pub(crate) fn parse(text: &str, tls: Option<&TlsFiles>) -> Result<Self, Failure> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Ok(Endpoint::Unix(path.into()));
        }
        if text.starts_with('/') {
            return Ok(Endpoint::Unix(text.into()));
        }
        if let Some(host) = text
            .strip_prefix("ssh://")
            .filter(|host| !host.is_empty() && !host.starts_with('-'))
        {
            return Ok(Endpoint::Ssh(host.trim_end_matches('/').to_owned()));
        }
        if let Some(address) = text
            .strip_prefix("tcp://")
            .filter(|address| !address.is_empty())
        {
            let Some(tls) = tls else {
                return Err(Failure::new(format!(
                    "{text} needs a certificate: make a context for it with `minictl context create NAME --endpoint {text} --tls-ca FILE --tls-cert FILE --tls-key FILE`"
                )));
            };
            let address = if address.contains(':') {
                address.to_owned()
            } else {
                format!("{address}:{}", api::CLUSTER_PORT)
            };
            return Ok(Endpoint::Tcp {
                address,
                tls: tls.clone(),
            });
        }
        Err(Failure::new(format!(
            "`{text}` is no host: write unix:///PATH, ssh://[USER@]HOST or tcp://HOST:PORT"
        )))
    }

    /// The endpoint of a context.
    pub(crate) fn of_saved(saved: &Saved) -> Result<Self, Failure> {
        Endpoint::parse(&saved.host, saved.tls.as_ref())
    }

    pub(super) fn channel(&self) -> Result<Channel, Failure> {
        match self {
            Endpoint::Unix(path) => Ok(api::connect::unix(path)),
            Endpoint::Ssh(host) => Ok(dial::channel(host)),
            Endpoint::Tcp { address, tls } => {
                let read = |path: &Path| {
                    std::fs::read_to_string(path)
                        .map_err(|error| Failure::new(format!("read {}: {error}", path.display())))
                };
                let bundle =
                    TrustBundle::from_pem(&read(&tls.ca)?).map_err(|error| Failure::of(&error))?;
                let credential = Credential {
                    key_pem: read(&tls.key)?,
                    chain_pem: read(&tls.cert)?,
                    bundle,
                };
                let config = client_config(&credential).map_err(|error| Failure::of(&error))?;
                Ok(api::connect::tls(
                    address,
                    move || Arc::clone(&config),
                    server_name(),
                ))
            }
        }
    }

    /// Why nobody answers, and what to do.
    pub(super) fn explain(&self, kind: io::ErrorKind) -> String {
        match (self, kind) {
            (Endpoint::Unix(path), io::ErrorKind::PermissionDenied) => format!(
                "you may not use {}: be root, or in the group `mini` (`usermod -aG mini $USER`, then log in again)",
                path.display()
            ),
            (Endpoint::Unix(path), _) => {
                format!(
                    "no minid answers on {}: start it with `systemctl start minid`, or `minid` in another terminal",
                    path.display()
                )
            }
            (Endpoint::Ssh(host), _) => {
                format!("no minid can be reached through ssh on {host}: {kind}")
            }
            (Endpoint::Tcp { address, .. }, _) => {
                format!("no manager answers on {address}: {kind}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, TlsFiles};

    #[test]
    fn hosts_are_read_as_they_are_written() {
        let tls = TlsFiles::default();
        let tcp = |address: &str| Endpoint::Tcp {
            address: address.to_owned(),
            tls: tls.clone(),
        };
        let table = [
            ("unix:///run/x.sock", Endpoint::Unix("/run/x.sock".into())),
            ("/run/x.sock", Endpoint::Unix("/run/x.sock".into())),
            ("ssh://root@node1/", Endpoint::Ssh("root@node1".to_owned())),
            ("tcp://node1", tcp("node1:2377")),
            ("tcp://node1:7", tcp("node1:7")),
        ];
        for (text, expected) in table {
            assert_eq!(
                Endpoint::parse(text, Some(&tls)).ok(),
                Some(expected),
                "{text}"
            );
        }
        for wrong in [
            "node1",
            "http://x",
            "ssh://",
            "ssh://-oProxyCommand=x",
            "tcp://",
        ] {
            assert!(Endpoint::parse(wrong, Some(&tls)).is_err(), "{wrong}");
        }
        assert!(
            Endpoint::parse("tcp://node1", None).is_err(),
            "no certificate"
        );
    }
}
