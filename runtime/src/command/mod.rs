//! The command line of `minirun`: OCI's verbs, one file each, as runc's callers use them.

mod arguments;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod foreground;
mod init;
mod kill;
mod list;
mod log;
mod monitor;
mod pause;
mod ps;
mod resume;
mod run;
mod spec;
mod start;
mod state;
mod update;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::Runtime;
use crate::state::OCI_VERSION;
use arguments::usage;
use log::{Format, Log};

/// What precedes the verb.
#[derive(Debug)]
pub(crate) struct Global {
    /// The containers.
    pub(crate) runtime: Runtime,
    log: Log,
}

impl Global {
    /// Tells of what is not as asked for and yet no failure.
    pub(crate) fn warn(&self, message: &str) {
        self.log.write("warning", message);
    }
}

const DEFAULT_ROOT: &str = "/run/minirun";

const HELP: &str = "\
minirun: run one OCI container

Usage: minirun [OPTION...] VERB [ARGUMENT...]

Verbs:
  create    make a container from a bundle, up to the point where its program starts
  start     execute the program of a created container
  run       create, start, wait and delete
  exec      run a further process in a container
  state     print the state of a container as JSON
  list      list containers
  ps        list the processes of a container
  kill      send a signal to a container
  delete    remove a stopped container
  pause     freeze the processes of a container
  resume    thaw them
  update    change limits
  events    print what a container uses
  spec      write a config.json to begin with
  features  print what minirun can do, as JSON
  monitor   create and start a container, and stay beside it
  init      be the first process of a container for a program that is not made to be

Options:
  --root DIR              where states are kept (default /run/minirun)
  --log FILE              write errors and warnings there too
  --log-format FORMAT     text (default) or json
  --debug                 warnings on standard error too
  --version               print the version
  -h, --help              this text; after a verb, that of the verb
";

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let mut log = Log::default();
    match dispatch(&mut log) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(255)),
        Err(error) => {
            let message = error.chain();
            // Nothing is left to tell it to if standard error is closed.
            let _ = writeln!(std::io::stderr(), "minirun: {message}");
            log.write("error", &message);
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
        }
    }
}

type Verb = fn(&Global, &mut lexopt::Parser) -> Result<i32>;

/// Name, function, help, and whether its process enters a container.
const VERBS: [(&str, Verb, &str, bool); 17] = [
    ("create", create::run, create::HELP, true),
    ("start", start::run, start::HELP, false),
    ("run", run::run, run::HELP, true),
    ("exec", exec::run, exec::HELP, true),
    ("state", state::run, state::HELP, false),
    ("list", list::run, list::HELP, false),
    ("ps", ps::run, ps::HELP, false),
    ("kill", kill::run, kill::HELP, false),
    ("delete", delete::run, delete::HELP, false),
    ("pause", pause::run, pause::HELP, false),
    ("resume", resume::run, resume::HELP, false),
    ("update", update::run, update::HELP, false),
    ("events", events::run, events::HELP, false),
    ("spec", spec::run, spec::HELP, false),
    ("features", features::run, features::HELP, false),
    ("monitor", monitor::run, monitor::HELP, true),
    ("init", init::run, init::HELP, false),
];

fn dispatch(log: &mut Log) -> Result<i32> {
    let mut parser = lexopt::Parser::from_env();
    let mut root = PathBuf::from(DEFAULT_ROOT);
    let mut systemd = false;
    let verb = loop {
        match parser.next().map_err(usage)? {
            Some(Long("root")) => root = PathBuf::from(parser.value().map_err(usage)?),
            Some(Long("log")) => log.file = Some(PathBuf::from(parser.value().map_err(usage)?)),
            Some(Long("log-format")) => {
                log.format = parser
                    .value()
                    .map_err(usage)?
                    .parse_with(Format::parse)
                    .map_err(usage)?
            }
            Some(Long("debug")) => log.aloud = true,
            Some(Long("systemd-cgroup")) => systemd = true,
            // What other runtimes take: rootless or not is seen from the user, and nothing is checkpointed.
            Some(Long("rootless")) => drop(parser.optional_value()),
            Some(Long("criu")) => drop(parser.value().map_err(usage)?),
            Some(Long("version") | Short('v')) => return print(&version()),
            Some(Long("help") | Short('h')) => return print(HELP),
            Some(Value(verb)) => break verb.to_string_lossy().into_owned(),
            Some(other) => return Err(usage(other.unexpected())),
            None => return print(HELP).map(|_| 1),
        }
    };
    if systemd {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "--systemd-cgroup is not supported: minirun manages cgroups itself; use the cgroupfs driver of the engine",
        ));
    }
    if ["checkpoint", "restore"].contains(&verb.as_str()) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("{verb} is not supported"),
        ));
    }
    let Some((_, run, help, enters)) = VERBS.iter().find(|(name, ..)| *name == verb) else {
        return Err(Error::invalid(format!(
            "there is no verb {verb:?}: see minirun --help"
        )));
    };
    if arguments::asks_for_help(&verb) {
        return print(help);
    }
    if *enters {
        crate::sys::reexec::protect()?;
    }
    let global = Global {
        runtime: Runtime::new(absolute(root)?),
        log: log.clone(),
    };
    run(&global, &mut parser)
}

fn absolute(path: PathBuf) -> Result<PathBuf> {
    std::path::absolute(&path).map_err(Error::sys("find", path.display()))
}

fn version() -> String {
    format!(
        "minirun version {}\nspec: {OCI_VERSION}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Prints to standard output; a reader that has gone is no failure.
fn print(text: &str) -> Result<i32> {
    let mut output = std::io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::sys("write to", "standard output")(error))
        }
        _ => Ok(0),
    }
}
