//! `minirun state`

use super::arguments::id_only;
use super::{Global, print};
use crate::error::{Error, ErrorKind, Result};

pub(super) const HELP: &str = "\
minirun state ID: print the state of a container as JSON
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let state = global.runtime.state(&id_only(parser)?)?;
    let text = serde_json::to_string_pretty(&state)
        .map_err(|error| Error::caused(ErrorKind::Io, "print the state", error))?;
    print(&format!("{text}\n"))
}
