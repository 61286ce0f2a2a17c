//! Whether a new task can run beside the one that it replaces.

use model::{PublishMode, Revision, ServiceMode, ServiceSpec, UpdateOrder};
use store::View;

use crate::scheduler;

/// Why a service that is to be updated start-first cannot be; none when it can, or is not to.
pub(super) fn obstacle(view: &View, service_id: &str, spec: &ServiceSpec) -> Option<String> {
    let order = spec.update.as_ref()?.order();
    if order != UpdateOrder::StartFirst {
        return None;
    }
    let port = spec
        .endpoint
        .ports
        .iter()
        .find(|port| port.mode() == PublishMode::Host && port.published != 0);
    let most = spec.task.placement.max_replicas_per_node;
    let per_node = match (port, most) {
        (Some(port), _) => (
            1,
            format!("port {} of a node is only one task's", port.published),
        ),
        (None, 0) => return None,
        (None, 1) => (1, "a node may have one task of it".to_owned()),
        (None, most) => (most, format!("a node may have {most} tasks of it")),
    };
    let (per_node, why) = per_node;
    match &spec.mode {
        Some(ServiceMode::Replicated(mode)) if mode.replicas > 0 => {
            let nodes = fitting(view, service_id, spec);
            let room = per_node.saturating_mul(nodes);
            (room <= mode.replicas).then(|| {
                format!(
                    "{why}, and {} can take no task beside its {}",
                    counted(nodes, "node that fits", "nodes that fit"),
                    counted(mode.replicas, "replica", "replicas"),
                )
            })
        }
        Some(ServiceMode::Global(_)) if port.is_some() => {
            Some(format!("{why}, and every node has one already"))
        }
        _ => None,
    }
}

fn fitting(view: &View, service_id: &str, spec: &ServiceSpec) -> u64 {
    let revision = Revision {
        service_id: service_id.to_owned(),
        task: spec.task.clone(),
        ..Revision::default()
    };
    let nodes = view.nodes().iter();
    nodes
        .filter(|node| scheduler::fits(view, &revision, node).is_ok())
        .count() as u64
}

fn counted(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}
