//! The adapters under openraft's own suite, and a group of three in one process.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use wal::{Inline, Log, MemDisk, Options, PlainText, Submit};

use super::*;
use crate::log_store::LogStore;
use crate::machine::Machine;
use crate::record::Group;

/// A command that the state machine doesn't understand.
const UNREADABLE: &[u8] = b"?";

/// A state machine that remembers every command.
#[derive(Default)]
struct Ledger {
    lines: Vec<Bytes>,
    seen: Arc<Mutex<Vec<Bytes>>>,
}

impl StateMachine for Ledger {
    fn apply(&mut self, _at: Position, command: &[u8]) -> Result<Bytes, String> {
        if command == UNREADABLE {
            return Err("this line cannot be read".to_owned());
        }
        self.lines.push(Bytes::copy_from_slice(command));
        Ok(format!("line {}", self.lines.len()).into())
    }

    fn publish(&mut self, _at: Position) {
        self.seen.lock().expect("a lock").clone_from(&self.lines);
    }

    fn image(&self) -> Box<dyn Iterator<Item = Bytes> + Send + Sync> {
        Box::new(self.lines.clone().into_iter())
    }

    fn restore(
        &mut self,
        _at: Position,
        records: &mut dyn Iterator<Item = Result<Bytes, SnapshotError>>,
    ) -> Result<(), String> {
        self.lines = records
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        Ok(())
    }
}

fn log(disk: &MemDisk) -> Arc<dyn Submit> {
    let options = Options {
        segment_bytes: 64 << 10,
        cache_bytes: 1 << 10,
    };
    Arc::new(Inline::new(
        Log::open(disk.clone(), Arc::new(PlainText), options).expect("a log"),
    ))
}

struct Stores;

impl openraft::testing::log::StoreBuilder<Group, LogStore, Machine<Ledger, MemDisk>> for Stores {
    async fn build(
        &self,
    ) -> Result<((), LogStore, Machine<Ledger, MemDisk>), openraft::StorageError<Group>> {
        let snapshots = SnapshotStore::new(MemDisk::new(), Arc::new(PlainText), "group");
        Ok((
            (),
            LogStore::new(log(&MemDisk::new())),
            Machine::open(Ledger::default(), snapshots, false).expect("empty"),
        ))
    }
}

#[tokio::test]
async fn the_adapters_pass_the_suite_of_openraft() {
    openraft::testing::log::Suite::test_all(Stores)
        .await
        .expect("the suite passes");
}

type Node = Consensus<Ledger, MemDisk>;

/// Members in one process; those that are cut off hear and say nothing.
#[derive(Clone, Default)]
struct Wire {
    nodes: Arc<Mutex<BTreeMap<String, Node>>>,
    cut_off: Arc<Mutex<BTreeSet<String>>>,
}

#[derive(Clone)]
struct End {
    wire: Wire,
    me: String,
}

impl End {
    fn reach(&self, to: &Member) -> Result<Node, TransportError> {
        let cut = self.wire.cut_off.lock().expect("a lock");
        let node = self
            .wire
            .nodes
            .lock()
            .expect("a lock")
            .get(&to.address)
            .cloned();
        match node {
            Some(node) if !cut.contains(&self.me) && !cut.contains(&to.address) => Ok(node),
            _ => Err(TransportError::Unreachable(format!(
                "{} is away",
                to.address
            ))),
        }
    }
}

impl Transport for End {
    async fn call(
        &self,
        to: &Member,
        rpc: Rpc,
        message: Bytes,
        _deadline: Duration,
    ) -> Result<Bytes, TransportError> {
        let answer = self
            .reach(to)?
            .serve(rpc, message)
            .await
            .map_err(|error| TransportError::Broken(error.to_string()))?;
        self.reach(to)?;
        Ok(answer)
    }

    async fn send_snapshot(
        &self,
        to: &Member,
        records: SnapshotStream,
    ) -> Result<Bytes, TransportError> {
        let records: Vec<io::Result<Bytes>> = records.collect().await;
        let stream = futures_util::stream::iter(records);
        self.reach(to)?
            .serve_snapshot(stream)
            .await
            .map_err(|error| TransportError::Broken(error.to_string()))
    }
}

