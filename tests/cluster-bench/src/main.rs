#![forbid(unsafe_code)]
//! Times and memory of the managers' group beside etcd's, measured in the same run, on the same disk, in turns.
//!
//! ```text
//! cluster-bench [ROW]...      rows: writes failover memory restart (all without arguments)
//! ```
//!
//! Both are groups of three on loopback, with TLS between clients and members and between members, and both put what they
//! acknowledge on the disk first. They are asked through gRPC by the same client. A row says `ok` when it is within its bar.

mod cleanup;
mod etcd;
mod failover;
mod group;
mod log;
mod measure;
mod memory;
mod ours;
mod restart;
mod table;
mod work;

use std::process::ExitCode;

use table::Table;

/// Where everything is kept while it is measured: a real disk.
const DISK: &str = "/var/tmp";
const ROWS: [&str; 4] = ["writes", "failover", "memory", "restart"];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|word| !ROWS.contains(&word.as_str())) {
        eprintln!(
            "cluster-bench: no row {unknown}; there are {}",
            ROWS.join(" ")
        );
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let table = runtime.block_on(measure(&wanted));
    println!("{table}");
    ExitCode::from(u8::from(table.is_short()))
}

async fn measure(wanted: &[String]) -> Table {
    let disk = tempfile::Builder::new()
        .prefix("mini-bench-")
        .tempdir_in(DISK)
        .expect("a directory");
    cleanup::at_panic(disk.path());
    let mut table = Table::default();
    for row in ROWS {
        if !wanted.is_empty() && !wanted.iter().any(|word| word == row) {
            continue;
        }
        eprintln!("cluster-bench: measuring {row} ...");
        let directory = disk.path().join(row);
        std::fs::create_dir(&directory).expect("a directory");
        table.extend(match row {
            "writes" => work::rows(&directory).await,
            "failover" => failover::rows(&directory).await,
            "memory" => memory::rows(&directory).await,
            _ => restart::rows(&directory).await,
        });
    }
    table
}
