#![forbid(unsafe_code)]
//! Compose files: read, filled in, laid over each other, checked, and turned into what the cluster deploys.
//!
//! The files become trees whose every node knows its place (`read`), short forms become long ones (`canonical`), several
//! files one (`project`), and that a [`StackSpec`] (`convert`). Nothing of a file is left unread: what is not done is a
//! [`Warning`], what nobody knows an [`Error`]. The crate reads files and never writes one, and knows no cluster.

mod canonical;
mod convert;
mod dotenv;
mod environment;
mod error;
mod extends;
mod include;
mod interpolate;
mod merge;
mod place;
mod profiles;
mod project;
mod read;
mod render;
mod resolve;
mod suggest;
mod template;
mod tree;
mod values;
mod view;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::StackSpec;

pub use error::{Error, Place, Warning};

use error::{Fault, Result as Outcome};
use place::{Notes, Path};
use project::Project;
use tree::Node;

/// What is to be loaded.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Name of the stack; empty for the one that the files give.
    pub stack: String,
    /// The files, each laid over those before. Paths in them are relative to the first.
    pub files: Vec<Source>,
    /// Variables, which go before those of `env_file`.
    pub env: BTreeMap<String, String>,
    /// A file of variables; none for `.env` beside the first file, if there is one.
    pub env_file: Option<PathBuf>,
    /// Profiles whose services are wanted; `*` for all. Beside those of the variable `COMPOSE_PROFILES`.
    pub profiles: Vec<String>,
    /// What paths of this request are relative to, and those in standard input.
    pub directory: PathBuf,
}

/// A compose file.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The text that was read from standard input.
    Stdin(String),
}

/// What was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is to be deployed. `prune` and `allow_dip` are not set: files don't say them.
    pub stack: StackSpec,
    /// What of the files is not done, or not as their author may think, in their order.
    pub warnings: Vec<Warning>,
}

/// Loads files. The error tells the first mistake, with its place.
pub fn load(request: &Request) -> Result<Loaded, Error> {
    let notes = Notes::default();
    let stack = resolved(request, &notes)
        .and_then(Resolved::named)
        .and_then(|resolved| resolved.convert(&notes))
        .map_err(|fault| fault.told(&notes))?;
    Ok(Loaded {
        stack,
        warnings: error::told(&notes),
    })
}

/// The files as one, everything resolved and in long form, as YAML. Loading that gives the same stack. It needs no name.
pub fn render(request: &Request) -> Result<String, Error> {
    let notes = Notes::default();
    let rendered = resolved(request, &notes).and_then(|resolved| {
        resolved.convert(&notes)?;
        Ok(render::render(resolved.stack.as_deref(), &resolved.root))
    });
    rendered.map_err(|fault| fault.told(&notes))
}

struct Resolved {
    /// None when nobody has named the stack.
    stack: Option<String>,
    root: Node,
    environment: environment::Environment,
}

impl Resolved {
    fn named(self) -> Outcome<Resolved> {
        match self.stack {
            Some(_) => Ok(self),
            None => {
                let why = "the stack has no name: give it one, or add `name` to the file";
                Err(Fault::new(self.root.at, &Path::default(), why))
            }
        }
    }

    fn convert(&self, notes: &Notes) -> Outcome<StackSpec> {
        let stack = self.stack.as_deref().unwrap_or("unnamed");
        convert::convert(stack, &self.root, &self.environment, notes)
    }
}

fn resolved(request: &Request, notes: &Notes) -> Outcome<Resolved> {
    let Project {
        mut root,
        environment,
        at,
    } = project::gather(request, notes)?;
    let stack = match request.stack.is_empty() {
        false => Some(name(&request.stack).map_err(Fault::bare)?),
        true => match root.given("name") {
            Some(node) => {
                let fault = |why| Fault::new(node.at, &Path::of("name"), why);
                Some(name(node.as_text().unwrap_or_default()).map_err(fault)?)
            }
            None => None,
        },
    };
    profiles::select(&mut root, &request.profiles, &environment, notes)?;
    resolve::resolve(&mut root, &environment, notes)?;
    Ok(Resolved {
        stack,
        root: Node::map(root, at),
        environment,
    })
}

/// A name as a stack may have it.
fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    match begins && text.chars().all(fits) && text.len() <= 63 {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{text}` is no name of a stack: at most 63 letters, digits, `_` and `-`, beginning with a letter or a digit"
        )),
    }
}
