//! The machines of a cluster: one file per verb.

mod demote;
mod inspect;
mod ls;
mod promote;
mod ps;
mod rm;
mod update;

use api::v1::{GetNodeRequest, NodeView, UpdateNodeRequest};
use clap::Subcommand;
use model::{Node, NodeRole, NodeSpec};

use crate::context::Context;
use crate::failure::{Failure, Outcome, for_each, print};
use crate::remote::Client;

/// `minictl node ...`
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    Ps(ps::Args),
    Inspect(inspect::Args),
    Update(update::Args),
    Promote(promote::Args),
    Demote(demote::Args),
    #[command(visible_alias = "remove")]
    Rm(rm::Args),
}

/// Carries the verb out.
pub(crate) fn perform(command: NodeCommand, context: &Context) -> Outcome {
    match command {
        NodeCommand::Ls(args) => ls::list(&args, context),
        NodeCommand::Ps(args) => ps::list(&args, context),
        NodeCommand::Inspect(args) => inspect::inspect(&args, context),
        NodeCommand::Update(args) => update::update(&args, context),
        NodeCommand::Promote(args) => promote::promote(&args, context),
        NodeCommand::Demote(args) => demote::demote(&args, context),
        NodeCommand::Rm(args) => rm::remove(&args, context),
    }
}

/// The word for the node behind the daemon that is asked.
const SELF: &str = "self";

/// The name as the managers know it.
fn resolve(client: &Client, name: &str) -> Result<String, Failure> {
    if name != SELF {
        return Ok(name.to_owned());
    }
    let host = client.host()?;
    if host.node_id.is_empty() {
        Err(Failure::new("this host belongs to no cluster"))
    } else {
        Ok(host.node_id)
    }
}

/// A node, and what the leader sees of it.
fn get(client: &Client, name: &str) -> Result<(Node, NodeView), Failure> {
    let asked = GetNodeRequest {
        node: resolve(client, name)?,
    };
    let reply = client.ask(asked, |channel, request| async move {
        api::control(channel).get_node(request).await
    })?;
    let view = reply.node.unwrap_or_default();
    Ok((view.node.clone().unwrap_or_default(), view))
}

/// Changes what is wanted of a node. What others change meanwhile is not undone: it is read and changed again.
fn change(
    client: &Client,
    name: &str,
    change: impl Fn(&mut NodeSpec) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (node, _) = get(client, name)?;
    let mut spec = node.spec.clone();
    change(&mut spec)?;
    let asked = UpdateNodeRequest {
        node: node.id,
        version: node.meta.version,
        spec: Some(spec),
    };
    client.ask(asked, |channel, request| async move {
        api::control(channel).update_node(request).await
    })?;
    Ok(())
}

/// Gives nodes another role.
fn give_role(
    context: &Context,
    names: &[String],
    role: NodeRole,
    already: &str,
    done: &str,
) -> Outcome {
    let client = Client::of(context)?;
    for_each(names, |name| {
        let (node, _) = get(&client, name)?;
        if node.spec.role() == role {
            return print(&format!("Node {name} {already}\n"));
        }
        change(&client, name, |spec| {
            spec.role = role.into();
            Ok(())
        })?;
        print(&format!("Node {name} {done}\n"))
    })
}
