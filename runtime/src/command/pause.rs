//! `minirun pause`

use super::Global;
use super::arguments::id_only;
use crate::error::Result;

pub(super) const HELP: &str = "\
minirun pause ID: freeze the processes of a container
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let id = id_only(parser)?;
    global.runtime.pause(&id).map(|()| 0)
}
