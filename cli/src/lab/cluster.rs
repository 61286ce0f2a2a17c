//! The calls that make a lab's daemons one cluster.

use std::path::Path;

use ::lab::{Cluster, ClusterResult, Tokens};
use model::{Availability, ClusterSpec};

use crate::cluster::{Place, enter, found};
use crate::failure::Failure;
use crate::remote::{Client, Endpoint};

/// Real daemons, over their sockets.
pub(crate) struct Daemons;

fn place(advertise: &str) -> Place {
    Place {
        advertise_addr: advertise.to_owned(),
        listen_addr: String::new(),
        availability: Availability::Active,
    }
}

fn boxed(failure: Failure) -> Box<dyn std::error::Error + Send + Sync> {
    failure.into_message().into()
}

impl Cluster for Daemons {
    fn init(&self, socket: &Path, advertise: &str) -> ClusterResult<Tokens> {
        let client = Client::to(Endpoint::Unix(socket.to_owned())).map_err(boxed)?;
        let made =
            found(&client, &place(advertise), ClusterSpec::standard(), false).map_err(boxed)?;
        Ok(Tokens {
            manager: made.manager_token,
            worker: made.worker_token,
        })
    }

    fn join(
        &self,
        socket: &Path,
        advertise: &str,
        token: &str,
        managers: &[String],
    ) -> ClusterResult<()> {
        let client = Client::to(Endpoint::Unix(socket.to_owned())).map_err(boxed)?;
        enter(
            &client,
            &place(advertise),
            token.to_owned(),
            managers.to_vec(),
        )
        .map(|_| ())
        .map_err(boxed)
    }
}
