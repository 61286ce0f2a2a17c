//! `minictl stack logs`.

use crate::context::Context;
use crate::failure::Outcome;
use crate::remote::Client;
use crate::service::logs::{LogOptions, of_stack};

/// Show what all tasks of a stack have printed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl stack logs -f --tail 20 blog")]
pub(crate) struct Args {
    #[command(flatten)]
    options: LogOptions,
    /// Its name
    #[arg(value_name = "STACK")]
    stack: String,
}

/// Prints them.
pub(crate) fn logs(args: &Args, context: &Context) -> Outcome {
    of_stack(&Client::of(context)?, &args.stack, &args.options)
}
