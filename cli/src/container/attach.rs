//! `minictl attach`: this terminal, to a container that already runs.

use crate::container::foreground::{self, Foreground};
use crate::context::Context;
use crate::failure::Outcome;
use crate::terminal::detach::DetachKeys;

/// Connect this terminal to a running container
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl attach shell   # ctrl-p ctrl-q leaves it running")]
pub(crate) struct Args {
    /// Don't pass standard input on
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on to the container
    #[arg(long = "sig-proxy", value_name = "BOOL", default_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", action = clap::ArgAction::Set, hide_possible_values = true)]
    proxy_signals: bool,
    /// Keys that leave the container running
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q", value_parser = str::parse::<DetachKeys>)]
    detach_keys: DetachKeys,
    /// Name or id
    container: String,
}

/// Stays with the container until it ends or we leave.
pub(crate) fn attach(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    let container = engine.container(&args.container)?;
    let stdin = container.record.process.stdin && !args.no_stdin;
    if stdin && container.record.process.tty {
        foreground::require_terminal()?;
    }
    let foreground = Foreground {
        stdin,
        tty: container.record.process.tty,
        detach_keys: args.detach_keys,
        proxy_signals: args.proxy_signals,
    };
    foreground::stay(&engine, container.id(), foreground)
}
