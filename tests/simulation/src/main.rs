#![forbid(unsafe_code)]
//! Runs many worlds, and tells which seeds broke something.

use std::error::Error;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lexopt::prelude::*;
use simulation::{Plan, Planted, Report, run};

const USAGE: &str =
    "soak [--seeds FROM..TO] [--seed N] [--jobs N] [--storm MILLISECONDS] [--planted NAME]";

struct Wish {
    seeds: Range<u64>,
    jobs: u64,
    plan: Plan,
}

fn wish() -> Result<Wish, Box<dyn Error>> {
    let mut wish = Wish {
        seeds: 0..1000,
        jobs: 2,
        plan: Plan::default(),
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seeds") => {
                let text = arguments.value()?.string()?;
                let (from, to) = text.split_once("..").ok_or("--seeds wants FROM..TO")?;
                wish.seeds = from.parse()?..to.parse()?;
            }
            Long("seed") => {
                let seed: u64 = arguments.value()?.parse()?;
                (wish.seeds, wish.jobs, wish.plan.verbose) = (seed..seed + 1, 1, true);
            }
            Long("jobs") => wish.jobs = arguments.value()?.parse()?,
            Long("storm") => wish.plan.storm = arguments.value()?.parse()?,
            Long("planted") => {
                let name = arguments.value()?.string()?;
                let found = Planted::ALL
                    .into_iter()
                    .find(|planted| format!("{planted:?}") == name);
                wish.plan.planted = Some(
                    found
                        .ok_or_else(|| format!("no such mistake; there are {:?}", Planted::ALL))?,
                );
            }
            _ => return Err(USAGE.into()),
        }
    }
    Ok(wish)
}

fn main() -> ExitCode {
    let wish = match wish() {
        Ok(wish) => wish,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let began = Instant::now();
    let next = AtomicU64::new(wish.seeds.start);
    let reports: Mutex<Vec<Report>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..wish.jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= wish.seeds.end {
                        break;
                    }
                    let report = run(seed, &wish.plan);
                    for failure in &report.failures {
                        println!("seed {seed}: {failure}");
                        println!("  again: cargo run -p simulation --bin soak -- --seed {seed}");
                    }
                    reports
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push(report);
                }
            });
        }
    });
    let reports = reports.into_inner().unwrap_or_default();
    println!("{}", summary(&reports));
    println!("{:.1} s", began.elapsed().as_secs_f64());
    if reports.iter().all(|report| report.failures.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn summary(reports: &[Report]) -> String {
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    let mut failed: Vec<u64> = reports
        .iter()
        .filter(|report| !report.failures.is_empty())
        .map(|report| report.seed)
        .collect();
    failed.sort_unstable();
    format!(
        "{} seeds, {} simulated seconds, operations {} answered {} refused {} unknown, {} elections, {} crashes, {} partitions, {} snapshots taken over, {} changes of the group, {} histories undecided, {} failures{}",
        reports.len(),
        sum(|report| report.simulated) / 1000,
        sum(|report| report.operations[0]),
        sum(|report| report.operations[1]),
        sum(|report| report.operations[2]),
        sum(|report| report.elections),
        sum(|report| report.crashes),
        sum(|report| report.partitions),
        sum(|report| report.snapshots),
        sum(|report| report.changes),
        sum(|report| report.undecided),
        failed.len(),
        if failed.is_empty() {
            String::new()
        } else {
            format!(": {failed:?}")
        },
    )
}
