//! `minictl cluster update`.

use api::v1::{GetClusterRequest, GetUnlockKeyRequest, UpdateClusterRequest};

use super::init::unlocking;
use super::settings::Settings;
use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::remote::Client;

/// Change the cluster's settings
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl cluster update --autolock=true")]
pub(crate) struct Args {
    #[command(flatten)]
    settings: Settings,
}

/// Changes them; tells the unlock key when locking begins.
pub(crate) fn update(args: &Args, context: &Context) -> Outcome {
    if !args.settings.any() {
        return Err(Failure::new(
            "nothing to change was given; see minictl cluster update --help",
        ));
    }
    let client = Client::of(context)?;
    let cluster = client.ask(GetClusterRequest {}, |channel, request| async move {
        api::control(channel).get_cluster(request).await
    })?;
    let mut spec = cluster.spec.unwrap_or_default();
    let locked = spec.autolock;
    args.settings.apply(&mut spec);
    let locks = spec.autolock && !locked;
    let version = cluster.meta.unwrap_or_default().version;
    let asked = UpdateClusterRequest {
        version,
        spec: Some(spec),
        rotate_unlock_key: false,
    };
    client.ask(asked, |channel, request| async move {
        api::control(channel).update_cluster(request).await
    })?;
    print("Cluster updated.\n")?;
    if locks {
        let key = client.ask(GetUnlockKeyRequest {}, |channel, request| async move {
            api::control(channel).get_unlock_key(request).await
        })?;
        print(&unlocking(&key.key))?;
    }
    Ok(0)
}
