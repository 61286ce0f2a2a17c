//! `minictl start`: containers that were created or have ended.

use engine::Stdio;

use crate::container::foreground::{self, Foreground};
use crate::context::Context;
use crate::failure::{Failure, Outcome, complain, for_each, print};
use crate::terminal::detach::DetachKeys;

/// Start containers that are stopped
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl start -ai job")]
pub(crate) struct Args {
    /// Show its output, pass signals on, and end with its exit code
    #[arg(short, long)]
    attach: bool,
    /// Pass standard input on to it
    #[arg(short, long)]
    interactive: bool,
    /// Keys that leave the container running
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q", value_parser = str::parse::<DetachKeys>)]
    detach_keys: DetachKeys,
    /// Names or ids
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Starts each and prints its name, or stays with the only one.
pub(crate) fn start(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    if !args.attach && !args.interactive {
        return for_each(&args.containers, |name| {
            let started = engine.start(name, Stdio::Detached)?;
            started
                .warnings
                .iter()
                .for_each(|warning| complain(warning));
            print(&format!("{name}\n"))
        });
    }
    let [name] = args.containers.as_slice() else {
        return Err(Failure::new(
            "only one container can be started with -a or -i at a time",
        ));
    };
    let container = engine.container(name)?;
    let stdin = args.interactive && container.record.process.stdin;
    if stdin && container.record.process.tty {
        foreground::require_terminal()?;
    }
    let foreground = Foreground {
        stdin,
        tty: container.record.process.tty,
        detach_keys: args.detach_keys,
        proxy_signals: true,
    };
    foreground::start(&engine, container.id(), foreground)
}
