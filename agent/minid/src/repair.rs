//! What had to stop, or could not start (a full disk, a port in use, an entry of a later version), is tried again until it goes on.

use std::time::Duration;

use crate::cluster::{Daemon, Member, Phase};

/// The pause before it is started again: doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Takes up the part of a host that it could not take up when the daemon started.
pub(crate) async fn take_up_again(daemon: Daemon) {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let _changing = daemon.change().await;
        if !matches!(daemon.phase(), Phase::Failed(_)) {
            return;
        }
        let phase = daemon.part_on_disk().await;
        daemon.set(phase);
    }
}

/// Watches over a node's manager, for as long as it is a node.
pub(crate) async fn stand_by(daemon: Daemon, member: Member) {
    let mut managers = member.managers();
    loop {
        let now = managers.borrow_and_update().clone();
        let stopped = async {
            match now {
                Some(manager) => manager.stopped().await,
                None => None,
            }
        };
        let reason = tokio::select! {
            reason = stopped => reason,
            changed = managers.changed() => if changed.is_ok() { continue } else { return },
        };
        match reason {
            Some(reason) => repair(&daemon, &member, &reason).await,
            // There is none, or it was told to stop: until there is another one.
            None => {
                if managers.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Starts a manager again that had to stop.
async fn repair(daemon: &Daemon, member: &Member, reason: &str) {
    tracing::error!(reason, "this manager had to stop; it is tried again");
    member.set_fault(reason);
    {
        let _changing = daemon.change().await;
        daemon.stop_manager(member).await;
    }
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let _changing = daemon.change().await;
        // Meanwhile the node may have left, been demoted, or started its manager on the others' word.
        if !wants_manager(daemon, member) {
            return;
        }
        match daemon.start_manager(member).await {
            Ok(_) => return,
            Err(reason) => {
                tracing::error!(reason, "this manager cannot start");
                member.set_fault(&reason);
            }
        }
    }
}

/// Whether this node should have a manager and has none.
fn wants_manager(daemon: &Daemon, member: &Member) -> bool {
    let same = matches!(daemon.phase(), Phase::Member(now) if now.is(member));
    same && member.state().raft_id.is_some() && member.manager().is_none()
}
