//! Sixty worlds, and the same one twice. More of them: `cargo run --release -p simulation --bin soak`.

use std::thread;

use simulation::{Plan, Report, run};

const SEEDS: u64 = 60;

#[test]
fn sixty_worlds_keep_every_rule() {
    let halves = [0, 1].map(|half| {
        thread::spawn(move || {
            let seeds = (half..SEEDS).step_by(2);
            seeds
                .map(|seed| run(seed, &Plan::default()))
                .collect::<Vec<Report>>()
        })
    });
    let reports: Vec<Report> = halves
        .into_iter()
        .flat_map(|half| half.join().expect("the worlds come to an end"))
        .collect();
    for report in &reports {
        for failure in &report.failures {
            println!("seed {}: {failure}", report.seed);
            println!(
                "again: cargo run -p simulation --bin soak -- --seed {}",
                report.seed
            );
        }
    }
    assert!(reports.iter().all(|report| report.failures.is_empty()));
    // A world in which nothing happens keeps every rule, too.
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    assert!(sum(|report| report.operations[0]) > 100 * SEEDS);
    assert!(sum(|report| report.elections) > 2 * SEEDS);
    assert!(sum(|report| report.crashes) > 5 * SEEDS);
    assert!(sum(|report| report.partitions) > 2 * SEEDS);
    assert!(sum(|report| report.snapshots) > SEEDS);
    assert!(sum(|report| report.changes) > SEEDS);
    assert_eq!(
        sum(|report| report.undecided),
        0,
        "histories too long to judge"
    );
}

#[test]
fn the_same_seed_gives_the_same_world() {
    for seed in [3, 11] {
        let [once, again] = [(); 2].map(|()| run(seed, &Plan::default()));
        assert_eq!(once.history, again.history, "seed {seed}");
    }
    let [one, other] = [3, 4].map(|seed| run(seed, &Plan::default()));
    assert_ne!(one.history, other.history);
}
