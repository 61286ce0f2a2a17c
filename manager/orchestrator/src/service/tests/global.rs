//! As SwarmKit's global orchestrator is tested: nodes come, go, drain and pause.

use model::{Availability, Global, NodeState, RolloutState, ServiceMode, ServiceSpec, TaskState};

use super::world::{FLAKY, World, web};

fn agent(image: &str) -> ServiceSpec {
    ServiceSpec {
        mode: Some(ServiceMode::Global(Global {})),
        ..web(image, 0)
    }
}

fn running(nodes: usize) -> (World, String) {
    let mut world = World::new(nodes);
    let id = world.up(agent("v1"));
    world.run();
    (world, id)
}

#[test]
fn one_on_each_node() {
    let (mut world, id) = running(2);
    assert_eq!(world.meant(&id), ["n1.1 running", "n2.1 running"]);
    world.join("n3");
    world.run();
    assert_eq!(world.running(&id, 1), 3);
    world.leave("n1");
    world.run();
    assert_eq!(world.meant(&id), ["n2.1 running", "n3.1 running"]);
    assert_eq!(
        world.tasks(&id).len(),
        2,
        "those of the removed node are forgotten"
    );
}

#[test]
fn drained_and_back() {
    let (mut world, id) = running(2);
    world.available("n1", Availability::Drain);
    world.run();
    assert_eq!(world.meant(&id), ["n2.1 running"]);
    world.available("n1", Availability::Active);
    world.run();
    assert_eq!(world.meant(&id), ["n1.1 running", "n2.1 running"]);
}

#[test]
fn a_node_that_is_down_keeps_its_task() {
    let (mut world, id) = running(2);
    let before = world.tasks(&id);
    world.seen("n1", NodeState::Down);
    world.pass(3_600_000);
    assert_eq!(world.tasks(&id), before);
    world.up(agent("v2"));
    world.pass(10_000);
    assert_eq!(
        world.meant(&id),
        ["n1.1 running", "n2.2 running"],
        "it cannot be asked"
    );
    world.seen("n1", NodeState::Ready);
    world.pass(10_000);
    assert_eq!(world.meant(&id), ["n1.2 running", "n2.2 running"]);
    let rollout = world.service(&id).rollout.clone().expect("a rollout");
    assert_eq!(rollout.state(), RolloutState::Completed);
}

#[test]
fn a_paused_node_gets_nothing_and_keeps_what_it_has() {
    let (mut world, id) = running(2);
    world.available("n1", Availability::Pause);
    world.join("n3");
    world.available("n3", Availability::Pause);
    world.up(agent("v2"));
    world.pass(10_000);
    assert_eq!(world.meant(&id), ["n1.1 running", "n2.2 running"]);
    world.available("n1", Availability::Active);
    world.available("n3", Availability::Active);
    world.pass(10_000);
    assert_eq!(world.running(&id, 2), 3);
}

#[test]
fn labels_say_which_nodes() {
    let mut world = World::new(2);
    let label = |world: &mut World, id: &str, disk: &str| {
        world.node(id, |node| {
            node.spec.labels = [("disk".to_owned(), disk.to_owned())].into()
        });
    };
    label(&mut world, "n1", "ssd");
    let mut spec = agent("v1");
    spec.task.placement.constraints = vec!["node.labels.disk == ssd".into()];
    let id = world.up(spec);
    world.run();
    assert_eq!(world.meant(&id), ["n1.1 running"]);
    label(&mut world, "n1", "hdd");
    label(&mut world, "n2", "ssd");
    world.run();
    assert_eq!(world.meant(&id), ["n2.1 running"]);
    let left = world
        .tasks(&id)
        .into_iter()
        .find(|task| task.node_id == "n1");
    let reason = left.expect("its history").reason;
    assert_eq!(
        reason,
        "node n1 is not what the constraints ask for any more"
    );
}

#[test]
fn restarts_stay_on_their_node() {
    let (mut world, id) = running(2);
    let task = world.tasks(&id)[0].id.clone();
    world.report(&task, TaskState::Failed);
    world.run();
    assert_eq!(world.meant(&id), ["n1.1 ready waits", "n2.1 running"]);
    world.pass(5_000);
    assert_eq!(world.meant(&id), ["n1.1 running", "n2.1 running"]);
}

#[test]
fn updates_and_failures() {
    let (mut world, id) = running(3);
    world.up(agent("v2"));
    world.pass(10_000);
    assert_eq!(world.running(&id, 2), 3);
    world.up(agent(FLAKY));
    world.pass(10_000);
    let rollout = world.service(&id).rollout.clone().expect("a rollout");
    assert_eq!((rollout.state(), rollout.from), (RolloutState::Paused, 2));
    assert!(world.running(&id, 2) >= 1, "{:?}", world.meant(&id));
}

#[test]
fn a_node_without_room_is_asked_again() {
    let mut world = World::new(1);
    let mut spec = agent("v1");
    spec.task.resources.reservations.memory_bytes = 1 << 30;
    let id = world.up(spec);
    let due_ms = world.run();
    assert_eq!((world.tasks(&id).len(), due_ms.is_some()), (0, true));
    world.node("n1", |node| {
        node.description.resources.memory_bytes = 2 << 30;
    });
    world.run();
    assert_eq!(world.meant(&id), ["n1.1 running"]);
}
