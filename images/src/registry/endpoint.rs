//! Which hosts are asked for an image, and how far each is trusted. Pure.

use std::net::IpAddr;

use reqwest::Url;

use crate::error::{Error, Result};
use crate::pull::PullOptions;
use crate::reference::DEFAULT_REGISTRY;

/// Where `docker.io` is.
const DEFAULT_HOST: &str = "registry-1.docker.io";

/// How far a connection is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// TLS with a verified certificate only.
    Verified,
    /// TLS with any certificate, or none at all: the user allowed it.
    Insecure,
    /// As `Insecure`, without a proxy: it never leaves this machine.
    Loopback,
}

/// One host that may have the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// What stands in URLs: `localhost:5000`.
    pub(super) host: String,
    /// What comes before `/v2/`: empty, or a path without a slash at its end.
    pub(super) prefix: String,
    /// `https`, `http` or both, to be tried in order.
    pub(super) schemes: Vec<&'static str>,
    /// Not the registry itself: its failures are passed over, and it gets no credentials.
    pub(super) mirror: bool,
}

/// The hosts to ask for an image of `registry`, in order, the registry itself last.
pub(super) fn endpoints(registry: &str, options: &PullOptions) -> Result<Vec<Endpoint>> {
    let mut endpoints = Vec::new();
    for mirror in options.mirrors.get(registry).into_iter().flatten() {
        endpoints.push(parse_mirror(mirror, options)?);
    }
    let host = if registry == DEFAULT_REGISTRY {
        DEFAULT_HOST
    } else {
        registry
    };
    endpoints.push(Endpoint {
        host: host.to_owned(),
        prefix: String::new(),
        schemes: schemes(trust(host, &options.insecure)),
        mirror: false,
    });
    Ok(endpoints)
}

/// How far a connection to `host` (with or without a port) is trusted.
pub(super) fn trust(host: &str, insecure: &[String]) -> Trust {
    if is_loopback(host) {
        Trust::Loopback
    } else if insecure.iter().any(|entry| covers(entry, host)) {
        Trust::Insecure
    } else {
        Trust::Verified
    }
}

/// Host and port of a URL, as `trust` takes them.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn schemes(trust: Trust) -> Vec<&'static str> {
    match trust {
        Trust::Verified => vec!["https"],
        Trust::Insecure | Trust::Loopback => vec!["https", "http"],
    }
}

fn parse_mirror(mirror: &str, options: &PullOptions) -> Result<Endpoint> {
    let fail = |reason: &str| Error::Configuration {
        object: format!("mirror {mirror:?}"),
        reason: reason.to_owned(),
    };
    let (scheme, rest) = match mirror.split_once("://") {
        Some(("https", rest)) => (Some("https"), rest),
        Some(("http", rest)) => (Some("http"), rest),
        Some(_) => return Err(fail("it has to start with https:// or http://")),
        None => (None, mirror),
    };
    let url = Url::parse(&format!("https://{rest}"))
        .map_err(|_| fail("it has to look like mirror.example:5000"))?;
    if url.username() != ""
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(fail("it may have no user, no query and no fragment"));
    }
    let host = rest.split('/').next().unwrap_or_default().to_owned();
    let trust = trust(&host, &options.insecure);
    if scheme == Some("http") && trust == Trust::Verified {
        return Err(fail(
            "plain HTTP is for this machine's loopback and for hosts listed as insecure registries",
        ));
    }
    Ok(Endpoint {
        host,
        prefix: url.path().trim_end_matches('/').to_owned(),
        schemes: scheme.map_or_else(|| schemes(trust), |scheme| vec![scheme]),
        mirror: true,
    })
}

fn is_loopback(host: &str) -> bool {
    match without_port(host) {
        "localhost" => true,
        name => name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
    }
}

/// The name or address alone, without brackets.
fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    // An address of IPv6 without brackets has no port.
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

/// `host:port` covers itself, `host` that host with any port, `10.0.0.0/8` the addresses in it.
fn covers(entry: &str, host: &str) -> bool {
    if entry.eq_ignore_ascii_case(host) {
        return true;
    }
    let name = without_port(host);
    if let Some((network, length)) = entry.split_once('/') {
        let (Ok(network), Ok(length), Ok(address)) =
            (network.parse(), length.parse(), name.parse())
        else {
            return false;
        };
        return contains(network, length, address);
    }
    entry.eq_ignore_ascii_case(name) || entry == format!("[{name}]")
}

fn contains(network: IpAddr, length: u32, address: IpAddr) -> bool {
    let (bits, network, address) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (
            32,
            u128::from(network.to_bits()),
            u128::from(address.to_bits()),
        ),
        (IpAddr::V6(network), IpAddr::V6(address)) => (128, network.to_bits(), address.to_bits()),
        _ => return false,
    };
    if length > bits {
        return false;
    }
    (network ^ address).checked_shr(bits - length).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusts_only_loopback_and_what_is_listed() {
        let list: Vec<String> = [
            "lab:5000",
            "plain.example",
            "10.1.0.0/16",
            "fd00::/8",
            "bad/x",
        ]
        .map(str::to_owned)
        .into();
        for (host, expected) in [
            ("registry-1.docker.io", Trust::Verified),
            ("localhost", Trust::Loopback),
            ("localhost:5000", Trust::Loopback),
            ("127.0.0.1:5000", Trust::Loopback),
            ("127.9.9.9", Trust::Loopback),
            ("[::1]:5000", Trust::Loopback),
            ("localhost.example", Trust::Verified),
            ("127.0.0.1.example", Trust::Verified),
            ("lab:5000", Trust::Insecure),
            ("lab:5001", Trust::Verified),
            ("lab", Trust::Verified),
            ("plain.example:8080", Trust::Insecure),
            ("a.plain.example", Trust::Verified),
            ("10.1.2.3:5000", Trust::Insecure),
            ("10.2.2.3:5000", Trust::Verified),
            ("[fd12::1]:5000", Trust::Insecure),
            ("[fe80::1]:5000", Trust::Verified),
        ] {
            assert_eq!(trust(host, &list), expected, "{host}");
        }
    }

    #[test]
    fn asks_mirrors_first() {
        let mut options = PullOptions::default();
        let mirrors = [
            "https://cache.example/hub/",
            "127.0.0.1:5005",
            "http://localhost:5006",
        ];
        options
            .mirrors
            .insert("docker.io".to_owned(), mirrors.map(str::to_owned).into());
        let found: Vec<String> = endpoints("docker.io", &options)
            .unwrap()
            .iter()
            .map(|endpoint| {
                format!(
                    "{}://{}{}",
                    endpoint.schemes.join("|"),
                    endpoint.host,
                    endpoint.prefix
                )
            })
            .collect();
        let expected = [
            "https://cache.example/hub",
            "https|http://127.0.0.1:5005",
            "http://localhost:5006",
            "https://registry-1.docker.io",
        ];
        assert_eq!(found, expected);
        assert_eq!(endpoints("quay.io", &options).unwrap().len(), 1);
        for bad in [
            "http://cache.example",
            "ftp://x",
            "https://u:p@x",
            "https://x?y",
            "",
            "a b",
        ] {
            options
                .mirrors
                .insert("docker.io".to_owned(), vec![bad.to_owned()]);
            assert!(endpoints("docker.io", &options).is_err(), "{bad}");
        }
    }
}
