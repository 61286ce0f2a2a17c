//! `minictl lab exec`: a command on a node.

use std::ffi::OsString;

use ::lab::Error;

use super::Which;
use crate::failure::{Failure, Outcome};

/// Run a command on a node (a shell without one)
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl lab exec node1 -- minictl node ls")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// The node's name; `switch` is the host that joins them
    node: String,
    /// The command, and its words
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    command: Vec<OsString>,
}

/// Becomes the command. 127 when there is no such program, 126 when it can't be executed, as a shell has it.
pub(crate) fn exec(args: Args) -> Outcome {
    let Err(error) = args.which.lab()?.exec(&args.node, &args.command);
    let code = match &error {
        Error::System {
            operation: "execute",
            ..
        } => 126 + i32::from(error.is_not_found()),
        _ => 1,
    };
    Err(Failure::from(error).with_code(code))
}
