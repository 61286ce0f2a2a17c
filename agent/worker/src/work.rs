//! All that a node needs to run one task.

use std::sync::Arc;

use model::{Config, Network, NetworkAttachment, Revision, Secret, Task};

/// All that a node needs to run one task.
#[derive(Clone, Debug)]
pub struct Work {
    /// The task.
    pub task: Task,
    /// What it runs.
    pub revision: Arc<Revision>,
    /// The cluster's networks that it is attached to.
    pub networks: Vec<Arc<Network>>,
    /// The secrets that it is given.
    pub secrets: Vec<Arc<Secret>>,
    /// The configs that it is given.
    pub configs: Vec<Arc<Config>>,
}

/// Whether a network is one that every node has: `host`, `none`, and the predefined one.
pub(crate) fn is_of_every_node(attachment: &NetworkAttachment) -> bool {
    matches!(
        attachment.network.as_str(),
        "host" | "none" | "bridge" | "default"
    )
}

/// Whether a network is meant by this name or id.
pub(crate) fn is_named(network: &Network, name: &str) -> bool {
    network.spec.name == name || network.id == name
}

impl Work {
    /// The cluster's network that is meant.
    pub fn network(&self, name: &str) -> Option<&Network> {
        self.networks
            .iter()
            .find(|network| is_named(network, name))
            .map(Arc::as_ref)
    }

    /// The name of its container: `<service>.<slot>.<task id>`.
    pub fn container_name(&self) -> String {
        format!(
            "{}.{}",
            self.task.name(&self.revision.service_name),
            self.task.id
        )
    }
}
