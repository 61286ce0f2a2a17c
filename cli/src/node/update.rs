//! `minictl node update`.

use model::{Availability, NodeRole};

use crate::cluster::words::availability;
use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::remote::Client;

/// Change what is wanted of a node: labels, availability, role
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl node update --label-add region=singapore node2")]
pub(crate) struct Args {
    /// Add a label, or change it; may be given several times
    #[arg(long, value_name = "KEY[=VALUE]")]
    label_add: Vec<String>,
    /// Remove a label; may be given several times
    #[arg(long, value_name = "KEY")]
    label_rm: Vec<String>,
    /// active, pause (no new tasks) or drain (no tasks at all)
    #[arg(long, value_name = "WORD", value_parser = availability)]
    availability: Option<Availability>,
    /// worker or manager
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: Option<NodeRole>,
    /// Name or id, or self
    #[arg(value_name = "NODE")]
    node: String,
}

fn role(word: &str) -> Result<NodeRole, String> {
    word.parse()
        .map_err(|error: model::node::UnknownWord| error.to_string())
}

/// Changes it.
pub(crate) fn update(args: &Args, context: &Context) -> Outcome {
    if args.label_add.is_empty()
        && args.label_rm.is_empty()
        && args.availability.is_none()
        && args.role.is_none()
    {
        return Err(Failure::new(
            "nothing to change was given; see minictl node update --help",
        ));
    }
    let client = Client::of(context)?;
    super::change(&client, &args.node, |spec| {
        for key in &args.label_rm {
            if spec.labels.remove(key).is_none() {
                return Err(Failure::new(format!(
                    "node {} has no label `{key}`",
                    args.node
                )));
            }
        }
        for label in &args.label_add {
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            spec.labels.insert(key.to_owned(), value.to_owned());
        }
        if let Some(availability) = args.availability {
            spec.availability = availability.into();
        }
        if let Some(role) = args.role {
            spec.role = role.into();
        }
        Ok(())
    })?;
    print(&format!("{}\n", args.node))?;
    Ok(0)
}
