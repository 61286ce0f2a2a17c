//! `minirun spec`

use std::io::Write;
use std::path::PathBuf;

use lexopt::prelude::*;

use super::Global;
use super::arguments::{usage, value};
use crate::error::{Error, ErrorKind, Result};
use crate::spec::template::template;

pub(super) const HELP: &str = "\
minirun spec [--bundle DIR]: write a config.json to begin with

  -b, --bundle DIR     where (default: the working directory)
";

pub(super) fn run(_: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let mut bundle = PathBuf::from(".");
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("bundle") | Short('b') => bundle = PathBuf::from(value(parser)?),
            other => return Err(usage(other.unexpected())),
        }
    }
    let path = bundle.join("config.json");
    let text = serde_json::to_string_pretty(&template())
        .map_err(|error| Error::caused(ErrorKind::Io, "write the template", error))?;
    // Never over what somebody has written.
    let file = std::fs::File::create_new(&path);
    file.and_then(|mut file| writeln!(file, "{text}"))
        .map_err(Error::sys("write", path.display()))?;
    Ok(0)
}
