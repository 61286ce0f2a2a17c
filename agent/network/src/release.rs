//! An endpoint goes: first what is quick and matters to others, then what the kernel takes its time for.

use std::collections::BTreeSet;

use crate::conntrack;
use crate::error::Result;
use crate::model::{Endpoint, Protocol};
use crate::names;
use crate::netlink::Route;
use crate::networks::Networks;
use crate::nft::Ruleset;
use crate::sysctl;

impl Networks {
    /// Takes every endpoint of this id down, and with the last one of a network its bridge. Does nothing for an id
    /// that is unknown. The same as [`release`](Self::release) and then [`sweep`](Self::sweep).
    pub fn disconnect(&self, id: &str) -> Result<()> {
        if self.release(id)? {
            self.sweep()
        } else {
            Ok(())
        }
    }

    /// The quick half of [`disconnect`](Self::disconnect): published ports, names, address and record go. The link
    /// itself dies with its namespace, or in [`sweep`](Self::sweep). Says whether there was anything.
    pub fn release(&self, id: &str) -> Result<bool> {
        let endpoints = self.state.endpoints_of(id)?;
        for endpoint in &endpoints {
            self.release_endpoint(endpoint)?;
        }
        Ok(!endpoints.is_empty())
    }

    /// Takes the id off one network and deletes the link at once: for an endpoint that lives on.
    pub fn disconnect_from(&self, id: &str, network: &str) -> Result<()> {
        let network = self.get(network)?;
        for endpoint in self
            .state
            .endpoints_of(id)?
            .iter()
            .filter(|e| e.network_id == network.id)
        {
            self.release_endpoint(endpoint)?;
        }
        self.sweep()
    }

    pub(crate) fn release_endpoint(&self, endpoint: &Endpoint) -> Result<()> {
        {
            // Under the lock, else a rewrite of the table could bring back what is deleted here.
            let _lock = self.state.lock()?;
            self.state.forget(endpoint)?;
            if !endpoint.ports.is_empty() {
                self.unpublish(endpoint)?;
            }
        }
        self.state
            .unlease(&endpoint.network_id, endpoint.ip, &endpoint.id)?;
        if endpoint
            .ports
            .iter()
            .any(|port| port.protocol == Protocol::Udp)
        {
            conntrack::forget_udp(|flow| flow.answered_by.0 == endpoint.ip)?;
        }
        Ok(())
    }

    fn unpublish(&self, endpoint: &Endpoint) -> Result<()> {
        let gone = Ruleset::ports_of(endpoint);
        let keys: BTreeSet<_> = gone
            .by_map()
            .into_iter()
            .flat_map(|(_, elements)| elements)
            .map(|e| &e.key)
            .collect();
        let others = self.state.endpoints()?;
        let claimed = others.iter().map(Ruleset::ports_of).any(|other| {
            other
                .by_map()
                .into_iter()
                .flat_map(|(_, elements)| elements)
                .any(|e| keys.contains(&e.key))
        });
        // Somebody has taken a port over already: its element must stay, or come.
        if claimed {
            self.rewrite()
        } else {
            self.nft(|nft| nft.delete(&gone.by_map()))
        }
    }

    /// The slow half of [`disconnect`](Self::disconnect) (up to some 20 ms for each link that the kernel takes down):
    /// links and bridges that no endpoint needs, and with the last one the table and the changed sysctls.
    pub fn sweep(&self) -> Result<()> {
        let _lock = self.state.lock()?;
        let endpoints = self.state.endpoints()?;
        let mut networks = self.list()?;
        networks.retain(|network| endpoints.iter().any(|e| e.network_id == network.id));

        let mut route = Route::open()?;
        let links = route.links()?;
        for link in links.iter().filter(|link| names::is_our_veth(link)) {
            if !endpoints.iter().any(|e| e.host_ifname == link.name) {
                route.delete_link(&link.name)?;
            }
        }
        let mut bridge_went = false;
        for link in links.iter().filter(|link| names::is_our_bridge(link)) {
            if !networks.iter().any(|network| network.bridge == link.name) {
                route.delete_link(&link.name)?;
                bridge_went = true;
            }
        }
        if endpoints.is_empty() {
            self.nft(|nft| if nft.exists()? { nft.remove() } else { Ok(()) })?;
            sysctl::restore(&self.state.marks_dir())?;
        } else if bridge_went {
            self.rewrite()?;
        }
        Ok(())
    }
}
