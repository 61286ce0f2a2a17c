//! `minirun exec`

use std::path::PathBuf;

use lexopt::prelude::*;
use oci_spec::runtime::{LinuxCapabilities, Process};

use super::Global;
use super::arguments::{Id, parsed, text, usage, value};
use super::create::check_preserved;
use super::foreground::Foreground;
use crate::capabilities;
use crate::error::{Error, Result};
use crate::id::ContainerId;
use crate::options::{ExecOptions, Stdio, Terminal};
use crate::process::exec::like_the_first;
use crate::spec::process::{parse_user, read};

pub(super) const HELP: &str = "\
minirun exec [OPTION...] ID [PROGRAM [ARGUMENT...]]: run a further process in a container

  -p, --process FILE      the process as JSON (process of the specification); without, the container's with these changes:
  -t, --tty               with a terminal
  -u, --user UID[:GID]    as another user
  -g, --additional-gids N with a further group (may be given more than once)
  -e, --env NAME=VALUE    with a further variable (may be given more than once)
  --cwd DIR               in another working directory
  -c, --cap NAME          with a further capability (may be given more than once)
  --no-new-privs          without a way to more privileges
  --cgroup PATH           in a cgroup below the container's own
  -d, --detach            return once it runs
  --null-stdio            its standard streams are /dev/null
  --pid-file FILE         written with the process id
  --console-socket PATH   a unix socket that is sent the terminal
  --pidfd-socket PATH     a unix socket that is sent the pidfd
  --preserve-fds N        keep descriptors 3 to 2 + N open
";

#[derive(Default)]
struct Arguments {
    id: Id,
    process: Option<PathBuf>,
    command: Vec<String>,
    options: ExecOptions,
    detach: bool,
    tty: bool,
    user: Option<String>,
    groups: Vec<u32>,
    env: Vec<String>,
    cwd: Option<PathBuf>,
    capabilities: Vec<String>,
    no_new_privileges: bool,
}

pub(super) fn run(global: &Global, parser: &mut lexopt::Parser) -> Result<i32> {
    let mut arguments = parse(parser)?;
    check_preserved(arguments.options.preserve_fds)?;
    let options = std::mem::take(&mut arguments.options);
    let detach = arguments.detach;
    let id = std::mem::take(&mut arguments.id).get()?;
    let process = process(global, &id, arguments)?;
    let foreground = if detach {
        None
    } else {
        Some(Foreground::new()?)
    };
    let mut executed = global.runtime.exec(&id, &process, options)?;
    match foreground {
        Some(foreground) => foreground.wait(&executed.pidfd, executed.terminal.take()),
        None => Ok(0),
    }
}

fn parse(parser: &mut lexopt::Parser) -> Result<Arguments> {
    let mut parsed_all = Arguments::default();
    let arguments = &mut parsed_all;
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("process") | Short('p') => arguments.process = Some(PathBuf::from(value(parser)?)),
            Long("tty") | Short('t') => arguments.tty = true,
            Long("user") | Short('u') => arguments.user = Some(text(parser)?),
            Long("additional-gids") | Short('g') => arguments.groups.push(parsed(parser)?),
            Long("env") | Short('e') => arguments.env.push(text(parser)?),
            Long("cwd") => arguments.cwd = Some(PathBuf::from(value(parser)?)),
            Long("cap") | Short('c') => arguments.capabilities.push(text(parser)?),
            Long("no-new-privs") => arguments.no_new_privileges = true,
            Long("cgroup") => arguments.options.cgroup = Some(text(parser)?),
            Long("detach") | Short('d') => arguments.detach = true,
            Long("null-stdio") => arguments.options.stdio = Stdio::null()?,
            Long("pid-file") => arguments.options.pid_file = Some(PathBuf::from(value(parser)?)),
            Long("console-socket") => {
                arguments.options.terminal = Terminal::Socket(PathBuf::from(value(parser)?))
            }
            Long("pidfd-socket") => {
                arguments.options.pidfd_socket = Some(PathBuf::from(value(parser)?))
            }
            Long("preserve-fds") => arguments.options.preserve_fds = parsed(parser)?,
            Long("ignore-paused") => {}
            Value(given) if !arguments.id.is_set() => arguments.id.set(given)?,
            Value(given) => {
                // All the rest is the program's own.
                let rest = parser.raw_args().map_err(usage)?;
                for word in std::iter::once(given).chain(rest) {
                    arguments.command.push(word.string().map_err(usage)?);
                }
            }
            other => return Err(usage(other.unexpected())),
        }
    }
    Ok(parsed_all)
}

/// The process of the file, or the container's own with changes.
fn process(global: &Global, id: &ContainerId, arguments: Arguments) -> Result<Process> {
    let mut process = match &arguments.process {
        Some(path) => read(path)?,
        None => {
            if arguments.command.is_empty() {
                return Err(Error::invalid(
                    "there is no program to execute: give one after the id, or --process FILE",
                ));
            }
            // Existence is told of before anything that the arguments have wrong.
            global.runtime.living(id)?;
            like_the_first(&global.runtime.stored_spec(id)?, arguments.command)
        }
    };
    if arguments.tty {
        process.set_terminal(Some(true));
    }
    if let Some(user) = &arguments.user {
        let (uid, gid) = parse_user(user)?;
        let mut user = oci_spec::runtime::User::default();
        user.set_uid(uid).set_gid(gid.unwrap_or(0));
        process.set_user(user);
    }
    if !arguments.groups.is_empty() {
        let mut user = process.user().clone();
        user.set_additional_gids(Some(arguments.groups));
        process.set_user(user);
    }
    if !arguments.env.is_empty() {
        let mut env = process.env().clone().unwrap_or_default();
        let name = |variable: &String| variable.split('=').next().unwrap_or_default().to_owned();
        let new: Vec<_> = arguments.env.iter().map(name).collect();
        env.retain(|variable| !new.contains(&name(variable)));
        env.extend(arguments.env);
        process.set_env(Some(env));
    }
    if let Some(cwd) = arguments.cwd {
        process.set_cwd(cwd);
    }
    if arguments.no_new_privileges {
        process.set_no_new_privileges(Some(true));
    }
    if !arguments.capabilities.is_empty() {
        let sets = process.capabilities().clone().unwrap_or_else(empty);
        process.set_capabilities(Some(with(sets, &arguments.capabilities)?));
    }
    Ok(process)
}

fn empty() -> LinuxCapabilities {
    let mut sets = LinuxCapabilities::default();
    let none = || Some(Default::default());
    sets.set_bounding(none())
        .set_effective(none())
        .set_permitted(none())
        .set_inheritable(none())
        .set_ambient(none());
    sets
}

fn with(mut sets: LinuxCapabilities, names: &[String]) -> Result<LinuxCapabilities> {
    for name in names {
        let capability = capabilities::parse(name)?;
        let add = |set: &Option<oci_spec::runtime::Capabilities>| {
            let mut set = set.clone().unwrap_or_default();
            set.insert(capability);
            Some(set)
        };
        let (bounding, effective, permitted) = (
            add(sets.bounding()),
            add(sets.effective()),
            add(sets.permitted()),
        );
        sets.set_bounding(bounding)
            .set_effective(effective)
            .set_permitted(permitted);
    }
    Ok(sets)
}
