//! Taking away what callers that died have left behind.

/// What [`Networks::heal`](crate::Networks::heal) found and took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealReport {
    /// Ids whose endpoints or leases were left over.
    pub dropped: Vec<String>,
    /// Whether the nftables table had to be written anew.
    pub table_rewritten: bool,
}
