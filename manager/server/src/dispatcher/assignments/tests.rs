use api::v1::AssignmentsMessage;
use api::v1::assignment::Object;
use model::{FileReference, NetworkAttachment, Revision, Secret, Task, TaskState};
use store::{Change, State, Transaction, View};

use super::{Kind, Known, next};

/// A world that changes, and what a node `n` has been told of it.
#[derive(Default)]
struct World {
    state: State,
    known: Known,
    index: u64,
}

impl World {
    fn change(&mut self, changes: Vec<Change>) {
        self.index += 1;
        self.state.advance(1, self.index);
        let applied = self.state.apply(Transaction {
            changes,
            ..Transaction::default()
        });
        assert_eq!(applied.reply.refusal, None);
    }

    fn view(&self) -> View {
        self.state.clone()
    }

    fn alter(&mut self, id: &str, alter: impl FnOnce(&mut Task)) {
        let mut task = Task::clone(self.state.tasks().get(id).expect("a task"));
        alter(&mut task);
        self.change(vec![Change::update(task)]);
    }

    fn told(&mut self) -> Vec<String> {
        let view = self.view();
        next(&view, "n", &mut self.known).map_or_else(Vec::new, words)
    }
}

/// `+ task t`, `- secret s`; `all` for a full set.
fn words(message: AssignmentsMessage) -> Vec<String> {
    let put = message.put.iter().map(|put| match &put.object {
        Some(Object::Task(task)) => format!("+ task {}", task.id),
        Some(Object::Revision(revision)) => format!("+ revision {}", revision.id),
        Some(Object::Secret(secret)) => format!("+ secret {}", secret.id),
        Some(Object::Config(config)) => format!("+ config {}", config.id),
        Some(Object::Network(network)) => format!("+ network {}", network.id),
        None => "+ nothing".to_owned(),
    });
    let removed = message
        .remove
        .iter()
        .map(|key| format!("- {} {}", key.kind().as_str_name().to_lowercase(), key.id));
    let all = message.complete.then(|| "all".to_owned());
    all.into_iter().chain(put).chain(removed).collect()
}

fn task(id: &str, node: &str, state: TaskState) -> Change {
    let mut task = Task {
        id: id.to_owned(),
        service_id: "web".to_owned(),
        revision: 1,
        node_id: node.to_owned(),
        desired_state: TaskState::Running.into(),
        ..Task::default()
    };
    task.status.state = state.into();
    Change::create(task)
}

fn secret(id: &str) -> Change {
    let mut secret = Secret {
        id: id.to_owned(),
        ..Secret::default()
    };
    secret.spec.name = format!("name-of-{id}");
    secret.spec.data = "x".into();
    Change::create(secret)
}

fn revision() -> Change {
    let mut revision = Revision {
        id: Revision::id_of("web", 1),
        service_id: "web".to_owned(),
        number: 1,
        ..Revision::default()
    };
    revision.task.container.secrets.push(FileReference {
        source: "name-of-s1".to_owned(),
        ..FileReference::default()
    });
    revision.task.networks.push(NetworkAttachment {
        network: "host".to_owned(),
        ..NetworkAttachment::default()
    });
    Change::create(revision)
}

#[test]
fn a_node_is_told_everything_first_and_then_what_changes() {
    let mut world = World::default();
    world.change(vec![secret("s1"), secret("s2"), revision()]);
    assert_eq!(
        world.told(),
        ["all"],
        "nothing is for it, and it knows that"
    );
    world.change(vec![
        task("t", "n", TaskState::Assigned),
        task("elsewhere", "m", TaskState::Assigned),
        task("pending", "", TaskState::Pending),
    ]);
    assert_eq!(
        world.told(),
        ["+ secret s1", "+ revision web.1", "+ task t"],
        "what a task needs comes before it, and nothing else"
    );
    assert!(world.told().is_empty());
    world.alter("t", |task| {
        task.status.state = TaskState::Running.into();
        task.status.message = "it runs".to_owned();
    });
    assert!(world.told().is_empty(), "the node has said so itself");
    world.alter("t", |task| task.desired_state = TaskState::Shutdown.into());
    assert_eq!(world.told(), ["+ task t"]);
    world.alter("t", |task| task.status.state = TaskState::Shutdown.into());
    assert_eq!(
        world.told(),
        ["- secret s1"],
        "it has ended and is still known"
    );
    let gone = world.state.tasks().get("t").expect("a task").clone();
    world.change(vec![Change::remove(&*gone)]);
    assert_eq!(world.told(), ["- task t", "- revision web.1"]);
}

#[test]
fn a_task_that_was_given_up_is_told_of_again() {
    let mut world = World::default();
    world.change(vec![revision(), task("t", "n", TaskState::Assigned)]);
    world.told();
    world.alter("t", |task| task.status.state = TaskState::Orphaned.into());
    assert_eq!(world.told(), ["+ task t"]);
}

#[test]
fn only_what_matters_to_a_node_wakes_it() {
    let mut world = World::default();
    world.change(vec![revision(), task("t", "n", TaskState::Assigned)]);
    world.told();
    let as_it_is = |world: &World| {
        let task = world.state.tasks().get("t").expect("a task").clone();
        world.known.has_as_it_is(&task)
    };
    assert!(as_it_is(&world));
    world.alter("t", |task| task.status.state = TaskState::Running.into());
    assert!(as_it_is(&world));
    world.alter("t", |task| task.desired_state = TaskState::Remove.into());
    assert!(!as_it_is(&world));
    world.told();
    assert!(as_it_is(&world));
    world.alter("t", |task| task.status.state = TaskState::Complete.into());
    assert!(!as_it_is(&world), "what it was given may go");
    assert!(world.known.has(Kind::Revision, "web.1") && !world.known.has(Kind::Secret, "s1"));
}
