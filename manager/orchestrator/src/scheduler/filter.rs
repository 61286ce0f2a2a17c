//! What a node must pass to be given a task. A filter tells whether, and explains why not.

use model::{Availability, NodeState, PortProtocol};

use super::group::{Group, HostPort};
use super::ledger::NodeUse;
use crate::constraint::architecture;

/// One thing that is asked of a node.
pub(super) trait Filter: Sync {
    /// Whether the node passes.
    fn check(&self, group: &Group, node: &NodeUse) -> bool;

    /// Why it doesn't, to be read after `2 nodes: `.
    fn explain(&self, group: &Group, node: &NodeUse) -> String;
}

/// What is as it is, however many tasks the group is given places for: asked once a group.
pub(super) const STANDING: &[&dyn Filter] = &[&Available, &Constraints, &Platforms, &Labelled];

/// What changes with every task that is given a place; who fails it once fails it until something is freed.
pub(super) const FILLING: &[&dyn Filter] = &[&Room, &HostPorts, &MaxReplicas];

/// Whether a node passes them all.
pub(super) fn passes(filters: &[&dyn Filter], group: &Group, node: &NodeUse) -> bool {
    filters.iter().all(|filter| filter.check(group, node))
}

/// Why a node fails the first that it fails, and which that is.
pub(super) fn refusal(
    filters: &[&dyn Filter],
    group: &Group,
    node: &NodeUse,
) -> Option<(usize, String)> {
    filters
        .iter()
        .enumerate()
        .find(|(_, filter)| !filter.check(group, node))
        .map(|(at, filter)| (at, filter.explain(group, node)))
}

/// It answers, and nobody has taken it out.
struct Available;

impl Filter for Available {
    fn check(&self, _: &Group, node: &NodeUse) -> bool {
        node.node.as_ref().is_some_and(|node| {
            node.status.state() == NodeState::Ready
                && node.spec.availability() == Availability::Active
        })
    }

    fn explain(&self, _: &Group, node: &NodeUse) -> String {
        let why = match node.node.as_deref() {
            None => "removed".to_owned(),
            Some(node) if node.status.state() == NodeState::Unknown => "not seen yet".to_owned(),
            Some(node) if node.status.state() != NodeState::Ready => {
                node.status.state().to_string()
            }
            Some(node) => node.spec.availability().to_string(),
        };
        format!("not available for scheduling ({why})")
    }
}

/// It is as the constraints want it.
struct Constraints;

impl Filter for Constraints {
    fn check(&self, group: &Group, node: &NodeUse) -> bool {
        let (Ok(constraints), Some(node)) = (&group.constraints, &node.node) else {
            return false;
        };
        constraints
            .iter()
            .all(|constraint| constraint.matches(node))
    }

    fn explain(&self, group: &Group, node: &NodeUse) -> String {
        match (&group.constraints, &node.node) {
            (Err(error), _) => error.clone(),
            (Ok(constraints), Some(node)) => constraints
                .iter()
                .find(|constraint| !constraint.matches(node))
                .map(|constraint| format!("constraint `{constraint}` not satisfied"))
                .unwrap_or_default(),
            (Ok(_), None) => String::new(),
        }
    }
}

/// The image runs on it.
struct Platforms;

impl Filter for Platforms {
    fn check(&self, group: &Group, node: &NodeUse) -> bool {
        let Some(node) = &node.node else {
            return false;
        };
        let has = &node.description.platform;
        group.platforms.is_empty()
            || group.platforms.iter().any(|wants| {
                let os = wants.os.is_empty() || wants.os.eq_ignore_ascii_case(&has.os);
                let wanted = architecture(&wants.architecture);
                os && (wanted.is_empty()
                    || wanted.eq_ignore_ascii_case(architecture(&has.architecture)))
            })
    }

    fn explain(&self, _: &Group, node: &NodeUse) -> String {
        let has = node.node.as_deref().map(|node| &node.description.platform);
        let or_unknown = |word: &str| match word {
            "" => "unknown".to_owned(),
            word => word.to_owned(),
        };
        format!(
            "image does not run on {}/{}",
            or_unknown(has.map_or("", |has| &has.os)),
            or_unknown(architecture(has.map_or("", |has| &has.architecture))),
        )
    }
}

/// It has the labels that tasks must be spread over.
struct Labelled;

impl Filter for Labelled {
    fn check(&self, group: &Group, node: &NodeUse) -> bool {
        node.node.as_deref().is_some_and(|node| {
            group
                .hard()
                .all(|spread| !spread.over.value(node).is_empty())
        })
    }

    fn explain(&self, group: &Group, node: &NodeUse) -> String {
        node.node
            .as_deref()
            .and_then(|node| {
                group
                    .hard()
                    .find(|spread| spread.over.value(node).is_empty())
            })
            .map(|spread| format!("no {} to spread over", spread.over))
            .unwrap_or_default()
    }
}

/// There is as much left as is to be set aside.
struct Room;

impl Room {
    fn lacks(group: &Group, node: &NodeUse) -> [bool; 2] {
        let has = node
            .node
            .as_ref()
            .map(|node| node.description.resources)
            .unwrap_or_default();
        let lacks =
            |needs: i64, reserved: i64, has: i64| needs > 0 && reserved.saturating_add(needs) > has;
        let (needs, reserved) = (&group.needs, &node.reserved);
        [
            lacks(needs.nano_cpus, reserved.nano_cpus, has.nano_cpus),
            lacks(needs.memory_bytes, reserved.memory_bytes, has.memory_bytes),
        ]
    }
}

impl Filter for Room {
    fn check(&self, group: &Group, node: &NodeUse) -> bool {
        Room::lacks(group, node) == [false, false]
    }

    fn explain(&self, group: &Group, node: &NodeUse) -> String {
        match Room::lacks(group, node) {
            [true, true] => "insufficient CPUs and memory",
            [true, false] => "insufficient CPUs",
            _ => "insufficient memory",
        }
        .to_owned()
    }
}

/// Nobody else's task is reached by the ports that these are to be reached by.
struct HostPorts;

impl HostPorts {
    fn taken(group: &Group, node: &NodeUse) -> Option<HostPort> {
        group.host_ports().find(|port| node.holds(*port))
    }
}

impl Filter for HostPorts {
    fn check(&self, group: &Group, node: &NodeUse) -> bool {
        HostPorts::taken(group, node).is_none()
    }

    fn explain(&self, group: &Group, node: &NodeUse) -> String {
        let (protocol, port) = HostPorts::taken(group, node).unwrap_or_default();
        let protocol = match PortProtocol::try_from(protocol) {
            Ok(PortProtocol::Udp) => "udp",
            Ok(PortProtocol::Sctp) => "sctp",
            _ => "tcp",
        };
        format!("host port {port}/{protocol} in use")
    }
}

/// The service has no more tasks on it than it may.
struct MaxReplicas;

impl Filter for MaxReplicas {
    fn check(&self, group: &Group, node: &NodeUse) -> bool {
        group.max_per_node == 0 || u64::from(node.held(group)) < group.max_per_node
    }

    fn explain(&self, group: &Group, _: &NodeUse) -> String {
        format!("max replicas per node ({}) reached", group.max_per_node)
    }
}
