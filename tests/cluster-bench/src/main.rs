#![forbid(unsafe_code)]
//! Times and memory of a cluster: of the managers' group beside etcd's, of services beside Docker Swarm's, each measured in the same
//! run, on the same disk, in turns.
//!
//! ```text
//! cluster-bench [ROW]...      rows: writes failover memory restart create swarm gates scheduler hollow (all without arguments)
//! ```
//!
//! Groups are of three on loopback, with TLS between clients and members and between members, and put what they acknowledge on the
//! disk first. Services run in a lab: daemons and containers as anywhere, each node a host of its own. Hollow agents
//! (`MINI_HOLLOW_AGENTS`, 1,000) are nodes without containers, each with its own certificate and connections. A row says `ok` when it
//! is within its bar.

mod cleanup;
mod create;
mod etcd;
mod failover;
mod gates;
mod group;
mod hollow;
mod lab;
mod log;
mod measure;
mod memory;
mod ours;
mod restart;
mod scheduler;
mod services;
mod swarm;
mod table;
mod work;

use std::process::ExitCode;

use table::Table;

/// Where everything is kept while it is measured: a real disk.
const DISK: &str = "/var/tmp";
/// The managers beside etcd.
const GROUP_ROWS: [&str; 4] = ["writes", "failover", "memory", "restart"];
/// Services beside Docker Swarm.
const SERVICE_ROWS: [&str; 5] = ["create", "swarm", "gates", "scheduler", "hollow"];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [word, plan] = &wanted[..]
        && word == hollow::FLEET
    {
        runtime().block_on(hollow::fleet(plan));
        return ExitCode::SUCCESS;
    }
    let rows = [&GROUP_ROWS[..], &SERVICE_ROWS[..]].concat();
    if let Some(unknown) = wanted.iter().find(|word| !rows.contains(&word.as_str())) {
        eprintln!(
            "cluster-bench: no row {unknown}; there are {}",
            rows.join(" ")
        );
        return ExitCode::from(2);
    }
    let tables = runtime().block_on(measure(&wanted));
    let measured = tables.iter().filter(|table| !table.is_empty());
    for table in measured {
        println!("{table}");
    }
    ExitCode::from(u8::from(tables.iter().any(Table::is_short)))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn measure(wanted: &[String]) -> [Table; 2] {
    let disk = tempfile::Builder::new()
        .prefix("mini-bench-")
        .tempdir_in(DISK)
        .expect("a directory");
    cleanup::at_panic(disk.path());
    let mut group = Table::new("three members on loopback, in turns with etcd's", "etcd");
    let mut services = Table::new(
        "services: a lab on this machine, in turns with Docker Swarm's; hollow agents on loopback",
        "Docker Swarm",
    );
    for row in [&GROUP_ROWS[..], &SERVICE_ROWS[..]].concat() {
        if !wanted.is_empty() && !wanted.iter().any(|word| word == row) {
            continue;
        }
        eprintln!("cluster-bench: measuring {row} ...");
        let directory = disk.path().join(row);
        std::fs::create_dir(&directory).expect("a directory");
        match row {
            "writes" => group.extend(work::rows(&directory).await),
            "failover" => group.extend(failover::rows(&directory).await),
            "memory" => group.extend(memory::rows(&directory).await),
            "restart" => group.extend(restart::rows(&directory).await),
            "create" => services.extend(create::rows(&directory).await),
            "swarm" => services.extend(swarm::rows(&directory).await),
            "gates" => services.extend(gates::rows(&directory).await),
            "scheduler" => services.extend(scheduler::rows()),
            _ => services.extend(hollow::rows(&directory).await),
        }
    }
    [group, services]
}
