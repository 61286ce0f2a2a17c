//! `minictl cluster unlock-key`.

use api::v1::{GetUnlockKeyRequest, UpdateClusterRequest};

use super::init::unlocking;
use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::remote::Client;

/// Show the key that unlocks managers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl cluster unlock-key --rotate")]
pub(crate) struct Args {
    /// Make a new key; managers that are locked now still need the old one
    #[arg(long)]
    rotate: bool,
    /// Print the key alone
    #[arg(short, long)]
    quiet: bool,
}

/// Prints it.
pub(crate) fn unlock_key(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    if args.rotate {
        let asked = UpdateClusterRequest {
            rotate_unlock_key: true,
            ..UpdateClusterRequest::default()
        };
        client.ask(asked, |channel, request| async move {
            api::control(channel).update_cluster(request).await
        })?;
    }
    let key = client
        .ask(GetUnlockKeyRequest {}, |channel, request| async move {
            api::control(channel).get_unlock_key(request).await
        })?
        .key;
    if key.is_empty() {
        return Err(Failure::new(
            "the cluster is not locked: there is no unlock key; lock it with `minictl cluster update --autolock=true`",
        ));
    }
    if args.quiet {
        print(&format!("{key}\n"))?;
        return Ok(0);
    }
    if args.rotate {
        print("Successfully rotated manager unlock key.\n")?;
    }
    print(&unlocking(&key))?;
    Ok(0)
}
