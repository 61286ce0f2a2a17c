//! The log through a crash at every call to the disk, and through a disk whose syncs are held.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use bytes::Bytes;
use wal::{
    Change, Disk, DiskFile, Inline, Log, MemDisk, MemFile, Options, PlainText, Submit, WalError,
    Writer,
};

const SMALL: Options = Options {
    segment_bytes: 600,
    cache_bytes: 100,
};

/// What is done at each call to a disk: before it and after it.
type Hook = Arc<Mutex<dyn FnMut(&MemDisk, &str) -> io::Result<()> + Send>>;

#[derive(Clone)]
struct Watched {
    disk: MemDisk,
    hook: Hook,
}

struct WatchedFile {
    file: MemFile,
    disk: Watched,
}

impl Watched {
    fn new(
        disk: &MemDisk,
        hook: impl FnMut(&MemDisk, &str) -> io::Result<()> + Send + 'static,
    ) -> Self {
        Watched {
            disk: disk.clone(),
            hook: Arc::new(Mutex::new(hook)),
        }
    }

    fn around<T>(&self, what: &str, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut hook = self.hook.lock().expect("no test panics in here");
        hook(&self.disk, what)?;
        let done = act();
        hook(&self.disk, "done")?;
        done
    }

    fn file(&self, file: MemFile) -> WatchedFile {
        WatchedFile {
            file,
            disk: self.clone(),
        }
    }
}

impl Disk for Watched {
    type File = WatchedFile;
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn create(&self, name: &str, zeros: u64) -> io::Result<WatchedFile> {
        self.around("create", || self.disk.create(name, zeros))
            .map(|file| self.file(file))
    }
    fn open(&self, name: &str) -> io::Result<WatchedFile> {
        self.disk.open(name).map(|file| self.file(file))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.around("remove", || self.disk.remove(name))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.around("rename", || self.disk.rename(from, to))
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.around("sync the directory", || self.disk.sync_directory())
    }
}

impl DiskFile for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk
            .around("write", || self.file.write_at(bytes, offset))
    }
    fn sync_data(&self) -> io::Result<()> {
        self.disk.around("sync", || self.file.sync_data())
    }
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}

/// All that a log says.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    entries: Vec<(u64, Bytes)>,
    vote: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
}

fn said(log: &dyn Submit) -> Said {
    let mut entries: Vec<(u64, Bytes)> = Vec::new();
    if let (Some(mut next), Some(last)) = (log.first_index(), log.last_index()) {
        while next <= last {
            let found = log.read(next..=last, 100).expect("entries can be read");
            next = found.last().expect("at least one").0 + 1;
            entries.extend(found);
        }
    }
    Said {
        entries,
        vote: log.vote(),
        purged: log.purged(),
    }
}

fn open<D: Disk>(disk: D) -> Result<Inline<D>, WalError> {
    Log::open(disk, Arc::new(PlainText), SMALL).map(Inline::new)
}

fn submit(log: &dyn Submit, change: Change) -> io::Result<()> {
    let (told, hears) = mpsc::channel();
    log.submit(
        change,
        Box::new(move |result| told.send(result).expect("the test waits")),
    );
    hears.recv().expect("the log answers")
}

fn append(from: u64, to: u64, who: &str) -> Change {
    Change::Append(
        (from..=to)
            .map(|at| {
                (
                    at,
                    Bytes::from(format!("{who} {at} {}", "x".repeat(at as usize * 7 % 40))),
                )
            })
            .collect(),
    )
}

fn purge(to: u64) -> Change {
    Change::Purge {
        to,
        marker: format!("purged to {to}").into(),
    }
}

/// A life of a log, over many segments.
fn life() -> Vec<Change> {
    let mut changes = vec![
        Change::Vote("first".into()),
        append(1, 6, "a"),
        append(7, 30, "a"),
    ];
    changes.extend((31..36).map(|at| append(at, at, "a")));
    changes.extend([
        Change::Truncate { after: 28 },
        Change::Vote("second".into()),
        append(29, 40, "b"),
        purge(20),
        append(41, 60, "b"),
        Change::Truncate { after: 41 },
        purge(41),
        append(42, 44, "c"),
        purge(70),
        Change::Vote("third".into()),
        append(71, 90, "d"),
        purge(88),
    ]);
    changes
}

