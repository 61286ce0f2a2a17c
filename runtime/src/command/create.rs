//! `minirun create`

use std::path::PathBuf;

use lexopt::prelude::*;

use super::Global;
use super::arguments::{Id, parsed, usage, value};
use crate::error::{Error, Result};
use crate::id::ContainerId;
use crate::options::{CreateOptions, StartGate, Terminal};
use crate::sys::descriptors;

pub(super) const HELP: &str = "\
minirun create [OPTION...] ID: make a container from a bundle, up to the point where its program starts

  -b, --bundle DIR        the bundle (default: the working directory)
  --pid-file FILE         written with the process id
  --console-socket PATH   a unix socket that is sent the terminal
  --pidfd-socket PATH     a unix socket that is sent the pidfd
  --no-pivot              change the root without pivot_root(2)
  --no-new-keyring        keep the caller's session keyring
  --preserve-fds N        keep descriptors 3 to 2 + N open
";

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let mut arguments = Arguments::default();
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Short('b') => arguments.bundle = PathBuf::from(value(parser)?),
            Long(name) => {
                let name = name.to_owned();
                arguments.option(&name, parser)?;
            }
            Value(given) => arguments.id.set(given)?,
            other => return Err(usage(other.unexpected())),
        }
    }
    let (id, bundle, mut options) = arguments.finish()?;
    options.start_gate = StartGate::Open;
    let created = global.runtime.create(&id, &bundle, options)?;
    created
        .warnings
        .iter()
        .for_each(|warning| global.warn(warning));
    Ok(0)
}

/// What `create` and `run` both take.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) id: Id,
    pub(super) bundle: PathBuf,
    options: CreateOptions,
}

impl Default for Arguments {
    fn default() -> Self {
        Arguments {
            id: Id::default(),
            bundle: PathBuf::from("."),
            options: CreateOptions::default(),
        }
    }
}

impl Arguments {
    /// Takes a long option.
    pub(super) fn option(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<()> {
        let options = &mut self.options;
        match name {
            "bundle" => self.bundle = PathBuf::from(value(parser)?),
            "pid-file" => options.pid_file = Some(PathBuf::from(value(parser)?)),
            "console-socket" => options.terminal = Terminal::Socket(PathBuf::from(value(parser)?)),
            "pidfd-socket" => options.pidfd_socket = Some(PathBuf::from(value(parser)?)),
            "no-pivot" => options.no_pivot = true,
            "no-new-keyring" => options.no_new_keyring = true,
            "preserve-fds" => options.preserve_fds = parsed(parser)?,
            // A subreaper is what the caller is or is not.
            "no-subreaper" => {}
            _ => return Err(usage(Long(name).unexpected())),
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(ContainerId, PathBuf, CreateOptions)> {
        check_preserved(self.options.preserve_fds)?;
        Ok((self.id.get()?, self.bundle, self.options))
    }
}

/// Whether all descriptors that are to be kept are there. Another could take the number of one that is not.
pub(super) fn check_preserved(count: u32) -> Result<()> {
    const MOST: u32 = 1 << 16;
    for number in 3..3 + count.min(MOST) {
        if !descriptors::is_inherited(number.cast_signed()) {
            return Err(Error::invalid(format!(
                "--preserve-fds {count}: descriptor {number} is not open"
            )));
        }
    }
    Ok(())
}
