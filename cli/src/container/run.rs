//! `minictl run`: create, start, and stay until the container ends unless told to leave.

use engine::Stdio;

use crate::container::foreground::{self, Foreground};
use crate::container::options::Options;
use crate::container::{create, request};
use crate::context::Context;
use crate::failure::{Outcome, complain, of_start, print};
use crate::terminal::detach::DetachKeys;

/// Make a container from an image and start it
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    override_usage = "minictl run [OPTIONS] IMAGE [COMMAND] [ARG...]",
    after_help = "Options end at the image: what follows belongs to the container.\n\n\
        Examples:\n  minictl run -it --rm debian bash\n  \
        minictl run -d --name web -p 8080:80 -v data:/srv -e MODE=test --memory 256m nginx\n  \
        minictl run -d --health-cmd 'redis-cli ping' --health-interval 10s redis"
)]
pub(crate) struct Args {
    /// Leave the container running in the background and print its id
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Pass signals on to the container
    #[arg(long = "sig-proxy", value_name = "BOOL", default_value = "true", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", action = clap::ArgAction::Set, hide_possible_values = true)]
    pub(crate) proxy_signals: bool,
    /// Keys that leave the container running
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q", value_parser = str::parse::<DetachKeys>)]
    pub(crate) detach_keys: DetachKeys,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// Runs the container; the exit code is its own when we have waited for it.
pub(crate) fn run(args: Args, context: &Context) -> Outcome {
    let (interactive, tty) = (args.options.interactive, args.options.tty);
    if !args.detach && interactive && tty {
        foreground::require_terminal()?;
    }
    let request = request::read(args.options)?;
    let engine = context.engine().map_err(|failure| failure.with_code(125))?;
    let container = create::make(&engine, &request)?;
    if args.detach {
        let started = engine
            .start(&container, Stdio::Detached)
            .map_err(of_start)?;
        started
            .warnings
            .iter()
            .for_each(|warning| complain(warning));
        print(&format!("{container}\n"))?;
        return Ok(0);
    }
    foreground::start(
        &engine,
        &container,
        Foreground {
            stdin: interactive,
            tty,
            detach_keys: args.detach_keys,
            proxy_signals: args.proxy_signals,
        },
    )
}
