//! Who belongs to the group.

use std::fmt;

/// A member as the group knows it: the node it runs on and the address its peers dial.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The id of the node, as it stands in its certificate.
    pub node_id: String,
    /// `host:port` of its cluster listener.
    pub address: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.node_id, self.address)
    }
}
