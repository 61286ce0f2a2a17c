//! `minictl port`: where a container's ports are reached.

use engine::Container;

use crate::context::Context;
use crate::failure::{Failure, Outcome, print};

/// List the published ports of a container
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl port web 80")]
pub(crate) struct Args {
    /// Name or id
    container: String,
    /// Only this port: PORT[/udp]
    port: Option<String>,
}

/// Prints `80/tcp -> 0.0.0.0:8080`, or only the address for one port.
pub(crate) fn port(args: Args, context: &Context) -> Outcome {
    let container = context.engine()?.container(&args.container)?;
    let wanted = args.port.as_deref().map(|port| {
        if port.contains('/') {
            port.to_owned()
        } else {
            format!("{port}/tcp")
        }
    });
    let lines = lines(&container, wanted.as_deref());
    if let (Some(port), true) = (&wanted, lines.is_empty()) {
        return Err(Failure::new(format!(
            "port {port} of container {} is not published",
            container.name()
        )));
    }
    print(&lines.concat())?;
    Ok(0)
}

fn lines(container: &Container, wanted: Option<&str>) -> Vec<String> {
    let ports = container
        .endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.ports);
    let line = |port: &engine::PortMapping| {
        let inner = format!("{}/{}", port.container_port, port.protocol);
        let outer = format!(
            "{}:{}",
            port.host_ip.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
            port.host_port
        );
        match wanted {
            None => Some(format!("{inner} -> {outer}\n")),
            Some(wanted) => (wanted == inner).then(|| format!("{outer}\n")),
        }
    };
    ports.filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::sample;

    #[test]
    fn ports_are_listed() {
        fn check(wanted: Option<&str>, expected: &[&str]) {
            assert_eq!(lines(&sample::container(), wanted), expected);
        }
        check(None, &["80/tcp -> 127.0.0.1:8080\n"]);
        check(Some("80/tcp"), &["127.0.0.1:8080\n"]);
        check(Some("80/udp"), &[]);
    }
}
