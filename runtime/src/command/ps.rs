//! `minirun ps`

use lexopt::prelude::*;

use super::arguments::{Id, text, usage};
use super::{Global, print};
use crate::error::{Error, Result};

pub(super) const HELP: &str = "\
minirun ps [--format FORMAT] ID: list the processes of a container

  -f, --format FORMAT  table (default: one process id a line) or json
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let (mut id, mut format) = (Id::default(), "table".to_owned());
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("format") | Short('f') => format = text(parser)?,
            Value(given) => id.set(given)?,
            other => return Err(usage(other.unexpected())),
        }
    }
    let pids = global.runtime.pids(&id.get()?)?;
    let words: Vec<String> = pids.iter().map(i32::to_string).collect();
    match format.as_str() {
        "json" => print(&format!("[{}]\n", words.join(","))),
        "table" => print(
            &words
                .iter()
                .map(|pid| format!("{pid}\n"))
                .collect::<String>(),
        ),
        other => Err(Error::invalid(format!(
            "ps format {other:?} is neither table nor json"
        ))),
    }
}
