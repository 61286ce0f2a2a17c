//! `minirun delete`

use lexopt::prelude::*;

use super::Global;
use super::arguments::{Id, usage};
use crate::error::Result;

pub(super) const HELP: &str = "\
minirun delete [--force] ID: remove a stopped container

  -f, --force          kill it first if it runs; no error if there is none
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let (mut id, mut force) = (Id::default(), false);
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("force") | Short('f') => force = true,
            Value(given) => id.set(given)?,
            other => return Err(usage(other.unexpected())),
        }
    }
    global.runtime.delete(&id.get()?, force).map(|()| 0)
}
