//! `minictl top`: the processes of a container.

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::table::Table;

/// List the processes of a container
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl top web")]
pub(crate) struct Args {
    /// Name or id
    container: String,
}

/// Prints the table.
pub(crate) fn top(args: Args, context: &Context) -> Outcome {
    let processes = context.engine()?.top(&args.container)?;
    let mut table = Table::new(processes.titles);
    processes.rows.into_iter().for_each(|row| table.row(row));
    print(&table.to_string())?;
    Ok(0)
}
