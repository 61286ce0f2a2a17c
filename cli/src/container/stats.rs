//! `minictl stats`: what containers use up, live or once.

use std::io::IsTerminal;
use std::thread::sleep;
use std::time::Duration;

use engine::{Container, Engine, Stats};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::{Failure, Outcome, complain, print};
use crate::output::format::{Columns, listing};
use crate::output::short_id;
use crate::output::size::{binary, decimal};

/// Show what containers use up
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl stats --no-stream web db")]
pub(crate) struct Args {
    /// Also containers that don't run
    #[arg(short, long)]
    all: bool,
    /// Show it once
    #[arg(long)]
    no_stream: bool,
    /// Don't cut ids
    #[arg(long)]
    no_trunc: bool,
    /// table, json, or a template such as '{{.Name}} {{.CPUPerc}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or ids (all that run without this)
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

const COLUMNS: Columns = Columns {
    all: &[
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
    ],
    shown: &[
        "ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs",
    ],
};

/// Between the two readings that a share of the processors is made of.
const INTERVAL: Duration = Duration::from_secs(1);

/// Prints a table a second on a terminal, until interrupted or, with names, nothing of them runs any more.
pub(crate) fn stats(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    let live = !args.no_stream && args.format.is_none() && std::io::stdout().is_terminal();
    let mut before = readings(&engine, &args)?;
    loop {
        sleep(INTERVAL);
        let now = readings(&engine, &args)?;
        let rows: Vec<Value> = now
            .iter()
            .map(|(container, stats)| {
                let old = before
                    .iter()
                    .find(|(old, _)| old.id() == container.id())
                    .and_then(|(_, stats)| stats.as_ref());
                row(container, stats.as_ref(), old, args.no_trunc)
            })
            .collect();
        let text = listing(&rows, &COLUMNS, args.format.as_deref())?;
        if live {
            print(&format!("\x1b[H\x1b[2J{text}"))?;
        } else {
            print(&text)?;
        }
        let over =
            !args.containers.is_empty() && now.iter().all(|(container, _)| !container.is_alive());
        if args.no_stream || over {
            return Ok(0);
        }
        before = now;
    }
}

type Reading = (Container, Option<Stats>);

fn readings(engine: &Engine, args: &Args) -> Result<Vec<Reading>, Failure> {
    let containers = if args.containers.is_empty() {
        engine.containers(args.all)?
    } else {
        args.containers
            .iter()
            .map(|name| engine.container(name))
            .collect::<Result<_, _>>()?
    };
    let reading = |container: Container| {
        let stats = container.is_alive().then(|| engine.stats(container.id()));
        match stats.transpose() {
            Ok(stats) => Some((container, stats)),
            // One that ends between the two looks has no figures.
            Err(error) if error.kind() == engine::ErrorKind::NotFound => Some((container, None)),
            Err(error) => {
                complain(&crate::failure::with_causes(&error));
                None
            }
        }
    };
    Ok(containers.into_iter().filter_map(reading).collect())
}

fn row(container: &Container, stats: Option<&Stats>, before: Option<&Stats>, full: bool) -> Value {
    let mut row = json!({
        "Container": container.name(),
        "ID": short_id(container.id(), full),
        "Name": container.name(),
        "CPUPerc": "--", "MemUsage": "-- / --", "MemPerc": "--", "NetIO": "--", "BlockIO": "--", "PIDs": "--",
    });
    let Some(now) = stats else { return row };
    row["CPUPerc"] = json!(before.map_or_else(
        || "--".to_owned(),
        |before| format!("{:.2}%", processor_share(before, now))
    ));
    row["MemUsage"] = json!(format!(
        "{} / {}",
        binary(now.memory),
        binary(now.memory_limit)
    ));
    row["MemPerc"] = json!(format!(
        "{:.2}%",
        100.0 * now.memory as f64 / now.memory_limit.max(1) as f64
    ));
    row["NetIO"] = json!(format!(
        "{} / {}",
        decimal(now.network_received),
        decimal(now.network_sent)
    ));
    row["BlockIO"] = json!(format!(
        "{} / {}",
        decimal(now.block_read),
        decimal(now.block_written)
    ));
    row["PIDs"] = json!(now.pids.to_string());
    row
}

/// Hundredths of one processor, so that two busy ones are 200.
fn processor_share(before: &Stats, now: &Stats) -> f64 {
    let used = now.cpu_nanoseconds.saturating_sub(before.cpu_nanoseconds) as f64;
    let passed = now
        .taken_at_nanoseconds
        .saturating_sub(before.taken_at_nanoseconds)
        .max(1) as f64;
    100.0 * used / passed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::sample;

    #[test]
    fn figures_read_as_docker_writes_them() {
        let before = Stats {
            cpu_nanoseconds: 0,
            taken_at_nanoseconds: 0,
            ..Stats::default()
        };
        let now = Stats {
            cpu_nanoseconds: 1_500_000_000,
            taken_at_nanoseconds: 1_000_000_000,
            memory: 10 << 20,
            memory_limit: 1 << 30,
            network_received: 1_500,
            pids: 3,
            ..Stats::default()
        };
        let row = row(&sample::container(), Some(&now), Some(&before), false);
        assert_eq!(row["CPUPerc"], "150.00%");
        assert_eq!(row["MemUsage"], "10MiB / 1GiB");
        assert_eq!(row["MemPerc"], "0.98%");
        assert_eq!(row["NetIO"], "1.5kB / 0B");
        assert_eq!(row["PIDs"], "3");
        assert_eq!(
            super::row(&sample::container(), None, None, false)["CPUPerc"],
            "--"
        );
    }
}