/// What the log says before the first change, and after each.
fn told(changes: &[Change]) -> Vec<Said> {
    let log = open(MemDisk::new()).expect("an empty disk");
    let mut told = vec![said(&log)];
    for change in changes {
        submit(&log, change.clone()).expect("room on a disk in memory");
        told.push(said(&log));
    }
    told
}

/// The disk at each call, and how many changes were acknowledged by then.
fn moments(changes: &[Change]) -> Vec<(MemDisk, usize, String)> {
    let acknowledged = Arc::new(Mutex::new(0));
    let moments = Arc::new(Mutex::new(Vec::new()));
    let (counts, keeps) = (acknowledged.clone(), moments.clone());
    let disk = Watched::new(&MemDisk::new(), move |disk, what| {
        let count = *counts.lock().expect("a number");
        keeps
            .lock()
            .expect("a list")
            .push((disk.copy(), count, format!("change {count}, {what}")));
        Ok(())
    });
    let log = open(disk).expect("an empty disk");
    for change in changes {
        submit(&log, change.clone()).expect("room on a disk in memory");
        *acknowledged.lock().expect("a number") += 1;
    }
    drop(log);
    std::mem::take(&mut *moments.lock().expect("a list"))
}

#[test]
fn a_power_cut_at_any_call_loses_nothing_acknowledged() {
    let changes = life();
    let told = told(&changes);
    let moments = moments(&changes);
    assert!(moments.len() > 100, "{} moments", moments.len());
    for (disk, acknowledged, what) in &moments {
        for seed in 0..20 {
            let log = open(disk.crash(seed))
                .unwrap_or_else(|error| panic!("{what}, seed {seed}: {error}"));
            let found = said(&log);
            assert!(
                found == told[*acknowledged] || Some(&found) == told.get(acknowledged + 1),
                "{what}, seed {seed}: {found:?}"
            );
        }
    }
}

#[test]
fn a_power_cut_while_a_crash_is_repaired_loses_nothing_either() {
    let changes = life();
    let told = told(&changes);
    for (disk, acknowledged, what) in moments(&changes)
        .into_iter()
        .filter(|(_, _, what)| what.ends_with("done"))
    {
        for seed in 0..6 {
            let copies = Arc::new(Mutex::new(Vec::new()));
            let keeps = copies.clone();
            let hook = move |disk: &MemDisk, _: &str| {
                keeps.lock().expect("a list").push(disk.copy());
                Ok(())
            };
            drop(
                open(Watched::new(&disk.crash(seed), hook))
                    .unwrap_or_else(|error| panic!("{what}, seed {seed}: {error}")),
            );
            for (at, copy) in copies.lock().expect("a list").iter().enumerate() {
                let log = open(copy.crash(seed))
                    .unwrap_or_else(|error| panic!("{what}, seed {seed}, then {at}: {error}"));
                let found = said(&log);
                assert!(
                    found == told[acknowledged] || Some(&found) == told.get(acknowledged + 1),
                    "{what}, {seed}, {at}: {found:?}"
                );
            }
        }
    }
}

