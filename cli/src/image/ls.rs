//! `minictl images`: what is in the store.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::container::view::moment;
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::filter;
use crate::output::format::{Columns, listing};
use crate::output::size::decimal;
use crate::output::{age, short_id};

/// List images
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl images --format '{{.Repository}}:{{.Tag}}'")]
pub(crate) struct Args {
    /// Accepted for Docker's sake: there are no intermediate images
    #[arg(short, long)]
    all: bool,
    /// Only the ids
    #[arg(short, long)]
    quiet: bool,
    /// Don't cut ids
    #[arg(long)]
    no_trunc: bool,
    /// Show the digests of the manifests
    #[arg(long)]
    digests: bool,
    /// table, json, or a template such as '{{.ID}} {{.Repository}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// dangling=true|false, reference=
    #[arg(short, long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
    /// Only of this repository, or this reference
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
}

/// x
pub(crate) fn list(args: Args, context: &Context) -> Outcome {
    Ok(0)
}
