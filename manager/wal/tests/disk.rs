//! The bytes on disk, and the log on a real one.

use std::sync::Arc;

use bytes::Bytes;
use wal::{Change, Disk, Inline, Log, MemDisk, Options, PlainText, RealDisk, Submit, WalError};

/// A vote, then an entry, in a segment of 256 bytes. Computed by a program of its own from the format's description:
/// header, start, vote "me", commit; entry 1 "one", commit.
const GOLDEN: &[&str] = &[
    "4d494e4957414c31010000000100000000000000000100000000000062362f4d",
    "150000000b848b590101000000000000000000000000000000000000000b0000",
    "006ad777f20302000000000000006d65110000006c1cb9c50603000000000000",
    "0000000000000000001400000019d884bf020400000000000000010000000000",
    "00006f6e6511000000e35a0d390605000000000000000300000000000000",
];

fn submit(log: &dyn Submit, change: Change) -> std::io::Result<()> {
    let (told, hears) = std::sync::mpsc::channel();
    log.submit(
        change,
        Box::new(move |result| told.send(result).expect("the test waits")),
    );
    hears.recv().expect("the log answers")
}

fn open(disk: &MemDisk, segment_bytes: u64) -> Result<Inline<MemDisk>, WalError> {
    Log::open(
        disk.clone(),
        Arc::new(PlainText),
        Options {
            segment_bytes,
            cache_bytes: 0,
        },
    )
    .map(Inline::new)
}

#[test]
fn a_segment_is_these_bytes() {
    let disk = MemDisk::new();
    let log = open(&disk, 256).expect("an empty disk");
    submit(&log, Change::Vote("me".into())).expect("durable");
    submit(&log, Change::Append(vec![(1, "one".into())])).expect("durable");
    let name = "wal-00000000000000000001.seg";
    assert_eq!(disk.list().expect("names"), [name]);
    let written: String = disk
        .bytes(name)
        .expect("the segment")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let golden = GOLDEN.concat();
    assert_eq!(written[..golden.len()], golden);
    assert_eq!(written.len(), 512);
    assert!(
        written[golden.len()..].bytes().all(|digit| digit == b'0'),
        "the rest is zeros"
    );
}

#[test]
fn a_missing_beginning_is_noticed() {
    for purged in [None, Some(20)] {
        let disk = MemDisk::new();
        let log = open(&disk, 512).expect("an empty disk");
        for at in 1..=100 {
            submit(
                &log,
                Change::Append(vec![(at, Bytes::from(format!("entry {at}")))]),
            )
            .expect("durable");
            if purged == Some(at) {
                submit(
                    &log,
                    Change::Purge {
                        to: at,
                        marker: "purged".into(),
                    },
                )
                .expect("durable");
            }
        }
        drop(log);
        let log = open(&disk, 512).expect("a whole log");
        assert_eq!(log.first_index(), Some(purged.unwrap_or(0) + 1));
        drop(log);
        let names = disk.list().expect("names");
        assert!(names.len() > 3, "{names:?}");
        // After a purge the first one may hold nothing that is needed; the second does.
        names[..2]
            .iter()
            .for_each(|name| disk.remove(name).expect("a segment"));
        let before: Vec<_> = names[2..].iter().map(|name| disk.bytes(name)).collect();
        let error = open(&disk, 512).err().expect("a missing beginning is seen");
        assert!(
            error
                .to_string()
                .contains("a file of the log is missing before it"),
            "{error}"
        );
        let after: Vec<_> = names[2..].iter().map(|name| disk.bytes(name)).collect();
        assert_eq!(before, after, "what is refused is not changed");
    }
}

#[test]
fn a_lower_purge_takes_nothing_back() {
    let disk = MemDisk::new();
    let log = open(&disk, 512).expect("an empty disk");
    submit(
        &log,
        Change::Append((1..=10).map(|at| (at, "entry".into())).collect()),
    )
    .expect("durable");
    submit(
        &log,
        Change::Purge {
            to: 7,
            marker: "seven".into(),
        },
    )
    .expect("durable");
    submit(
        &log,
        Change::Purge {
            to: 3,
            marker: "three".into(),
        },
    )
    .expect("durable");
    let again = open(&disk, 512).expect("a log");
    for log in [&log, &again] {
        assert_eq!(
            (log.purged(), log.first_index()),
            (Some((7, "seven".into())), Some(8))
        );
    }
}

#[test]
fn a_purge_before_the_first_entry_leaves_a_log_that_opens() {
    let disk = MemDisk::new();
    let log = open(&disk, 256).expect("an empty disk");
    for _ in 0..20 {
        submit(&log, Change::Vote("me".into())).expect("durable");
    }
    submit(&log, Change::Append(vec![(7, "seven".into())])).expect("durable");
    submit(
        &log,
        Change::Purge {
            to: 3,
            marker: "three".into(),
        },
    )
    .expect("durable");
    assert_eq!(open(&disk, 256).expect("a log").first_index(), Some(7));
    submit(
        &log,
        Change::Purge {
            to: 7,
            marker: "seven".into(),
        },
    )
    .expect("durable");
    assert_eq!(open(&disk, 256).expect("a log").first_index(), None);
}

#[test]
fn what_no_record_can_hold_is_refused() {
    let log = open(&MemDisk::new(), 512).expect("an empty disk");
    let error = submit(&log, Change::Vote(vec![0; (256 << 20) + 1].into())).expect_err("too long");
    assert!(error.to_string().contains("too long"), "{error}");
    submit(&log, Change::Vote("me".into())).expect("the log lives on");
}

#[test]
fn old_entries_are_read_from_a_real_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("made/by/the/log");
    let options = Options {
        segment_bytes: 4096,
        cache_bytes: 256,
    };
    let open = || {
        Log::open(
            RealDisk::open(&path).expect("free"),
            Arc::new(PlainText),
            options,
        )
        .map(Inline::new)
        .expect("a log")
    };
    let log = open();
    let entry = |at: u64| Bytes::from(format!("entry {at}"));
    for at in 1..=500 {
        submit(&log, Change::Append(vec![(at, entry(at))])).expect("durable");
    }
    let expected: Vec<_> = (1..=500).map(|at| (at, entry(at))).collect();
    assert_eq!(log.read(1..=500, usize::MAX).expect("entries"), expected);
    drop(log);
    let log = open();
    assert_eq!(log.read(1..=500, usize::MAX).expect("entries"), expected);
    assert_eq!(
        log.read(17..=500, 0).expect("at least one"),
        [(17, entry(17))]
    );
    submit(
        &log,
        Change::Purge {
            to: 490,
            marker: "purged".into(),
        },
    )
    .expect("durable");
    assert!(std::fs::read_dir(&path).expect("the directory").count() < 4);
}

/// Measures; run it with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "takes seconds without optimisation"]
fn a_million_entries_open_within_a_second() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || {
        let disk = RealDisk::open(directory.path()).expect("free");
        Inline::new(Log::open(disk, Arc::new(PlainText), Options::default()).expect("a log"))
    };
    let log = open();
    for thousand in 0..1000u64 {
        let entries = (1..=1000)
            .map(|at| (thousand * 1000 + at, Bytes::from(vec![b'x'; 200])))
            .collect();
        submit(&log, Change::Append(entries)).expect("durable");
    }
    drop(log);
    let begun = std::time::Instant::now();
    let log = open();
    let took = begun.elapsed();
    eprintln!("1,000,000 entries of 200 bytes opened in {took:?}");
    assert_eq!(log.last_index(), Some(1_000_000));
    assert!(took.as_millis() < 1000, "{took:?}");
}
