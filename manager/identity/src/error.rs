//! What can be wrong with an identity.

/// Something that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A certificate, key or request that cannot be read.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// What it should have been.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// A certificate that is not one of ours.
    #[error("the certificate is not one of a node: {0}")]
    NotANode(String),
    /// A request that the authority does not grant.
    #[error("the certificate request is refused: {0}")]
    Refused(String),
    /// A token that is none.
    #[error(
        "{0}; print it anew with `minictl cluster join-token worker` (or manager) on a manager"
    )]
    Token(String),
    /// An unlock key that is none.
    #[error(
        "{0}; an unlock key looks like MINIKEY-1-... and is printed by `minictl cluster unlock-key` on a manager"
    )]
    UnlockKey(String),
    /// TLS refuses what it was given.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl IdentityError {
    pub(crate) fn unreadable(
        what: &'static str,
    ) -> impl Fn(&dyn std::fmt::Display) -> IdentityError {
        move |reason| IdentityError::Unreadable {
            what,
            reason: reason.to_string(),
        }
    }
}
