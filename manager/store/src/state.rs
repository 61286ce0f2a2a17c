//! All tables together, and how a transaction changes them.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use model::{
    Cluster, Config, Deployment, FEATURE_LEVEL, Network, Node, Revision, Secret, Service, Stack,
    Task,
};

use crate::change::{Action, Change, Kind, Object, Removal};
use crate::events::{Event, What};
use crate::object::{BY_NODE, BY_OWNER, Stored};
use crate::table::Table;
use crate::transaction::{Refusal, RefusalKind, Transaction, TransactionReply};

/// How many requests are remembered, to answer a repeated one as the first was.
pub(crate) const REMEMBERED: usize = 10_000;

/// Everything the cluster knows. A clone is a view: it costs nothing and stays as it is.
#[derive(Clone, Default)]
pub struct State {
    pub(crate) version: u64,
    pub(crate) term: u64,
    pub(crate) clusters: Table<Cluster>,
    pub(crate) nodes: Table<Node>,
    pub(crate) tasks: Table<Task>,
    pub(crate) configs: Table<Config>,
    pub(crate) services: Table<Service>,
    pub(crate) revisions: Table<Revision>,
    pub(crate) stacks: Table<Stack>,
    pub(crate) deployments: Table<Deployment>,
    pub(crate) secrets: Table<Secret>,
    pub(crate) networks: Table<Network>,
    pub(crate) requests: OrdMap<Arc<str>, TransactionReply>,
    pub(crate) request_order: Vector<Arc<str>>,
}

/// What readers are given.
pub type View = State;

/// What a transaction did.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The answer to who proposed it.
    pub reply: TransactionReply,
    /// What changed.
    pub events: Vec<Event>,
}

