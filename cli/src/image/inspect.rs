//! `minictl image inspect`: an image, in Docker's shape.

use engine::Engine;
use serde_json::{Value, json};

use crate::container::inspect::several;
use crate::context::Context;
use crate::failure::Outcome;
use crate::image::ls::split;

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
    let image = engine.image(name)?;
    let id = image.id.to_string();
    let summary = engine
        .images()?
        .into_iter()
        .find(|summary| summary.id.to_string() == id);
    let names: Vec<String> = summary
        .iter()
        .flat_map(|summary| &summary.references)
        .map(ToString::to_string)
        .collect();
    // What the image says of itself keeps the names it has in the OCI image specification, which are Docker's.
    let own = serde_json::to_value(&image.config).unwrap_or_default();
    Ok(json!({
        "Id": id,
        "RepoTags": names.iter().filter(|name| !name.contains('@')).collect::<Vec<_>>(),
        "RepoDigests": digests(&names, &image.digest.to_string()),
        "Created": own["created"],
        "Author": own["author"].as_str().unwrap_or_default(),
        "Architecture": own["architecture"],
        "Variant": own["variant"].as_str().unwrap_or_default(),
        "Os": own["os"],
        "Size": image.size,
        "Config": own["config"],
        "RootFS": { "Type": "layers", "Layers": own["rootfs"]["diff_ids"] },
        "History": own["history"],
    }))
}

/// `repository@digest` for each repository that the image has a name in.
fn digests(names: &[String], digest: &str) -> Vec<String> {
    let mut digests: Vec<String> = names
        .iter()
        .map(|name| match name.split_once('@') {
            Some(_) => name.clone(),
            None => {
                let (repository, _) = split(name);
                format!("{repository}@{digest}")
            }
        })
        .collect();
    digests.sort();
    digests.dedup();
    digests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_told_once_a_repository() {
        fn check(names: &[&str], expected: &[&str]) {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(digests(&names, "sha256:aa"), expected);
        }
        check(&[], &[]);
        check(&["redis:7", "redis:latest"], &["redis@sha256:aa"]);
        check(
            &["h:5000/a:1", "h:5000/a@sha256:aa"],
            &["h:5000/a@sha256:aa"],
        );
    }
}
