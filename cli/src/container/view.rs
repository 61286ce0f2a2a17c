//! How a container is shown in one row: Docker's words for its state, ports and command. Pure.

use engine::{Container, HealthStatus, MountKind, PortMapping, Status};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::output::format::Columns;
use crate::output::{age, ellipsis, joined, short_id};

/// The fields of a row of `ps`.
pub(crate) const COLUMNS: Columns = Columns {
    all: &[
        ("ID", "CONTAINER ID"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Status", "STATUS"),
        ("State", "STATE"),
        ("Ports", "PORTS"),
        ("Names", "NAMES"),
        ("Labels", "LABELS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Mounts", "MOUNTS"),
        ("Networks", "NETWORKS"),
    ],
    shown: &[
        "ID",
        "Image",
        "Command",
        "RunningFor",
        "Status",
        "Ports",
        "Names",
    ],
};

/// The row; ids and commands whole when `full`.
pub(crate) fn row(container: &Container, full: bool, now: Timestamp) -> Value {
    let record = &container.record;
    let command = record.process.args().join(" ");
    let command = if full {
        command
    } else {
        ellipsis(&command, 20)
    };
    let mounts: Vec<String> = record
        .mounts
        .iter()
        .filter_map(|mount| mount_name(&mount.kind, full))
        .collect();
    let volumes = record
        .mounts
        .iter()
        .filter(|mount| matches!(mount.kind, MountKind::Volume { .. }))
        .count();
    json!({
        "ID": short_id(&record.id, full),
        "Image": record.image,
        "Command": format!("{command:?}"),
        "CreatedAt": moment(record.created),
        "RunningFor": age::ago(record.created, now),
        "Status": status(container, now),
        "State": container.state.status.to_string(),
        "Ports": ports(container),
        "Names": record.name,
        "Labels": joined(&record.labels),
        "LocalVolumes": volumes.to_string(),
        "Mounts": mounts.join(","),
        "Networks": networks(container).join(","),
    })
}

/// A time as Docker's lists have it: `2026-01-02 03:04:05 +0000 UTC`.
pub(crate) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}

/// What [`health`] may be.
pub(crate) const HEALTHS: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

/// The health in one word, `none` when the container doesn't run or isn't probed.
pub(crate) fn health(container: &Container) -> &'static str {
    match container.state.health.as_ref().map(|health| health.status) {
        Some(HealthStatus::Starting) => "starting",
        Some(HealthStatus::Healthy) => "healthy",
        Some(HealthStatus::Unhealthy) => "unhealthy",
        None => "none",
    }
}

/// `Up 3 seconds`, `Up 3 seconds (healthy)`, `Exited (0) 2 minutes ago`, `Created`.
pub(crate) fn status(container: &Container, now: Timestamp) -> String {
    let state = &container.state;
    let up = || {
        state.started_at.map_or_else(
            || "Up".to_owned(),
            |then| format!("Up {}", age::between(then, now)),
        )
    };
    match state.status {
        Status::Created => "Created".to_owned(),
        Status::Running => match health(container) {
            "none" => up(),
            "starting" => format!("{} (health: starting)", up()),
            health => format!("{} ({health})", up()),
        },
        Status::Paused => format!("{} (Paused)", up()),
        Status::Exited => {
            let code = state
                .exit_code
                .map_or_else(|| "?".to_owned(), |code| code.to_string());
            match state.finished_at {
                Some(then) => format!("Exited ({code}) {}", age::ago(then, now)),
                None => format!("Exited ({code})"),
            }
        }
    }
}

/// The names of the networks a container is, or will be, on.
pub(crate) fn networks(container: &Container) -> Vec<String> {
    use engine::parse::network::NetworkAttach;
    if !container.endpoints.is_empty() {
        return container
            .endpoints
            .iter()
            .map(|endpoint| endpoint.network.clone())
            .collect();
    }
    let asked = &container.record.spec.networks;
    if asked.is_empty() {
        return vec!["bridge".to_owned()];
    }
    let name = |network: &NetworkAttach| match network {
        NetworkAttach::None => "none".to_owned(),
        NetworkAttach::Host => "host".to_owned(),
        NetworkAttach::Container(name) => format!("container:{name}"),
        NetworkAttach::Network(endpoint) => endpoint.network.clone(),
    };
    asked.iter().map(name).collect()
}

