//! The world, as tests talk to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{
    Autoscaled, Availability, Cluster, ClusterSpec, Node, NodeState, Platform, Replicated,
    Resources, Service, ServiceMode, ServiceSpec, StackSpec, Task, TaskState,
};
use orchestrator::standing::{self, Standing};
use orchestrator::{autoscale, check, service, stack};
use store::{Change, Event, Kind, State, Transaction, View, What};

use crate::dice::Dice;
use crate::leader::{Leader, Next, new_id};
use crate::machine::{Behaviour, Images, Machine};
use crate::rules::Rules;

/// The time at which worlds begin: 2001-09-09, in milliseconds since 1970 (UTC).
const START_MS: i64 = 1_000_000_000_000;
/// A node that was not heard of for so long is down: three heartbeats.
const DOWN_MS: i64 = 15_000;
/// Until another manager leads.
const FAILOVER_MS: i64 = 600;
/// A new leader waits so much longer for nodes at first.
const GRACE_MS: i64 = 10_000;
/// Up to so many services it is looked at every time whether nothing is left to plan.
const FEW: usize = 12;

/// A cluster in memory.
pub struct World {
    state: State,
    now_ms: i64,
    seed: u64,
    dice: Dice,
    machines: BTreeMap<String, Machine>,
    images: Images,
    leader: Option<Leader>,
    /// When there is a leader again.
    leads_from_ms: i64,
    /// The leader is lost after so many more commits.
    dies_after: Option<u64>,
    /// Most changes of one transaction.
    step: usize,
    rules: Rules,
    term: u64,
    commits: u64,
    /// Tasks that are gone, by the reason why they were told to end.
    ended: BTreeMap<String, u64>,
}

impl World {
    /// An empty cluster. The same seed and the same calls give the same life.
    pub fn new(seed: u64) -> Self {
        let mut world = World {
            state: State::default(),
            now_ms: START_MS,
            seed,
            dice: Dice::new(seed),
            machines: BTreeMap::new(),
            images: Images::new(),
            leader: None,
            leads_from_ms: START_MS,
            dies_after: None,
            step: usize::MAX,
            rules: Rules::default(),
            term: 1,
            commits: 0,
            ended: BTreeMap::new(),
        };
        world.commit(vec![Change::create(Cluster {
            id: "world".to_owned(),
            spec: ClusterSpec::standard(),
            ..Cluster::default()
        })]);
        world
    }

    /// A node joins: four processors, 8 GiB, linux/amd64. Its name is its id.
    pub fn node(&mut self, name: &str, labels: &[(&str, &str)]) {
        let mut node = Node {
            id: name.to_owned(),
            ..Node::default()
        };
        node.description.hostname = name.to_owned();
        node.description.platform = Platform {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
        };
        node.description.resources = Resources {
            nano_cpus: 4_000_000_000,
            memory_bytes: 8 << 30,
        };
        node.status.state = NodeState::Ready.into();
        for (label, value) in labels {
            node.spec
                .labels
                .insert((*label).to_owned(), (*value).to_owned());
        }
        self.commit(vec![Change::create(node)]);
        self.machines.insert(name.to_owned(), Machine::new(name));
    }

    /// Changes what is wanted of a node, or what it says of itself.
    pub fn change_node(&mut self, name: &str, change: impl FnOnce(&mut Node)) {
        let known = self.state.nodes().get(name).expect("there is such a node");
        let mut node = Node::clone(known);
        change(&mut node);
        self.commit(vec![Change::update(node)]);
    }

    /// A node is given tasks, or no new ones, or none.
    pub fn availability(&mut self, name: &str, availability: Availability) {
        self.change_node(name, |node| node.spec.availability = availability.into());
    }

    /// A node is removed from the cluster; whatever runs on it is nobody's.
    pub fn remove_node(&mut self, name: &str) {
        let known = self.state.nodes().get(name).expect("there is such a node");
        let gone = Change::remove(&**known);
        self.machines.remove(name);
        self.commit(vec![gone]);
    }

    /// What containers of an image do from now on, those that run already too.
    pub fn image(&mut self, image: &str, behaviour: Behaviour) {
        self.images.insert(image.to_owned(), behaviour);
    }

