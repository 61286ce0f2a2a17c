use model::{Node, Service, Task, TaskState};
use store::change::Action;
use store::{Change, Kind, Object, State, Stored, Transaction, View};

use super::super::timers::Key;
use super::{STEP, TOGETHER, altered_tasks, pack, service_of, squash};

fn task(id: &str, node: &str, version: u64) -> Task {
    let mut task = Task {
        id: id.to_owned(),
        service_id: "web".to_owned(),
        node_id: node.to_owned(),
        ..Task::default()
    };
    task.meta.version = version;
    task
}

fn key(number: usize) -> Vec<Key> {
    vec![Key::Service(format!("s{number:04}"))]
}

fn creates(count: usize) -> Vec<Change> {
    (0..count)
        .map(|number| Change::create(task(&format!("t{number:06}"), "", 0)))
        .collect()
}

/// The sizes of the steps of each pack, and how many plans are in it.
fn shape(plans: &[usize]) -> Vec<(usize, Vec<usize>)> {
    let plans = plans
        .iter()
        .enumerate()
        .map(|(number, count)| (key(number), creates(*count)))
        .collect();
    pack(plans)
        .into_iter()
        .map(|pack| (pack.keys.len(), pack.steps.iter().map(Vec::len).collect()))
        .collect()
}

#[test]
fn small_plans_share_a_transaction_and_none_is_cut_that_need_not_be() {
    assert_eq!(shape(&[]), []);
    assert_eq!(shape(&[1, 2, 3]), [(3, vec![6])]);
    assert_eq!(shape(&[150, 50, 1]), [(2, vec![200]), (1, vec![1])]);
    assert_eq!(shape(&[150, 150]), [(1, vec![150]), (1, vec![150])]);
    assert_eq!(
        shape(&[1, TOGETHER + 1, 1]),
        [(1, vec![TOGETHER + 1]), (2, vec![2])],
        "one that is large goes by itself, and the small ones together"
    );
    assert_eq!(
        shape(&[STEP * 2 + 1]),
        [(1, vec![STEP, STEP, 1])],
        "step by step"
    );
}

#[test]
fn the_order_of_a_plan_is_kept_in_its_steps() {
    let plan = creates(STEP + 7);
    let packs = pack(vec![(key(1), plan.clone())]);
    let steps: Vec<Change> = packs
        .into_iter()
        .flat_map(|pack| pack.steps)
        .flatten()
        .collect();
    assert_eq!(steps, plan);
}

/// Task `t` is there since version 5, and so is node `n`.
fn view() -> View {
    let mut state = State::default();
    state.advance(1, 5);
    let node = Node {
        id: "n".to_owned(),
        ..Node::default()
    };
    let applied = state.apply(Transaction {
        changes: vec![
            Change::create(task("t", "n", 0)),
            Change::create(task("free", "", 0)),
            Change::create(node),
        ],
        ..Transaction::default()
    });
    assert_eq!(applied.reply.refusal, None);
    state.advance(1, 9);
    state
}

/// `+ t slot 1`, `= t slot 2 on 5`, `- t on 5`.
fn words(changes: &[Change]) -> Vec<String> {
    let words = |change: &Change| match change.action.as_ref().expect("an action") {
        Action::Create(Object {
            kind: Some(Kind::Task(task)),
        }) => format!("+ {} slot {}", task.id, task.slot),
        Action::Update(Object {
            kind: Some(Kind::Task(task)),
        }) => format!("= {} slot {} on {}", task.id, task.slot, task.meta.version),
        Action::Remove(removal) => format!("- {} on {}", removal.id, removal.version),
        _ => "something else".to_owned(),
    };
    changes.iter().map(words).collect()
}

#[test]
fn changes_upon_changes_become_one_upon_the_view() {
    let with = |id: &str, version: u64, slot: u64| Task {
        slot,
        ..task(id, "n", version)
    };
    let table: [(Vec<Change>, &[&str]); 6] = [
        (vec![Change::update(with("t", 5, 1))], &["= t slot 1 on 5"]),
        (
            vec![
                Change::update(with("t", 5, 1)),
                Change::update(with("t", 9, 2)),
            ],
            &["= t slot 2 on 5"],
        ),
        (
            vec![
                Change::create(with("new", 0, 1)),
                Change::update(with("new", 9, 2)),
            ],
            &["+ new slot 2"],
        ),
        (
            vec![
                Change::create(with("new", 0, 1)),
                Change::remove(&with("new", 9, 1)),
            ],
            &[],
        ),
        (
            vec![
                Change::update(with("t", 5, 1)),
                Change::remove(&with("t", 9, 1)),
            ],
            &["- t on 5"],
        ),
        (
            vec![
                Change::create(with("a", 0, 1)),
                Change::update(with("t", 5, 1)),
                Change::update(with("a", 9, 3)),
            ],
            &["+ a slot 3", "= t slot 1 on 5"],
        ),
    ];
    for (changes, expected) in table {
        let before = words(&changes);
        let mut known = view();
        let squashed = squash(&known, changes);
        assert_eq!(words(&squashed), expected, "{before:?}");
        let applied = known.apply(Transaction {
            changes: squashed,
            ..Transaction::default()
        });
        assert_eq!(applied.reply.refusal, None, "{before:?}");
    }
}

#[test]
fn nodes_may_be_telling_only_of_tasks_that_they_have() {
    let known = view();
    let gone = known.tasks().get("t").expect("a task").clone();
    let changes = vec![
        Change::create(task("new", "n", 0)),
        Change::update(task("t", "n", 5)),
        Change::update(task("free", "n", 5)),
        Change::remove(&*gone),
    ];
    let altered: Vec<_> = altered_tasks(&known, &changes).collect();
    assert_eq!(altered, [("t", 5), ("t", 5)]);
}

#[test]
fn changes_belong_to_services() {
    let mut service = Service {
        id: "web".to_owned(),
        ..Service::default()
    };
    service.spec.name = "web".to_owned();
    let mut ended = task("t", "n", 0);
    ended.status.state = TaskState::Failed.into();
    let table = [
        (Change::remove(&service), Some("web")),
        (Change::update(service), Some("web")),
        (Change::create(task("t", "", 0)), Some("web")),
        (Change::update(Node::default()), None),
        (Change::remove(&ended), None),
    ];
    for (change, expected) in table {
        assert_eq!(service_of(&change), expected, "{change:?}");
    }
    assert_eq!(Task::TABLE, 3, "removals of tasks are told by their table");
}
