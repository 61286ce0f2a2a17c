use model::{
    Dependency, Global, Latch, Network, NetworkAttachment, Node, NodeState, Service, ServiceMode,
    Stack, Task, TaskState,
};
use store::{Change, Event, State, Transaction, What};

use super::Dirty;

/// A world that changes, and what that makes dirty.
struct World {
    state: State,
    dirty: Dirty,
    index: u64,
}

impl World {
    /// A database that a blog waits for, an agent on every node, and a node with a task of the database; nothing is dirty.
    fn new() -> Self {
        let mut world = World {
            state: State::default(),
            dirty: Dirty::default(),
            index: 0,
        };
        let mut blog = service("blog");
        blog.spec.depends_on.push(Dependency {
            service: "db".to_owned(),
            ..Dependency::default()
        });
        blog.revision = 1;
        blog.stack_id = "s".to_owned();
        blog.spec.task.networks.push(NetworkAttachment {
            network: "inner".to_owned(),
            ..NetworkAttachment::default()
        });
        let mut agent = service("agent");
        agent.spec.mode = Some(ServiceMode::Global(Global {}));
        world.change(vec![
            Change::create(service("db")),
            Change::create(blog),
            Change::create(agent),
            Change::create(Stack {
                id: "s".to_owned(),
                name: "s".to_owned(),
                ..Stack::default()
            }),
            Change::create(Node {
                id: "n".to_owned(),
                ..Node::default()
            }),
            Change::create(Task {
                id: "t".to_owned(),
                service_id: "db".to_owned(),
                node_id: "n".to_owned(),
                ..Task::default()
            }),
        ]);
        world.dirty = Dirty::everything(&world.state);
        world.clean();
        world
    }

    fn clean(&mut self) {
        self.dirty.services.clear();
        self.dirty.stacks.clear();
        self.dirty.allocation = false;
    }

    fn change(&mut self, changes: Vec<Change>) -> Vec<Event> {
        self.index += 1;
        self.state.advance(1, self.index);
        let applied = self.state.apply(Transaction {
            changes,
            ..Transaction::default()
        });
        assert_eq!(applied.reply.refusal, None);
        applied.events
    }

    /// What a change makes dirty.
    fn after(&mut self, change: Change) -> String {
        for event in self.change(vec![change]) {
            self.dirty.note(&self.state, &event);
        }
        let mut words: Vec<String> = self.dirty.services.iter().cloned().collect();
        let stacks = self.dirty.stacks.iter();
        words.extend(stacks.map(|stack| format!("stack {stack}")));
        words.extend(self.dirty.allocation.then(|| "allocation".to_owned()));
        self.clean();
        words.join(", ")
    }

    fn task(&self, state: TaskState) -> Change {
        let mut task = Task::clone(self.state.tasks().get("t").expect("a task"));
        task.status.state = state.into();
        Change::update(task)
    }

    fn service(&self, id: &str, alter: impl FnOnce(&mut Service)) -> Change {
        let mut service = Service::clone(self.state.services().get(id).expect("a service"));
        alter(&mut service);
        Change::update(service)
    }
}

fn service(id: &str) -> Service {
    let mut service = Service {
        id: id.to_owned(),
        ..Service::default()
    };
    service.spec.name = id.to_owned();
    service
}

#[test]
fn what_nodes_tell_counts_from_the_start_of_a_task_on() {
    let mut world = World::new();
    let table = [
        (TaskState::Accepted, ""),
        (TaskState::Preparing, ""),
        (TaskState::Ready, ""),
        (TaskState::Starting, "blog, db"),
        (TaskState::Running, "blog, db"),
    ];
    for (state, expected) in table {
        let change = world.task(state);
        assert_eq!(world.after(change), expected, "{state}");
    }
    let opened = world.service("blog", |blog| {
        blog.latches.push(Latch {
            dependency: "db".to_owned(),
            revision: 1,
            ..Latch::default()
        });
    });
    world.after(opened);
    let change = world.task(TaskState::Failed);
    assert_eq!(world.after(change), "db", "its gate stays open");
    let always = world.service("blog", |blog| blog.spec.gate.always = true);
    world.after(always);
    let gone = world.state.tasks().get("t").expect("a task").clone();
    assert_eq!(world.after(Change::remove(&*gone)), "blog, db");
}

#[test]
fn a_service_concerns_itself_and_who_depends_on_it() {
    let mut world = World::new();
    let updated = world.service("db", |db| db.revision = 2);
    assert!(world.after(updated).starts_with("blog, db"));
    let none = world.service("blog", |blog| blog.spec.depends_on.clear());
    world.after(none);
    let updated = world.service("db", |db| db.revision = 3);
    assert!(!world.after(updated).contains("blog"), "it depends no more");
    let gone = world.state.services().get("db").expect("a service").clone();
    assert_eq!(world.after(Change::remove(&*gone)), "allocation");
}

#[test]
fn a_stack_that_goes_follows_its_services() {
    let mut world = World::new();
    let mut stack = Stack::clone(world.state.stacks().get("s").expect("a stack"));
    stack.removing = true;
    assert_eq!(world.after(Change::update(stack)), "stack s");
    let gone = world
        .state
        .services()
        .get("blog")
        .expect("a service")
        .clone();
    assert_eq!(world.after(Change::remove(&*gone)), "stack s, allocation");
}

#[test]
fn a_node_concerns_the_services_on_it_and_those_that_are_everywhere() {
    let mut world = World::new();
    let node = |world: &World| Node::clone(world.state.nodes().get("n").expect("a node"));
    let mut renewed = node(&world);
    renewed.certificate.serial = "2".to_owned();
    assert_eq!(world.after(Change::update(renewed)), "");
    let mut down = node(&world);
    down.status.state = NodeState::Down.into();
    assert_eq!(world.after(Change::update(down)), "agent, db");
    assert_eq!(
        world.after(Change::create(Node {
            id: "m".to_owned(),
            ..Node::default()
        })),
        "agent"
    );
    let gone = node(&world);
    assert_eq!(world.after(Change::remove(&gone)), "agent, db");
}

#[test]
fn a_network_concerns_who_is_attached_to_it() {
    let mut world = World::new();
    let mut network = Network {
        id: "i".to_owned(),
        ..Network::default()
    };
    network.spec.name = "inner".to_owned();
    assert_eq!(world.after(Change::create(network)), "blog, allocation");
}

#[test]
fn what_is_created_by_plans_makes_nothing_dirty() {
    let mut world = World::new();
    let task = Task {
        id: "new".to_owned(),
        service_id: "db".to_owned(),
        ..Task::default()
    };
    let events = world.change(vec![Change::create(task)]);
    assert_eq!(events[0].what, What::Created);
    for event in &events {
        world.dirty.note(&world.state, event);
    }
    assert!(world.dirty.services.is_empty());
}
