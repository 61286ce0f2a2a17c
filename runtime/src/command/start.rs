//! `minirun start`

use super::Global;
use super::arguments::id_only;
use crate::error::Result;

pub(super) const HELP: &str = "\
minirun start ID: execute the program of a created container
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let id = id_only(parser)?;
    global.runtime.start(&id).map(|()| 0)
}
