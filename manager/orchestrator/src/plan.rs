//! What a decision comes to.

use store::Change;

/// Draws a new id each time.
pub type Ids<'a> = &'a mut dyn FnMut() -> String;

/// Changes to be committed together, and when to look again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// When something is due though nothing has changed: milliseconds since 1970 (UTC).
    pub again_ms: Option<i64>,
}

impl Plan {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Looks again at that time, or earlier.
    pub fn look_at(&mut self, at_ms: i64) {
        self.again_ms = Some(self.again_ms.map_or(at_ms, |known| known.min(at_ms)));
    }

    /// Takes over another plan.
    pub fn extend(&mut self, other: Plan) {
        self.changes.extend(other.changes);
        if let Some(at_ms) = other.again_ms {
            self.look_at(at_ms);
        }
    }
}
