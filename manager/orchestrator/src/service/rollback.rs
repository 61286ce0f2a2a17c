//! A service returns to what it was before: to the old revision itself, so that what is left of it is not replaced.

use model::{Rollout, RolloutState, Service, ServiceSpec};
use store::{Change, View};

use super::draft::Draft;
use super::revision;
use super::rules::is_job;

/// Returns a service to what was wanted before the last update, for a person; of an update that has not ended, to what was before it.
///
/// Errors: there is nothing to return to, or the service is on its way out.
pub fn roll_back(view: &View, service: &Service, now_ms: i64) -> Result<Vec<Change>, String> {
    let name = &service.spec.name;
    if service.removing {
        return Err(format!("service `{name}` is being removed"));
    }
    let mut next = service.clone();
    next.previous = Some(Box::new(service.spec.clone()));
    let mut changes = Vec::new();
    if let Some(rollout) = unfinished(service)
        && let Some(spec) = spec_of(view, service, rollout.from)
    {
        head_for(&mut next, spec, rollout.from, now_ms);
        changes.push(Change::update(next));
        return Ok(changes);
    }
    let Some(previous) = service.previous.as_deref() else {
        return Err(format!(
            "service `{name}` was not updated since it was made or rolled back: there is nothing to return to"
        ));
    };
    if revision::is_same(previous, &service.spec) {
        next.spec = previous.clone();
        changes.push(Change::update(next));
        return Ok(changes);
    }
    let known = view
        .revisions_of(&service.id)
        .filter(|known| revision::is_of(known, previous))
        .map(|known| known.number)
        .max();
    let number = known.unwrap_or_else(|| revision::next_number(view, service));
    head_for(&mut next, previous.clone(), number, now_ms);
    if known.is_none() {
        changes.push(Change::create(revision::of(&next, number)));
    }
    changes.push(Change::update(next));
    Ok(changes)
}

/// Returns a service whose rollout has failed, or stops it when there is nothing to return to.
pub(super) fn by_itself(draft: &mut Draft<'_, '_>, failed: &Rollout, reason: &str) {
    let Some(spec) = spec_of(draft.view, &draft.service, failed.from) else {
        if let Some(rollout) = &mut draft.service.rollout {
            rollout.set_state(RolloutState::Paused);
            rollout.message = format!(
                "{reason}; revision {} is not there to return to",
                failed.from
            );
        }
        return;
    };
    head_for(&mut draft.service, spec, failed.from, draft.now_ms);
    draft.service.previous = None;
    if let Some(rollout) = &mut draft.service.rollout {
        rollout.message = format!("returns to revision {}: {reason}", failed.from);
        reason.clone_into(&mut rollout.reason);
    }
}

/// The rollout of an update that has not ended.
pub(super) fn unfinished(service: &Service) -> Option<&Rollout> {
    service.rollout.as_ref().filter(|rollout| {
        matches!(
            rollout.state(),
            RolloutState::Updating | RolloutState::Paused
        )
    })
}

/// What was wanted with a revision: all of what was wanted before, if that was it.
fn spec_of(view: &View, service: &Service, number: u64) -> Option<ServiceSpec> {
    let known = view.revision(&service.id, number)?;
    match service.previous.as_deref() {
        Some(previous) if revision::is_of(known, previous) => Some(previous.clone()),
        _ => Some(revision::returned_to(known, &service.spec)),
    }
}

fn head_for(service: &mut Service, mut spec: ServiceSpec, number: u64, now_ms: i64) {
    if service.autoscaled.is_some() && spec.autoscale.is_some() {
        spec.mode.clone_from(&service.spec.mode);
    }
    let from = service.revision;
    service.spec = spec;
    service.revision = number;
    service.waiting = None;
    if is_job(service) {
        service.rollout = None;
        service.job_iteration += u64::from(service.spec.schedule.is_empty());
        return;
    }
    service.rollout = Some(Rollout {
        state: RolloutState::RollingBack.into(),
        to: number,
        from,
        started_ms: now_ms,
        ..Rollout::default()
    });
}
