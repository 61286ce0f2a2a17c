//! The rules can be broken: each mistake that is planted is found within 200 worlds.

use simulation::{Plan, Planted, run};

const WITHIN: u64 = 200;

fn caught(planted: Planted) -> bool {
    let plan = Plan {
        planted: Some(planted),
        ..Plan::default()
    };
    (0..WITHIN).any(|seed| {
        let report = run(seed, &plan);
        if let Some(failure) = report.failures.first() {
            let line = failure.to_string();
            let line = line.lines().next().unwrap_or_default();
            println!("{planted:?}: seed {seed}: {line}");
        }
        !report.failures.is_empty()
    })
}

macro_rules! is_caught {
    ($($test:ident: $planted:ident,)*) => {
        $(#[test]
        fn $test() {
            assert!(caught(Planted::$planted), "not within {WITHIN} seeds");
        })*

        #[test]
        fn none_is_left_out() {
            assert_eq!([$(Planted::$planted),*].as_slice(), Planted::ALL.as_slice());
        }
    };
}

is_caught! {
    vote_not_synced: VoteNotSynced,
    append_not_synced: AppendNotSynced,
    stale_read: StaleRead,
    votes_invented: VotesInvented,
    snapshot_short: SnapshotShort,
    snapshot_keeps_old: SnapshotKeepsOld,
    apply_skipped: ApplySkipped,
    apply_twice: ApplyTwice,
    truncation_lost: TruncationLost,
    unknown_is_success: UnknownIsSuccess,
    purged_too_far: PurgedTooFar,
    snapshot_forgotten: SnapshotForgotten,
    unknown_is_refused: UnknownIsRefused,
}
