//! A service that asked for it is restarted when a service that it depends on has been updated.

use model::{Dependency, RolloutState, Service};

use super::draft::Draft;
use super::rolling::begun;
use super::rules::is_job;

/// Gives the service a new revision, of the same but to be started anew, when a dependency with `restart: true` is at another revision
/// than the one that let it start, and the rollout to that has ended. Whether it did.
pub(super) fn follow(draft: &mut Draft<'_, '_>) -> bool {
    let waits_for_a_person = draft.service.rollout.as_ref().is_some_and(|rollout| {
        matches!(
            rollout.state(),
            RolloutState::Paused | RolloutState::RollbackPaused
        )
    });
    if is_job(&draft.service) || waits_for_a_person {
        return false;
    }
    let dependencies = &draft.service.spec.depends_on;
    let is_met_anew =
        |dependency: &&Dependency| dependency.restart && has_moved_on(draft, dependency);
    let Some(dependency) = dependencies.iter().find(is_met_anew) else {
        return false;
    };
    let reason = format!("restarts with {}, which was updated", dependency.service);
    let from = draft.service.revision;
    draft.service.spec.task.force += 1;
    draft.revise();
    draft.service.waiting = None;
    let mut rollout = begun(from, draft.service.revision, draft.now_ms);
    rollout.message = reason;
    draft.service.rollout = Some(rollout);
    true
}

fn has_moved_on(draft: &Draft<'_, '_>, dependency: &Dependency) -> bool {
    let Some(other) = draft.view.services().named(&dependency.service) else {
        return false;
    };
    let met = draft
        .service
        .latches
        .iter()
        .filter(|latch| {
            latch.dependency == dependency.service && latch.revision == draft.service.revision
        })
        .max_by_key(|latch| latch.judged_at)
        .map_or(0, |latch| latch.dependency_revision);
    has_ended(other) && met != 0 && met != other.revision
}

fn has_ended(other: &Service) -> bool {
    other.rollout.as_ref().is_none_or(|rollout| {
        matches!(
            rollout.state(),
            RolloutState::Completed | RolloutState::RolledBack
        )
    })
}
