//! The log against a model of it, through crashes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use wal::{Change, Disk, Inline, Log, MemDisk, Options, PlainText, RealDisk, Submit, WalError};

#[derive(Clone, Debug)]
enum Step {
    Append(u8, u16),
    Vote(u8),
    /// So many from the end.
    Truncate(u8),
    /// So many from the beginning, perhaps beyond the end.
    Purge(u8),
    Restart,
    Crash(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..6u8, 0..300u16).prop_map(|(count, size)| Step::Append(count, size)),
        2 => any::<u8>().prop_map(Step::Vote),
        2 => (0..8u8).prop_map(Step::Truncate),
        2 => (0..12u8).prop_map(Step::Purge),
        1 => Just(Step::Restart),
        2 => any::<u64>().prop_map(Step::Crash),
    ]
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: BTreeMap<u64, Bytes>,
    vote: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
}

impl Model {
    fn next(&self) -> u64 {
        let last = self.entries.keys().next_back().copied();
        last.or(self.purged.as_ref().map(|(to, _)| *to))
            .unwrap_or(0)
            + 1
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Append(entries) => self.entries.extend(entries.iter().cloned()),
            Change::Vote(vote) => self.vote = Some(vote.clone()),
            Change::Truncate { after } => self.entries.retain(|at, _| at <= after),
            Change::Purge { to, marker } => {
                self.entries.retain(|at, _| at > to);
                self.purged = Some((*to, marker.clone()));
            }
        }
    }

    fn of(log: &dyn Submit) -> Model {
        let mut entries = BTreeMap::new();
        let mut next = log.first_index().unwrap_or(1);
        while log.last_index().is_some_and(|last| next <= last) {
            for (at, bytes) in log.read(next..=next + 3, 100).expect("entries can be read") {
                entries.insert(at, bytes);
                next = at + 1;
            }
        }
        Model {
            entries,
            vote: log.vote(),
            purged: log.purged(),
        }
    }
}

const SMALL: Options = Options {
    segment_bytes: 2048,
    cache_bytes: 500,
};

fn open(disk: &MemDisk) -> Inline<MemDisk> {
    Inline::new(Log::open(disk.clone(), Arc::new(PlainText), SMALL).expect("a crash is repaired"))
}

fn submit(log: &dyn Submit, change: Change) -> std::io::Result<()> {
    let (told, hears) = std::sync::mpsc::channel();
    log.submit(
        change,
        Box::new(move |result| told.send(result).expect("the test waits")),
    );
    hears.recv().expect("the log answers")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_was_acknowledged_is_there(steps in prop::collection::vec(step(), 1..60)) {
        let mut disk = MemDisk::new();
        let mut log = open(&disk);
        let mut model = Model::default();
        for (number, step) in steps.into_iter().enumerate() {
            let change = match step {
                Step::Append(count, size) => {
                    let from = model.next();
                    let fill = vec![b'x'; usize::from(size)];
                    Change::Append((from..from + u64::from(count)).map(|at| {
                        let mut bytes = format!("{number}:{at}:").into_bytes();
                        bytes.extend_from_slice(&fill);
                        (at, bytes.into())
                    }).collect())
                }
                Step::Vote(who) => Change::Vote(vec![who; 3].into()),
                Step::Truncate(back) => Change::Truncate { after: model.next().saturating_sub(1 + u64::from(back)).max(model.purged.as_ref().map_or(0, |(to, _)| *to)) },
                Step::Purge(on) => {
                    let to = model.purged.as_ref().map_or(0, |(to, _)| *to) + u64::from(on);
                    if to == 0 { continue }
                    Change::Purge { to, marker: format!("purged to {to}").into() }
                }
                Step::Restart => {
                    drop(log);
                    log = open(&disk);
                    prop_assert_eq!(Model::of(&log), model.clone());
                    continue;
                }
                Step::Crash(seed) => {
                    disk = disk.crash(seed);
                    log = open(&disk);
                    prop_assert_eq!(Model::of(&log), model.clone());
                    continue;
                }
            };
            model.apply(&change);
            submit(&log, change).expect("room on a disk in memory");
            prop_assert_eq!(Model::of(&log), model.clone());
        }
    }
}

