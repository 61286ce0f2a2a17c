//! `minictl volume inspect`.

use engine::Engine;
use serde_json::{Value, json};

use crate::container::inspect::several;
use crate::context::Context;
use crate::failure::Outcome;

/// Show everything about volumes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl volume inspect -f '{{.Mountpoint}}' data")]
pub(crate) struct Args {
    /// json, or a template such as '{{.Mountpoint}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names
    #[arg(required = true, value_name = "VOLUME")]
    volumes: Vec<String>,
}

/// Prints those that are there; 1 when one is not.
pub(crate) fn inspect(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    several(&args.volumes, args.format.as_deref(), |name| {
        Ok(object_of(&engine, name)?)
    })
}

/// The volume of this name, in Docker's shape.
pub(crate) fn object_of(engine: &Engine, name: &str) -> Result<Value, engine::Error> {
    let volume = engine.volume(name)?;
    Ok(json!({
        "Name": volume.name,
        "CreatedAt": volume.created,
        "Driver": "local",
        "Labels": volume.labels,
        "Mountpoint": volume.path,
        "Options": {},
        "Scope": "local",
        "Anonymous": volume.anonymous_of.is_some(),
    }))
}
