//! What changes, as it changes.

use api::v1::WatchEvent;
use api::v1::watch_event::{Object, What as Seen};
use store::{Event, Kind, What};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{cluster, strip};
use crate::manager::Manager;

/// The events after a version; 0 is now.
pub(crate) async fn watch(
    manager: &Manager,
    after: u64,
) -> Result<impl Stream<Item = Result<WatchEvent, Status>> + Send + use<>, Status> {
    let mut after = if after == 0 {
        manager.read().await?.version()
    } else {
        after
    };
    let manager = manager.clone();
    let (tells, hears) = mpsc::channel(64);
    tokio::spawn(async move {
        let mut version = manager.replica().version();
        loop {
            version.borrow_and_update();
            let events = match manager.replica().events_after(after) {
                Ok((events, newest)) => {
                    after = newest.max(after);
                    events
                }
                Err(compacted) => {
                    let _ = tells
                        .send(Err(Status::out_of_range(compacted.to_string())))
                        .await;
                    return;
                }
            };
            for event in events {
                let Some(event) = show(&manager, event) else {
                    continue;
                };
                if tells.send(Ok(event)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                changed = version.changed() => if changed.is_err() { return },
                () = tells.closed() => return,
            }
        }
    });
    Ok(ReceiverStream::new(hears))
}

fn show(manager: &Manager, event: Event) -> Option<WatchEvent> {
    let what = match event.what {
        What::Created => Seen::Created,
        What::Updated => Seen::Updated,
        What::Removed => Seen::Removed,
    };
    let object = match event.object {
        Kind::Cluster(_) => Object::Cluster(cluster::show(&manager.replica().view()).ok()?),
        Kind::Node(node) => Object::Node(*node),
        Kind::Task(task) => Object::Task(task),
        Kind::Config(config) => Object::Config(strip::config(&config)),
        Kind::Service(service) => Object::Service(strip::service(&service)),
        Kind::Stack(stack) => Object::Stack(stack),
        Kind::Secret(secret) => Object::Secret(strip::secret(&secret)),
        Kind::Network(network) => Object::Network(network),
        // Parts of a service's and a stack's history: whoever wants them asks for the whole.
        Kind::Revision(_) | Kind::Deployment(_) => return None,
    };
    Some(WatchEvent {
        version: event.version,
        what: what.into(),
        object: Some(object),
    })
}
