//! Taking away what callers that died have left behind.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::networks::Networks;
use crate::resolver;
use crate::state;
use crate::sysctl;

/// What [`Networks::heal`] found and took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealReport {
    /// Ids whose endpoints or leases were left over.
    pub dropped: Vec<String>,
    /// Whether the nftables table was missing (somebody flushed it) and had to be written anew.
    pub table_rewritten: bool,
}

impl Networks {
    /// Takes down what belongs to ids that are no longer live, and repairs the table and the resolver. `is_live` is
    /// asked *after* an endpoint was seen, so that one which is just being connected is not mistaken for dead.
    pub fn heal(&self, is_live: &dyn Fn(&str) -> bool) -> Result<HealReport> {
        let mut dropped = BTreeSet::new();
        let mut live = Vec::new();
        for endpoint in self.state.endpoints()? {
            if is_live(&endpoint.id) {
                live.push(endpoint);
            } else {
                self.release_endpoint(&endpoint)?;
                dropped.insert(endpoint.id);
            }
        }
        for (id, file) in self.state.leases()? {
            if is_live(&id) {
                continue;
            }
            // Asked again where nobody can come to life: addresses are leased under the lock.
            let _lock = self.state.lock()?;
            if !is_live(&id) && state::lease_owner(&file).as_ref() == Some(&id) {
                // Its caller died before the record was written, or after it was removed.
                state::remove(&file)?;
                dropped.insert(id);
            }
        }
        let mut report = HealReport {
            dropped: dropped.into_iter().collect(),
            table_rewritten: false,
        };
        let idle = live.is_empty()
            && (self.nft(|nft| nft.exists())? || sysctl::is_changed(&self.state.marks_dir()));
        if !report.dropped.is_empty() || idle {
            self.delete_stray_links()?;
            self.sweep()?;
        }
        for network in self.list()? {
            let Some(endpoint) = live.iter().find(|e| e.network_id == network.id) else {
                continue;
            };
            if !report.table_rewritten && !self.nft(|nft| nft.knows_bridge(&network.bridge))? {
                let _lock = self.state.lock()?;
                self.rewrite()?;
                report.table_rewritten = true;
            }
            if self.resolver_conf(&network).is_some() {
                resolver::ensure(&self.options.resolver, &self.state, endpoint)?;
            }
        }
        Ok(report)
    }
}
