//! `minictl exec`: another process in a container that runs. This program becomes `minirun exec`, or relays its streams.

use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use clap::ArgAction;
use engine::ExecSpec;

use crate::container::foreground;
use crate::context::Context;
use crate::failure::{Failure, Outcome};

/// Run a command in a running container
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    override_usage = "minictl exec [OPTIONS] CONTAINER COMMAND [ARG...]",
    after_help = "Example: minictl exec -it web sh"
)]
pub(crate) struct Args {
    /// Leave the command running in the background
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Keep standard input open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Environment variable: NAME=VALUE, or NAME to pass on our own
    #[arg(short, long = "env", value_name = "ENV")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file, one a line
    #[arg(long = "env-file", value_name = "FILE")]
    pub(crate) env_files: Vec<PathBuf>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// User: name or uid, with :group or :gid
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// All capabilities
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Container, then the command and its arguments
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, value_names = ["CONTAINER", "COMMAND"], hide = true)]
    pub(crate) container_and_command: Vec<String>,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Becomes the command; returns only when that fails.
pub(crate) fn exec(mut args: Args, context: &Context) -> Outcome {
    if args.interactive && args.tty && !args.detach {
        foreground::require_terminal()?;
    }
    let command = args.container_and_command.split_off(1);
    let spec = ExecSpec {
        command,
        detach: args.detach,
        stdin: args.interactive,
        tty: args.tty,
        env: args.env,
        env_files: args.env_files,
        workdir: args.workdir,
        user: args.user,
        privileged: args.privileged,
    };
    let engine = context.engine()?;
    let mut command = engine.exec_command(&args.container_and_command[0], &spec)?;
    let passes_terminal = !spec.tty && !spec.detach && has_terminal(spec.stdin);
    let error = match passes_terminal {
        true => match relay(&mut command, spec.stdin) {
            Ok(status) => {
                return Ok(status
                    .code()
                    .or(status.signal().map(|n| 128 + n))
                    .unwrap_or(1));
            }
            Err(error) => error,
        },
        false => command.exec(),
    };
    Err(Failure::new(format!(
        "start {}: {error}",
        command.get_program().display()
    )))
}

fn has_terminal(stdin: bool) -> bool {
    (stdin && io::stdin().is_terminal()) || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// Runs the command beside us with pipes in place of our terminal: whoever holds a terminal can type into it (TIOCSTI), so it
/// is not handed into a container.
fn relay(command: &mut Command, stdin: bool) -> io::Result<ExitStatus> {
    if stdin {
        command.stdin(Stdio::piped());
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // Ends with us: nobody can be woken from reading a terminal.
        thread::spawn(move || io::copy(&mut io::stdin().lock(), &mut input));
    }
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        scope.spawn(|| copy(stdout, io::stdout().lock()));
        scope.spawn(|| copy(stderr, io::stderr().lock()));
    });
    child.wait()
}

fn copy(from: Option<impl Read>, mut to: impl Write) -> io::Result<()> {
    let Some(mut from) = from else { return Ok(()) };
    let mut buffer = [0; 16 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => to.write_all(&buffer[..read]).and_then(|()| to.flush())?,
        }
    }
}
