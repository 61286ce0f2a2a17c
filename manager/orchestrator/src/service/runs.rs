//! Runs of jobs that have a schedule.

use model::ServiceMode;

use super::draft::Draft;
use super::job;
use super::rules::{Rules, is_job};
use super::slots::Slots;
use crate::schedule::Schedule;

/// Begins a run that is due, unless one is going on: then it is left out. Writes down when the next is due.
pub(super) fn start_due<'a>(draft: &mut Draft<'a, '_>, slots: &Slots<'a>) {
    let service = &draft.service;
    let schedule = Schedule::parse(&service.spec.schedule).ok();
    let Some(schedule) = schedule.filter(|_| is_job(service)) else {
        draft.service.next_run_ms = 0;
        return;
    };
    let is_due = service.next_run_ms != 0 && service.next_run_ms <= draft.now_ms;
    if is_due {
        let job = match service.spec.mode {
            Some(ServiceMode::ReplicatedJob(job)) => Some(job),
            _ => None,
        };
        let run = service.job_iteration;
        // Whether a run goes on is no matter of gates.
        let rules = Rules::new(draft.view, service, slots, true);
        if !job::is_going(&rules, slots, job, run, draft.now_ms) {
            draft.service.job_iteration += 1;
        }
    }
    if is_due || draft.service.next_run_ms == 0 {
        draft.service.next_run_ms = schedule.next_after(draft.now_ms).unwrap_or(0);
    }
    if draft.service.next_run_ms != 0 {
        draft.look_at(draft.service.next_run_ms);
    }
}
