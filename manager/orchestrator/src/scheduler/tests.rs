mod carried;

use model::*;
use store::change::Action;
use store::{Change, Kind, Object, State, Transaction};

use super::Scheduler;
use crate::Plan;

const NOW_MS: i64 = 1_000_000;

fn node(id: &str, labels: &[(&str, &str)]) -> Node {
    let mut node = Node {
        id: id.to_owned(),
        ..Node::default()
    };
    node.status.state = NodeState::Ready.into();
    node.description.resources = Resources {
        nano_cpus: 4_000_000_000,
        memory_bytes: 4000,
    };
    node.description.platform = Platform {
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
    };
    for (name, value) in labels {
        node.spec
            .labels
            .insert((*name).to_owned(), (*value).to_owned());
    }
    node
}

fn revision(service: &str, change: impl FnOnce(&mut Revision)) -> Revision {
    let mut revision = Revision {
        id: Revision::id_of(service, 1),
        service_id: service.to_owned(),
        number: 1,
        ..Revision::default()
    };
    change(&mut revision);
    revision
}

fn task(service: &str, slot: u64) -> Task {
    Task {
        id: format!("{service}-{slot}"),
        service_id: service.to_owned(),
        revision: 1,
        slot,
        desired_state: TaskState::Running.into(),
        ..Task::default()
    }
}

fn on(node: &str, mut task: Task) -> Task {
    node.clone_into(&mut task.node_id);
    task.status.state = TaskState::Running.into();
    task
}

/// Commits it as the leader would.
fn commit(state: &mut State, changes: Vec<Change>) -> Vec<store::Event> {
    state.advance(1, state.version() + 1);
    let applied = state.apply(Transaction {
        changes,
        at_ms: NOW_MS,
        ..Transaction::default()
    });
    assert_eq!(applied.reply.refusal, None);
    applied.events
}

fn view(nodes: Vec<Node>, revisions: Vec<Revision>, tasks: Vec<Task>) -> State {
    let mut state = State::default();
    let nodes = nodes.into_iter().map(Change::create);
    let revisions = revisions.into_iter().map(Change::create);
    let changes = nodes
        .chain(revisions)
        .chain(tasks.into_iter().map(Change::create));
    commit(&mut state, changes.collect());
    state
}

fn plan(tasks: Vec<Task>) -> Plan {
    Plan {
        changes: tasks.into_iter().map(Change::create).collect(),
        again_ms: None,
    }
}

fn tasks_in(plan: &Plan) -> Vec<&Task> {
    plan.changes
        .iter()
        .filter_map(|change| match &change.action {
            Some(
                Action::Create(Object {
                    kind: Some(Kind::Task(task)),
                })
                | Action::Update(Object {
                    kind: Some(Kind::Task(task)),
                }),
            ) => Some(task),
            _ => None,
        })
        .collect()
}

/// For each task its node, or why it has none.
fn told(plan: &Plan) -> Vec<&str> {
    tasks_in(plan)
        .into_iter()
        .map(|task| match task.status.state() {
            TaskState::Assigned => task.node_id.as_str(),
            TaskState::Pending => task.status.message.as_str(),
            state => panic!("{} is {state}", task.id),
        })
        .collect()
}

/// Places so many new tasks of service `s`, and tells where they are.
fn check(view: &State, replicas: u64, expected: &[&str]) {
    let mut asked = plan((1..=replicas).map(|slot| task("s", slot + 100)).collect());
    Scheduler::new(view).place(view, &mut asked, NOW_MS);
    assert_eq!(told(&asked), expected);
}

fn reserve(memory_bytes: i64) -> impl Fn(&mut Revision) {
    move |revision| revision.task.resources.reservations.memory_bytes = memory_bytes
}

fn spread(over: &[(&str, u32)]) -> impl Fn(&mut Revision) {
    let preferences: Vec<_> = over
        .iter()
        .map(|(over, max_skew)| SpreadPreference {
            over: (*over).to_owned(),
            max_skew: *max_skew,
        })
        .collect();
    move |revision| revision.task.placement.preferences.clone_from(&preferences)
}

fn publish(published: u32) -> impl Fn(&mut Revision) {
    move |revision| {
        revision.ports = vec![PortSpec {
            published,
            target: 80,
            mode: PublishMode::Host.into(),
            ..PortSpec::default()
        }];
    }
}

#[test]
fn tasks_go_where_their_service_and_then_all_have_the_fewest() {
    let nodes = || vec![node("a", &[]), node("b", &[]), node("c", &[])];
    let both = || vec![revision("s", |_| {}), revision("t", |_| {})];
    check(&view(nodes(), both(), vec![]), 4, &["a", "b", "c", "a"]);
    // One of the service outweighs any number of others.
    let busy = view(
        nodes(),
        both(),
        vec![
            on("a", task("s", 1)),
            on("b", task("t", 1)),
            on("b", task("t", 2)),
            on("c", task("t", 3)),
        ],
    );
    check(&busy, 4, &["c", "b", "a", "c"]);
    // Those that end, or have ended, are none of the service's.
    let mut ending = on("a", task("s", 1));
    ending.desired_state = TaskState::Shutdown.into();
    let mut ended = on("b", task("s", 2));
    ended.status.state = TaskState::Complete.into();
    check(
        &view(nodes(), both(), vec![ending, ended]),
        3,
        &["b", "c", "a"],
    );
}

