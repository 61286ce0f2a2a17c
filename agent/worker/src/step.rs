//! What a task does next: decided from what is wanted of it, how far it has come, and what is seen of its container. No clock,
//! no container, no session: one step at a time, and forward only.

#[cfg(test)]
mod tests;

use model::{Health, TaskState, TaskStatus};

/// What the managers want of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The state it shall reach.
    pub desired: TaskState,
    /// Whether it is assigned to this node still. One that isn't is ended, and its container removed.
    pub assigned: bool,
}

/// What is seen of the container of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is none.
    Nothing,
    /// It is made, and was never started.
    Made,
    /// Its process lives.
    Live(Health),
    /// Its process has ended.
    Ended {
        /// As a shell would tell it: 137 after SIGKILL.
        exit_code: i32,
        /// Whether the kernel killed it for want of memory.
        out_of_memory: bool,
        /// Why it could not be started, or its end was not seen; empty otherwise.
        error: String,
    },
    /// It cannot be made or started: why.
    Refused(String),
}

/// What is done with the container of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Its image is pulled and it is made.
    Prepare,
    /// It is started.
    Start,
    /// It is told to end, and made to when its time is over.
    Stop,
    /// It is removed, with all that was made for it.
    Remove,
}

/// The next step of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Its status becomes this; `at_ms` is left to whoever has a clock.
    Become(TaskStatus),
    /// This is done, and then looked again.
    Do(Action),
    /// Nothing until something changes.
    Rest,
}

/// The error of a task whose container says that it does not do its work.
pub const UNHEALTHY: &str = "unhealthy container";
const GONE: &str = "its container was removed";

/// Decides the next step.
pub fn step(wanted: Wanted, status: &TaskStatus, seen: &Seen) -> Step {
    let next = next(wanted, status, seen);
    if next != *status {
        return Step::Become(next);
    }
    match action(wanted, status, seen) {
        Some(action) => Step::Do(action),
        None => Step::Rest,
    }
}

/// Whether the task is to end.
fn ends(wanted: Wanted) -> bool {
    !wanted.assigned || wanted.desired > TaskState::Running
}

fn next(wanted: Wanted, status: &TaskStatus, seen: &Seen) -> TaskStatus {
    let mut next = status.clone();
    if !status.state().is_final() {
        // Who was once unhealthy is ended for it: to recover meanwhile comes too late.
        if let Seen::Live(health) = seen
            && status.health() != Health::Unhealthy
        {
            next.set_health(*health);
        }
        match ends(wanted) {
            true => towards_the_end(&mut next, seen),
            false => onwards(&mut next, seen),
        }
    }
    next.routable = next.state() == TaskState::Running
        && wanted.desired == TaskState::Running
        && !ends(wanted)
        && matches!(seen, Seen::Live(_))
        && next.health() != Health::Unhealthy;
    next
}

fn towards_the_end(next: &mut TaskStatus, seen: &Seen) {
    match seen {
        Seen::Live(_) => "shutting down".clone_into(&mut next.message),
        Seen::Ended { exit_code, .. } => {
            next.exit_code = Some(*exit_code);
            become_state(next, TaskState::Shutdown, "shut down");
        }
        Seen::Nothing | Seen::Made | Seen::Refused(_) => {
            become_state(next, TaskState::Shutdown, "shut down before it ran");
        }
    }
}

fn onwards(next: &mut TaskStatus, seen: &Seen) {
    match (next.state(), seen) {
        (state, _) if state < TaskState::Accepted => {
            become_state(next, TaskState::Accepted, "accepted");
        }
        (TaskState::Accepted, _) => become_state(next, TaskState::Preparing, "preparing"),
        (TaskState::Preparing, Seen::Nothing) => {}
        (TaskState::Preparing, Seen::Refused(why)) => fail(next, TaskState::Rejected, why),
        (TaskState::Preparing, _) => become_state(next, TaskState::Ready, "ready to start"),
        (TaskState::Ready, Seen::Made) => {}
        (TaskState::Ready, Seen::Live(_) | Seen::Ended { .. }) => {
            become_state(next, TaskState::Starting, "starting");
        }
        (_, Seen::Refused(why)) => fail(next, TaskState::Failed, why),
        (_, Seen::Nothing | Seen::Made) => fail(next, TaskState::Failed, GONE),
        (_, Seen::Ended { .. }) => ended(next, seen),
        (_, Seen::Live(_)) => match (next.state(), next.health()) {
            (_, Health::Unhealthy) => UNHEALTHY.clone_into(&mut next.message),
            (TaskState::Starting, Health::Unprobed | Health::Healthy) => {
                become_state(next, TaskState::Running, "started");
            }
            _ => {}
        },
    }
}

/// A process that has ended without being told to.
fn ended(next: &mut TaskStatus, seen: &Seen) {
    let Seen::Ended {
        exit_code,
        out_of_memory,
        error,
    } = seen
    else {
        return;
    };
    next.exit_code = Some(*exit_code);
    if next.health() == Health::Unhealthy {
        fail(next, TaskState::Failed, UNHEALTHY);
    } else if !error.is_empty() {
        fail(next, TaskState::Failed, error);
    } else if *exit_code == 0 {
        become_state(next, TaskState::Complete, "finished");
    } else {
        let memory = if *out_of_memory {
            ": out of memory"
        } else {
            ""
        };
        let why = format!("task: non-zero exit ({exit_code}){memory}");
        fail(next, TaskState::Failed, &why);
    }
}

fn become_state(next: &mut TaskStatus, state: TaskState, message: &str) {
    next.set_state(state);
    message.clone_into(&mut next.message);
}

fn fail(next: &mut TaskStatus, state: TaskState, why: &str) {
    become_state(next, state, &state.to_string());
    why.clone_into(&mut next.error);
}

fn action(wanted: Wanted, status: &TaskStatus, seen: &Seen) -> Option<Action> {
    let state = status.state();
    match seen {
        Seen::Live(_) => {
            let unhealthy = status.health() == Health::Unhealthy;
            (ends(wanted) || state.is_final() || unhealthy).then_some(Action::Stop)
        }
        _ if !wanted.assigned => Some(Action::Remove),
        Seen::Nothing => (state == TaskState::Preparing).then_some(Action::Prepare),
        Seen::Made => {
            let starts = state == TaskState::Ready && wanted.desired == TaskState::Running;
            starts.then_some(Action::Start)
        }
        Seen::Ended { .. } | Seen::Refused(_) => None,
    }
}
