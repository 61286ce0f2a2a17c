//! `minirun list`

use std::fmt::Write;

use lexopt::prelude::*;

use super::arguments::{text, usage};
use super::{Global, print};
use crate::error::{Error, ErrorKind, Result};
use crate::state::State;

pub(super) const HELP: &str = "\
minirun list [OPTION...]: list containers

  -f, --format FORMAT  table (default) or json
  -q, --quiet          ids alone
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let (mut format, mut quiet) = ("table".to_owned(), false);
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("format") | Short('f') => format = text(parser)?,
            Long("quiet") | Short('q') => quiet = true,
            other => return Err(usage(other.unexpected())),
        }
    }
    let states = global.runtime.list()?;
    match format.as_str() {
        _ if quiet => print(
            &states
                .iter()
                .map(|state| format!("{}\n", state.id))
                .collect::<String>(),
        ),
        "json" => {
            let text = serde_json::to_string(&states)
                .map_err(|error| Error::caused(ErrorKind::Io, "print the list", error))?;
            print(&format!("{text}\n"))
        }
        "table" => print(&table(&states)),
        other => Err(Error::invalid(format!(
            "list format {other:?} is neither table nor json"
        ))),
    }
}

fn table(states: &[State]) -> String {
    let width = states
        .iter()
        .map(|state| state.id.len())
        .max()
        .unwrap_or(0)
        .max(2);
    let mut text = format!(
        "{:width$}  {:>7}  {:8}  {:30}  BUNDLE\n",
        "ID", "PID", "STATUS", "CREATED"
    );
    for state in states {
        let (id, pid, status, created, bundle) = (
            &state.id,
            state.pid,
            state.status.as_str(),
            &state.created,
            state.bundle.display(),
        );
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{id:width$}  {pid:>7}  {status:8}  {created:30}  {bundle}"
        );
    }
    text
}
