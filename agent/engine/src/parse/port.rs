//! Published and exposed ports.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use network::{PortMapping, Protocol};
use serde::{Deserialize, Serialize};

use super::ParseError;

/// `-p`: `[ADDRESS:][HOST_PORT[-LAST]:]PORT[-LAST][/tcp|udp]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// Where to listen; `None` is every address of the host.
    pub host_ip: Option<Ipv4Addr>,
    /// First and last port of the host; `None` lets the kernel choose.
    pub host_ports: Option<(u16, u16)>,
    /// First and last port of the container.
    pub container_ports: (u16, u16),
    /// tcp or udp.
    pub protocol: Protocol,
}

const EXAMPLE: &str = "8080:80, 127.0.0.1:8080:80, 8000-8010:8000-8010 or 53:53/udp";

impl PortSpec {
    /// One mapping for each port of the container. A host range for a single port of the container is tried from its
    /// first port on: see [`PortSpec::choices`].
    pub fn mappings(&self) -> Vec<PortMapping> {
        let (first, last) = self.container_ports;
        (first..=last)
            .enumerate()
            .map(|(index, container_port)| PortMapping {
                host_ip: self.host_ip,
                host_port: match self.host_ports {
                    None => 0,
                    // The lengths are equal: the parser saw to it.
                    Some((first, _)) => first + index as u16,
                },
                container_port,
                protocol: self.protocol,
            })
            .collect()
    }

    /// The host ports of which any one will do, where a range of the host stands for one port of the container.
    pub fn choices(&self) -> Option<std::ops::RangeInclusive<u16>> {
        let (first, last) = self.host_ports?;
        (self.container_ports.0 == self.container_ports.1 && first != last).then_some(first..=last)
    }
}

impl FromStr for PortSpec {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail = |why: String| ParseError::new("port", text, why, EXAMPLE);
        if text.contains('[') || text.matches(':').count() > 2 {
            return Err(fail(
                "IPv6 addresses are not published on yet: give an IPv4 address".to_owned(),
            ));
        }
        let (ports, protocol) = protocol(text).map_err(fail)?;
        let mut parts = ports.rsplitn(3, ':');
        let container = parts.next().unwrap_or_default();
        let host = parts.next();
        let ip = parts.next();
        let container_ports = range(container).map_err(fail)?;
        let host_ports = match host {
            None | Some("") => None,
            Some("0") => None,
            Some(host) => Some(range(host).map_err(fail)?),
        };
        let host_ip = match ip {
            None | Some("") => None,
            Some("localhost") => Some(Ipv4Addr::LOCALHOST),
            Some(ip) => Some(
                ip.parse::<Ipv4Addr>()
                    .map_err(|_| fail(format!("{ip:?} is not an IPv4 address")))?,
            ),
        };
        if let Some(host) = host_ports {
            let (wanted, given) = (length(container_ports), length(host));
            if wanted != given && wanted != 1 {
                return Err(fail(format!(
                    "the host's range has {given} ports, the container's {wanted}"
                )));
            }
        }
        Ok(PortSpec {
            host_ip: host_ip.filter(|ip| !ip.is_unspecified()),
            host_ports,
            container_ports,
            protocol,
        })
    }
}

/// A port that the image or `--expose` tells of: `80`, `80/udp`, `8000-8010`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExposedPort {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
    /// tcp or udp.
    pub protocol: Protocol,
}

impl FromStr for ExposedPort {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail =
            |why: String| ParseError::new("exposed port", text, why, "80, 53/udp or 8000-8010");
        let (ports, protocol) = protocol(text).map_err(fail)?;
        let (first, last) = range(ports).map_err(fail)?;
        Ok(ExposedPort {
            first,
            last,
            protocol,
        })
    }
}

impl fmt::Display for ExposedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}/{}", self.first, self.protocol),
            false => write!(f, "{}-{}/{}", self.first, self.last, self.protocol),
        }
    }
}

