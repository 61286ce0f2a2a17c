//! What the tasks of a service have to become.
//!
//! [`specify`] writes down what people want. [`reconcile`] compares that with the tasks there are and takes the next steps, each of which
//! leaves the store in order:
//!
//! - A **slot** (`slots`) is a number among replicas, or a node. Its tasks that are meant to run are at most two: one, and one that
//!   is to take its place (`keep`). A task that ended is followed in its slot by a new one; tasks are never started twice.
//! - Which tasks there are to be: `replicated`, `global`, `job`. What holds for all of them in one plan: `rules`.
//! - `rebalance` moves tasks to nodes that have joined, where that is asked for.
//! - `rolling` replaces tasks of older revisions as [`crate::rollout`] says; `rollback` returns.
//! - A `draft` gathers the changes: each object once, in an order of which every beginning can be carried on.
//!
//! Everything that is remembered is in the service and its tasks, so that another leader goes on where this one stood.

mod dependencies;
mod details;
mod draft;
mod global;
mod job;
mod keep;
mod rebalance;
mod removal;
mod replicated;
mod revision;
mod rollback;
mod rolling;
mod rules;
mod runs;
pub(crate) mod slots;
mod specify;
#[cfg(test)]
mod tests;

use model::{Service, ServiceMode};
use store::View;

use crate::gate::{self, Look};
use crate::plan::{Ids, Plan};
use crate::rollout::Gate;
use crate::{allocator, reaper};
use draft::Draft;
use rules::{Rules, is_job};
use slots::Slots;

pub(crate) use revision::is_of;
pub use rollback::roll_back;
pub use specify::{Specified, remove, specify};

/// Plans the next steps of a service. To be asked again whenever the service, one of its tasks, a node or a service that it depends on
/// has changed, and at [`Plan::again_ms`]. Of a service that is gone, what is left is removed.
pub fn reconcile(view: &View, service_id: &str, now_ms: i64, ids: Ids<'_>) -> Plan {
    let slots = Slots::of(view, service_id);
    let Some(known) = view.services().get(service_id) else {
        return removal::remains(view, service_id, &slots);
    };
    let mut draft = Draft::new(view, known, now_ms, ids);
    if known.removing {
        removal::carry_on(&mut draft, &slots);
        return draft.plan();
    }
    if dependencies::follow(&mut draft) {
        return draft.plan();
    }
    runs::start_due(&mut draft, &slots);
    let look = look(&mut draft);
    let is_allocated = allocator::is_allocated(view, &draft.service);
    let waits_for = what_is_missing(&draft.service, is_allocated);
    let gate = match &draft.service.waiting {
        _ if !is_allocated => Gate::Closed(&waits_for),
        _ if look.open => Gate::Open,
        Some(waiting) if waiting.expired => Gate::Expired(&look.message),
        _ => Gate::Closed(&look.message),
    };
    let rules = Rules::new(view, &draft.service, &slots, look.open);
    for task in slots.tasks() {
        if !slots::is_meant(task) {
            draft.wait_for_end(task);
        }
    }
    match draft.service.spec.mode {
        Some(ServiceMode::Replicated(mode)) => {
            replicated::reconcile(
                &mut draft,
                &rules,
                &slots,
                mode.replicas,
                gate,
                is_allocated,
            );
        }
        Some(ServiceMode::Global(_)) => {
            global::reconcile(&mut draft, &rules, &slots, gate, is_allocated);
        }
        Some(ServiceMode::ReplicatedJob(job)) => {
            job::replicated(&mut draft, &rules, &slots, job, is_allocated);
        }
        Some(ServiceMode::GlobalJob(_)) => {
            job::per_node(&mut draft, &rules, &slots, is_allocated);
        }
        None => {}
    }
    if draft.is_empty() {
        let forgotten = reaper::forget(view, &draft.service, &slots, now_ms);
        draft.remove(forgotten);
    }
    draft.plan()
}

/// What came of looking at the gate.
struct Looked {
    open: bool,
    message: String,
}

/// Looks at the gate of a service that has something to start, and remembers what was seen.
fn look(draft: &mut Draft<'_, '_>) -> Looked {
    if starts_nothing(&draft.service) {
        return Looked {
            open: draft.service.spec.depends_on.is_empty(),
            message: String::new(),
        };
    }
    let Look {
        open,
        latches,
        waiting,
        again_ms,
    } = gate::look(draft.view, &draft.service, draft.now_ms);
    if let Some(at_ms) = again_ms {
        draft.look_at(at_ms);
    }
    let message = waiting
        .as_ref()
        .map_or_else(String::new, |waiting| waiting.message.clone());
    draft.service.latches = latches;
    draft.service.waiting = waiting;
    Looked { open, message }
}

/// Whether nothing of a service is to start now: a gate is not waited at by nobody.
fn starts_nothing(service: &Service) -> bool {
    match service.spec.mode {
        Some(ServiceMode::Replicated(mode)) => mode.replicas == 0,
        _ => is_job(service) && service.job_iteration == 0,
    }
}

fn what_is_missing(service: &Service, is_allocated: bool) -> String {
    match service.trouble.as_str() {
        _ if is_allocated => String::new(),
        "" => "its addresses and ports".to_owned(),
        trouble => trouble.to_owned(),
    }
}
