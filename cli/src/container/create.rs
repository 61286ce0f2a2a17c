//! `minictl create`: everything but the start.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use engine::parse::mode::PullPolicy;
use engine::{Container, Engine, Error};

use crate::container::options::Options;
use crate::container::request::{self, Request};
use crate::context::Context;
use crate::failure::{Failure, Outcome, of_start, print};
use crate::image::pull;
use crate::progress::{Reporter, Target};

/// Make a container without starting it
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    override_usage = "minictl create [OPTIONS] IMAGE [COMMAND] [ARG...]",
    after_help = "Example: minictl create --name web -p 8080:80 nginx"
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) options: Options,
}

/// Creates the container and prints its id.
pub(crate) fn create(args: Args, context: &Context) -> Outcome {
    let request = request::read(args.options)?;
    let engine = context.engine().map_err(|failure| failure.with_code(125))?;
    let id = make(&engine, &request)?;
    print(&format!("{id}\n"))?;
    Ok(0)
}

/// Creates the container, pulling its image if need be, and writes the id to `--cidfile`; the id.
pub(crate) fn make(engine: &Engine, request: &Request) -> Result<String, Failure> {
    let mut id_file = request.cidfile.as_deref().map(make_id_file).transpose()?;
    let made = with_image(engine, request);
    let container = made.map_err(|error| {
        if let Some(path) = &request.cidfile {
            // An empty id file would stand in the way of the next try; if it can't go, that try says so.
            let _ = std::fs::remove_file(path);
        }
        of_start(error)
    })?;
    if let (Some(file), Some(path)) = (&mut id_file, &request.cidfile) {
        file.write_all(container.id().as_bytes()).map_err(|error| {
            Failure::new(format!(
                "write the container's id to {}: {error}",
                path.display()
            ))
            .with_code(125)
        })?;
    }
    Ok(container.record.id)
}

/// Creates the container; where its image has to be pulled, that is shown on standard error, which leaves standard output
/// to the container.
fn with_image(engine: &Engine, request: &Request) -> Result<Container, engine::Error> {
    let progress = if request.quiet {
        Reporter::silent()
    } else {
        Reporter::on(Target::Stderr)
    };
    // The image is looked for once where it is there: the usual case is the fast one.
    let mut spec = request.spec.clone();
    spec.pull = PullPolicy::Never;
    match request.spec.pull {
        PullPolicy::Never => return engine.create(&spec),
        PullPolicy::Always => {}
        PullPolicy::Missing => match engine.create(&spec) {
            Err(Error::NotFound { what: "image", .. }) => {
                progress.say(&format!("Unable to find image '{}' locally", spec.image));
            }
            other => return other,
        },
    }
    pull::fetch(engine, &spec.image, spec.platform.as_deref(), &progress)?;
    engine.create(&spec)
}

fn make_id_file(path: &Path) -> Result<File, Failure> {
    File::create_new(path).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => {
                "it exists: remove it if no other container is meant by it".to_owned()
            }
            _ => error.to_string(),
        };
        Failure::new(format!("make the id file {}: {why}", path.display())).with_code(125)
    })
}
