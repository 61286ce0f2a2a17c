//! What tasks of one revision ask of their node: read once, asked of many nodes.

use std::sync::Arc;

use model::{MountKind, Platform, PortSpec, PublishMode, Resources, Revision};

use crate::constraint::{Constraint, Key};

/// What tasks of one revision ask of their node.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) service_id: Arc<str>,
    /// Number of the revision.
    pub(super) number: u64,
    /// What is set aside for each of them.
    pub(super) needs: Resources,
    /// What the node publishes for each of them.
    pub(super) ports: Vec<PortSpec>,
    /// What the node must be like; why that cannot be read.
    pub(super) constraints: Result<Vec<Constraint>, String>,
    /// What the image runs on; empty for anything.
    pub(super) platforms: Vec<Platform>,
    /// Most tasks of the service on one node; 0 for any number.
    pub(super) max_per_node: u64,
    /// What they are spread over, the first before the second.
    pub(super) spread: Vec<Spread>,
    /// A volume that they leave their data in.
    pub(super) volume: Option<String>,
}

/// One level of a spread.
#[derive(Debug)]
pub(super) struct Spread {
    pub(super) over: Key,
    /// How many tasks two values may differ by; 0 for any number.
    pub(super) max_skew: u32,
}

/// A port of a node: protocol and number.
pub(super) type HostPort = (i32, u32);

impl Group {
    pub(super) fn of(revision: &Revision) -> Self {
        let task = &revision.task;
        let placement = &task.placement;
        Group {
            service_id: Arc::from(revision.service_id.as_str()),
            number: revision.number,
            needs: task.resources.reservations,
            ports: revision
                .ports
                .iter()
                .filter(|port| port.mode() == PublishMode::Host)
                .cloned()
                .collect(),
            constraints: placement
                .constraints
                .iter()
                .map(|expression| Constraint::parse(expression))
                .collect(),
            platforms: placement.platforms.clone(),
            max_per_node: placement.max_replicas_per_node,
            spread: placement
                .preferences
                .iter()
                .filter_map(|preference| {
                    Some(Spread {
                        over: Key::parse(&preference.over).ok()?,
                        max_skew: preference.max_skew,
                    })
                })
                .collect(),
            volume: task
                .container
                .mounts
                .iter()
                .find(|mount| mount.kind() == MountKind::Volume && !mount.source.is_empty())
                .map(|mount| mount.source.clone()),
        }
    }

    /// Of a revision that is not known: it asks for nothing.
    pub(super) fn unknown(service_id: &str, number: u64) -> Self {
        Group::of(&Revision {
            service_id: service_id.to_owned(),
            number,
            ..Revision::default()
        })
    }

    /// The ports of a node that a task takes, whatever was chosen for it since.
    pub(super) fn host_ports(&self) -> impl Iterator<Item = HostPort> {
        fixed(&self.ports)
    }

    /// The levels of the spread that rather leave a task waiting.
    pub(super) fn hard(&self) -> impl Iterator<Item = &Spread> {
        self.spread.iter().filter(|spread| spread.max_skew > 0)
    }
}

/// Those of the ports whose number is known.
pub(super) fn fixed(ports: &[PortSpec]) -> impl Iterator<Item = HostPort> {
    ports
        .iter()
        .filter(|port| port.mode() == PublishMode::Host && port.published != 0)
        .map(|port| (port.protocol, port.published))
}
