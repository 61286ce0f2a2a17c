//! What a node may say of a task. Pure.

use model::{Health, TaskState, TaskStatus};
use store::View;

/// Most bytes of a message or an error.
const LONGEST_TEXT: usize = 1024;
/// Most addresses of a task.
const MOST_ADDRESSES: usize = 64;

/// What a report is worth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The cluster does not know that task, or not on that node: it is to end.
    Unknown,
    /// It tells nothing new.
    Old,
    /// It is the task's status from now on.
    News(TaskStatus),
}

/// Judges what a node reports of a task. States only go forward, an end stays as it is, and what managers write is theirs.
pub(crate) fn judge(view: &View, node_id: &str, task_id: &str, told: &TaskStatus) -> Verdict {
    let known = view.tasks().get(task_id);
    let Some(task) = known.filter(|task| task.node_id == node_id) else {
        return Verdict::Unknown;
    };
    let (Ok(state), now) = (TaskState::try_from(told.state), task.status.state()) else {
        return Verdict::Old;
    };
    let is_nodes =
        state >= TaskState::Accepted && !matches!(state, TaskState::Remove | TaskState::Orphaned);
    if !is_nodes || state < now || now.is_final() {
        return Verdict::Old;
    }
    // Since when it has been running is remembered here: a node that forgot it must not make it younger.
    let mut status = TaskStatus {
        running_ms: 0,
        ..told.clone()
    }
    .after(&task.status);
    shorten(&mut status.message);
    shorten(&mut status.error);
    status.addresses.truncate(MOST_ADDRESSES);
    status.routable &= state == TaskState::Running && status.health() != Health::Unhealthy;
    let same = TaskStatus {
        at_ms: task.status.at_ms,
        ..status.clone()
    };
    if same == task.status {
        Verdict::Old
    } else {
        Verdict::News(status)
    }
}

fn shorten(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
}
