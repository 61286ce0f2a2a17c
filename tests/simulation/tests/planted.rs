//! The rules can be broken: each mistake that is planted is found within 200 worlds.

use simulation::{Plan, Planted, run};

const WITHIN: u64 = 200;

fn caught(planted: Planted) -> Option<u64> {
    let plan = Plan {
        planted: Some(planted),
        ..Plan::default()
    };
    (0..WITHIN).find(|seed| {
        let report = run(*seed, &plan);
        if let Some(failure) = report.failures.first() {
            let line = failure.to_string();
            let line = line.lines().next().unwrap_or_default();
            println!("{planted:?}: seed {seed}: {line}");
        }
        !report.failures.is_empty()
    })
}

#[test]
fn every_planted_mistake_is_caught() {
    let missed: Vec<Planted> = Planted::ALL
        .into_iter()
        .filter(|planted| caught(*planted).is_none())
        .collect();
    assert!(
        missed.is_empty(),
        "not caught within {WITHIN} seeds: {missed:?}"
    );
}
