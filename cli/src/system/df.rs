//! `minictl system df`: what lies on the disk, and what of it could go.

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::format::{Columns, listing};
use crate::output::size::decimal;

/// Show what images, containers and volumes take up on the disk
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl system df")]
pub(crate) struct Args {
    /// table, json, or a template such as '{{.Type}} {{.Size}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}
pub(crate) fn df(args: Args, context: &Context) -> Outcome {
    Ok(0)
}
