//! `minictl volume create`: a directory that outlives containers.

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::output::pairs;

/// Make a volume
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl volume create --label app=shop data")]
pub(crate) struct Args {
    /// Driver; only `local`
    #[arg(short, long, value_name = "DRIVER", default_value = "local", value_parser = ["local"])]
    driver: String,
    /// Label: KEY=VALUE
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// The volume's name (a made-up one without this)
    #[arg(value_name = "VOLUME")]
    name: Option<String>,
}

/// Creates the volume and prints its name.
pub(crate) fn create(args: Args, context: &Context) -> Outcome {
    let volume = context
        .engine()?
        .create_volume(args.name.as_deref(), pairs(&args.labels))?;
    print(&format!("{}\n", volume.name))?;
    Ok(0)
}
