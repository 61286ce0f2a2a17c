//! `minictl pull`: an image, from its registry.

use engine::{Engine, Image, PullOptions};

use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::progress::{Reporter, Target};

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
    let engine = context.engine()?;
    let progress = if args.quiet {
        Reporter::silent()
    } else {
        Reporter::on(Target::Stdout)
    };
    let before = engine
        .image(&args.image)
        .ok()
        .map(|image| image.digest.to_string());
    let image = fetch(&engine, &args.image, args.platform.as_deref(), &progress)?;
    let reference = image.reference.as_ref();
    let canonical = reference.map_or_else(|| args.image.clone(), |reference| reference.canonical());
    if args.quiet {
        print(&format!("{canonical}\n"))?;
        return Ok(0);
    }
    let digest = image.digest.to_string();
    let familiar = reference.map_or_else(|| args.image.clone(), ToString::to_string);
    let status = if before.as_ref() == Some(&digest) {
        format!("Image is up to date for {familiar}")
    } else {
        format!("Downloaded newer image for {familiar}")
    };
    print(&format!(
        "Digest: {digest}\nStatus: {status}\n{canonical}\n"
    ))?;
    Ok(0)
}

/// Pulls an image and shows how it goes.
pub(crate) fn fetch(
    engine: &Engine,
    name: &str,
    platform: Option<&str>,
    progress: &Reporter,
) -> Result<Image, engine::Error> {
    let options: PullOptions = engine.pull_options(platform)?;
    let image = engine.pull(name, &options, progress);
    progress.finish();
    image
}
