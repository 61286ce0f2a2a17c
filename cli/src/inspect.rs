//! `minictl inspect`: whatever bears the name.

use engine::{Engine, ErrorKind};
use serde_json::Value;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::{container, image, network, volume};

/// Show everything about containers, images, networks and volumes
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl inspect -f '{{.State.ExitCode}}' web")]
pub(crate) struct Args {
    /// json, or a template such as '{{.State.Status}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Look among these only: container, image, network or volume
    #[arg(long = "type", value_name = "TYPE", value_parser = ["container", "image", "network", "volume"])]
    noun: Option<String>,
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

type Find = fn(&Engine, &str) -> Result<Value, engine::Error>;

/// The nouns in the order in which they are asked.
const NOUNS: [(&str, Find); 4] = [
    ("container", container::inspect::object_of),
    ("image", image::inspect::object_of),
    ("network", network::inspect::object_of),
    ("volume", volume::inspect::object_of),
];

/// Prints those that are there; 1 when one is not.
pub(crate) fn inspect(args: Args, context: &Context) -> Outcome {
    let engine = context.engine()?;
    let noun = args.noun.as_deref();
    container::inspect::several(&args.names, args.format.as_deref(), |name| {
        find(&engine, noun, name)
    })
}

fn find(engine: &Engine, noun: Option<&str>, name: &str) -> Result<Value, Failure> {
    for (known, find) in NOUNS {
        if noun.is_some_and(|noun| noun != known) {
            continue;
        }
        match find(engine, name) {
            Ok(object) => return Ok(object),
            Err(error @ engine::Error::Ambiguous { .. }) => return Err(error.into()),
            // A name that is well-formed for one noun may be malformed for the next one.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid)
                    && noun.is_none() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(format!(
        "no such container, image, network or volume: {name}"
    )))
}
