//! `minirun run`

use std::path::PathBuf;

use lexopt::prelude::*;

use super::Global;
use super::arguments::{usage, value};
use super::create::Arguments;
use super::foreground::Foreground;
use crate::error::Result;
use crate::options::CreateOptions;
use crate::process::spawn::Created;

pub(super) const HELP: &str = "\
minirun run [OPTION...] ID: create and start a container, wait for it and delete it

  -d, --detach            return once it runs
  --keep                  don't delete it
  and the options of minirun create
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let (mut arguments, mut detach, mut keep) = (Arguments::default(), false, false);
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("detach") | Short('d') => detach = true,
            Long("keep") => keep = true,
            Short('b') => arguments.bundle = PathBuf::from(value(parser)?),
            Long(name) => {
                let name = name.to_owned();
                arguments.option(&name, parser)?;
            }
            Value(given) => arguments.id.set(given)?,
            other => return Err(usage(other.unexpected())),
        }
    }
    let (id, bundle, options) = arguments.finish()?;
    if detach {
        let mut created = global.runtime.create(&id, &bundle, options)?;
        return started(global, &mut created).map(|()| 0).or_else(|error| {
            // Nothing is left of a container that did not start.
            global.runtime.delete(&id, true).and(Err(error))
        });
    }
    let foreground = Foreground::new()?;
    let options = CreateOptions {
        die_with_parent: true,
        ..options
    };
    let mut created = global.runtime.create(&id, &bundle, options)?;
    let waited = started(global, &mut created)
        .and_then(|()| foreground.wait(&created.pidfd, created.terminal.take()));
    // Its end frees a process that failed to start, which nobody has waited for.
    drop(created);
    if keep && waited.is_ok() {
        return waited;
    }
    let deleted = global.runtime.delete(&id, true);
    waited.and_then(|code| deleted.map(|()| code))
}

fn started(global: &Global, created: &mut Created) -> Result<()> {
    created
        .warnings
        .iter()
        .for_each(|warning| global.warn(warning));
    created.start()
}
