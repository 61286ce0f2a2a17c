//! Daemons with names: `minictl context ...`. Small verbs around one file, all here.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome, for_each, print};
use crate::output::format::{Columns, listing};
use crate::remote::Endpoint;
use crate::remote::saved::{Contexts, DEFAULT, Saved};
use std::path::PathBuf;

mod create;

const COLUMNS: Columns = Columns {
    all: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("Endpoint", "ENDPOINT"),
    ],
    shown: &["Name", "Description", "Endpoint"],
};

/// `minictl context ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    Create(create::Args),
    /// List contexts; the one that is used has a star
    #[command(visible_alias = "list")]
    #[command(after_help = "Example: minictl context ls")]
    Ls {
        /// json, table TEMPLATE or a template
        #[arg(long, value_name = "FORMAT")]
        format: Option<String>,
    },
    /// Use a context from now on; default is the daemon of this host
    #[command(after_help = "Example: minictl context use production")]
    Use {
        /// Its name
        name: String,
    },
    /// Print the name of the context that is used
    #[command(after_help = "Example: minictl context show")]
    Show,
    /// Show everything about a context
    #[command(after_help = "Example: minictl context inspect production")]
    Inspect {
        /// Its name
        name: String,
    },
    /// Remove contexts
    #[command(visible_alias = "remove")]
    #[command(after_help = "Example: minictl context rm production")]
    Rm {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// Carries the verb out.
pub(crate) fn perform(command: ContextCommand) -> Outcome {
    let mut contexts = Contexts::load()?;
    let current = contexts
        .current
        .clone()
        .unwrap_or_else(|| DEFAULT.to_owned());
    match command {
        ContextCommand::Create(args) => return create::create(args, contexts),
        ContextCommand::Ls { format } => {
            let here = (
                DEFAULT.to_owned(),
                Saved {
                    host: "this host".to_owned(),
                    description: String::new(),
                    tls: None,
                },
            );
            let all = std::iter::once(here).chain(contexts.contexts);
            let rows: Vec<Value> = all
                .map(|(name, saved)| row(&name, &saved, name == current))
                .collect();
            print(&listing(&rows, &COLUMNS, format.as_deref())?)?;
        }
        ContextCommand::Use { name } => {
            if name != DEFAULT {
                contexts.get(&name)?;
            }
            contexts.current = Some(name.clone()).filter(|name| name != DEFAULT);
            contexts.save()?;
            print(&format!("{name}\n"))?;
        }
        ContextCommand::Show => print(&format!("{current}\n"))?,
        ContextCommand::Inspect { name } => {
            let text =
                serde_json::to_string_pretty(contexts.get(&name)?).map_err(std::io::Error::from)?;
            print(&format!("{text}\n"))?;
        }
        ContextCommand::Rm { names } => {
            return for_each(&names, |name| {
                contexts.get(name)?;
                contexts.contexts.remove(name);
                if contexts.current.as_deref() == Some(name) {
                    contexts.current = None;
                }
                contexts.save()?;
                print(&format!("{name}\n"))
            });
        }
    }
    Ok(0)
}

fn row(name: &str, saved: &Saved, current: bool) -> Value {
    let name = if current {
        format!("{name} *")
    } else {
        name.to_owned()
    };
    json!({ "Name": name, "Description": saved.description, "Endpoint": saved.host })
}

/// A file that must be there, by its absolute path.
fn existing(path: PathBuf) -> Result<PathBuf, Failure> {
    path.canonicalize()
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// Whether an endpoint can be read.
fn check(saved: &Saved) -> Result<(), Failure> {
    Endpoint::of_saved(saved).map(|_| ())
}
