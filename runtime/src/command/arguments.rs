//! What the verbs' arguments have in common.

use std::ffi::OsString;
use std::str::FromStr;

use lexopt::prelude::*;

use crate::error::{Error, ErrorKind, Result};
use crate::id::ContainerId;

/// A command line that can't be meant.
pub(super) fn usage(error: lexopt::Error) -> Error {
    Error::new(
        ErrorKind::InvalidSpec,
        format!("{error}; see minirun --help"),
    )
}

/// Whether `-h` or `--help` stands among the arguments after the verb, before anything that is for another program.
pub(super) fn asks_for_help(verb: &str) -> bool {
    let mut after = std::env::args_os()
        .skip_while(|argument| argument != verb)
        .skip(1);
    match verb {
        // What follows the first word is for the program.
        "exec" | "init" | "monitor" => after
            .next()
            .is_some_and(|first| first == "--help" || first == "-h"),
        _ => after.any(|argument| argument == "--help" || argument == "-h"),
    }
}

/// The value of the option that was just read.
pub(super) fn value(parser: &mut lexopt::Parser) -> Result<OsString> {
    parser.value().map_err(usage)
}

/// The same, as text.
pub(super) fn text(parser: &mut lexopt::Parser) -> Result<String> {
    value(parser)?.string().map_err(usage)
}

/// The same, as a number or the like.
pub(super) fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    parser: &mut lexopt::Parser,
) -> Result<T> {
    value(parser)?.parse().map_err(usage)
}

/// The arguments of a verb that takes an id and nothing else.
pub(super) fn id_only(parser: &mut lexopt::Parser) -> Result<ContainerId> {
    let mut id = Id::default();
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Value(given) => id.set(given)?,
            other => return Err(usage(other.unexpected())),
        }
    }
    id.get()
}

/// The one positional argument of most verbs.
#[derive(Debug, Default)]
pub(super) struct Id(Option<ContainerId>);

impl Id {
    /// Takes it, once.
    pub(super) fn set(&mut self, given: OsString) -> Result<()> {
        let text = given.to_string_lossy();
        if self.0.is_some() {
            return Err(Error::invalid(format!(
                "unexpected argument {text:?}; see minirun --help"
            )));
        }
        self.0 = Some(text.parse()?);
        Ok(())
    }

    /// Whether it was given.
    pub(super) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// The id, which must have been given.
    pub(super) fn get(self) -> Result<ContainerId> {
        self.0
            .ok_or_else(|| Error::invalid("the id of the container is missing; see minirun --help"))
    }
}