    /// Deploys a stack. Its warnings, or why it is refused.
    pub fn deploy(&mut self, spec: &StackSpec) -> Result<Vec<String>, String> {
        let dice = &mut self.dice;
        let ids = &mut || new_id(dice);
        let deploy = stack::deploy(&self.state, spec, "stack up", self.now_ms, ids)
            .map_err(|error| error.to_string())?;
        self.commit(deploy.changes);
        Ok(deploy.warnings)
    }

    /// Returns a stack to an earlier deployment, the one before the newest for none.
    pub fn roll_back_stack(&mut self, name: &str, to: Option<u64>) -> Result<(), String> {
        let known = self.state.stacks().named(name).cloned();
        let known = known.ok_or_else(|| format!("there is no stack `{name}`"))?;
        let dice = &mut self.dice;
        let ids = &mut || new_id(dice);
        let deploy = stack::roll_back(&self.state, &known, to, self.now_ms, ids)
            .map_err(|error| error.to_string())?;
        self.commit(deploy.changes);
        Ok(())
    }

    /// Removes a stack.
    pub fn remove_stack(&mut self, name: &str) {
        let known = self
            .state
            .stacks()
            .named(name)
            .cloned()
            .expect("there is such a stack");
        let changes = stack::remove(&self.state, &known);
        self.commit(changes);
    }

    /// Makes a service, or changes the one of that name. Its warnings, or why it is refused.
    pub fn create(&mut self, spec: ServiceSpec) -> Result<Vec<String>, String> {
        let warnings = check::service(&self.state, &spec)?;
        let known = self.state.services().named(&spec.name).cloned();
        let stack_id = known
            .as_ref()
            .map_or_else(String::new, |known| known.stack_id.clone());
        let dice = &mut self.dice;
        let ids = &mut || new_id(dice);
        let known = known.as_deref();
        let specified = service::specify(&self.state, known, spec, &stack_id, self.now_ms, ids);
        self.commit(specified.changes);
        Ok(warnings)
    }

    /// Changes what is wanted of a service.
    pub fn update(&mut self, name: &str, change: impl FnOnce(&mut ServiceSpec)) {
        let mut spec = self.service(name).spec.clone();
        change(&mut spec);
        self.create(spec).expect("the changed service can be meant");
    }

    /// Another number of replicas.
    pub fn scale(&mut self, name: &str, replicas: u64) {
        self.update(name, |spec| {
            spec.mode = Some(ServiceMode::Replicated(Replicated { replicas }));
        });
    }

    /// What its tasks use is told; the leader scales it as it decides. What was decided.
    pub fn autoscale(
        &mut self,
        name: &str,
        usage: &BTreeMap<String, autoscale::Usage>,
    ) -> Option<Autoscaled> {
        let known = self.service(name);
        let decided = autoscale::decide(&self.state, &known, usage, self.now_ms)?;
        let scaled = autoscale::apply(&known, decided.clone());
        self.commit(vec![scaled]);
        Some(decided)
    }

    /// Returns a service to what it was before its last change.
    pub fn roll_back(&mut self, name: &str) -> Result<(), String> {
        let changes = service::roll_back(&self.state, &self.service(name), self.now_ms)?;
        self.commit(changes);
        Ok(())
    }

    /// Removes a service.
    pub fn remove(&mut self, name: &str) {
        let changes = service::remove(&self.service(name));
        self.commit(changes);
    }

    /// The leader is lost with all that it remembers; another leads after a while.
    pub fn kill_leader(&mut self) {
        self.leader = None;
        self.term += 1;
        self.leads_from_ms = self.now_ms + FAILOVER_MS;
        for machine in self
            .machines
            .values_mut()
            .filter(|machine| !machine.reaches())
        {
            machine.unheard_ms = Some(self.leads_from_ms + GRACE_MS);
        }
    }

    /// The leader is lost after so many more transactions of its own, whatever of a plan is not committed by then.
    pub fn kill_leader_after(&mut self, commits: u64) {
        self.dies_after = Some(commits);
    }

    /// Plans are committed in transactions of so many changes at most.
    pub fn commit_in_steps_of(&mut self, changes: usize) {
        self.step = changes.max(1);
    }

    /// A node loses power: what ran on it runs no more, and nobody is told.
    pub fn crash_node(&mut self, name: &str) {
        let now_ms = self.now_ms;
        let machine = self.machine(name);
        machine.crash();
        machine.unheard_ms.get_or_insert(now_ms);
    }

