//! `minictl rmi`: a reference goes, and with the last one the image.

use engine::Removed;

use crate::context::Context;
use crate::failure::{Outcome, for_each, print};

/// Remove images
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl rmi redis:7")]
pub(crate) struct Args {
    /// Remove even an image that stopped containers use, or that has several names
    #[arg(short, long)]
    force: bool,
    /// References or ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// Removes each and prints what went.
pub(crate) fn remove(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    for_each(&args.images, |name| {
        let removed = engine.remove_image(name, args.force)?;
        print(&removed.iter().map(line).collect::<String>())
    })
}

fn line(removed: &Removed) -> String {
    match removed {
        Removed::Untagged(name) => format!("Untagged: {name}\n"),
        Removed::Image(digest) | Removed::Layer(digest) => format!("Deleted: {digest}\n"),
    }
}