#[test]
fn who_finds_no_node_is_told_how_many_failed_what() {
    let mut down = node("e", &[("disk", "ssd")]);
    down.status.state = NodeState::Down.into();
    let mut paused = node("f", &[("disk", "ssd")]);
    paused.spec.availability = Availability::Pause.into();
    let mut arm = node("g", &[("disk", "ssd")]);
    arm.description.platform.architecture = "aarch64".to_owned();
    let mut small = node("b", &[("disk", "ssd")]);
    small.description.resources.memory_bytes = 10;
    let nodes = vec![
        node("a", &[("disk", "ssd")]),
        small.clone(),
        Node {
            id: "c".to_owned(),
            ..small
        },
        node("d", &[("disk", "hdd")]),
        down,
        paused,
        arm,
    ];
    let wanted = revision("s", |revision| {
        reserve(1000)(revision);
        publish(80)(revision);
        revision.task.placement.constraints = vec!["node.labels.disk==ssd".to_owned()];
        revision.task.placement.platforms = vec![Platform {
            os: "linux".to_owned(),
            architecture: "x86_64".to_owned(),
        }];
    });
    let other = revision("t", publish(80));
    check(
        &view(nodes, vec![wanted, other], vec![on("a", task("t", 1))]),
        1,
        &[
            "no suitable node (2 nodes: insufficient memory, 1 node: not available for scheduling (down), \
           1 node: not available for scheduling (pause), 1 node: constraint `node.labels.disk == ssd` not satisfied, \
           1 node: image does not run on linux/arm64, 1 node: host port 80/tcp in use)",
        ],
    );
    check(
        &view(vec![], vec![revision("s", |_| {})], vec![]),
        1,
        &["no suitable node (the cluster has no nodes)"],
    );
}

#[test]
fn no_more_is_set_aside_than_there_is() {
    let nodes = || vec![node("a", &[]), node("b", &[])];
    let full = "no suitable node (2 nodes: insufficient memory)";
    let own = || vec![revision("s", reserve(2000)), revision("t", reserve(2500))];
    check(
        &view(nodes(), own(), vec![]),
        5,
        &["a", "b", "a", "b", full],
    );
    check(
        &view(nodes(), own(), vec![on("a", task("t", 1))]),
        3,
        &["b", "b", full],
    );
    // A task that is told to end has its memory until it has.
    let mut ending = on("a", task("t", 1));
    ending.desired_state = TaskState::Shutdown.into();
    check(&view(nodes(), own(), vec![ending]), 3, &["b", "b", full]);
    let mut ended = on("a", task("t", 1));
    ended.status.state = TaskState::Failed.into();
    check(&view(nodes(), own(), vec![ended]), 4, &["a", "b", "a", "b"]);
    let cpus = revision("s", |revision| {
        revision.task.resources.reservations = Resources {
            nano_cpus: 5_000_000_000,
            memory_bytes: 5000,
        };
    });
    check(
        &view(nodes(), vec![cpus], vec![]),
        1,
        &["no suitable node (2 nodes: insufficient CPUs and memory)"],
    );
}

#[test]
fn a_host_port_is_one_tasks_and_written_into_it() {
    let nodes = || vec![node("a", &[]), node("b", &[])];
    let view1 = view(nodes(), vec![revision("s", publish(80))], vec![]);
    check(
        &view1,
        3,
        &[
            "a",
            "b",
            "no suitable node (2 nodes: host port 80/tcp in use)",
        ],
    );
    check(
        &view(nodes(), vec![revision("s", publish(0))], vec![]),
        3,
        &["a", "b", "a"],
    );
    let mut asked = plan(vec![task("s", 1)]);
    Scheduler::new(&view1).place(&view1, &mut asked, NOW_MS);
    let ports: Vec<_> = tasks_in(&asked)[0]
        .ports
        .iter()
        .map(|port| port.published)
        .collect();
    assert_eq!(ports, [80]);
}

#[test]
fn a_node_has_no_more_replicas_than_it_may() {
    let most = |revision: &mut Revision| revision.task.placement.max_replicas_per_node = 2;
    let nodes = vec![node("a", &[]), node("b", &[])];
    let full = "no suitable node (2 nodes: max replicas per node (2) reached)";
    let mut ending = on("a", task("s", 1));
    ending.desired_state = TaskState::Shutdown.into();
    let busy = view(nodes, vec![revision("s", most)], vec![ending]);
    check(&busy, 4, &["b", "a", "b", full]);
}

