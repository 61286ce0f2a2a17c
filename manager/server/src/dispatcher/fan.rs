//! Reads what happens, once, and wakes the streams of those whom it concerns.

use std::sync::Arc;
use std::time::Duration;

use api::v1::assignment_key::Kind as Thing;
use identity::TrustBundle;
use store::{Event, Kind, View};

use super::Common;
use crate::manager::{Manager, manager_addresses};

/// How often it looks where the managers are: that is no event.
const LOOK: Duration = Duration::from_secs(1);

/// Wakes streams for as long as it is not stopped. On the leader.
pub(crate) async fn fan(manager: Manager) {
    let mut follower = manager.replica().follow();
    let mut version = manager.replica().version();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        version.borrow_and_update();
        let (view, happened) = follower.take();
        let mut common_changed = false;
        match &happened {
            None => {
                common_changed = true;
                for feed in manager.sessions().feeds() {
                    feed.wake_standing();
                    feed.wake_work();
                }
            }
            Some(batches) => {
                for event in batches.iter().flat_map(|batch| batch.iter()) {
                    common_changed |= matches!(event.object, Kind::Cluster(_));
                    wake(&manager, event);
                }
            }
        }
        if common_changed {
            tell_all(&manager, &view);
        }
        tokio::select! {
            changed = version.changed() => if changed.is_err() { return },
            _ = look.tick() => tell_all(&manager, &view),
        }
    }
}

fn wake(manager: &Manager, event: &Event) {
    let removed = event.what == store::What::Removed;
    match &event.object {
        Kind::Node(node) => {
            if let Some(feed) = manager.sessions().feed(&node.id) {
                feed.wake_standing();
            }
        }
        Kind::Task(task) => {
            if removed {
                manager.dispatching().usages().forget(&task.id);
            }
            let feed = manager.sessions().feed(&task.node_id);
            if let Some(feed) = feed
                && (removed || !feed.known().has_as_it_is(task))
            {
                feed.wake_work();
            }
        }
        Kind::Secret(secret) => wake_holders(manager, Thing::Secret, &secret.id),
        Kind::Config(config) => wake_holders(manager, Thing::Config, &config.id),
        Kind::Network(network) => wake_holders(manager, Thing::Network, &network.id),
        Kind::Cluster(_)
        | Kind::Service(_)
        | Kind::Revision(_)
        | Kind::Stack(_)
        | Kind::Deployment(_) => {}
    }
}

/// Wakes the nodes that have been told of a thing.
fn wake_holders(manager: &Manager, kind: Thing, id: &str) {
    for feed in manager.sessions().feeds() {
        if feed.known().has(kind, id) {
            feed.wake_work();
        }
    }
}

/// Tells every node what it is told alike, if that has changed.
pub(crate) fn tell_all(manager: &Manager, view: &View) {
    let Some(cluster) = view.cluster() else {
        return;
    };
    let addresses = manager_addresses(&manager.status());
    let common = manager.dispatching().common();
    let is_told = {
        let told = common.borrow();
        told.roots_pem == cluster.root.bundle_pem
            && told.manager_addresses == addresses
            && told.heartbeat_ms == cluster.spec.node_heartbeat_ms
            && told.certificate_pem == cluster.root.certificate_pem
    };
    if is_told {
        return;
    }
    let issuer = TrustBundle::from_pem(&cluster.root.certificate_pem)
        .map(|bundle| bundle.fingerprints().remove(0));
    common.send_replace(Arc::new(Common {
        roots_pem: cluster.root.bundle_pem.clone(),
        issuer: issuer.unwrap_or_default(),
        certificate_pem: cluster.root.certificate_pem.clone(),
        manager_addresses: addresses,
        heartbeat_ms: cluster.spec.node_heartbeat_ms,
    }));
}