impl State {
    /// Index of the last entry that was applied.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Term of that entry.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// The cluster, once it is founded.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.clusters.iter().next()
    }

    /// The machines.
    pub fn nodes(&self) -> &Table<Node> {
        &self.nodes
    }

    /// The units of work.
    pub fn tasks(&self) -> &Table<Task> {
        &self.tasks
    }

    /// The configuration files.
    pub fn configs(&self) -> &Table<Config> {
        &self.configs
    }

    /// The tasks of a service, by id.
    pub fn tasks_of(&self, service_id: &str) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.in_group(BY_OWNER, service_id)
    }

    /// The tasks that are bound to a node, by id.
    pub fn tasks_on(&self, node_id: &str) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.in_group(BY_NODE, node_id)
    }

    /// The services.
    pub fn services(&self) -> &Table<Service> {
        &self.services
    }

    /// The services of a stack, by id.
    pub fn services_of(&self, stack_id: &str) -> impl Iterator<Item = &Arc<Service>> {
        self.services.in_group(BY_OWNER, stack_id)
    }

    /// What tasks of services ran at one time.
    pub fn revisions(&self) -> &Table<Revision> {
        &self.revisions
    }

    /// One of a service.
    pub fn revision(&self, service_id: &str, number: u64) -> Option<&Arc<Revision>> {
        self.revisions.get(&Revision::id_of(service_id, number))
    }

    /// All of a service, by id.
    pub fn revisions_of(&self, service_id: &str) -> impl Iterator<Item = &Arc<Revision>> {
        self.revisions.in_group(BY_OWNER, service_id)
    }

    /// The stacks.
    pub fn stacks(&self) -> &Table<Stack> {
        &self.stacks
    }

    /// What was deployed, and when.
    pub fn deployments(&self) -> &Table<Deployment> {
        &self.deployments
    }

    /// All of a stack, by id.
    pub fn deployments_of(&self, stack_id: &str) -> impl Iterator<Item = &Arc<Deployment>> {
        self.deployments.in_group(BY_OWNER, stack_id)
    }

    /// The secrets.
    pub fn secrets(&self) -> &Table<Secret> {
        &self.secrets
    }

    /// The networks.
    pub fn networks(&self) -> &Table<Network> {
        &self.networks
    }

    /// The networks of a stack, by id.
    pub fn networks_of(&self, stack_id: &str) -> impl Iterator<Item = &Arc<Network>> {
        self.networks.in_group(BY_OWNER, stack_id)
    }

    /// How a request was answered before.
    pub fn answered(&self, request_id: &str) -> Option<&TransactionReply> {
        self.requests.get(request_id)
    }

    /// Moves on to the log entry at `version`, written in `term`; its transactions follow.
    pub fn advance(&mut self, term: u64, version: u64) {
        debug_assert!(version >= self.version, "entries are applied in order");
        self.version = version;
        self.term = term;
    }

    /// Applies one transaction of the entry that [`State::advance`] named: all of it, or nothing.
    pub fn apply(&mut self, transaction: Transaction) -> Applied {
        if let Some(reply) = self.requests.get(transaction.request_id.as_str()) {
            return Applied {
                reply: reply.clone(),
                events: Vec::new(),
            };
        }
        let Transaction {
            request_id,
            term,
            at_ms,
            changes,
            ..
        } = transaction;
        let (refusal, events) = if term != 0 && term != self.term {
            (Some(Refusal::fenced(term, self.term)), Vec::new())
        } else {
            // A copy is free; a refused transaction leaves no trace of its first changes.
            let before = self.clone();
            match changes
                .into_iter()
                .map(|change| self.change(change, at_ms))
                .collect::<Result<Vec<_>, _>>()
            {
                Ok(events) => (None, events),
                Err(refusal) => {
                    *self = before;
                    (Some(refusal), Vec::new())
                }
            }
        };
        let reply = TransactionReply {
            version: self.version,
            refusal,
        };
        // One that was overtaken may be tried again under the same id.
        let again = |refusal: &Refusal| {
            matches!(refusal.kind(), RefusalKind::Overtaken | RefusalKind::Fenced)
        };
        if !reply.refusal.as_ref().is_some_and(again) {
            self.remember(&request_id, &reply);
        }
        Applied { reply, events }
    }

    /// Whether this program understands a transaction. What it doesn't it must not apply, nor skip.
    pub fn understands(transaction: &Transaction) -> bool {
        transaction.feature_level <= FEATURE_LEVEL
    }

    fn remember(&mut self, request_id: &str, reply: &TransactionReply) {
        if request_id.is_empty() {
            return;
        }
        let id = Arc::<str>::from(request_id);
        self.requests.insert(id.clone(), reply.clone());
        self.request_order.push_back(id);
        while self.request_order.len() > REMEMBERED {
            if let Some(oldest) = self.request_order.pop_front() {
                self.requests.remove(&oldest);
            }
        }
    }

    fn change(&mut self, change: Change, at_ms: i64) -> Result<Event, Refusal> {
        let unknown = || Refusal::invalid("a change of a kind that this version does not know");
        let version = self.version;
        let (what, object) = match change.action.ok_or_else(unknown)? {
            Action::Create(Object { kind }) => (
                What::Created,
                self.create(kind.ok_or_else(unknown)?, version, at_ms)?,
            ),
            Action::Update(Object { kind }) => (
                What::Updated,
                self.update(kind.ok_or_else(unknown)?, version, at_ms)?,
            ),
            Action::Remove(removal) => (What::Removed, self.remove(&removal).ok_or_else(unknown)??),
        };
        Ok(Event {
            version,
            what,
            object,
        })
    }

    fn create(&mut self, object: Kind, version: u64, at_ms: i64) -> Result<Kind, Refusal> {
        match object {
            Kind::Cluster(cluster) => {
                if !self.clusters.is_empty() {
                    return Err(Refusal::invalid("there is a cluster already"));
                }
                create(&mut self.clusters, cluster, version, at_ms)
            }
            Kind::Node(node) => create(&mut self.nodes, *node, version, at_ms),
            Kind::Task(task) => create(&mut self.tasks, task, version, at_ms),
            Kind::Config(config) => create(&mut self.configs, config, version, at_ms),
            Kind::Service(service) => create(&mut self.services, *service, version, at_ms),
            Kind::Revision(revision) => create(&mut self.revisions, *revision, version, at_ms),
            Kind::Stack(stack) => create(&mut self.stacks, stack, version, at_ms),
            Kind::Deployment(deployment) => {
                create(&mut self.deployments, *deployment, version, at_ms)
            }
            Kind::Secret(secret) => create(&mut self.secrets, secret, version, at_ms),
            Kind::Network(network) => create(&mut self.networks, network, version, at_ms),
        }
    }

    fn update(&mut self, object: Kind, version: u64, at_ms: i64) -> Result<Kind, Refusal> {
        match object {
            Kind::Cluster(cluster) => update(&mut self.clusters, cluster, version, at_ms),
            Kind::Node(node) => update(&mut self.nodes, *node, version, at_ms),
            Kind::Task(task) => update(&mut self.tasks, task, version, at_ms),
            Kind::Config(config) => update(&mut self.configs, config, version, at_ms),
            Kind::Service(service) => update(&mut self.services, *service, version, at_ms),
            Kind::Revision(revision) => update(&mut self.revisions, *revision, version, at_ms),
            Kind::Stack(stack) => update(&mut self.stacks, stack, version, at_ms),
            Kind::Deployment(deployment) => {
                update(&mut self.deployments, *deployment, version, at_ms)
            }
            Kind::Secret(secret) => update(&mut self.secrets, secret, version, at_ms),
            Kind::Network(network) => update(&mut self.networks, network, version, at_ms),
        }
    }

    /// None for a table that this version does not know.
    fn remove(&mut self, removal: &Removal) -> Option<Result<Kind, Refusal>> {
        match removal.table {
            Cluster::TABLE => Some(Err(Refusal::invalid(
                "the cluster itself cannot be removed",
            ))),
            Node::TABLE => Some(remove(&mut self.nodes, removal)),
            Task::TABLE => Some(remove(&mut self.tasks, removal)),
            Config::TABLE => Some(remove(&mut self.configs, removal)),
            Service::TABLE => Some(remove(&mut self.services, removal)),
            Revision::TABLE => Some(remove(&mut self.revisions, removal)),
            Stack::TABLE => Some(remove(&mut self.stacks, removal)),
            Deployment::TABLE => Some(remove(&mut self.deployments, removal)),
            Secret::TABLE => Some(remove(&mut self.secrets, removal)),
            Network::TABLE => Some(remove(&mut self.networks, removal)),
            _ => None,
        }
    }
}

