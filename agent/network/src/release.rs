//! An endpoint goes: first what is quick and matters to others, then what the kernel takes its time for.

use std::collections::BTreeSet;

use crate::conntrack;
use crate::error::Result;
use crate::model::{Endpoint, Protocol};
use crate::names;
use crate::netlink::Route;
use crate::networks::Networks;
use crate::nft::ruleset::{PortElements, Ruleset};
use crate::sysctl;

impl Networks {
    /// Takes every endpoint of this id down, and with the last one of a network its bridge. Does nothing for an id
    /// that is unknown.
    pub fn disconnect(&self, id: &str) -> Result<()> {
        let endpoints = self.state.endpoints_of(id)?;
        self.take_down(&endpoints)
    }

    /// The quick half of [`disconnect`](Self::disconnect), for an endpoint whose namespace is going: published ports,
    /// names, address and record go; the link dies with its namespace. Says whether there was anything. Bridges stay
    /// until [`sweep`](Self::sweep).
    pub fn release(&self, id: &str) -> Result<bool> {
        let endpoints = self.state.endpoints_of(id)?;
        for endpoint in &endpoints {
            self.release_endpoint(endpoint)?;
        }
        if endpoints.is_empty() {
            // Who connected or released it before may have been killed half-way.
            self.state.unlease_all(id)?;
        }
        self.state.forget_drafts(id)?;
        Ok(!endpoints.is_empty())
    }

    /// Takes the id off one network.
    pub fn disconnect_from(&self, id: &str, network: &str) -> Result<()> {
        let network = self.get(network)?;
        let mut endpoints = self.state.endpoints_of(id)?;
        endpoints.retain(|endpoint| endpoint.network_id == network.id);
        self.take_down(&endpoints)
    }

    fn take_down(&self, endpoints: &[Endpoint]) -> Result<()> {
        if endpoints.is_empty() {
            return Ok(());
        }
        let mut route = Route::open()?;
        for endpoint in endpoints {
            self.release_endpoint(endpoint)?;
            route.delete_link(&endpoint.host_ifname)?;
        }
        self.sweep()
    }

    /// The record goes after the ports and before the address: whatever is left by a caller that dies on the way, what
    /// is left of the files still tells of it.
    pub(crate) fn release_endpoint(&self, endpoint: &Endpoint) -> Result<()> {
        {
            // Under the lock, else a rewrite of the table could bring back what is deleted here.
            let _lock = self.state.lock()?;
            if !self.state.endpoints_of(&endpoint.id)?.contains(endpoint) {
                // Somebody else was quicker; a record of that name is by now that of a new life.
                return Ok(());
            }
            let ports = Ruleset::ports_of(endpoint);
            if self.others_claim(endpoint, &ports)? {
                // Somebody has taken a port over already: its element must stay, or come.
                self.state.forget(endpoint)?;
                self.rewrite()?;
            } else {
                if !endpoint.ports.is_empty() {
                    self.nft(|nft| nft.delete(&ports.by_map()))?;
                }
                self.state.forget(endpoint)?;
            }
            self.state
                .unlease(&endpoint.network_id, endpoint.ip, &endpoint.id)?;
        }
        if endpoint
            .ports
            .iter()
            .any(|port| port.protocol == Protocol::Udp)
        {
            conntrack::forget_udp(|flow| flow.answered_by.0 == endpoint.ip)?;
        }
        Ok(())
    }

    fn others_claim(&self, endpoint: &Endpoint, ports: &PortElements) -> Result<bool> {
        if endpoint.ports.is_empty() {
            return Ok(false);
        }
        let keys: BTreeSet<_> = ports.keys().collect();
        let mut others = self.state.endpoints()?;
        others.retain(|other| (&other.id, &other.network) != (&endpoint.id, &endpoint.network));
        Ok(others
            .iter()
            .map(Ruleset::ports_of)
            .any(|other| other.keys().any(|key| keys.contains(key))))
    }

    /// The rest of [`disconnect`](Self::disconnect): bridges that no endpoint needs,
    /// and with the last one the table and the changed sysctls.
    pub fn sweep(&self) -> Result<()> {
        let mut route = Route::open()?;
        // A look without the lock first: mostly there is nothing to do, and others should not wait for that.
        if !self.idle_bridges(&mut route)?.is_empty() || self.state.endpoints()?.is_empty() {
            self.sweep_locked(&mut route)?;
        }
        Ok(())
    }

    fn sweep_locked(&self, route: &mut Route) -> Result<()> {
        let _lock = self.state.lock()?;
        let idle = self.idle_bridges(route)?;
        for bridge in &idle {
            route.delete_link(bridge)?;
        }
        if self.state.endpoints()?.is_empty() {
            self.nft(|nft| if nft.exists()? { nft.remove() } else { Ok(()) })?;
            sysctl::restore(&self.state.marks_dir())
        } else if idle.is_empty() {
            Ok(())
        } else {
            self.rewrite()
        }
    }

    /// The bridges of ours that no endpoint needs.
    fn idle_bridges(&self, route: &mut Route) -> Result<Vec<String>> {
        let links = route.links()?;
        let endpoints = self.state.endpoints()?;
        let mut used = self.list()?;
        used.retain(|network| endpoints.iter().any(|e| e.network_id == network.id));
        let idle = links
            .into_iter()
            .filter(names::is_our_bridge)
            .map(|link| link.name);
        Ok(idle
            .filter(|name| !used.iter().any(|network| network.bridge == *name))
            .collect())
    }

    /// Deletes the links of ours that no record tells of: of endpoints whose record was lost, or whose namespace is
    /// kept open by somebody. (A record is written before its link is made.)
    pub(crate) fn delete_stray_links(&self) -> Result<()> {
        let mut route = Route::open()?;
        let links = route.links()?;
        let endpoints = self.state.endpoints()?;
        for link in links.iter().filter(|link| names::is_our_veth(link)) {
            if !endpoints.iter().any(|e| e.host_ifname == link.name) {
                route.delete_link(&link.name)?;
            }
        }
        Ok(())
    }
}
