//! Tells of managers that stop answering the leader, and of those that answer again. Once each, not at every heartbeat.

use std::collections::BTreeSet;
use std::time::Duration;

use consensus::{MemberStatus, Status};

/// A manager that has not answered for so long is told of.
const SILENT: Duration = Duration::from_secs(2);

/// The managers that do not answer.
#[derive(Default)]
pub(super) struct Silence(BTreeSet<u64>);

impl Silence {
    /// Looks at the group, and tells what has changed.
    pub(super) fn look(&mut self, status: &Status) {
        let silent = |member: &MemberStatus| {
            member.id != status.id && member.silent_for.is_some_and(|ago| ago > SILENT)
        };
        for member in &status.members {
            let was = self.0.contains(&member.id);
            match (was, silent(member)) {
                (false, true) => {
                    self.0.insert(member.id);
                    tracing::warn!(manager = %member.member, "a manager does not answer");
                }
                (true, false) => {
                    self.0.remove(&member.id);
                    tracing::info!(manager = %member.member, "a manager answers again");
                }
                _ => {}
            }
        }
    }
}