#[test]
fn a_lost_sync_is_what_it_says() {
    // The counterpart of the property above: a disk that lies about syncs does lose what it acknowledged.
    let lost = (0..50).filter(|seed| {
        let disk = MemDisk::new();
        let log = open(&disk);
        submit(&log, Change::Append(vec![(1, "one".into())])).expect("durable");
        disk.lie_about_syncs(true);
        submit(&log, Change::Append(vec![(2, "two".into())])).expect("so it says");
        Inline::new(Log::open(disk.crash(*seed), Arc::new(PlainText), SMALL).expect("repaired"))
            .last_index()
            == Some(1)
    });
    assert!(lost.count() > 10);
}

#[test]
fn a_failed_sync_closes_the_log() {
    let disk = MemDisk::new();
    let log = open(&disk);
    submit(&log, Change::Append(vec![(1, "one".into())])).expect("durable");
    disk.fail_sync_after(0);
    let first = submit(&log, Change::Append(vec![(2, "two".into())])).expect_err("the disk failed");
    assert!(first.to_string().contains("Input/output error"), "{first}");
    let second = submit(&log, Change::Vote("me".into())).expect_err("never again");
    assert!(
        second.to_string().contains("it has to be opened again"),
        "{second}"
    );
}

#[test]
fn a_full_disk_loses_nothing() {
    let disk = MemDisk::new();
    let log = open(&disk);
    let mut last = 0;
    disk.full_after(Some(10_000));
    let error = loop {
        match submit(
            &log,
            Change::Append(vec![(last + 1, vec![b'x'; 200].into())]),
        ) {
            Ok(()) => last += 1,
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("No space left"), "{error}");
    disk.full_after(None);
    drop(log);
    let log = open(&disk);
    assert_eq!(log.last_index(), Some(last));
    submit(
        &log,
        Change::Append(vec![(last + 1, "there is room again".into())]),
    )
    .expect("durable");
}

#[test]
fn purged_segments_are_removed_and_the_vote_stays() {
    let disk = MemDisk::new();
    let log = open(&disk);
    submit(&log, Change::Vote("me".into())).expect("durable");
    for at in 1..=200 {
        submit(&log, Change::Append(vec![(at, vec![b'x'; 100].into())])).expect("durable");
    }
    let before = disk.list().expect("names").len();
    submit(
        &log,
        Change::Purge {
            to: 190,
            marker: "190".into(),
        },
    )
    .expect("durable");
    let after = disk.list().expect("names").len();
    assert!(before > 10 && after < 4, "{before} files, then {after}");
    drop(log);
    let log = open(&disk);
    assert_eq!(
        (log.first_index(), log.last_index(), log.vote().as_deref()),
        (Some(191), Some(200), Some(&b"me"[..]))
    );
}

#[test]
fn entries_must_follow_each_other() {
    let log = open(&MemDisk::new());
    submit(&log, Change::Append(vec![(7, "seven".into())])).expect("the first may be anywhere");
    let error =
        submit(&log, Change::Append(vec![(9, "nine".into())])).expect_err("eight is missing");
    assert!(
        error.to_string().contains("entry 9 cannot follow entry 7"),
        "{error}"
    );
    assert_eq!(log.last_index(), Some(7));
}

#[test]
fn a_directory_has_one_owner() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = RealDisk::open(directory.path()).expect("free");
    let error = RealDisk::open(directory.path()).expect_err("taken");
    assert!(matches!(error, WalError::InUse { .. }), "{error}");
    let log = Inline::new(Log::open(disk, Arc::new(PlainText), SMALL).expect("an empty directory"));
    submit(&log, Change::Append(vec![(1, "one".into())])).expect("durable");
    drop(log);
    let disk = RealDisk::open(directory.path()).expect("free again");
    assert_eq!(
        Inline::new(Log::open(disk, Arc::new(PlainText), SMALL).expect("a log")).last_index(),
        Some(1)
    );
}