fn member(id: u64) -> Member {
    Member {
        node_id: format!("node{id}"),
        address: format!("address{id}"),
    }
}

struct Host {
    log: MemDisk,
    snapshots: MemDisk,
}

async fn start(wire: &Wire, id: u64, host: &Host, every: u64) -> (Node, Arc<Mutex<Vec<Bytes>>>) {
    let ledger = Ledger::default();
    let seen = ledger.seen.clone();
    let setup = Setup {
        id,
        group: "group".to_owned(),
        log: log(&host.log),
        snapshots: host.snapshots.clone(),
        cipher: Arc::new(PlainText),
        transport: End {
            wire: wire.clone(),
            me: member(id).address,
        },
        timings: Timings::default(),
        snapshot_every: Some(every),
        threads: true,
    };
    let node = Consensus::start(setup, ledger).await.expect("it starts");
    wire.nodes
        .lock()
        .expect("a lock")
        .insert(member(id).address, node.clone());
    (node, seen)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_elects_replicates_hands_over_and_catches_up_by_snapshot() {
    let wire = Wire::default();
    let hosts: Vec<Host> = (0..3)
        .map(|_| Host {
            log: MemDisk::new(),
            snapshots: MemDisk::new(),
        })
        .collect();
    let (first, seen_first) = start(&wire, 1, &hosts[0], 20).await;
    first.found(member(1)).await.expect("founded");
    until("one alone leads", || first.status().leadership.is_self).await;
    let outcome = first.propose("one".into()).await.expect("decided");
    assert_eq!(outcome.reply, "line 1");
    assert!(
        matches!(
            first.found(member(1)).await,
            Err(MembershipError::Refused(_))
        ),
        "twice"
    );
    assert!(
        matches!(first.remove(1).await, Err(MembershipError::Refused(_))),
        "the last one stays"
    );

    let (second, seen_second) = start(&wire, 2, &hosts[1], 20).await;
    let (third, seen_third) = start(&wire, 3, &hosts[2], 20).await;
    for id in [2, 3] {
        first.add_learner(id, member(id)).await.expect("caught up");
        first.promote(BTreeSet::from([id])).await.expect("a vote");
    }
    until("all know the group", || {
        [&first, &second, &third]
            .iter()
            .all(|node| node.status().voters() == 3)
    })
    .await;
    assert_eq!(
        (first.status().quorum(), first.status().tolerance()),
        (2, 1)
    );
    assert!(
        matches!(second.propose("no".into()).await, Err(ProposeError::NotLeader(Some(leader))) if leader == member(1))
    );
    assert!(matches!(
        second.read_barrier().await,
        Err(ReadError::NotLeader(_))
    ));

    // The third is away while the log moves past what is kept: it needs a snapshot.
    wire.cut_off
        .lock()
        .expect("a lock")
        .insert(member(3).address);
    for number in 2..=100 {
        first
            .propose(format!("{number}").into())
            .await
            .expect("decided by two");
    }
    until("the log is purged", || {
        first.status().snapshot.is_some_and(|index| index > 60)
    })
    .await;
    first.read_barrier().await.expect("two of three answer");
    assert_eq!(
        seen_first.lock().expect("a lock").len(),
        100,
        "a read after the barrier sees every answered write"
    );
    wire.cut_off.lock().expect("a lock").clear();
    until("the third has caught up", || {
        seen_third.lock().expect("a lock").len() == 100
    })
    .await;
    assert_eq!(
        *seen_first.lock().expect("a lock"),
        *seen_third.lock().expect("a lock")
    );

    first
        .hand_over(Some(2), Duration::from_secs(5))
        .await
        .expect("the second leads");
    until("all follow", || {
        [&first, &second, &third]
            .iter()
            .all(|node| node.status().leadership.leader == Some(2))
    })
    .await;
    second.propose("after".into()).await.expect("decided");
    until("all have it", || {
        [&seen_first, &seen_second, &seen_third]
            .iter()
            .all(|seen| seen.lock().expect("a lock").len() == 101)
    })
    .await;

    // An old leader that was cut off cannot confirm a read, and decides nothing.
    wire.cut_off
        .lock()
        .expect("a lock")
        .insert(member(2).address);
    let lost = second.clone();
    let unknown = tokio::spawn(async move { lost.propose("lost?".into()).await });
    until("another leads", || {
        first.status().leadership.is_self || third.status().leadership.is_self
    })
    .await;
    assert!(second.read_barrier().await.is_err());
    wire.cut_off.lock().expect("a lock").clear();
    let answer = unknown.await.expect("no panic");
    assert!(
        matches!(answer, Err(ProposeError::Unknown(_))),
        "{answer:?}"
    );
    until("the old leader follows", || {
        !second.status().leadership.is_self && second.status().leadership.leader.is_some()
    })
    .await;

    let leader = if first.status().leadership.is_self {
        &first
    } else {
        &third
    };
    leader.remove(2).await.expect("removed");
    until("two are left", || leader.status().voters() == 2).await;
    for node in [&first, &second, &third] {
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_majority_is_forced_from_one_member_and_keeps_everything() {
    let wire = Wire::default();
    let host = Host {
        log: MemDisk::new(),
        snapshots: MemDisk::new(),
    };
    let (first, _) = start(&wire, 1, &host, 20).await;
    first.found(member(1)).await.expect("founded");
    until("it leads", || first.status().leadership.is_self).await;
    let away = Host {
        log: MemDisk::new(),
        snapshots: MemDisk::new(),
    };
    let (second, _) = start(&wire, 2, &away, 20).await;
    first.add_learner(2, member(2)).await.expect("caught up");
    first.promote(BTreeSet::from([2])).await.expect("a vote");
    for number in 1..=50 {
        first
            .propose(format!("{number}").into())
            .await
            .expect("decided");
    }
    second.shutdown().await;
    first.shutdown().await;
    drop(first);

    let disk = host.log.crash(7);
    let snapshots = host.snapshots.crash(7);
    for _ in 0..2 {
        let forced = force_new_group(
            "group",
            9,
            member(1),
            log(&disk),
            snapshots.clone(),
            Arc::new(PlainText),
            Ledger::default(),
        );
        assert!(forced.await.expect("forced").last.index >= 50);
    }
    let (anew, seen) = start(
        &Wire::default(),
        9,
        &Host {
            log: disk,
            snapshots,
        },
        20,
    )
    .await;
    until("it leads alone", || {
        anew.status().leadership.is_self && anew.status().voters() == 1
    })
    .await;
    anew.propose("after".into()).await.expect("decided alone");
    let lines = seen.lock().expect("a lock").clone();
    assert_eq!(lines.len(), 51);
    assert_eq!(lines[49], "50");
    anew.shutdown().await;
    let empty = force_new_group(
        "group",
        9,
        member(1),
        log(&MemDisk::new()),
        MemDisk::new(),
        Arc::new(PlainText),
        Ledger::default(),
    );
    assert!(matches!(empty.await, Err(ForceError::Empty)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_understand_an_entry_stops_before_it() {
    let wire = Wire::default();
    let host = Host {
        log: MemDisk::new(),
        snapshots: MemDisk::new(),
    };
    let (node, seen) = start(&wire, 1, &host, 1000).await;
    node.found(member(1)).await.expect("founded");
    until("it leads", || node.status().leadership.is_self).await;
    node.propose("one".into()).await.expect("decided");
    let refused = node.propose(UNREADABLE.into()).await;
    assert!(
        matches!(refused, Err(ProposeError::Unknown(_))),
        "{refused:?}"
    );
    let reason = node.stopped().await.expect("it had to stop");
    assert_eq!(reason, "this line cannot be read");
    assert!(node.propose("two".into()).await.is_err());
    assert_eq!(*seen.lock().expect("a lock"), ["one"]);
    drop(node);
    let (again, seen) = start(&wire, 1, &host, 1000).await;
    assert!(again.stopped().await.is_some(), "it meets it again");
    assert_eq!(*seen.lock().expect("a lock"), ["one"]);
    let (told, _) = start(
        &Wire::default(),
        2,
        &Host {
            log: MemDisk::new(),
            snapshots: MemDisk::new(),
        },
        1000,
    )
    .await;
    told.shutdown().await;
    assert_eq!(told.stopped().await, None, "it was told to");
}
