//! Networks to join, name servers and lines of /etc/hosts.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ParseError;

/// One `--network`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkAttach {
    /// A network namespace with loopback alone.
    None,
    /// The host's network.
    Host,
    /// The network namespace of another container, by name or id.
    Container(String),
    /// A network, the default one included.
    Network(NetworkEndpoint),
}

/// How a network is joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkEndpoint {
    /// The network's name or id.
    pub network: String,
    /// Further names of the container on it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Its address; `None` takes the next free one.
    #[serde(default)]
    pub ip: Option<Ipv4Addr>,
}

impl NetworkEndpoint {
    /// Joins a network with nothing special.
    pub fn new(network: impl Into<String>) -> Self {
        NetworkEndpoint {
            network: network.into(),
            aliases: Vec::new(),
            ip: None,
        }
    }
}

impl FromStr for NetworkAttach {
    type Err = ParseError;

    /// A name, `bridge`, `default`, `host`, `none`, `container:NAME`, or `name=NET,alias=NAME,ip=ADDRESS`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail = |why: String| {
            ParseError::new(
                "network",
                text,
                why,
                "bridge, host, none, container:NAME, or name=NET,alias=NAME",
            )
        };
        match text {
            "" => return Err(fail("it is empty".to_owned())),
            "none" => return Ok(NetworkAttach::None),
            "host" => return Ok(NetworkAttach::Host),
            "default" => {
                return Ok(NetworkAttach::Network(NetworkEndpoint::new(
                    network::DEFAULT_NETWORK,
                )));
            }
            _ => {}
        }
        if let Some(container) = text.strip_prefix("container:") {
            return match container {
                "" => Err(fail("the container's name is missing".to_owned())),
                _ => Ok(NetworkAttach::Container(container.to_owned())),
            };
        }
        if !text.contains('=') {
            return Ok(NetworkAttach::Network(NetworkEndpoint::new(text)));
        }
        let mut endpoint = NetworkEndpoint::new("");
        for part in text.split(',') {
            match part.split_once('=') {
                Some(("name", name)) => endpoint.network = name.to_owned(),
                Some(("alias", alias)) if !alias.is_empty() => {
                    endpoint.aliases.push(alias.to_owned())
                }
                Some(("ip", ip)) => {
                    endpoint.ip = Some(
                        ip.parse()
                            .map_err(|_| fail(format!("{ip:?} is not an IPv4 address")))?,
                    );
                }
                _ => return Err(fail(format!("{part:?} is not name=, alias= or ip="))),
            }
        }
        match endpoint.network.is_empty() {
            true => Err(fail("name= is missing".to_owned())),
            false => Ok(NetworkAttach::Network(endpoint)),
        }
    }
}

/// `--add-host NAME:ADDRESS` (or `NAME=ADDRESS`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// The address; `None` is `host-gateway`: the host as the container reaches it.
    pub address: Option<IpAddr>,
}

impl FromStr for ExtraHost {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail =
            |why: &str| ParseError::new("host", text, why, "db:10.0.0.5 or host:host-gateway");
        let (name, address) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .ok_or_else(|| fail("there is no address after a colon"))?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(fail("the name is empty or has a space"));
        }
        if address == "host-gateway" {
            return Ok(ExtraHost {
                name: name.to_owned(),
                address: None,
            });
        }
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        match bare.parse() {
            Ok(address) => Ok(ExtraHost {
                name: name.to_owned(),
                address: Some(address),
            }),
            Err(_) => Err(fail(
                "the address is neither an IP address nor host-gateway",
            )),
        }
    }
}

/// `--dns ADDRESS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NameServer(pub IpAddr);

impl FromStr for NameServer {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.parse() {
            Ok(address) => Ok(NameServer(address)),
            Err(_) => Err(ParseError::new(
                "name server",
                text,
                "it is not an IP address",
                "8.8.8.8",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read() {
        fn check(text: &str, expected: Option<NetworkAttach>) {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
        check("none", Some(NetworkAttach::None));
        check("host", Some(NetworkAttach::Host));
        check(
            "bridge",
            Some(NetworkAttach::Network(NetworkEndpoint::new("bridge"))),
        );
        check(
            "default",
            Some(NetworkAttach::Network(NetworkEndpoint::new("bridge"))),
        );
        check(
            "shop",
            Some(NetworkAttach::Network(NetworkEndpoint::new("shop"))),
        );
        check(
            "container:db",
            Some(NetworkAttach::Container("db".to_owned())),
        );
        check(
            "name=shop,alias=db,alias=sql,ip=10.1.2.3",
            Some(NetworkAttach::Network(NetworkEndpoint {
                network: "shop".to_owned(),
                aliases: vec!["db".to_owned(), "sql".to_owned()],
                ip: Some(Ipv4Addr::new(10, 1, 2, 3)),
            })),
        );
        check("", None);
        check("container:", None);
        check("name=", None);
        check("alias=x", None);
        check("name=shop,ip=x", None);
        check("name=shop,color=red", None);
    }

    #[test]
    fn hosts_are_read() {
        fn check(text: &str, expected: Option<(&str, Option<&str>)>) {
            let read = text
                .parse::<ExtraHost>()
                .ok()
                .map(|h| (h.name, h.address.map(|a| a.to_string())));
            let expected = expected.map(|(n, a)| (n.to_owned(), a.map(str::to_owned)));
            assert_eq!(read, expected, "{text:?}");
        }
        check("db:10.0.0.5", Some(("db", Some("10.0.0.5"))));
        check("db=10.0.0.5", Some(("db", Some("10.0.0.5"))));
        check("six:::1", Some(("six", Some("::1"))));
        check("six:[::1]", Some(("six", Some("::1"))));
        check("gw:host-gateway", Some(("gw", None)));
        check("db", None);
        check(":1.2.3.4", None);
        check("db:nowhere", None);
    }
}
