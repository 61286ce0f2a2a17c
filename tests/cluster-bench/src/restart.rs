//! A manager that comes back with a long log.

use std::path::Path;
use std::time::Instant;

use api::v1::ListTasksRequest;
use api::v1::control_client::ControlClient;
use model::{Task, TaskState, TaskStatus};
use store::Change;

use crate::group::{eventually, free_port};
use crate::table::{Bar, Row};
use crate::{log, ours};

const TASKS: usize = 100_000;
const ENTRIES: usize = 1_000_000;
/// Tasks that one entry makes at the beginning.
const TOGETHER: usize = 100;

pub(crate) async fn rows(directory: &Path) -> Vec<Row> {
    let home = ours::home(directory, 0);
    prepare(&home).await;
    // A snapshot of all tasks, and then the entries behind it: one comes, the oldest goes. Entries that are on their way together
    // may change places, so the two are never the same.
    let raft_id = raft_id(&home);
    let entries = (0..ENTRIES).map(|number| {
        vec![match number % 2 {
            0 => Change::create(task(TASKS + number / 2)),
            _ => Change::remove(&task(number / 2)),
        }]
    });
    log::append(&home, raft_id, entries).await;
    let began = Instant::now();
    let daemon = ours::daemon(&home, &["--snapshot-every", "10000000"]);
    eventually("the manager leads", async || {
        ours::leads(&home).await.then_some(())
    })
    .await;
    let leads = began.elapsed().as_secs_f64();
    let tasks = eventually("it answers", async || known(&home).await).await;
    let answers = began.elapsed().as_secs_f64();
    assert_eq!(tasks, TASKS, "nothing is lost");
    drop(daemon);
    let row = |work: &str, ours, bar| Row {
        work: format!("restart with 1,000,000 entries behind a snapshot of 100,000 tasks, {work}"),
        rounds: "once".to_owned(),
        ours,
        peer: None,
        unit: "s",
        bar,
    };
    vec![
        row("to voting (for itself: it leads)", leads, Bar::Below(5.0)),
        row("to a linearizable answer", answers, Bar::Below(30.0)),
    ]
}

/// A cluster of one manager that knows 100,000 tasks, all in its snapshot; it does not run.
pub(crate) async fn prepare(home: &Path) {
    let daemon = ours::daemon(home, &[]);
    ours::init(home, free_port()).await;
    drop(daemon);
    let tasks = (0..TASKS / TOGETHER).map(|entry| {
        let numbers = entry * TOGETHER..(entry + 1) * TOGETHER;
        numbers.map(|number| Change::create(task(number))).collect()
    });
    log::append(home, raft_id(home), tasks).await;
    let daemon = ours::daemon(home, &["--snapshot-every", "100"]);
    eventually("all are known", async || {
        known(home).await.filter(|known| *known == TASKS)
    })
    .await;
    let snapshots = home.join("data/cluster/raft/snapshots");
    eventually("they are in a snapshot", async || {
        let files = std::fs::read_dir(&snapshots).ok()?.flatten();
        let large =
            |file: &std::fs::DirEntry| file.metadata().is_ok_and(|data| data.len() > 10_000_000);
        let named =
            |file: &std::fs::DirEntry| file.file_name().to_string_lossy().starts_with("snapshot-");
        files.filter(named).any(|file| large(&file)).then_some(())
    })
    .await;
    drop(daemon);
}

/// How many tasks a manager knows.
async fn known(home: &Path) -> Option<usize> {
    let client = ControlClient::new(ours::socket(home));
    let mut client = client.max_decoding_message_size(usize::MAX);
    let all = client.list_tasks(ListTasksRequest::default()).await.ok()?;
    Some(all.get_ref().tasks.len())
}

/// A task as services make them.
fn task(number: usize) -> Task {
    Task {
        id: format!("{number:025}"),
        service_id: format!("{:025}", number / 50),
        revision: 1,
        slot: number as u64 % 50 + 1,
        node_id: format!("{:025}", number % 100),
        desired_state: TaskState::Running.into(),
        status: TaskStatus {
            state: TaskState::Running.into(),
            at_ms: 1_700_000_000_000,
            message: "started".to_owned(),
            ..TaskStatus::default()
        },
        ..Task::default()
    }
}

/// The manager's Raft id, as its daemon remembers it.
fn raft_id(home: &Path) -> u64 {
    let text = std::fs::read_to_string(home.join("data/cluster/state.json"));
    let text = text.expect("the daemon's state");
    let (_, rest) = text.split_once("\"raft_id\":").expect("a Raft id");
    let digits = rest.trim_start().chars().take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().expect("a number")
}
