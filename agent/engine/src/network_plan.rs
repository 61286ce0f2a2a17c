//! Which networks a container joins and which ports it publishes: decided from the request alone.

use network::PortMapping;

use crate::container::Record;
use crate::error::{Error, Result};
use crate::parse::network::{NetworkAttach, NetworkEndpoint};
use crate::parse::port::{ExposedPort, PortSpec};
use crate::request::RunSpec;

/// The network of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NetworkPlan {
    /// The host's.
    Host,
    /// Loopback alone.
    None,
    /// Another container's; name or id.
    Container(String),
    /// These, the first one on eth0.
    Networks(Vec<NetworkEndpoint>),
}

/// The plan, or why the options contradict each other.
pub(crate) fn plan(spec: &RunSpec) -> Result<NetworkPlan> {
    let invalid = |text: &str| Err(Error::Invalid(text.to_owned()));
    let mut endpoints = Vec::new();
    for attach in &spec.networks {
        match attach {
            NetworkAttach::Network(endpoint) => endpoints.push(endpoint.clone()),
            _ if spec.networks.len() > 1 => {
                return invalid(
                    "--network none, host and container: stand alone: give no other --network beside them",
                );
            }
            NetworkAttach::None => return without_endpoints(spec, NetworkPlan::None),
            NetworkAttach::Host => return without_endpoints(spec, NetworkPlan::Host),
            NetworkAttach::Container(container) => {
                let conflict = [
                    (!spec.ports.is_empty() || spec.publish_all, "-p and -P"),
                    (!spec.expose.is_empty(), "--expose"),
                    (spec.hostname.is_some(), "--hostname"),
                    (!spec.dns.is_empty(), "--dns"),
                    (!spec.extra_hosts.is_empty(), "--add-host"),
                ];
                if let Some((_, option)) = conflict.iter().find(|(given, _)| *given) {
                    return Err(Error::Invalid(format!(
                        "{option} and --network container:{container} contradict each other: it belongs to the container that owns the network"
                    )));
                }
                return without_endpoints(spec, NetworkPlan::Container(container.clone()));
            }
        }
    }
    if endpoints.is_empty() {
        endpoints.push(NetworkEndpoint::new(network::DEFAULT_NETWORK));
    }
    let first = &mut endpoints[0];
    first.aliases.extend(spec.network_aliases.iter().cloned());
    first.ip = first.ip.or(spec.ip);
    for (index, endpoint) in endpoints.iter().enumerate() {
        if endpoints[..index]
            .iter()
            .any(|other| other.network == endpoint.network)
        {
            return Err(Error::Invalid(format!(
                "--network {} is given twice",
                endpoint.network
            )));
        }
        if endpoint.network == network::DEFAULT_NETWORK {
            if !endpoint.aliases.is_empty() {
                return invalid(
                    "--network-alias needs a user-made network: the default one has no names; make one with: minictl network create NAME",
                );
            }
            if endpoint.ip.is_some() {
                return invalid(
                    "--ip needs a user-made network with a subnet of its own; make one with: minictl network create --subnet 10.1.0.0/24 NAME",
                );
            }
        }
    }
    Ok(NetworkPlan::Networks(endpoints))
}

fn without_endpoints(spec: &RunSpec, plan: NetworkPlan) -> Result<NetworkPlan> {
    match spec.network_aliases.is_empty() && spec.ip.is_none() {
        true => Ok(plan),
        false => Err(Error::Invalid(
            "--network-alias and --ip need a user-made network: name it with --network".to_owned(),
        )),
    }
}

/// One step of publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Publish {
    /// These exactly; host port 0 means any free one.
    All(Vec<PortMapping>),
    /// One port of the container on the first free one of several of the host.
    Any(Vec<PortMapping>),
}

/// What is published: what `-p` says, and with `-P` every other exposed port.
pub(crate) fn published(record: &Record) -> Vec<Publish> {
    let spec = &record.spec;
    let mut exact = Vec::new();
    let mut result = Vec::new();
    for port in &spec.ports {
        match port.choices() {
            None => exact.extend(port.mappings()),
            Some(range) => result.push(Publish::Any(
                range
                    .map(|host_port| PortMapping {
                        host_ip: port.host_ip,
                        host_port,
                        container_port: port.container_ports.0,
                        protocol: port.protocol,
                    })
                    .collect(),
            )),
        }
    }
    if spec.publish_all {
        for exposed in &record.exposed {
            exact.extend(
                free(exposed)
                    .into_iter()
                    .filter(|mapping| !names(&spec.ports, mapping)),
            );
        }
    }
    if !exact.is_empty() {
        result.insert(0, Publish::All(exact));
    }
    result
}

