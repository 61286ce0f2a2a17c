//! Times and memory of ours beside those of Docker, containerd, runc and crun, measured in the same run on the same files.
//!
//! ```text
//! bench [ROW]...      rows: none bridge memory pull runtime (all without arguments)
//! ```
//!
//! Ours and the peer take turns, round after round, with a pause before each start: back-to-back starts hide what a first start
//! costs. A row says `ok` when it is within its bar. Everything runs on a host of its own, as in the tests.

mod docker;
mod measure;
mod rows;
mod table;

use std::process::ExitCode;

use tests::Host;

fn main() -> ExitCode {
    let Some(mut host) = Host::start() else {
        return ExitCode::FAILURE;
    };
    host.without_check();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for name in &wanted {
        if !rows::ALL.iter().any(|(known, _)| known == name) {
            eprintln!(
                "bench: no row {name}; there are {}",
                rows::ALL.map(|(known, _)| known).join(" ")
            );
            return ExitCode::from(2);
        }
    }
    let bench = rows::Bench::prepare(&mut host);
    let mut table = table::Table::default();
    for (name, row) in rows::ALL {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            eprintln!("bench: measuring {name} ...");
            table.extend(row(&bench));
        }
    }
    bench.finish();
    println!("{table}");
    ExitCode::from(u8::from(table.is_short()))
}
