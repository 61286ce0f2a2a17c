//! `minirun resume`

use super::Global;
use super::arguments::id_only;
use crate::error::Result;

pub(super) const HELP: &str = "\
minirun resume ID: thaw the processes of a paused container
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let id = id_only(parser)?;
    global.runtime.resume(&id).map(|()| 0)
}
