//! `minictl exec`: another process in a container that runs. This program becomes `minirun exec`.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;

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
    let error = command.exec();
    Err(Failure::new(format!(
        "start {}: {error}",
        command.get_program().display()
    )))
}
