//! The cluster's networks as networks of this node: made when the first task needs them, removed with the last one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::{Engine, ErrorKind, NetworkSpec};
use model::Network;

use crate::failure::Failure;
use crate::work::Work;

/// Marks a network that was made here for one of the cluster's, and says which.
pub(super) const NETWORK_LABEL: &str = "mini.network.id";
/// What the node's own driver understands.
const OPTIONS: [&str; 2] = ["mtu", "com.docker.network.driver.mtu"];

/// Which tasks use which networks.
#[derive(Debug, Default)]
pub(super) struct Networks {
    /// Tasks, by name of the network.
    users: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl Networks {
    /// A container of the task is on these networks already.
    pub(super) fn note<'a>(&self, task: &str, networks: impl Iterator<Item = &'a str>) {
        let mut users = self.users();
        for network in networks {
            users
                .entry(network.to_owned())
                .or_default()
                .insert(task.to_owned());
        }
    }

    /// Makes what is missing of a task's networks.
    pub(super) fn ensure(&self, engine: &Engine, work: &Work) -> Result<(), Failure> {
        // One at a time: tasks of one service come together.
        let mut users = self.users();
        for network in &work.networks {
            ensure(engine, network)?;
            users
                .entry(network.spec.name.clone())
                .or_default()
                .insert(work.task.id.clone());
        }
        Ok(())
    }

    /// Removes the networks that nobody uses now that the task is gone.
    pub(super) fn release(&self, engine: &Engine, task: &str) -> Result<(), Failure> {
        let mut users = self.users();
        let mut unused = Vec::new();
        for (network, tasks) in users.iter_mut() {
            if tasks.remove(task) && tasks.is_empty() {
                unused.push(network.clone());
            }
        }
        users.retain(|_, tasks| !tasks.is_empty());
        for network in unused {
            remove(engine, &network)?;
        }
        Ok(())
    }

    /// Removes the networks that were made here and that no task uses.
    pub(super) fn sweep(&self, engine: &Engine) -> Result<(), Failure> {
        let users = self.users();
        for network in engine.networks()? {
            if network.labels.contains_key(NETWORK_LABEL) && !users.contains_key(&network.name) {
                remove(engine, &network.name)?;
            }
        }
        Ok(())
    }

    fn users(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ensure(engine: &Engine, network: &Network) -> Result<(), Failure> {
    let name = &network.spec.name;
    if let Some(known) = find(engine, name)? {
        match known.labels.get(NETWORK_LABEL) {
            Some(id) if *id == network.id => return Ok(()),
            // Of a network of this name that the cluster had before; in use still, it says so.
            Some(_) => drop(engine.remove_network(name)?),
            None => {
                return Err(Failure::Invalid(format!(
                    "this node has a network {name} of its own, and the cluster has one of that name: remove one of them"
                )));
            }
        }
    }
    let mut spec = NetworkSpec {
        name: name.clone(),
        subnet: network.subnet.parse().ok(),
        internal: network.spec.internal,
        labels: network.spec.labels.clone(),
        ..NetworkSpec::default()
    };
    spec.labels
        .insert(NETWORK_LABEL.to_owned(), network.id.clone());
    for option in OPTIONS {
        if let Some(value) = network.spec.options.get(option) {
            spec.options.insert(option.to_owned(), value.clone());
        }
    }
    match engine.create_network(&spec) {
        Ok(_) => Ok(()),
        Err(error) if spec.subnet.is_some() => {
            tracing::warn!(network = name, subnet = network.subnet, %error, "the network gets another subnet on this node");
            spec.subnet = None;
            engine.create_network(&spec)?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn find(engine: &Engine, name: &str) -> Result<Option<engine::Network>, Failure> {
    Ok(engine
        .networks()?
        .into_iter()
        .find(|network| network.name == *name))
}

fn remove(engine: &Engine, name: &str) -> Result<(), Failure> {
    match find(engine, name)? {
        Some(network) if network.labels.contains_key(NETWORK_LABEL) => {}
        _ => return Ok(()),
    }
    match engine.remove_network(name) {
        // A container that is no task is on it; or somebody was faster.
        Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => Ok(()),
        other => other.map(drop).map_err(Failure::from),
    }
}