fn create<T: Stored>(
    table: &mut Table<T>,
    mut object: T,
    version: u64,
    at_ms: i64,
) -> Result<Kind, Refusal>
where
    Arc<T>: Into<Kind>,
{
    table.check_create(&object)?;
    let meta = object.meta_mut();
    (meta.version, meta.created_ms, meta.updated_ms) = (version, at_ms, at_ms);
    Ok(table.put(object).into())
}

fn update<T: Stored>(
    table: &mut Table<T>,
    mut object: T,
    version: u64,
    at_ms: i64,
) -> Result<Kind, Refusal>
where
    Arc<T>: Into<Kind>,
{
    table.check_update(&object)?;
    let created_ms = table
        .get(object.id())
        .map_or(at_ms, |known| known.meta().created_ms);
    let meta = object.meta_mut();
    (meta.version, meta.created_ms, meta.updated_ms) = (version, created_ms, at_ms);
    Ok(table.put(object).into())
}

fn remove<T: Stored>(table: &mut Table<T>, removal: &Removal) -> Result<Kind, Refusal>
where
    Arc<T>: Into<Kind>,
{
    table.check_version(&removal.id, removal.version)?;
    let taken = table
        .take(&removal.id)
        .ok_or_else(|| Refusal::missing(T::NOUN, &removal.id))?;
    Ok(taken.into())
}
