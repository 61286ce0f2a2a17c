//! What becomes of a log whose bytes were harmed: repaired exactly, or refused; never a wrong entry.

use std::sync::Arc;

use bytes::Bytes;
use wal::format::{self, Parsed};
use wal::{Change, Disk, Inline, Log, MemDisk, Options, PlainText, Submit, WalError};

const SMALL: Options = Options {
    segment_bytes: 1024,
    cache_bytes: 0,
};

fn entry(position: u64) -> Bytes {
    Bytes::from(format!("entry {position}"))
}

fn open(disk: &MemDisk) -> Result<(Inline<MemDisk>, bool), WalError> {
    let log = Log::open(disk.clone(), Arc::new(PlainText), SMALL)?;
    let repaired = log.repaired().is_some();
    Ok((Inline::new(log), repaired))
}

fn submit(log: &dyn Submit, change: Change) -> std::io::Result<()> {
    let (told, hears) = std::sync::mpsc::channel();
    log.submit(
        change,
        Box::new(move |result| told.send(result).expect("the test waits")),
    );
    hears.recv().expect("the log answers")
}

fn append(log: &dyn Submit, from: u64, to: u64) {
    submit(
        log,
        Change::Append((from..=to).map(|at| (at, entry(at))).collect()),
    )
    .expect("room on a disk in memory");
}

fn entries(log: &dyn Submit) -> Vec<(u64, Bytes)> {
    let mut all = Vec::new();
    let mut next = log.first_index().unwrap_or(1);
    while log.last_index().is_some_and(|last| next <= last) {
        all.extend(
            log.read(next..=u64::MAX, 1 << 20)
                .expect("what was opened can be read"),
        );
        next = all.last().expect("at least one").0 + 1;
    }
    all
}

/// A log of five commits: entries 1-3, a vote, entries 4-5, entry 6, entries 7-8.
fn five_commits() -> (MemDisk, String) {
    let disk = MemDisk::new();
    let (log, _) = open(&disk).expect("an empty disk");
    append(&log, 1, 3);
    submit(&log, Change::Vote("me".into())).expect("durable");
    append(&log, 4, 5);
    append(&log, 6, 6);
    append(&log, 7, 8);
    drop(log);
    let names = disk.list().expect("names");
    assert_eq!(names.len(), 1, "all of it fits one segment: {names:?}");
    (disk, names[0].clone())
}

/// Where each record of a segment begins, and where the last one ends.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let mut at = format::HEADER;
    let mut found = vec![at];
    while let (Parsed::Record(_), length) = format::parse(&bytes[at..]) {
        at += length;
        found.push(at);
    }
    found
}

/// The log is what it was, or what it was before its last commit and says so, or refused.
fn check(disk: &MemDisk, what: &str) -> &'static str {
    match open(disk) {
        Ok((log, repaired)) => {
            let found = entries(&log);
            let kept = found.len() as u64;
            assert!(
                kept == 8 || repaired && kept == 6,
                "{what}, repaired: {repaired}: {found:?}"
            );
            assert_eq!(
                found,
                (1..=kept).map(|at| (at, entry(at))).collect::<Vec<_>>(),
                "{what}"
            );
            assert_eq!(log.vote().as_deref(), Some(&b"me"[..]), "{what}");
            append(&log, log.last_index().expect("entries") + 1, 20);
            let (again, repaired) = open(disk).expect("a repaired log opens");
            assert!(
                !repaired && again.last_index() == Some(20),
                "{what}: what was repaired stays so"
            );
            if kept == 6 { "repaired" } else { "whole" }
        }
        Err(WalError::Corrupt { .. }) => "refused",
        Err(other) => panic!("{what}: {other}"),
    }
}

