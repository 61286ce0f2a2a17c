//! `minictl lab partition`.

use super::Which;
use crate::failure::Outcome;

/// Cut nodes off from all others, or two groups from each other: what they send is lost in silence
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Partitions add up until `minictl lab heal`.

Examples:
  minictl lab partition node1               # node1 is alone
  minictl lab partition node1,node2         # these two have only each other
  minictl lab partition node1 node2,node3   # node1 still has the rest")]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
    /// One side
    #[arg(value_name = "NODE[,NODE]")]
    side: String,
    /// The other side (all other nodes without this)
    #[arg(value_name = "NODE[,NODE]")]
    other: Option<String>,
}

/// Cuts them off.
pub(crate) fn partition(args: Args) -> Outcome {
    let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let other = args.other.as_deref().map(names);
    let mut lab = args.which.lab()?;
    lab.partition(&names(&args.side), other.as_deref())?;
    Ok(0)
}
