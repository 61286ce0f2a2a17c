//! `--publish 8080:80` and `--publish published=8080,target=80,mode=host`.

use model::{PortProtocol, PortSpec, PublishMode};

use super::values::{fields, needed};

/// What one `--publish` stands for: a range is several ports.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ports(pub(super) Vec<PortSpec>);

/// Which ports `--publish-rm` takes away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    port: u32,
    protocol: PortProtocol,
}

impl Target {
    /// Whether it stands for this port.
    pub(super) fn is(self, port: &PortSpec) -> bool {
        (self.port, self.protocol) == (port.target, port.protocol())
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.port, word(self.protocol))
    }
}

/// Reads either spelling.
pub(super) fn ports(text: &str) -> Result<Ports, String> {
    let read = if text.contains('=') {
        long(text).map(|port| vec![port])
    } else {
        short(text)
    };
    read.map(Ports).map_err(|why| {
        format!("{why}; write it like 8080:80, 53:53/udp or published=8080,target=80,mode=host")
    })
}

/// Reads `80` or `53/udp`.
pub(super) fn target(text: &str) -> Result<Target, String> {
    let (number, protocol) = split_protocol(text)?;
    Ok(Target {
        port: port(number)?,
        protocol,
    })
}

fn long(text: &str) -> Result<PortSpec, String> {
    let mut spec = PortSpec::default();
    for (key, value) in fields(text)? {
        let value = needed(&key, value)?;
        match key.as_str() {
            "name" => spec.name = value,
            "target" => spec.target = port(&value)?,
            "published" => {
                spec.published = match value.as_str() {
                    "0" => 0,
                    value => port(value)?,
                }
            }
            "protocol" => spec.protocol = protocol(&value)?.into(),
            "mode" => {
                let mode = match value.as_str() {
                    "ingress" => PublishMode::Ingress,
                    "host" => PublishMode::Host,
                    _ => return Err(format!("the mode {value:?} is neither ingress nor host")),
                };
                spec.mode = mode.into();
            }
            _ => return Err(format!("the key {key:?} is unknown")),
        }
    }
    if spec.target == 0 {
        return Err("target= is missing".to_owned());
    }
    Ok(spec)
}

fn short(text: &str) -> Result<Vec<PortSpec>, String> {
    let (ports, protocol) = split_protocol(text)?;
    let (published, target) = match ports.split_once(':') {
        None => (None, ports),
        Some((_, rest)) if rest.contains(':') => {
            return Err(
                "a service's port is published on all addresses: leave the address away".to_owned(),
            );
        }
        Some(("" | "0", target)) => (None, target),
        Some((published, target)) => (Some(published), target),
    };
    let targets = range(target)?;
    let published = published.map(range).transpose()?;
    if let Some(published) = &published
        && published.len() != targets.len()
    {
        return Err(format!(
            "{} ports can't stand for {}",
            published.len(),
            targets.len()
        ));
    }
    let spec = |(place, target): (usize, &u32)| PortSpec {
        protocol: protocol.into(),
        target: *target,
        published: published.as_ref().map_or(0, |published| published[place]),
        ..PortSpec::default()
    };
    Ok(targets.iter().enumerate().map(spec).collect())
}

fn split_protocol(text: &str) -> Result<(&str, PortProtocol), String> {
    match text.split_once('/') {
        None => Ok((text, PortProtocol::Tcp)),
        Some((ports, word)) => Ok((ports, protocol(word)?)),
    }
}

fn protocol(word: &str) -> Result<PortProtocol, String> {
    match word.to_lowercase().as_str() {
        "tcp" => Ok(PortProtocol::Tcp),
        "udp" => Ok(PortProtocol::Udp),
        "sctp" => Ok(PortProtocol::Sctp),
        _ => Err(format!(
            "the protocol {word:?} is none of tcp, udp and sctp"
        )),
    }
}

fn range(text: &str) -> Result<Vec<u32>, String> {
    let (first, last) = match text.split_once('-') {
        None => (port(text)?, port(text)?),
        Some((first, last)) => (port(first)?, port(last)?),
    };
    if first > last {
        return Err(format!("the range {text} ends before it begins"));
    }
    Ok((first..=last).collect())
}

fn port(text: &str) -> Result<u32, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if port > 0 && digits => Ok(port.into()),
        _ => Err(format!("{text:?} is no port from 1 to 65535")),
    }
}

/// As people read it: `*:8080->80/tcp`, as Docker writes it.
pub(crate) fn shown(port: &PortSpec) -> String {
    let protocol = word(port.protocol());
    match port.published {
        0 => format!("{}/{protocol}", port.target),
        published => format!("*:{published}->{}/{protocol}", port.target),
    }
}

/// The protocol in a word.
pub(crate) fn word(protocol: PortProtocol) -> &'static str {
    match protocol {
        PortProtocol::Tcp => "tcp",
        PortProtocol::Udp => "udp",
        PortProtocol::Sctp => "sctp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_ports_are_read() {
        fn check(text: &str, expected: Result<&str, &str>) {
            let read = ports(text).map(|ports| {
                let shown = ports.0.iter().map(|port| match port.mode() {
                    PublishMode::Ingress => shown(port),
                    PublishMode::Host => format!("{} host", shown(port)),
                });
                shown.collect::<Vec<_>>().join(" ")
            });
            match (&read, expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{text}"),
                (Err(error), Err(named)) => assert!(error.contains(named), "{text}: {error}"),
                _ => panic!("{text}: {read:?}, expected {expected:?}"),
            }
        }
        check("80", Ok("80/tcp"));
        check("8080:80", Ok("*:8080->80/tcp"));
        check("0:80", Ok("80/tcp"));
        check("53:53/UDP", Ok("*:53->53/udp"));
        check(
            "8000-8001:9000-9001",
            Ok("*:8000->9000/tcp *:8001->9001/tcp"),
        );
        check(
            "published=8080,target=80,mode=host",
            Ok("*:8080->80/tcp host"),
        );
        check("target=9,protocol=sctp", Ok("9/sctp"));
        check("published=0,target=80", Ok("80/tcp"));
        check("127.0.0.1:8080:80", Err("all addresses"));
        check("8000-8005:80", Err("6 ports can't stand for 1"));
        check("9-8", Err("ends before"));
        check("", Err("no port"));
        check("+80", Err("no port"));
        check("80/icmp", Err("none of tcp"));
        check("published=80", Err("target="));
        check("target=80,mode=maybe", Err("neither ingress"));
        check("target=80,color=red", Err("unknown"));
    }

    #[test]
    fn a_target_stands_for_one_protocol() {
        fn check(text: &str, port: &str, expected: bool) {
            let port = &ports(port).unwrap().0[0];
            assert_eq!(target(text).unwrap().is(port), expected, "{text}");
        }
        check("80", "8080:80", true);
        check("80/tcp", "8080:80", true);
        check("80", "8080:80/udp", false);
        check("8080", "8080:80", false);
        assert!(target("8080:80").is_err());
    }
}