/// Published ports as `0.0.0.0:8080->80/tcp`, runs of them as one range, then those exposed only; nothing for a
/// container that doesn't run.
fn ports(container: &Container) -> String {
    if !container.is_alive() {
        return String::new();
    }
    let mut published: Vec<PortMapping> = container
        .endpoints
        .iter()
        .flat_map(|endpoint| endpoint.ports.iter().copied())
        .collect();
    published.sort_by_key(|port| {
        (
            port.host_ip,
            port.protocol,
            port.container_port,
            port.host_port,
        )
    });
    let exposed = container.record.exposed.iter().filter(|exposed| {
        !published.iter().any(|port| {
            port.protocol == exposed.protocol
                && (exposed.first..=exposed.last).contains(&port.container_port)
        })
    });
    ranges(&published)
        .into_iter()
        .chain(exposed.map(ToString::to_string))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Sorted mappings, consecutive ones put together.
fn ranges(ports: &[PortMapping]) -> Vec<String> {
    let mut groups: Vec<(PortMapping, u16)> = Vec::new();
    for port in ports {
        if let Some((first, more)) = groups.last_mut() {
            let next = more.saturating_add(1);
            let follows = first.host_ip == port.host_ip
                && first.protocol == port.protocol
                && first.container_port.checked_add(next) == Some(port.container_port)
                && first.host_port.checked_add(next) == Some(port.host_port);
            if follows {
                *more = next;
                continue;
            }
        }
        groups.push((*port, 0));
    }
    let text = |(first, more): &(PortMapping, u16)| match more {
        0 => first.to_string(),
        more => format!(
            "{}:{}-{}->{}-{}/{}",
            first.host_ip.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED),
            first.host_port,
            first.host_port + more,
            first.container_port,
            first.container_port + more,
            first.protocol
        ),
    };
    groups.iter().map(text).collect()
}

fn mount_name(kind: &MountKind, full: bool) -> Option<String> {
    match kind {
        MountKind::Bind { source, .. } => {
            let source = source.display().to_string();
            Some(if full { source } else { ellipsis(&source, 15) })
        }
        MountKind::Volume { name, .. } => Some(if full {
            name.clone()
        } else {
            ellipsis(name, 15)
        }),
        MountKind::Tmpfs { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use engine::Protocol;

    use super::*;
    use crate::container::sample;

    #[test]
    fn states_read_as_docker_words_them() {
        fn check(status: Status, code: Option<i32>, expected: &str) {
            let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
            let mut container = sample::container();
            container.state.status = status;
            container.state.exit_code = code;
            container.state.started_at = "2026-01-02T03:04:02Z".parse().ok();
            container.state.finished_at = "2026-01-02T03:02:05Z".parse().ok();
            assert_eq!(super::status(&container, now), expected);
        }
        check(Status::Created, None, "Created");
        check(Status::Running, None, "Up 3 seconds");
        check(Status::Paused, None, "Up 3 seconds (Paused)");
        check(Status::Exited, Some(0), "Exited (0) 2 minutes ago");
        check(Status::Exited, Some(137), "Exited (137) 2 minutes ago");
        check(Status::Exited, None, "Exited (?) 2 minutes ago");
    }

    #[test]
    fn health_stands_behind_the_state() {
        fn check(status: Status, health: Option<HealthStatus>, expected: &str) {
            let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
            let mut container = sample::container();
            container.state.status = status;
            container.state.started_at = "2026-01-02T03:04:02Z".parse().ok();
            container.state.health = health.map(|status| engine::Health {
                status,
                failing_streak: 0,
                log: Vec::new(),
            });
            assert_eq!(super::status(&container, now), expected);
        }
        let starting = Some(HealthStatus::Starting);
        check(Status::Running, starting, "Up 3 seconds (health: starting)");
        check(
            Status::Running,
            Some(HealthStatus::Healthy),
            "Up 3 seconds (healthy)",
        );
        check(
            Status::Running,
            Some(HealthStatus::Unhealthy),
            "Up 3 seconds (unhealthy)",
        );
        check(Status::Running, None, "Up 3 seconds");
        check(Status::Paused, starting, "Up 3 seconds (Paused)");
    }

    #[test]
    fn runs_of_ports_are_one_range() {
        fn check(ports: &[(u16, u16)], expected: &[&str]) {
            let ports: Vec<PortMapping> = ports
                .iter()
                .map(|(host_port, container_port)| PortMapping {
                    host_ip: None,
                    host_port: *host_port,
                    container_port: *container_port,
                    protocol: Protocol::Tcp,
                })
                .collect();
            assert_eq!(ranges(&ports), expected);
        }
        check(&[], &[]);
        check(&[(8080, 80)], &["0.0.0.0:8080->80/tcp"]);
        check(
            &[(8000, 80), (8001, 81), (8002, 82)],
            &["0.0.0.0:8000-8002->80-82/tcp"],
        );
        check(
            &[(8000, 80), (8001, 90)],
            &["0.0.0.0:8000->80/tcp", "0.0.0.0:8001->90/tcp"],
        );
        check(
            &[(65535, 1), (0, 2)],
            &["0.0.0.0:65535->1/tcp", "0.0.0.0:0->2/tcp"],
        );
    }

    #[test]
    fn a_row_has_all_its_fields() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let container = sample::container();
        let row = row(&container, false, now);
        for (field, _) in COLUMNS.all {
            assert!(row.get(field).is_some(), "{field}");
        }
        assert_eq!(row.as_object().unwrap().len(), COLUMNS.all.len());
        assert_eq!(row["Command"], "\"/entry serve --port…\"");
        assert_eq!(row["ID"], "0123456789ab");
        assert_eq!(row["Ports"], "127.0.0.1:8080->80/tcp, 443/tcp");
        assert_eq!(row["CreatedAt"], "2026-01-02 03:00:00 +0000 UTC");
        assert_eq!(
            ranges(&container.endpoints[0].ports),
            ["127.0.0.1:8080->80/tcp"]
        );
        assert_eq!(
            container.endpoints[0].ports[0].host_ip,
            Some(Ipv4Addr::LOCALHOST)
        );
    }
}