#[test]
fn tasks_are_spread_over_values_and_then_over_values_within() {
    let nodes = vec![
        node("a", &[("zone", "x"), ("rack", "1")]),
        node("b", &[("zone", "x"), ("rack", "2")]),
        node("c", &[("zone", "x"), ("rack", "2")]),
        node("d", &[("zone", "y"), ("rack", "1")]),
        node("e", &[]),
    ];
    let spread_over =
        |over: &[(&str, u32)]| view(nodes.clone(), vec![revision("s", spread(over))], vec![]);
    // A node without the label is a value of its own.
    check(
        &spread_over(&[("node.labels.zone", 0)]),
        6,
        &["e", "a", "d", "e", "b", "d"],
    );
    check(
        &spread_over(&[("node.labels.zone", 0), ("node.labels.rack", 0)]),
        9,
        &["e", "a", "d", "e", "b", "d", "e", "a", "d"],
    );
    // What is full is passed over, or not where evenness is a must.
    let small = |nodes: &[Node], over: &[(&str, u32)]| {
        let wanted = revision("s", |revision| {
            spread(over)(revision);
            reserve(2000)(revision);
        });
        view(nodes.to_vec(), vec![wanted], vec![])
    };
    check(
        &small(&nodes[..4], &[("node.labels.zone", 0)]),
        7,
        &["a", "d", "b", "d", "c", "a", "b"],
    );
    check(
        &small(&nodes[..4], &[("node.labels.zone", 1)]),
        6,
        &[
            "a",
            "d",
            "b",
            "d",
            "c",
            "no suitable node (3 nodes: would be spread unevenly over node.labels.zone, 1 node: insufficient memory)",
        ],
    );
    check(
        &small(&nodes[3..], &[("node.labels.zone", 2)]),
        3,
        &[
            "d",
            "d",
            "no suitable node (1 node: no node.labels.zone to spread over, 1 node: insufficient memory)",
        ],
    );
}

#[test]
fn an_update_ends_as_evenly_spread_as_it_began() {
    let nodes = vec![node("a", &[("zone", "x")]), node("b", &[("zone", "y")])];
    let old = revision("s", spread(&[("node.labels.zone", 1)]));
    let new = Revision {
        id: "s.2".to_owned(),
        number: 2,
        ..old.clone()
    };
    // The new tasks are even among themselves, whatever the old ones are.
    let tasks = vec![
        on("a", task("s", 1)),
        on("a", task("s", 2)),
        on("a", task("s", 3)),
    ];
    let state = view(nodes, vec![old], tasks);
    let mut asked = plan(
        (4..8)
            .map(|slot| Task {
                revision: 2,
                ..task("s", slot)
            })
            .collect(),
    );
    asked.changes.insert(0, Change::create(new));
    Scheduler::new(&state).place(&state, &mut asked, NOW_MS);
    assert_eq!(told(&asked), ["a", "b", "a", "b"]);
}

#[test]
fn a_node_on_which_a_service_fails_comes_last() {
    let nodes = vec![node("a", &[("zone", "x")]), node("b", &[("zone", "y")])];
    let failed = |slot: u64, ago_ms: i64| {
        let mut task = on("a", task("s", slot));
        task.status.state = TaskState::Failed.into();
        task.status.at_ms = NOW_MS - ago_ms;
        task
    };
    let full = |revision: &mut Revision| {
        reserve(2000)(revision);
        spread(&[("node.labels.zone", 0)])(revision);
    };
    let failures = |ago_ms: i64, times: u64| {
        let tasks = (0..times).map(|slot| failed(slot, ago_ms)).collect();
        view(nodes.clone(), vec![revision("s", full)], tasks)
    };
    check(&failures(1000, 4), 3, &["a", "b", "a"]);
    check(&failures(1000, 5), 3, &["b", "b", "a"]);
    check(&failures(300_000, 5), 3, &["a", "b", "a"]);
}

#[test]
fn a_slot_with_a_volume_goes_back_to_where_its_data_is() {
    let nodes = vec![node("a", &[]), node("b", &[])];
    let volume = |revision: &mut Revision| {
        revision.task.container.mounts = vec![MountSpec {
            kind: MountKind::Volume.into(),
            source: "data".to_owned(),
            target: "/data".to_owned(),
            ..MountSpec::default()
        }];
        reserve(3000)(revision);
    };
    let mut before = on("b", task("s", 1));
    before.status.state = TaskState::Failed.into();
    let back = Task {
        id: "again".to_owned(),
        ..task("s", 1)
    };
    let place = |state: &State| {
        let mut asked = plan(vec![back.clone()]);
        Scheduler::new(state).place(state, &mut asked, NOW_MS);
        let task = tasks_in(&asked)[0];
        (task.node_id.clone(), task.status.message.clone())
    };
    let revisions = vec![revision("s", volume), revision("t", reserve(3000))];
    let mut state = view(nodes, revisions, vec![before]);
    assert_eq!(
        place(&state),
        (
            "b".to_owned(),
            "assigned to the node that has its volume `data`".to_owned()
        )
    );
    commit(&mut state, vec![Change::create(on("b", task("t", 1)))]);
    assert_eq!(place(&state), ("a".to_owned(), "assigned".to_owned()));
}
