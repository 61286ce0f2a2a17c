//! The text of /etc/hosts, /etc/hostname and /etc/resolv.conf.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use crate::parse::network::{ExtraHost, NameServer};

/// /etc/hosts of a container with a network of its own. `own` are its addresses.
pub(crate) fn hosts(
    extra: &[ExtraHost],
    gateway: Option<Ipv4Addr>,
    own: &[Ipv4Addr],
    hostname: &str,
    domainname: Option<&str>,
) -> Result<String, String> {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::\tip6-localnet\n\
         ff00::\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n",
    );
    text += &extra_hosts(extra, gateway)?;
    for address in own {
        let _ = match domainname {
            Some(domain) => writeln!(text, "{address}\t{hostname}.{domain} {hostname}"),
            None => writeln!(text, "{address}\t{hostname}"),
        };
    }
    Ok(text)
}

/// The lines that `--add-host` asks for.
pub(crate) fn extra_hosts(
    extra: &[ExtraHost],
    gateway: Option<Ipv4Addr>,
) -> Result<String, String> {
    let mut text = String::new();
    for host in extra {
        let address = host.address.or(gateway.map(IpAddr::V4)).ok_or_else(|| {
            format!("--add-host {}:host-gateway: the container has no network with a gateway; give an address", host.name)
        })?;
        let _ = writeln!(text, "{address}\t{}", host.name);
    }
    Ok(text)
}

/// What goes into resolv.conf(5).
#[derive(Debug, Clone, Default)]
pub(crate) struct Resolver<'a> {
    /// The host's own file.
    pub(crate) host: &'a str,
    /// Whether the container shares the host's network, where loopback servers work.
    pub(crate) on_host_network: bool,
    /// The resolver of a user-made network.
    pub(crate) network: Option<Ipv4Addr>,
    pub(crate) dns: &'a [NameServer],
    pub(crate) search: &'a [String],
    pub(crate) options: &'a [String],
}

/// When the host knows nothing that a container could reach, as Docker does.
const PUBLIC_SERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// /etc/resolv.conf.
pub(crate) fn resolv_conf(resolver: &Resolver<'_>) -> String {
    let of_host = |key: &str| -> Vec<&str> {
        resolver
            .host
            .lines()
            .filter_map(|line| line.trim().strip_prefix(key))
            .filter(|rest| rest.starts_with(char::is_whitespace))
            .flat_map(str::split_whitespace)
            .collect()
    };
    let mut servers: Vec<String> = resolver.network.iter().map(ToString::to_string).collect();
    servers.extend(resolver.dns.iter().map(|server| server.0.to_string()));
    if servers.is_empty() {
        servers = of_host("nameserver")
            .into_iter()
            .filter(|server| resolver.on_host_network || is_reachable(server))
            .map(str::to_owned)
            .collect();
    }
    if servers.is_empty() {
        servers = PUBLIC_SERVERS.map(str::to_owned).to_vec();
    }
    let given = |given: &[String], key: &str| -> Vec<String> {
        match given {
            [] => of_host(key).into_iter().map(str::to_owned).collect(),
            given => given.iter().filter(|item| *item != ".").cloned().collect(),
        }
    };
    let mut options = given(resolver.options, "options");
    if resolver.network.is_some() && !options.iter().any(|option| option.starts_with("ndots")) {
        // Names of the network have no dot; they are not to be tried in the search domains first.
        options.push("ndots:0".to_owned());
    }
    let mut text = String::new();
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    for (key, values) in [
        ("search", given(resolver.search, "search")),
        ("options", options),
    ] {
        if !values.is_empty() {
            let _ = writeln!(text, "{key} {}", values.join(" "));
        }
    }
    text
}

/// Whether the host's file names loopback servers alone, as that of systemd-resolved does.
pub(crate) fn is_loopback_only(text: &str) -> bool {
    let mut servers = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .map(str::trim)
        .peekable();
    servers.peek().is_some() && servers.all(|server| !is_reachable(server))
}

/// Loopback is the container's own, and IPv6 does not lead out of it.
fn is_reachable(server: &str) -> bool {
    matches!(server.parse::<IpAddr>(), Ok(IpAddr::V4(address)) if !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_has_own_and_extra_names() {
        let extra = [
            "db:10.0.0.5".parse().unwrap(),
            "gw:host-gateway".parse().unwrap(),
        ];
        let own = [Ipv4Addr::new(10, 88, 0, 2)];
        let text = hosts(
            &extra,
            Some(Ipv4Addr::new(10, 88, 0, 1)),
            &own,
            "web",
            Some("example.org"),
        )
        .unwrap();
        assert!(text.starts_with("127.0.0.1\tlocalhost\n"));
        assert!(
            text.ends_with("10.0.0.5\tdb\n10.88.0.1\tgw\n10.88.0.2\tweb.example.org web\n"),
            "{text}"
        );
        assert!(
            hosts(&extra, None, &[], "web", None)
                .unwrap_err()
                .contains("gw:host-gateway")
        );
    }

    #[test]
    fn resolv_conf_is_made() {
        fn check(resolver: &Resolver<'_>, expected: &str) {
            assert_eq!(resolv_conf(resolver), expected, "{resolver:?}");
        }
        let host = "# made\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nnameserver ::1\nsearch a.org b.org\noptions edns0\n";
        check(
            &Resolver {
                host,
                ..Resolver::default()
            },
            "nameserver 10.0.0.1\nsearch a.org b.org\noptions edns0\n",
        );
        check(
            &Resolver {
                host,
                on_host_network: true,
                ..Resolver::default()
            },
            "nameserver 127.0.0.53\nnameserver 10.0.0.1\nnameserver ::1\nsearch a.org b.org\noptions edns0\n",
        );
        check(
            &Resolver {
                host: "nameserver 127.0.0.1\n",
                ..Resolver::default()
            },
            "nameserver 8.8.8.8\nnameserver 8.8.4.4\n",
        );
        let dns = [NameServer(IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9)))];
        let (search, options) = ([".".to_owned()], ["ndots:2".to_owned()]);
        check(
            &Resolver {
                host,
                dns: &dns,
                search: &search,
                options: &options,
                ..Resolver::default()
            },
            "nameserver 9.9.9.9\noptions ndots:2\n",
        );
        check(
            &Resolver {
                host,
                network: Some(Ipv4Addr::new(10, 89, 0, 1)),
                dns: &dns,
                ..Resolver::default()
            },
            "nameserver 10.89.0.1\nnameserver 9.9.9.9\nsearch a.org b.org\noptions edns0 ndots:0\n",
        );
    }

    #[test]
    fn stub_resolvers_are_seen() {
        assert!(is_loopback_only("nameserver 127.0.0.53\n"));
        assert!(!is_loopback_only(
            "nameserver 127.0.0.53\nnameserver 1.1.1.1\n"
        ));
        assert!(!is_loopback_only(""));
    }
}
