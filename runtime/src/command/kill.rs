//! `minirun kill`

use lexopt::prelude::*;

use super::Global;
use super::arguments::{Id, text, usage};
use crate::error::{Error, Result};
use crate::signal;

pub(super) const HELP: &str = "\
minirun kill [--all] ID [SIGNAL]: send a signal to a container's first process

  -a, --all            to all its processes
  SIGNAL               by name or number: TERM (default), SIGTERM, 15
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let (mut id, mut all, mut name) = (Id::default(), false, None);
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("all") | Short('a') => all = true,
            Long("signal") | Short('s') => name = Some(text(parser)?),
            Value(given) if !id.is_set() => id.set(given)?,
            Value(given) if name.is_none() => name = Some(given.string().map_err(usage)?),
            other => return Err(usage(other.unexpected())),
        }
    }
    let name = name.unwrap_or_else(|| "TERM".to_owned());
    let number = signal::parse(&name).ok_or_else(|| {
        Error::invalid(format!("{name:?} is no signal: give TERM, SIGTERM or 15"))
    })?;
    global.runtime.kill(&id.get()?, number, all).map(|()| 0)
}
