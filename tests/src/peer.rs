//! Another machine on the same wire as a host.

use std::process::Command;

use crate::host::Host;
use crate::spaces::Spaces;

/// A second network namespace joined to a host's by a veth pair: `192.0.2.1` is the host, `192.0.2.2` the peer.
#[derive(Debug)]
pub struct Peer {
    spaces: Spaces,
}

impl Peer {
    /// The host's address on the wire between the two.
    pub const HOST: &'static str = "192.0.2.1";
    /// The peer's address on the wire between the two.
    pub const ADDRESS: &'static str = "192.0.2.2";

    /// Joins a new peer to `host`, which routes everything unknown to it. The link goes with the peer.
    pub fn join(host: &Host) -> Peer {
        let spaces = Spaces::new();
        let target = spaces.net_path();
        host.spaces().enter(|| {
            ip(&format!(
                "link add wire0 type veth peer name wire1 netns {}",
                target.display()
            ));
            ip("address add 192.0.2.1/24 dev wire0");
            ip("link set wire0 up");
            ip("route add default via 192.0.2.2");
        });
        spaces.enter(|| {
            ip("address add 192.0.2.2/24 dev wire1");
            ip("link set wire1 up");
        });
        Peer { spaces }
    }

    /// The namespaces of the peer.
    pub fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    /// Lets the peer send to `subnet` through the host, as a neighbour on the same wire can.
    pub fn route_through_host(&self, subnet: &str) {
        self.spaces
            .enter(|| ip(&format!("route add {subnet} via 192.0.2.1")));
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.spaces.enter(|| {
            let _ = Command::new("ip")
                .args(["link", "delete", "wire1"])
                .status();
        });
    }
}

fn ip(line: &str) {
    let status = Command::new("ip")
        .args(line.split(' '))
        .status()
        .expect("ip (iproute2) runs");
    assert!(status.success(), "ip {line}");
}
