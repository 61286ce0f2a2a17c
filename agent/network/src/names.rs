//! Names and numbers that are derived or checked: pure, but for the random ones.

use std::fs::File;
use std::io::Read;
use std::net::Ipv4Addr;

use crate::error::{Error, Result};
use crate::netlink::{Link, MacAddr};

/// The predefined network's bridge.
pub(crate) const DEFAULT_BRIDGE: &str = "mini0";
/// The predefined network's id: the letters of its bridge.
pub(crate) const DEFAULT_ID: &str =
    "6d696e6930000000000000000000000000000000000000000000000000000000";

/// A network's name: what Docker takes, and no path.
pub(crate) fn check_network_name(name: &str) -> Result<()> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > 64 {
        "at most 64 characters"
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "it must begin with a letter or a digit"
    } else if !name.chars().all(is_name_char) {
        "letters, digits, '_', '.' and '-' only"
    } else if ["none", "host", "default", "container"].contains(&name) {
        "the name is reserved"
    } else {
        return Ok(());
    };
    Err(Error::Invalid {
        what: "network name",
        value: name.to_owned(),
        reason: reason.to_owned(),
    })
}

/// An endpoint's id becomes part of a file's name.
pub(crate) fn check_endpoint_id(id: &str) -> Result<()> {
    if !id.is_empty() && id.len() <= 128 && !id.starts_with('.') && id.chars().all(is_name_char) {
        return Ok(());
    }
    let reason = "1 to 128 letters, digits, '_', '.' and '-', not beginning with '.'".to_owned();
    Err(Error::Invalid {
        what: "endpoint id",
        value: id.to_owned(),
        reason,
    })
}

/// A link's name, as `dev_valid_name` of the kernel has it.
pub(crate) fn check_link_name(name: &str) -> Result<()> {
    let fits = (1..=15).contains(&name.len()) && name != "." && name != "..";
    if fits && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c == '\0') {
        return Ok(());
    }
    let reason = "1 to 15 characters without '/', ':' and spaces".to_owned();
    Err(Error::Invalid {
        what: "interface name",
        value: name.to_owned(),
        reason,
    })
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// The bridge of the network with this id: 15 characters.
pub(crate) fn bridge_of(id: &str) -> String {
    format!("mini-{}", id.get(..10).unwrap_or(id))
}

/// Whether a link is a bridge of ours.
pub(crate) fn is_our_bridge(link: &Link) -> bool {
    let by_id = |name: &str| {
        name.strip_prefix("mini-")
            .is_some_and(|rest| is_hex(rest, 10))
    };
    link.kind == "bridge" && (link.name == DEFAULT_BRIDGE || by_id(&link.name))
}

/// Whether a link is the host's end of a pair of ours.
pub(crate) fn is_our_veth(link: &Link) -> bool {
    link.kind == "veth"
        && link
            .name
            .strip_prefix("mv")
            .is_some_and(|rest| is_hex(rest, 12))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A link's address follows from its IP address: a neighbour's table is never wrong after an address was given on.
pub(crate) fn mac_of(ip: Ipv4Addr) -> MacAddr {
    let [a, b, c, d] = ip.octets();
    MacAddr([0x02, 0x4d, a, b, c, d])
}

/// A new network's id.
pub(crate) fn random_id() -> Result<String> {
    random_hex::<32>()
}

/// A name for the host's end of a pair. Random, since the namespace of an endpoint that just ended may still be on
/// its way out with a link of the same id.
pub(crate) fn random_veth() -> Result<String> {
    Ok(format!("mv{}", random_hex::<6>()?))
}

fn random_hex<const BYTES: usize>() -> Result<String> {
    let mut bytes = [0; BYTES];
    let path = "/dev/urandom";
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(Error::system("read", path))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_names() {
        let check =
            |name: &str, ok: bool| assert_eq!(check_network_name(name).is_ok(), ok, "{name:?}");
        check("web", true);
        check("9lives_a.b-c", true);
        check(&"x".repeat(64), true);
        check(&"x".repeat(65), false);
        for bad in [
            "", "-a", ".a", "..", "a/b", "a b", "ä", "none", "host", "a@b",
        ] {
            check(bad, false);
        }
    }

    #[test]
    fn link_names() {
        let check =
            |name: &str, ok: bool| assert_eq!(check_link_name(name).is_ok(), ok, "{name:?}");
        check("eth0", true);
        check("123456789012345", true);
        for bad in ["", "1234567890123456", "a/b", "a b", ".", "..", "a:b"] {
            check(bad, false);
        }
    }

    #[test]
    fn derived_names() {
        assert_eq!(bridge_of(&"0123456789abcdef".repeat(4)), "mini-0123456789");
        assert_eq!(
            mac_of(Ipv4Addr::new(10, 88, 0, 255)).to_string(),
            "02:4d:0a:58:00:ff"
        );
        assert_eq!(random_id().unwrap().len(), 64);
        let link = |name: &str, kind: &str| Link {
            index: 1,
            name: name.into(),
            kind: kind.into(),
            mtu: 1500,
            up: true,
            master: None,
        };
        assert!(is_our_bridge(&link("mini0", "bridge")));
        assert!(is_our_bridge(&link("mini-0123456789", "bridge")));
        assert!(!is_our_bridge(&link("mini-upgrade", "bridge")));
        assert!(!is_our_bridge(&link("mini0", "dummy")));
        assert!(is_our_veth(&link(&random_veth().unwrap(), "veth")));
        assert!(!is_our_veth(&link("mvno", "veth")));
    }
}
