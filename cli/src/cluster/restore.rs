//! `minictl cluster restore`.

use std::path::PathBuf;

use api::v1::host_client::HostClient;
use api::v1::{InitRequest, RestoreRequest};

use super::init::{Place, said};
use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::remote::Client;

/// Bytes sent at once.
const CHUNK: usize = 256 << 10;

/// Begin a cluster from a backup, with this host as its only manager
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: minictl cluster restore --advertise-addr 192.0.2.1 cluster.backup

Everything that the backup knows is there again: tokens, certificates' root, configs. The managers of before are workers
until they join again; nodes that were alive find the new manager if it has the address of an old one.")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Restores it.
pub(crate) fn restore(args: Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let data = std::fs::read(&args.file)
        .map_err(|error| Failure::new(format!("read {}: {error}", args.file.display())))?;
    let init = InitRequest {
        advertise_address: args.place.advertise_addr,
        listen_address: args.place.listen_addr,
        availability: args.place.availability.into(),
        ..InitRequest::default()
    };
    let mut messages = vec![RestoreRequest {
        init: Some(init),
        ..RestoreRequest::default()
    }];
    messages.extend(data.chunks(CHUNK).map(|chunk| RestoreRequest {
        init: None,
        data: chunk.to_vec().into(),
    }));
    let restored = client.carry_out(async |channel| {
        HostClient::new(channel)
            .restore(tokio_stream::iter(messages))
            .await
            .map(tonic::Response::into_inner)
    })?;
    print(&said(&restored))?;
    Ok(0)
}
