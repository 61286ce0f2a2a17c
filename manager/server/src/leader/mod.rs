//! What only the leader does. Begins when this manager leads *and* has caught up with everything that was decided before, ends
//! when it leads no more; what it proposes carries its term, so that a late proposal is void.

mod membership;
mod nodes;
mod orchestrate;
mod root;
mod silence;

use std::time::{Duration, Instant};

use crate::background::Background;
use crate::dispatcher;
use crate::manager::Manager;

/// How often it looks even if nothing has changed.
const LOOK: Duration = Duration::from_millis(500);

/// Leads whenever it is this manager's turn.
pub(crate) async fn lead(manager: Manager) {
    let mut leadership = manager.consensus().leadership();
    loop {
        let now = *leadership.borrow_and_update();
        if now.is_self {
            // Without this barrier the first answers could miss what the leader before had acknowledged.
            if manager.consensus().read_barrier().await.is_ok() {
                tracing::info!(term = now.term, "this manager leads");
                begin(&manager);
                // These end with the reign: what they hold in memory belongs to it.
                let mut works = Background::default();
                works.spawn(dispatcher::fan(manager.clone()));
                works.spawn(dispatcher::write(manager.clone(), now.term));
                works.spawn(orchestrate::orchestrate(manager.clone(), now.term));
                let mut silence = silence::Silence::default();
                manager.ready_term().send_replace(now.term);
                while !leadership.has_changed().unwrap_or(true) || same(&mut leadership, now) {
                    tokio::select! {
                        _ = leadership.changed() => if !same(&mut leadership, now) { break },
                        () = tokio::time::sleep(LOOK) => {}
                    }
                    silence.look(&manager.status());
                    look(&manager).await;
                }
                drop(works);
                end(&manager);
                tracing::info!(term = now.term, "this manager leads no more");
                continue;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        if leadership.changed().await.is_err() {
            return;
        }
    }
}

fn same(
    leadership: &mut tokio::sync::watch::Receiver<consensus::Leadership>,
    term: consensus::Leadership,
) -> bool {
    *leadership.borrow_and_update() == term
}

/// Takes over the sessions: nodes that were there must come again, and are given time to.
fn begin(manager: &Manager) {
    let view = manager.replica().view();
    let period = view
        .cluster()
        .map_or(5000, |cluster| cluster.spec.node_heartbeat_ms);
    let known = nodes::there(&view);
    manager.sessions().begin(
        Duration::from_millis(u64::from(period)),
        known,
        Instant::now(),
    );
    forget(manager);
    dispatcher::tell_all(manager, &view);
}

/// Ends the sessions: nodes will find the next leader.
fn end(manager: &Manager) {
    manager.sessions().end();
    forget(manager);
}

/// What nodes told in another reign they will tell again.
fn forget(manager: &Manager) {
    manager.dispatching().statuses().clear();
    manager.dispatching().usages().clear();
}

/// One look at everything. What cannot be done now is tried at the next.
async fn look(manager: &Manager) {
    let outcomes = [
        ("mark silent nodes", nodes::mark_silent(manager).await),
        (
            "keep the group as the cluster wants it",
            membership::keep(manager).await,
        ),
        ("rotate the root", root::finish(manager).await),
        ("raise the feature level", root::level(manager).await),
    ];
    for (what, outcome) in outcomes {
        if let Err(status) = outcome {
            tracing::debug!(what, error = status.message(), "not now");
        }
    }
}