fn free(exposed: &ExposedPort) -> Vec<PortMapping> {
    (exposed.first..=exposed.last)
        .map(|container_port| PortMapping {
            host_ip: None,
            host_port: 0,
            container_port,
            protocol: exposed.protocol,
        })
        .collect()
}

fn names(ports: &[PortSpec], mapping: &PortMapping) -> bool {
    ports.iter().any(|port| {
        port.protocol == mapping.protocol
            && (port.container_ports.0..=port.container_ports.1).contains(&mapping.container_port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(networks: &[&str], change: impl Fn(&mut RunSpec)) -> RunSpec {
        let mut spec = RunSpec::new("i");
        spec.networks = networks.iter().map(|text| text.parse().unwrap()).collect();
        change(&mut spec);
        spec
    }

    #[test]
    fn networks_are_planned() {
        fn check(spec: &RunSpec, expected: Result<NetworkPlan, &str>) {
            match (plan(spec), expected) {
                (Ok(plan), Ok(expected)) => assert_eq!(plan, expected),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{error}")
                }
                (plan, expected) => panic!("{plan:?}, expected {expected:?}"),
            }
        }
        let named = |name: &str| NetworkEndpoint::new(name);
        check(
            &spec(&[], |_| {}),
            Ok(NetworkPlan::Networks(vec![named("bridge")])),
        );
        check(&spec(&["none"], |_| {}), Ok(NetworkPlan::None));
        check(
            &spec(&["host"], |s| s.ports = vec!["80:80".parse().unwrap()]),
            Ok(NetworkPlan::Host),
        );
        check(
            &spec(&["container:db"], |_| {}),
            Ok(NetworkPlan::Container("db".to_owned())),
        );
        check(
            &spec(&["a", "b"], |_| {}),
            Ok(NetworkPlan::Networks(vec![named("a"), named("b")])),
        );
        check(
            &spec(&["a"], |s| {
                s.network_aliases = vec!["x".to_owned()];
                s.ip = Some([10, 0, 0, 9].into());
            }),
            Ok(NetworkPlan::Networks(vec![NetworkEndpoint {
                network: "a".to_owned(),
                aliases: vec!["x".to_owned()],
                ip: Some([10, 0, 0, 9].into()),
            }])),
        );
        check(&spec(&["none", "a"], |_| {}), Err("stand alone"));
        check(&spec(&["a", "a"], |_| {}), Err("twice"));
        check(
            &spec(&["container:db"], |s| s.publish_all = true),
            Err("-p and -P"),
        );
        check(
            &spec(&["container:db"], |s| s.hostname = Some("x".to_owned())),
            Err("--hostname"),
        );
        check(
            &spec(&[], |s| s.network_aliases = vec!["x".to_owned()]),
            Err("user-made"),
        );
        check(
            &spec(&[], |s| s.ip = Some([10, 0, 0, 9].into())),
            Err("user-made"),
        );
        check(
            &spec(&["host"], |s| s.ip = Some([10, 0, 0, 9].into())),
            Err("user-made"),
        );
    }

    #[test]
    fn ports_are_planned() {
        fn check(ports: &[&str], exposed: &[&str], all: bool, expected: &[&str]) {
            let mut record = crate::spec::test_record();
            record.spec.ports = ports.iter().map(|text| text.parse().unwrap()).collect();
            record.spec.publish_all = all;
            record.exposed = exposed.iter().map(|text| text.parse().unwrap()).collect();
            let shown: Vec<String> = published(&record)
                .iter()
                .map(|publish| match publish {
                    Publish::All(list) => list
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(" "),
                    Publish::Any(list) => format!("any of {}", list.len()),
                })
                .collect();
            assert_eq!(shown, expected, "{ports:?} {exposed:?} {all}");
        }
        check(&[], &["80"], false, &[]);
        check(&["8080:80"], &["80"], false, &["0.0.0.0:8080->80/tcp"]);
        check(
            &["8080:80"],
            &["80", "81"],
            true,
            &["0.0.0.0:8080->80/tcp 0.0.0.0:0->81/tcp"],
        );
        check(
            &[],
            &["80-81/udp"],
            true,
            &["0.0.0.0:0->80/udp 0.0.0.0:0->81/udp"],
        );
        check(
            &["8000-8002:80", "1:1"],
            &[],
            false,
            &["0.0.0.0:1->1/tcp", "any of 3"],
        );
    }
}