fn protocol(text: &str) -> Result<(&str, Protocol), String> {
    match text.split_once('/') {
        None => Ok((text, Protocol::Tcp)),
        Some((ports, name)) => match name.parse() {
            Ok(protocol) => Ok((ports, protocol)),
            Err(_) => Err(format!("the protocol {name:?} is neither tcp nor udp")),
        },
    }
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err(format!("{text:?} is not a port between 1 and 65535")),
    };
    match text.split_once('-') {
        None => port(text).map(|port| (port, port)),
        Some((first, last)) => {
            let (first, last) = (port(first)?, port(last)?);
            match first <= last {
                true => Ok((first, last)),
                false => Err(format!("the range {text} ends before it begins")),
            }
        }
    }
}

fn length((first, last): (u16, u16)) -> u32 {
    u32::from(last) - u32::from(first) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_are_read() {
        fn check(text: &str, expected: Result<&str, &str>) {
            let read = text.parse::<PortSpec>();
            let shown = read.map(|spec| {
                spec.mappings()
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            match (&shown, expected) {
                (Ok(shown), Ok(expected)) => assert_eq!(shown, expected, "{text:?}"),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{text:?}: {error}");
                }
                _ => panic!("{text:?}: {shown:?}, expected {expected:?}"),
            }
        }
        check("80", Ok("0.0.0.0:0->80/tcp"));
        check("8080:80", Ok("0.0.0.0:8080->80/tcp"));
        check("8080:80/udp", Ok("0.0.0.0:8080->80/udp"));
        check("8080:80/TCP", Ok("0.0.0.0:8080->80/tcp"));
        check("127.0.0.1:8080:80", Ok("127.0.0.1:8080->80/tcp"));
        check("localhost:8080:80", Ok("127.0.0.1:8080->80/tcp"));
        check("127.0.0.1::80", Ok("127.0.0.1:0->80/tcp"));
        check("127.0.0.1:0:80", Ok("127.0.0.1:0->80/tcp"));
        check("0.0.0.0:8080:80", Ok("0.0.0.0:8080->80/tcp"));
        check(
            "8000-8001:9000-9001",
            Ok("0.0.0.0:8000->9000/tcp 0.0.0.0:8001->9001/tcp"),
        );
        check("9000-9001", Ok("0.0.0.0:0->9000/tcp 0.0.0.0:0->9001/tcp"));
        check("8000-8005:80", Ok("0.0.0.0:8000->80/tcp"));
        check("65535:65535", Ok("0.0.0.0:65535->65535/tcp"));
        check("", Err("not a port"));
        check(":", Err("not a port"));
        check("80:", Err("not a port"));
        check("80:0", Err("not a port"));
        check("65536:80", Err("not a port"));
        check("+80:80", Err("not a port"));
        check("a:80", Err("not a port"));
        check("1.2.3:80:80", Err("not an IPv4 address"));
        check("8001-8000:80-81", Err("ends before"));
        check("8000-8001:80-82", Err("2 ports, the container's 3"));
        check("80:80/sctp", Err("neither tcp nor udp"));
        check("[::1]:80:80", Err("IPv6"));
        check("::1:80:80", Err("IPv6"));
    }

    #[test]
    fn a_host_range_for_one_port_is_a_choice() {
        fn check(text: &str, expected: Option<(u16, u16)>) {
            let spec: PortSpec = text.parse().unwrap();
            assert_eq!(
                spec.choices().map(|r| (*r.start(), *r.end())),
                expected,
                "{text}"
            );
        }
        check("8000-8005:80", Some((8000, 8005)));
        check("8000:80", None);
        check("8000-8001:80-81", None);
    }

    #[test]
    fn exposed_ports_are_read() {
        fn check(text: &str, expected: Option<&str>) {
            let read = text.parse::<ExposedPort>().ok().map(|p| p.to_string());
            assert_eq!(read.as_deref(), expected, "{text:?}");
        }
        check("80", Some("80/tcp"));
        check("53/udp", Some("53/udp"));
        check("80-82/tcp", Some("80-82/tcp"));
        check("0", None);
        check("x", None);
    }
}
