//! `minictl image inspect`: an image, in Docker's shape.

use engine::Engine;
use serde_json::{Value, json};

use crate::container::inspect::several;
use crate::context::Context;
use crate::failure::Outcome;

/// Show everything about images
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl image inspect -f '{{.Config.Cmd}}' redis:7")]
pub(crate) struct Args {
    /// json, or a template such as '{{.Id}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// References or ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// Prints those that are there; 1 when one is not.
pub(crate) fn inspect(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    several(&args.images, args.format.as_deref(), |name| {
        Ok(object_of(&engine, name)?)
    })
}

/// The image of this name, in Docker's shape.
pub(crate) fn object_of(engine: &Engine, name: &str) -> Result<Value, engine::Error> {
    let image = engine.volume(name)?;
    Ok(json!({ "Id": image.name }))
}