    /// A node that had lost power is back.
    pub fn restart_node(&mut self, name: &str) {
        self.machine(name).crashed = false;
    }

    /// A node reaches nobody, and goes on with what it has.
    pub fn partition(&mut self, name: &str) {
        let now_ms = self.now_ms;
        let machine = self.machine(name);
        machine.cut = true;
        machine.unheard_ms.get_or_insert(now_ms);
    }

    /// A node that was cut off is reached again.
    pub fn heal(&mut self, name: &str) {
        self.machine(name).cut = false;
    }

    fn machine(&mut self, name: &str) -> &mut Machine {
        self.machines.get_mut(name).expect("there is such a node")
    }

    /// Lets so many milliseconds pass.
    pub fn run_for(&mut self, ms: i64) {
        let end_ms = self.now_ms + ms;
        loop {
            self.step();
            match self.next_ms().filter(|next_ms| *next_ms < end_ms) {
                Some(next_ms) => self.now_ms = next_ms.max(self.now_ms + 1),
                None => break,
            }
        }
        self.now_ms = end_ms;
        self.step();
    }

    /// Lets time pass until every service has converged, or has failed for good; at most so many milliseconds. Whether all have
    /// converged.
    pub fn settle(&mut self, most_ms: i64) -> bool {
        let end_ms = self.now_ms + most_ms;
        loop {
            self.step();
            let standings = self.standings();
            if standings
                .iter()
                .all(|(_, standing)| standing.converged || standing.failed)
            {
                return standings.iter().all(|(_, standing)| standing.converged);
            }
            match self.next_ms().filter(|next_ms| *next_ms <= end_ms) {
                Some(next_ms) => self.now_ms = next_ms.max(self.now_ms + 1),
                None => {
                    self.now_ms = end_ms;
                    return false;
                }
            }
        }
    }

    /// Does all that is to be done at this moment: nodes and leader by turns, until neither has anything left.
    pub fn step(&mut self) {
        for _ in 0..1000 {
            let worked = self.nodes_work();
            let planned = self.leader_works();
            if !worked && !planned {
                return;
            }
        }
        self.panic("the world does not come to rest");
    }

    /// Nodes do what they are due to do, and tell of it.
    fn nodes_work(&mut self) -> bool {
        let led = self.now_ms >= self.leads_from_ms;
        let mut news = Vec::new();
        for machine in self.machines.values_mut() {
            let heard = led && machine.reaches();
            if heard {
                machine.listen(&self.state, self.now_ms, &mut self.dice);
            }
            machine.advance(&self.images, self.now_ms);
            if heard {
                news.extend(machine.news(&self.state).into_iter().map(Change::update));
            }
        }
        if led {
            news.extend(self.sessions());
        }
        let any = !news.is_empty();
        if any {
            self.commit(news);
        }
        any
    }

    /// What the leader makes of hearing of nodes, or not.
    fn sessions(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for machine in self.machines.values_mut() {
            let Some(node) = self.state.nodes().get(&machine.id) else {
                continue;
            };
            let seen = match (machine.reaches(), machine.unheard_ms) {
                (true, _) => {
                    machine.unheard_ms = None;
                    NodeState::Ready
                }
                (false, Some(since_ms)) if self.now_ms - since_ms >= DOWN_MS => NodeState::Down,
                (false, _) => node.status.state(),
            };
            if node.status.state() != seen {
                let mut node = Node::clone(node);
                node.status.state = seen.into();
                changes.push(Change::update(node));
            }
        }
        changes
    }

    fn leader_works(&mut self) -> bool {
        if self.now_ms < self.leads_from_ms {
            return false;
        }
        let mut any = false;
        for _ in 0..Leader::most_rounds(&self.state) {
            let leader = self.leader.get_or_insert_with(|| Leader::new(&self.state));
            match leader.next(&self.state, self.now_ms, &mut self.dice) {
                Next::Commit(changes) => {
                    any = true;
                    if !self.carry_out(changes) {
                        return true;
                    }
                }
                Next::Rest => {
                    self.nothing_is_left();
                    return any;
                }
            }
        }
        self.panic("the leader does not come to rest");
    }

