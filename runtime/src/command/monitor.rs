//! `minirun monitor`

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use super::Global;
use super::arguments::{Id, parsed, usage, value};
use crate::error::{Error, Result};
use crate::monitor::{self, Options};
use crate::runtime::Runtime;

pub(super) const HELP: &str = "\
minirun --root DIR monitor --bundle DIR --lock-fd N --log FILE --exit-file FILE --report-fd N [OPTION...] ID: create and
start a container, and stay beside it: hold its streams and log, reap it, record its exit

Returns at once; whether the start succeeded comes over the report descriptor as one line of JSON.

  --bundle DIR           the OCI bundle
  --lock-fd N            a locked file (flock), to be held for as long as the container runs
  --log FILE             its output, in CRI format
  --log-max-size BYTES   size after which the log is rotated, 0 for never (default 10485760)
  --log-max-files N      files of the log in all (default 3)
  --exit-file FILE       where its exit is recorded
  --attach-fd N          a connected socket of whoever starts it
  --attach-socket PATH   where others may connect
  --stdin                its input comes from those who are connected
  --health-check FILE    what tells whether it is well, as JSON; needs --health-file
  --health-file FILE     where the results of its probes are kept
  --report-fd N          where to say how the start went
  --exit-command ARG     the command that is executed in the end, one word at a time
";

const LOG_SIZE: u64 = 10 << 20;
const LOG_FILES: u32 = 3;

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    monitor::run(parse(global.runtime.clone(), parser)?).map(|()| 0)
}

fn parse(runtime: Runtime, parser: &mut lexopt::Parser) -> Result<Options> {
    let mut paths: [Option<PathBuf>; 6] = Default::default();
    let (mut log_max_size, mut log_max_files) = (LOG_SIZE, LOG_FILES);
    let (mut lock_fd, mut attach_fd, mut report_fd, mut stdin) = (None, None, None, false);
    let mut exit_command: Vec<OsString> = Vec::new();
    let mut id = Id::default();
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("bundle") => paths[0] = Some(value(parser)?.into()),
            Long("log") => paths[1] = Some(value(parser)?.into()),
            Long("exit-file") => paths[2] = Some(value(parser)?.into()),
            Long("attach-socket") => paths[3] = Some(value(parser)?.into()),
            Long("health-check") => paths[4] = Some(value(parser)?.into()),
            Long("health-file") => paths[5] = Some(value(parser)?.into()),
            Long("log-max-size") => log_max_size = parsed(parser)?,
            Long("log-max-files") => log_max_files = parsed(parser)?,
            Long("lock-fd") => lock_fd = Some(parsed(parser)?),
            Long("attach-fd") => attach_fd = Some(parsed(parser)?),
            Long("report-fd") => report_fd = Some(parsed(parser)?),
            Long("exit-command") => exit_command.push(value(parser)?),
            Long("stdin") => stdin = true,
            Value(given) => id.set(given)?,
            other => return Err(usage(other.unexpected())),
        }
    }
    let [
        bundle,
        log,
        exit_file,
        attach_socket,
        health_check,
        health_file,
    ] = paths;
    if health_check.is_some() && health_file.is_none() {
        return Err(missing("--health-file"));
    }
    let needed = |path: Option<PathBuf>, name: &str| path.ok_or_else(|| missing(name));
    Ok(Options {
        runtime,
        bundle: needed(bundle, "--bundle")?,
        lock_fd: lock_fd.ok_or_else(|| missing("--lock-fd"))?,
        log: needed(log, "--log")?,
        log_max_size,
        log_max_files,
        exit_file: needed(exit_file, "--exit-file")?,
        attach_fd,
        attach_socket,
        stdin,
        health_check,
        health_file,
        report_fd: report_fd.ok_or_else(|| missing("--report-fd"))?,
        exit_command,
        id: id.get()?,
    })
}

fn missing(option: &str) -> Error {
    Error::invalid(format!(
        "minirun monitor needs {option}; see minirun monitor --help"
    ))
}
