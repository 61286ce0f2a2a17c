//! `minictl cluster join-token`.

use api::v1::{GetJoinTokensRequest, RotateJoinTokenRequest};
use model::NodeRole;

use super::words::join_command;
use crate::context::Context;
use crate::failure::{Outcome, print};
use crate::remote::Client;

/// Show what lets a node in
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl cluster join-token worker")]
pub(crate) struct Args {
    /// Make a new token; the old one lets nobody in any more
    #[arg(long)]
    rotate: bool,
    /// Print the token alone
    #[arg(short, long)]
    quiet: bool,
    /// As what: worker or manager
    #[arg(value_name = "worker|manager", value_parser = role)]
    role: NodeRole,
}

fn role(word: &str) -> Result<NodeRole, String> {
    word.parse()
        .map_err(|error: model::node::UnknownWord| error.to_string())
}

/// Prints the token, or the whole command.
pub(crate) fn join_token(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let reply = if args.rotate {
        let asked = RotateJoinTokenRequest {
            role: args.role.into(),
        };
        client.ask(asked, |channel, request| async move {
            api::control(channel).rotate_join_token(request).await
        })?
    } else {
        client.ask(GetJoinTokensRequest {}, |channel, request| async move {
            api::control(channel).get_join_tokens(request).await
        })?
    };
    let tokens = reply.tokens.unwrap_or_default();
    let token = match args.role {
        NodeRole::Worker => tokens.worker,
        NodeRole::Manager => tokens.manager,
    };
    if args.quiet {
        print(&format!("{token}\n"))?;
        return Ok(0);
    }
    if args.rotate {
        print(&format!(
            "Successfully rotated {} join token.\n\n",
            args.role
        ))?;
    }
    let address = reply.manager_addresses.first().map_or("", String::as_str);
    print(&format!(
        "To add a {} to this cluster, run the following command:\n\n{}\n",
        args.role,
        join_command(&token, address)
    ))?;
    Ok(0)
}
