//! Where this node listens, and where it says that it can be reached.

use std::net::{IpAddr, SocketAddr};

/// An address of this host, and the interface that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) interface: String,
    pub(crate) address: IpAddr,
}

/// The addresses of this host that others could reach.
pub(crate) fn local() -> Vec<Local> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for one in all {
        let Some(address) = one.address.and_then(|address| {
            address
                .as_sockaddr_in()
                .map(|address| IpAddr::V4(address.ip()))
        }) else {
            continue;
        };
        if !address.is_loopback() {
            found.push(Local {
                interface: one.interface_name,
                address,
            });
        }
    }
    found
}

/// What to listen on: an address, a port, both, or neither.
pub(crate) fn listen(wanted: &str, port: u16) -> Result<SocketAddr, String> {
    if wanted.is_empty() {
        return Ok(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    with_port(wanted, port).ok_or_else(|| {
        format!("`{wanted}` is no address to listen on: write ADDRESS or ADDRESS:PORT")
    })
}

/// What to tell others: what a person said (an address, an interface, with or without a port), or the only address there is.
pub(crate) fn advertise(
    wanted: &str,
    listen: SocketAddr,
    local: &[Local],
) -> Result<String, String> {
    let named = |name: &str| {
        local
            .iter()
            .find(|one| one.interface == name)
            .map(|one| one.address)
    };
    let chosen = if wanted.is_empty() {
        if !listen.ip().is_unspecified() {
            return Ok(listen.to_string());
        }
        match local {
            [only] => SocketAddr::new(only.address, listen.port()),
            [] => return Err(
                "this host has no address that others could reach: give one with --advertise-addr"
                    .to_owned(),
            ),
            several => {
                let list: Vec<String> = several
                    .iter()
                    .map(|one| format!("{} on {}", one.address, one.interface))
                    .collect();
                return Err(format!(
                    "this host has several addresses ({}): say which one others shall use with --advertise-addr",
                    list.join(", ")
                ));
            }
        }
    } else {
        let (name, port) = match wanted.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() && named(name).is_some() => {
                (name, port.parse().unwrap_or(listen.port()))
            }
            _ => (wanted, listen.port()),
        };
        let by_interface = named(name).map(|address| SocketAddr::new(address, port));
        by_interface
            .or_else(|| with_port(wanted, listen.port()))
            .ok_or_else(|| format!("`{wanted}` is neither an address nor an interface of this host: give --advertise-addr ADDRESS[:PORT]"))?
    };
    if chosen.ip().is_unspecified() {
        return Err(format!(
            "{chosen} is no address that others could reach: give one with --advertise-addr"
        ));
    }
    Ok(chosen.to_string())
}

/// A manager's address, with the usual port if none is given; a name stays a name.
pub(crate) fn remote(wanted: &str) -> Result<String, String> {
    if let Some(address) = with_port(wanted, api::CLUSTER_PORT) {
        return Ok(address.to_string());
    }
    let named = match wanted.rsplit_once(':') {
        Some((name, port)) => {
            (!name.is_empty() && port.parse::<u16>().is_ok()).then(|| wanted.to_owned())
        }
        None => (!wanted.is_empty()).then(|| format!("{wanted}:{}", api::CLUSTER_PORT)),
    };
    named.ok_or_else(|| format!("`{wanted}` is no address of a manager: write HOST:PORT"))
}

fn with_port(text: &str, port: u16) -> Option<SocketAddr> {
    text.parse::<SocketAddr>().ok().or_else(|| {
        text.parse::<IpAddr>()
            .ok()
            .map(|address| SocketAddr::new(address, port))
    })
}

#[cfg(test)]
mod tests {
    use super::{Local, advertise, listen, remote};

    #[test]
    fn an_address_is_chosen_or_asked_for() {
        let any = listen("", 2377).expect("any");
        let at = |text: &str| Local {
            interface: format!("eth{}", text.len()),
            address: text.parse().expect("an address"),
        };
        let one = [at("10.0.0.1")];
        let two = [at("10.0.0.1"), at("192.168.0.1")];
        let table = [
            ("", &one[..], Ok("10.0.0.1:2377")),
            ("", &two[..], Err("10.0.0.1 on eth8, 192.168.0.1 on eth11")),
            ("", &[], Err("no address")),
            ("10.9.9.9", &two[..], Ok("10.9.9.9:2377")),
            ("10.9.9.9:99", &two[..], Ok("10.9.9.9:99")),
            ("eth11", &two[..], Ok("192.168.0.1:2377")),
            ("eth11:99", &two[..], Ok("192.168.0.1:99")),
            (
                "0.0.0.0",
                &two[..],
                Err("no address that others could reach"),
            ),
            (
                "wlan7",
                &two[..],
                Err("neither an address nor an interface"),
            ),
        ];
        for (wanted, local, expected) in table {
            match (advertise(wanted, any, local), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{wanted}"),
                (Err(found), Err(expected)) => {
                    assert!(found.contains(expected), "{wanted}: {found}")
                }
                (found, expected) => panic!("{wanted}: {found:?}, not {expected:?}"),
            }
        }
        let fixed = listen("127.0.0.1:5", 2377).expect("an address");
        assert_eq!(advertise("", fixed, &two).as_deref(), Ok("127.0.0.1:5"));
        assert!(listen("nowhere", 1).is_err());
    }

    #[test]
    fn a_manager_is_found_at_the_usual_port() {
        assert_eq!(remote("10.0.0.1").as_deref(), Ok("10.0.0.1:2377"));
        assert_eq!(remote("manager1").as_deref(), Ok("manager1:2377"));
        assert_eq!(remote("manager1:7").as_deref(), Ok("manager1:7"));
        assert!(remote("").is_err() && remote(":7").is_err() && remote("a:b").is_err());
    }
}
