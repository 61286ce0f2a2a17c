//! `minictl cluster ca`.

use std::time::Duration;

use api::v1::{ClusterView, GetClusterRequest, RotateRootRequest};

use crate::context::Context;
use crate::failure::{Failure, Outcome, print, say};
use crate::remote::Client;

/// Show the root certificates that nodes trust, or replace the root
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl cluster ca --rotate")]
pub(crate) struct Args {
    /// Make a new root: every node gets a certificate of it, then the old one is trusted no more
    #[arg(long)]
    rotate: bool,
    /// Don't wait until all nodes have theirs
    #[arg(short, long)]
    detach: bool,
    /// Print nothing while waiting
    #[arg(short, long)]
    quiet: bool,
}

/// Prints the roots; waits for the end of a rotation.
pub(crate) fn ca(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    if args.rotate {
        client.ask(RotateRootRequest {}, |channel, request| async move {
            api::control(channel).rotate_root(request).await
        })?;
        if args.detach {
            return Ok(0);
        }
        if !args.quiet {
            say("both roots are trusted until every node has a certificate of the new one ...\n");
        }
        while cluster(&client)?.rotating_root {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    print(&format!("{}\n", cluster(&client)?.roots_pem.trim_end()))?;
    Ok(0)
}

fn cluster(client: &Client) -> Result<ClusterView, Failure> {
    client.ask(GetClusterRequest {}, |channel, request| async move {
        api::control(channel).get_cluster(request).await
    })
}