#[test]
fn every_bit_flipped_is_repaired_or_refused() {
    let (disk, name) = five_commits();
    let whole = disk.bytes(&name).expect("the segment");
    let ends = boundaries(&whole);
    let (last, used) = (ends[ends.len() - 4], ends[ends.len() - 1]);
    let mut seen = std::collections::BTreeMap::new();
    for bit in 0..(used + 16) * 8 {
        let mut harmed = whole.clone();
        harmed[bit / 8] ^= 1 << (bit % 8);
        let disk = MemDisk::new();
        disk.put(&name, harmed.clone());
        let outcome = check(&disk, &format!("bit {bit}"));
        if outcome == "refused" {
            assert_eq!(
                disk.bytes(&name),
                Some(harmed),
                "bit {bit}: what is refused is not changed"
            );
        }
        let expected = match bit / 8 {
            byte if byte < last => "refused",
            byte if byte < used => "repaired",
            _ => "whole",
        };
        assert_eq!(outcome, expected, "bit {bit}");
        *seen.entry(outcome).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn every_truncation_is_refused() {
    let (disk, name) = five_commits();
    let whole = disk.bytes(&name).expect("the segment");
    for length in 0..whole.len() {
        let disk = MemDisk::new();
        disk.put(&name, whole[..length].to_vec());
        assert_eq!(check(&disk, &format!("{length} bytes")), "refused");
    }
}

#[test]
fn every_torn_write_is_repaired() {
    let (disk, name) = five_commits();
    let whole = disk.bytes(&name).expect("the segment");
    let ends = boundaries(&whole);
    // What the last commit wrote: two entries and the commit itself.
    let (last, used) = (ends[ends.len() - 4], ends[ends.len() - 1]);
    for length in last..used {
        let mut torn = whole.clone();
        torn[length..].fill(0);
        if torn == whole {
            // The commit's last bytes are zeros.
            continue;
        }
        let disk = MemDisk::new();
        disk.put(&name, torn);
        let (log, repaired) = open(&disk).unwrap_or_else(|error| panic!("{length} bytes: {error}"));
        assert_eq!(repaired, length > last, "{length} bytes");
        assert_eq!(log.last_index(), Some(6), "{length} bytes");
    }
}

#[test]
fn a_missing_segment_is_noticed() {
    let disk = MemDisk::new();
    let (log, _) = open(&disk).expect("an empty disk");
    for at in 1..=100 {
        append(&log, at, at);
    }
    drop(log);
    let names = disk.list().expect("names");
    assert!(names.len() > 3, "{names:?}");
    disk.remove(&names[1]).expect("a segment");
    let error = open(&disk).err().expect("a hole is seen");
    assert!(
        error.to_string().contains("a file of the log is missing"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("restore this manager from a backup"),
        "{error}"
    );
}

#[test]
fn another_key_is_told_from_damage() {
    struct Xor(u8);
    impl wal::Cipher for Xor {
        fn seal(&self, bytes: &[u8]) -> Vec<u8> {
            let mut sealed: Vec<u8> = bytes.iter().map(|byte| byte ^ self.0).collect();
            sealed.push(self.0);
            sealed
        }
        fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
            let (key, bytes) = sealed.split_last()?;
            (*key == self.0).then(|| bytes.iter().map(|byte| byte ^ self.0).collect())
        }
    }
    let disk = MemDisk::new();
    let log = Inline::new(Log::open(disk.clone(), Arc::new(Xor(1)), SMALL).expect("an empty disk"));
    submit(&log, Change::Vote("me".into())).expect("durable");
    assert!(matches!(
        Log::open(disk, Arc::new(Xor(2)), SMALL),
        Err(WalError::WrongKey { .. })
    ));
    let disk = MemDisk::new();
    let log = Inline::new(Log::open(disk.clone(), Arc::new(Xor(1)), SMALL).expect("an empty disk"));
    append(&log, 1, 3);
    assert!(
        matches!(
            Log::open(disk, Arc::new(Xor(2)), SMALL),
            Err(WalError::WrongKey { .. })
        ),
        "entries alone tell it too"
    );
}

#[test]
fn damage_before_a_torn_commit_is_not_cut_off_with_it() {
    let (disk, name) = five_commits();
    let whole = disk.bytes(&name).expect("the segment");
    let ends = boundaries(&whole);
    // The last commit wrote two entries and itself; the one before it an entry and itself.
    let (before, last, used) = (
        ends[ends.len() - 6],
        ends[ends.len() - 4],
        ends[ends.len() - 1],
    );
    for byte in before..ends[ends.len() - 5] {
        let mut harmed = whole.clone();
        harmed[byte] ^= 1;
        harmed[used - 9..].fill(0);
        let disk = MemDisk::new();
        disk.put(&name, harmed);
        let outcome = open(&disk).map(|(log, _)| log.last_index());
        assert!(
            matches!(outcome, Err(WalError::Corrupt { .. })),
            "byte {byte} of {before}..{last}: {outcome:?}"
        );
    }
}
