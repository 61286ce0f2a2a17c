//! The façade: networks are listed, made and removed here; endpoints come and go in `connect`.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use crate::error::Result;
use crate::model::{Attachment, Endpoint, EndpointSpec, Network, NetworkSpec, PortMapping};

/// The name of the predefined network.
pub const DEFAULT_NETWORK: &str = "bridge";

/// Where the networks keep their state.
#[derive(Debug, Clone)]
pub struct Options {
    /// Durable: `networks/NAME.json` beneath it.
    pub data_root: PathBuf,
    /// Until reboot: `network/` beneath it.
    pub run_root: PathBuf,
    /// The command that calls [`resolver::serve`](crate::resolver::serve) on the same run root; empty where names on
    /// user-made networks are not wanted.
    pub resolver: Vec<OsString>,
}

/// The networks of this host.
#[derive(Debug, Clone)]
pub struct Networks {
    pub(crate) options: Options,
}

impl Networks {
    /// Opens the networks; nothing is read or made yet.
    pub fn open(options: Options) -> Result<Networks> {
        Ok(Networks { options })
    }

    /// Every network, the predefined one first, the others by name.
    pub fn list(&self) -> Result<Vec<Network>> {
        todo!()
    }

    /// The network of this name or of the one id that starts so.
    pub fn get(&self, name_or_id: &str) -> Result<Network> {
        todo!()
    }

    /// The predefined network.
    pub fn default_network(&self) -> Result<Network> {
        todo!()
    }

    /// Makes a network. Only its definition is written: the bridge comes with the first endpoint.
    pub fn create(&self, spec: &NetworkSpec) -> Result<Network> {
        todo!()
    }

    /// Removes a network; refused while it has endpoints.
    pub fn remove(&self, name_or_id: &str) -> Result<Network> {
        todo!()
    }

    /// Every connected endpoint.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>> {
        todo!()
    }

    /// The address that an endpoint of `network` puts as `nameserver` into its resolv.conf: `None` on the predefined
    /// network, which has no names and takes over the host's resolvers.
    pub fn resolver_conf(&self, network: &Network) -> Option<Ipv4Addr> {
        todo!()
    }

    /// Connects a namespace to a network; undoes itself on error.
    pub fn connect(&self, spec: &EndpointSpec<'_>) -> Result<Attachment> {
        todo!()
    }

    /// Takes every endpoint of this id down, and with the last one of a network its bridge. Does nothing for an id
    /// that is unknown. The same as [`release`](Self::release) and then [`sweep`](Self::sweep).
    pub fn disconnect(&self, id: &str) -> Result<()> {
        todo!()
    }

    /// The quick half of [`disconnect`](Self::disconnect): published ports, names, address and record go. The link
    /// itself dies with its namespace, or in [`sweep`](Self::sweep).
    pub fn release(&self, id: &str) -> Result<()> {
        todo!()
    }

    /// The slow half of [`disconnect`](Self::disconnect) (about 20 ms for each link the kernel takes down): links and
    /// bridges that no endpoint needs, and with the last one the table and the changed sysctls.
    pub fn sweep(&self) -> Result<()> {
        todo!()
    }

    /// Takes down what belongs to ids that are no longer live, and repairs the table. `is_live` is asked *after* an
    /// endpoint was seen, so that one which is just being connected is not mistaken for dead.
    pub fn heal(&self, is_live: &dyn Fn(&str) -> bool) -> Result<crate::HealReport> {
        todo!()
    }

    /// Reserves host ports: binds a socket for each mapping (never listening), so that this host's processes and
    /// other endpoints see the port as taken, and chooses a port where the mapping says 0. The mappings come back in
    /// the same order with every host port filled in. Keep the descriptors (close-on-exec) as long as the endpoint.
    pub fn reserve_ports(
        &self,
        ports: &[PortMapping],
    ) -> Result<(Vec<std::os::fd::OwnedFd>, Vec<PortMapping>)> {
        todo!()
    }
}
