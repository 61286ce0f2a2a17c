//! `[ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]`.

use super::choice;
use crate::error::{Fault, Result};
use crate::place::Path;
use crate::tree::{Map, Node, Value};

/// Ports from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

impl Range {
    pub(crate) fn ports(self) -> std::ops::RangeInclusive<u16> {
        self.first..=self.last
    }

    fn len(self) -> usize {
        self.ports().len()
    }
}

pub(super) fn long(node: &mut Node, path: &Path) -> Result<()> {
    let Value::List(items) = &mut node.value else {
        let why = format!("must be a list, and is {}", node.kind());
        return Err(Fault::new(node.at, path, why));
    };
    let mut ports = Vec::new();
    for (index, item) in std::mem::take(items).into_iter().enumerate() {
        let Some(text) = item.as_text() else {
            ports.push(item);
            continue;
        };
        let short = parse(text).map_err(|why| Fault::new(item.at, &path.index(index), why))?;
        ports.extend(short.into_iter().map(|port| port.node(&item)));
    }
    *items = ports;
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Port {
    address: Option<String>,
    published: Option<u16>,
    target: u16,
    protocol: String,
}

impl Port {
    fn node(&self, item: &Node) -> Node {
        let at = item.at;
        let mut map = Map::default();
        if let Some(address) = &self.address {
            map.put("host_ip", Node::text(address, at));
        }
        map.put("mode", Node::plain("ingress", at));
        map.put("protocol", Node::plain(&self.protocol, at));
        if let Some(published) = self.published {
            map.put("published", Node::text(published.to_string(), at));
        }
        map.put("target", Node::plain(self.target.to_string(), at));
        Node::map(map, at)
    }
}

fn parse(text: &str) -> Result<Vec<Port>, String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    choice(&protocol, &["tcp", "udp", "sctp"])?;
    let (before, target) = match ports.rsplit_once(':') {
        Some((before, target)) => (Some(before), target),
        None => (None, ports),
    };
    let (address, published) = match before {
        None => (None, ""),
        Some(before) => match before.rsplit_once(':') {
            Some((address, published)) => (Some(address), published),
            None if before.contains(['.', '[']) => (Some(before), ""),
            None => (None, before),
        },
    };
    let address = address.map(|address| address.trim_start_matches('[').trim_end_matches(']'));
    if let Some(address) = address
        && address.parse::<std::net::IpAddr>().is_err()
    {
        return Err(format!("`{text}`: `{address}` is no address"));
    }
    let target = range(target).map_err(|why| format!("`{text}`: {why}"))?;
    let published = match published {
        "" => None,
        published => Some(range(published).map_err(|why| format!("`{text}`: {why}"))?),
    };
    let port = |published, target| Port {
        address: address.map(str::to_owned),
        published,
        target,
        protocol: protocol.clone(),
    };
    match published {
        None => Ok(target.ports().map(|target| port(None, target)).collect()),
        Some(published) if published.len() == target.len() => Ok(published
            .ports()
            .zip(target.ports())
            .map(|(published, target)| port(Some(published), target))
            .collect()),
        Some(published) if target.len() == 1 => Ok(published
            .ports()
            .map(|published| port(Some(published), target.first))
            .collect()),
        Some(published) => Err(format!(
            "`{text}`: {} published ports cannot lead to {} ports of the container",
            published.len(),
            target.len()
        )),
    }
}

/// `80` or `80-90`.
pub(crate) fn range(text: &str) -> Result<Range, String> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err(format!("`{text}` is no port: a number from 1 to 65535")),
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    match first <= last {
        true => Ok(Range { first, last }),
        false => Err(format!("`{text}` ends before it begins")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let ports = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let shown: Vec<String> = ports
            .iter()
            .map(|port| {
                let address = port.address.as_deref().map(|a| format!("{a} "));
                let published = port.published.map(|p| format!("{p}->"));
                format!(
                    "{}{}{}/{}",
                    address.unwrap_or_default(),
                    published.unwrap_or_default(),
                    port.target,
                    port.protocol
                )
            })
            .collect();
        assert_eq!(shown, expected, "{text}");
    }

    fn refused(text: &str, expected: &str) {
        let why = parse(text).expect_err(text);
        assert!(why.contains(expected), "{why}");
    }

    #[test]
    fn short_forms_are_read() {
        check("80", &["80/tcp"]);
        check("8080:80", &["8080->80/tcp"]);
        check("22:22", &["22->22/tcp"]);
        check("53:53/udp", &["53->53/udp"]);
        check("53:53/UDP", &["53->53/udp"]);
        check("127.0.0.1:8080:80", &["127.0.0.1 8080->80/tcp"]);
        check("127.0.0.1::80", &["127.0.0.1 80/tcp"]);
        check("[::1]:8080:80", &["::1 8080->80/tcp"]);
        check("80-82", &["80/tcp", "81/tcp", "82/tcp"]);
        check("90-91:80-81", &["90->80/tcp", "91->81/tcp"]);
        check("90-92:80", &["90->80/tcp", "91->80/tcp", "92->80/tcp"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        refused("", "`` is no port");
        refused("80a", "`80a` is no port");
        refused("0", "`0` is no port");
        refused("+80", "`+80` is no port");
        refused("65536", "`65536` is no port");
        refused("80/tpc", "did you mean `tcp`?");
        refused("90-80", "ends before it begins");
        refused("90-91:80-82", "2 published ports cannot lead to 3");
        refused("host:90:80", "`host` is no address");
    }
}