    /// Commits a plan; false when the leader was lost before its end.
    fn carry_out(&mut self, changes: Vec<Change>) -> bool {
        let mut changes = changes.into_iter().peekable();
        while changes.peek().is_some() {
            let step: Vec<_> = changes.by_ref().take(self.step).collect();
            self.commit(step);
            if let Some(left) = &mut self.dies_after {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.dies_after = None;
                    self.kill_leader();
                    return false;
                }
            }
        }
        true
    }

    /// Planning again changes nothing.
    fn nothing_is_left(&mut self) {
        if self.state.services().len() > FEW && !self.commits.is_multiple_of(64) {
            return;
        }
        let left = Leader::left_over(&self.state, self.now_ms, &mut self.dice.clone());
        if !left.is_empty() {
            self.panic(&format!(
                "the leader rests, and this is left to do: {left:#?}"
            ));
        }
    }

    fn next_ms(&self) -> Option<i64> {
        let machines = self.machines.values();
        let containers = machines
            .clone()
            .filter_map(|machine| machine.next_ms(&self.images));
        let silent = machines
            .filter(|machine| {
                let node = self.state.nodes().get(&machine.id);
                node.is_some_and(|node| node.status.state() != NodeState::Down)
            })
            .filter_map(|machine| Some(machine.unheard_ms? + DOWN_MS));
        let leader = match &self.leader {
            Some(leader) => leader.next_ms(),
            None => Some(self.leads_from_ms),
        };
        let next = containers.chain(silent).chain(leader);
        next.filter(|at_ms| *at_ms > self.now_ms).min()
    }

    fn commit(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        self.commits += 1;
        self.state.advance(self.term, self.state.version() + 1);
        let applied = self.state.apply(Transaction {
            at_ms: self.now_ms,
            changes,
            ..Transaction::default()
        });
        if let Some(refusal) = applied.reply.refusal {
            self.panic(&format!("a transaction is refused: {refusal}"));
        }
        self.hear(&applied.events);
    }

    fn hear(&mut self, events: &[Event]) {
        for event in events.iter().filter(|event| event.what == What::Removed) {
            if let Kind::Task(task) = &event.object {
                *self.ended.entry(task.reason.clone()).or_default() += 1;
            }
        }
        if let Some(leader) = &mut self.leader {
            leader.observe(&self.state, events);
        }
        if let Err(broken) = self.rules.check(&self.state, events) {
            self.panic(&broken);
        }
    }

    pub(crate) fn panic(&self, what: &str) -> ! {
        panic!(
            "seed {}, {} ms after the beginning, commit {}: {what}",
            self.seed,
            self.now_ms - START_MS,
            self.commits
        );
    }

    /// How many tasks were told to end for that reason.
    pub(crate) fn ended_because(&self, reason: &str) -> u64 {
        self.ended.get(reason).copied().unwrap_or(0)
    }

    /// Everything that the cluster knows.
    pub fn view(&self) -> &View {
        &self.state
    }

    /// What time it is: milliseconds since 1970 (UTC).
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// How many transactions there were.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// The service of that name; there must be one.
    pub fn service(&self, name: &str) -> Arc<Service> {
        let known = self.state.services().named(name);
        known
            .unwrap_or_else(|| panic!("there is no service `{name}`"))
            .clone()
    }

    /// Its tasks, those that have ended too, by slot and age.
    pub fn tasks(&self, name: &str) -> Vec<Arc<Task>> {
        let mut tasks: Vec<_> = self
            .state
            .tasks_of(&self.service(name).id)
            .cloned()
            .collect();
        tasks.sort_by_key(|task| (task.slot, task.node_id.clone(), task.meta.created_ms));
        tasks
    }

    /// Those of its tasks that run and are meant to.
    pub fn running(&self, name: &str) -> Vec<Arc<Task>> {
        let mut tasks = self.tasks(name);
        tasks.retain(|task| task.status.state() == TaskState::Running && task.is_wanted());
        tasks
    }

    /// How many processes live on a node, whatever the managers know of them.
    pub fn processes(&self, node: &str) -> usize {
        self.machines.get(node).map_or(0, Machine::processes)
    }

    /// How far a service has come.
    pub fn standing(&self, name: &str) -> Standing {
        standing::of(&self.state, &self.service(name), self.now_ms)
    }

    /// How far each service has come, by name.
    pub fn standings(&self) -> Vec<(String, Standing)> {
        let services = self.state.services().iter();
        services
            .map(|service| {
                let standing = standing::of(&self.state, service, self.now_ms);
                (service.spec.name.clone(), standing)
            })
            .collect()
    }
}