/// A member acts on what its log says when it starts: a vote that it finds must not be gone after the next power cut.
#[test]
fn what_a_killed_process_finds_is_durable() {
    let changes = life();
    let told = told(&changes);
    for (disk, acknowledged, what) in &moments(&changes) {
        let again = disk.copy();
        let log = open(again.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
        let found = said(&log);
        assert!(
            found == told[*acknowledged] || Some(&found) == told.get(acknowledged + 1),
            "{what}: {found:?}"
        );
        for seed in 0..20 {
            let log = open(again.crash(seed))
                .unwrap_or_else(|error| panic!("{what}, seed {seed}: {error}"));
            assert_eq!(said(&log), found, "{what}, seed {seed}");
        }
    }
}

/// A disk whose file syncs wait: each tells of itself, and goes on when it is let.
fn held() -> (Watched, Receiver<()>, Sender<()>) {
    let (tells, told) = mpsc::channel();
    let (lets, waits) = mpsc::channel();
    let disk = Watched::new(&MemDisk::new(), move |_, what| {
        if what == "sync" {
            // The test has ended when nobody listens.
            let _ = tells.send(());
            let _ = waits.recv();
        }
        Ok(())
    });
    (disk, told, lets)
}

/// Leaves `syncs` to happen, and then the disk in the middle of one more.
fn pass(told: &Receiver<()>, lets: &Sender<()>, syncs: usize) {
    for _ in 0..syncs {
        lets.send(()).expect("the log syncs");
        told.recv().expect("the log syncs again");
    }
}

#[test]
fn what_is_only_shown_deletes_no_segment() {
    for later in [purge(150), Change::Truncate { after: 5 }] {
        let (disk, told, lets) = held();
        let writer = Writer::spawn(
            Log::open(disk.clone(), Arc::new(PlainText), SMALL).expect("an empty disk"),
        )
        .expect("a thread");
        writer.submit(append(1, 3, "a"), Box::new(|_| ()));
        told.recv().expect("a sync");
        for at in 4..=150 {
            writer.submit(append(at, at, "a"), Box::new(|_| ()));
            pass(&told, &lets, 1);
        }
        // This one is written and its sync waits; the later one is in line behind it.
        writer.submit(purge(5), Box::new(|_| ()));
        pass(&told, &lets, 1);
        writer.submit(later.clone(), Box::new(|_| ()));
        pass(&told, &lets, 1);
        let at_the_sync = disk.disk.copy();
        // Dropping the writer waits for its thread, which waits for the test.
        drop(lets);
        drop(writer);
        let mut lost = 0;
        for seed in 0..20 {
            let found = said(&open(at_the_sync.crash(seed)).expect("a crash is repaired"));
            let truncated = matches!(later, Change::Truncate { .. }) && found.entries.is_empty();
            if found.purged == Some((5, "purged to 5".into())) && !truncated {
                lost += 1;
                assert_eq!(
                    found.entries.first().map(|(at, _)| *at),
                    Some(6),
                    "{later:?}, seed {seed}"
                );
                assert_eq!(
                    found.entries.last().map(|(at, _)| *at),
                    Some(150),
                    "{later:?}, seed {seed}"
                );
            }
        }
        assert!(lost > 0, "{later:?}: no crash lost the later change");
    }
}

#[test]
fn a_new_segment_repeats_only_what_was_written_before_it() {
    let (disk, told, lets) = held();
    let writer =
        Writer::spawn(Log::open(disk.clone(), Arc::new(PlainText), SMALL).expect("an empty disk"))
            .expect("a thread");
    writer.submit(Change::Vote("old".into()), Box::new(|_| ()));
    told.recv().expect("a sync");
    // More than one sync covers, so that some changes are shown and not yet written when the new segment begins.
    for at in 1..=3000 {
        writer.submit(append(at, at, "a"), Box::new(|_| ()));
    }
    writer.submit(purge(2000), Box::new(|_| ()));
    writer.submit(Change::Vote("new".into()), Box::new(|_| ()));
    pass(&told, &lets, 2);
    let at_the_sync = disk.disk.copy();
    drop(lets);
    drop(writer);
    let found = said(&open(at_the_sync.crash(1)).expect("a crash is repaired"));
    assert_eq!((found.purged, found.vote), (None, Some("old".into())));
    assert_eq!(found.entries.first().map(|(at, _)| *at), Some(1));
}

#[test]
fn a_crash_at_any_time_keeps_what_was_acknowledged_by_then() {
    for round in 0..30 {
        let disk = MemDisk::new();
        let writer = Writer::spawn(
            Log::open(disk.clone(), Arc::new(PlainText), SMALL).expect("an empty disk"),
        )
        .expect("a thread");
        let acknowledged = Arc::new(Mutex::new(0));
        let crashes = {
            let (disk, acknowledged) = (disk.clone(), acknowledged.clone());
            thread::spawn(move || {
                (0..40)
                    .map(|seed| {
                        let sure = *acknowledged.lock().expect("a number");
                        (disk.crash(round * 1000 + seed), sure)
                    })
                    .collect::<Vec<_>>()
            })
        };
        for at in 1..=400 {
            let acknowledged = acknowledged.clone();
            let done = move |result: io::Result<()>| {
                result.expect("room on a disk in memory");
                *acknowledged.lock().expect("a number") = at;
            };
            writer.submit(append(at, at, "a"), Box::new(done));
        }
        for (disk, sure) in crashes.join().expect("crashes") {
            let found = said(&open(disk).expect("a crash is repaired"));
            let positions: Vec<u64> = found.entries.iter().map(|(at, _)| *at).collect();
            assert!(
                positions.len() as u64 >= sure,
                "{} of {sure}",
                positions.len()
            );
            assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
        }
    }
}

#[test]
fn an_answer_may_submit_again() {
    fn check(log: Arc<dyn Submit>, disk: &MemDisk) {
        let (told, hears) = mpsc::channel();
        let again = log.clone();
        let done = Box::new(move |first: io::Result<()>| {
            let second = told.clone();
            again.submit(
                Change::Vote("me".into()),
                Box::new(move |result| {
                    second
                        .send((first.is_ok(), result.is_ok()))
                        .expect("the test waits")
                }),
            );
        });
        log.submit(append(1, 1, "a"), done.clone());
        assert_eq!(hears.recv().expect("an answer"), (true, true));
        log.submit(append(7, 7, "a"), done.clone());
        assert_eq!(
            hears.recv().expect("an answer"),
            (false, true),
            "a gap is refused, the log lives on"
        );
        disk.fail_sync_after(0);
        log.submit(append(2, 2, "a"), done.clone());
        assert_eq!(hears.recv().expect("an answer"), (false, false));
        log.submit(append(3, 3, "a"), done);
        assert_eq!(hears.recv().expect("an answer"), (false, false));
    }
    let disk = MemDisk::new();
    check(Arc::new(open(disk.clone()).expect("an empty disk")), &disk);
    let disk = MemDisk::new();
    let log = Log::open(disk.clone(), Arc::new(PlainText), SMALL).expect("an empty disk");
    check(Arc::new(Writer::spawn(log).expect("a thread")), &disk);
}

#[test]
fn the_last_owner_may_be_an_answer() {
    let disk = MemDisk::new();
    let log = Log::open(disk.clone(), Arc::new(PlainText), SMALL).expect("an empty disk");
    let writer = Arc::new(Writer::spawn(log).expect("a thread"));
    let (told, hears) = mpsc::channel();
    let (lets, waits) = mpsc::channel::<()>();
    let owner = writer.clone();
    writer.submit(
        append(1, 1, "a"),
        Box::new(move |result| {
            let _ = waits.recv();
            drop(owner);
            told.send(result.is_ok()).expect("the test waits");
        }),
    );
    drop(writer);
    drop(lets);
    assert!(hears.recv().expect("an answer"));
}

#[test]
fn what_waits_is_synced_once() {
    let (disk, told, lets) = held();
    let writer = Writer::spawn(
        Log::open(disk.clone(), Arc::new(PlainText), Options::default()).expect("an empty disk"),
    )
    .expect("a thread");
    let (answers, heard) = mpsc::channel();
    let change = |change: Change, number: u64| {
        let answers = answers.clone();
        writer.submit(
            change,
            Box::new(move |result| {
                answers
                    .send((number, result.is_ok()))
                    .expect("the test waits")
            }),
        );
    };
    change(Change::Vote("me".into()), 0);
    told.recv().expect("a sync");
    (1..=1000).for_each(|at| change(append(at, at, "a"), at));
    assert_eq!(
        writer.last_index(),
        Some(1000),
        "readers see it before it is synced"
    );
    assert_eq!(
        writer
            .read(1..=1000, usize::MAX)
            .expect("readers wait for no sync")
            .len(),
        1000
    );
    assert!(
        heard.try_recv().is_err(),
        "nothing is acknowledged before its sync"
    );
    pass(&told, &lets, 1);
    assert_eq!(
        (heard.recv(), heard.try_recv()),
        (Ok((0, true)), Err(mpsc::TryRecvError::Empty))
    );
    drop(lets);
    (1..=1000).for_each(|at| assert_eq!(heard.recv(), Ok((at, true)), "answers come in order"));
    drop(writer);
    assert_eq!(
        disk.disk.syncs(),
        2,
        "a thousand changes waited for one sync"
    );
}
