#![forbid(unsafe_code)]
//! Lives many lives of a cluster in memory, and tells which seeds went wrong.

use std::error::Error;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use lexopt::prelude::*;
use world::chaos::{Life, live};

const USAGE: &str = "chaos [--seeds FROM..TO] [--seed N] [--jobs N]";

struct Wish {
    seeds: Range<u64>,
    jobs: u64,
    verbose: bool,
}

fn wish() -> Result<Wish, Box<dyn Error>> {
    let mut wish = Wish {
        seeds: 0..1000,
        jobs: 2,
        verbose: false,
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
                wish = Wish {
                    seeds: seed..seed + 1,
                    jobs: 1,
                    verbose: true,
                };
            }
            Long("jobs") => wish.jobs = arguments.value()?.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    Ok(wish)
}

/// What came of all lives.
#[derive(Default)]
struct Sum {
    lives: u64,
    life: Life,
    failed: Vec<u64>,
}

fn main() -> ExitCode {
    let wish = match wish() {
        Ok(wish) => wish,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if !wish.verbose {
        // What went wrong is told below, in one line.
        std::panic::set_hook(Box::new(|_| {}));
    }
    let began = Instant::now();
    let next = AtomicU64::new(wish.seeds.start);
    let sum: Mutex<Sum> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..wish.jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= wish.seeds.end {
                        break;
                    }
                    let lived = one(seed, wish.verbose);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.add(seed, lived);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_default();
    println!("{}", sum.told());
    println!("{:.1} s", began.elapsed().as_secs_f64());
    match sum.failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn one(seed: u64, verbose: bool) -> Result<Life, String> {
    let mut tell = |line: &str| {
        if verbose {
            println!("{line}");
        }
    };
    let lived = catch_unwind(AssertUnwindSafe(|| live(seed, &mut tell)));
    lived.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("it panicked").to_owned()
    })
}

impl Sum {
    fn add(&mut self, seed: u64, lived: Result<Life, String>) {
        self.lives += 1;
        match lived {
            Ok(life) => {
                self.life.events += life.events;
                self.life.commits += life.commits;
                self.life.passed_ms += life.passed_ms;
                self.life.rebalanced += life.rebalanced;
                self.life.scaled += life.scaled;
            }
            Err(failure) => {
                let line = failure.lines().next().unwrap_or_default();
                println!("seed {seed}: {line}");
                println!("  again: cargo run -p world --bin chaos -- --seed {seed}");
                self.failed.push(seed);
            }
        }
    }

    fn told(&self) -> String {
        let mut failed = self.failed.clone();
        failed.sort_unstable();
        let life = self.life;
        format!(
            "{} lives, {} hours of a cluster, {} misfortunes, {} transactions, {} tasks rebalanced, {} times scaled, {} failures{}",
            self.lives,
            life.passed_ms / 3_600_000,
            life.events,
            life.commits,
            life.rebalanced,
            life.scaled,
            failed.len(),
            match failed.as_slice() {
                [] => String::new(),
                failed => format!(": {failed:?}"),
            }
        )
    }
}
