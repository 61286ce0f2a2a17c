//! `minirun monitor`: creates and starts a container, and stays beside it.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::monitor::{self, Options};
use crate::{ContainerId, Error, ErrorKind, Result};

/// What `minirun monitor --help` prints.
pub const HELP: &str = "\
usage: minirun --root DIR monitor --bundle DIR --lock FILE --log FILE --exit-file FILE --report-fd N [OPTION]... ID

Creates and starts container ID and stays beside it: holds its streams and log, reaps it, records its exit.
Returns at once; whether the start succeeded comes over the report descriptor as one line of JSON.

  --bundle DIR           the OCI bundle
  --lock FILE            locked for as long as the container runs
  --log FILE             its output, in CRI format
  --log-max-size BYTES   size after which the log is rotated, 0 for never (default 10485760)
  --log-max-files N      files of the log in all (default 3)
  --exit-file FILE       where its exit is recorded
  --attach-fd N          a connected socket of whoever starts it
  --attach-socket PATH   where others may connect
  --stdin                its input comes from those who are connected
  --report-fd N          where to say how the start went
  --exit-command ARG     the command that is executed in the end, one word at a time
";

const LOG_SIZE: u64 = 10 << 20;
const LOG_FILES: u32 = 3;

/// Reads the arguments after `monitor`, and carries them out. `root` is the directory of states.
pub fn run(root: PathBuf, mut parser: lexopt::Parser) -> Result<()> {
    monitor::run(parse(root, &mut parser)?)
}

fn parse(root: PathBuf, parser: &mut lexopt::Parser) -> Result<Options> {
    let bad = |error: lexopt::Error| Error::new(ErrorKind::InvalidSpec, format!("minirun monitor: {error}"));
    let mut paths: [Option<PathBuf>; 5] = Default::default();
    let (mut size, mut files) = (LOG_SIZE, LOG_FILES);
    let (mut attach_fd, mut report_fd, mut stdin) = (None, None, false);
    let mut exit_command: Vec<OsString> = Vec::new();
    let mut id: Option<ContainerId> = None;
    while let Some(argument) = parser.next().map_err(bad)? {
        match argument {
            Long("bundle") => paths[0] = Some(parser.value().map_err(bad)?.into()),
            Long("lock") => paths[1] = Some(parser.value().map_err(bad)?.into()),
            Long("log") => paths[2] = Some(parser.value().map_err(bad)?.into()),
            Long("exit-file") => paths[3] = Some(parser.value().map_err(bad)?.into()),
            Long("attach-socket") => paths[4] = Some(parser.value().map_err(bad)?.into()),
            Long("log-max-size") => size = parser.value().and_then(|value| value.parse()).map_err(bad)?,
            Long("log-max-files") => files = parser.value().and_then(|value| value.parse()).map_err(bad)?,
            Long("attach-fd") => attach_fd = Some(parser.value().and_then(|value| value.parse()).map_err(bad)?),
            Long("report-fd") => report_fd = Some(parser.value().and_then(|value| value.parse()).map_err(bad)?),
            Long("exit-command") => exit_command.push(parser.value().map_err(bad)?),
            Long("stdin") => stdin = true,
            Value(value) if id.is_none() => id = Some(value.string().map_err(bad)?.parse()?),
            other => return Err(bad(other.unexpected())),
        }
    }
    let missing = |name: &str| Error::new(ErrorKind::InvalidSpec, format!("minirun monitor: {name} is missing"));
    let [bundle, lock, log, exit_file, attach_socket] = paths;
    Ok(Options {
        root,
        bundle: bundle.ok_or_else(|| missing("--bundle"))?,
        lock: lock.ok_or_else(|| missing("--lock"))?,
        log: log.ok_or_else(|| missing("--log"))?,
        log_max_size: size,
        log_max_files: files,
        exit_file: exit_file.ok_or_else(|| missing("--exit-file"))?,
        attach_fd,
        attach_socket,
        stdin,
        report_fd: report_fd.ok_or_else(|| missing("--report-fd"))?,
        exit_command,
        id: id.ok_or_else(|| missing("the container's id"))?,
    })
}
