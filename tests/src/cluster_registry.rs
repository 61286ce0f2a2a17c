//! The real registry on the hosts of a lab, so that their tasks have images to run.

use std::path::Path;

use crate::Cluster;
use crate::image::Image;
use crate::registry::Registry;

/// The image of tasks that do what a test says: see [`Image::busybox`].
pub const BUSYBOX: &str = "127.0.0.1:5000/busybox:latest";

impl Cluster {
    /// Starts the registry at 127.0.0.1:5000 of each of these nodes, all of them upon the same storage, so that a reference means
    /// the same everywhere; they serve [`BUSYBOX`], and what is pushed to the one that is returned.
    #[track_caller]
    pub fn registry(&mut self, nodes: &[&str]) -> &Registry {
        let directory = self.host().path("registry");
        for node in nodes {
            let registry = self.registry_on(node, &directory, 5000, None);
            self.registries.push(registry);
        }
        let first = &self.registries[0];
        first.push("busybox", "latest", &Image::busybox());
        first
    }

    /// One registry on a port of a node's loopback, with its storage below `directory`; with `auth` it asks for a password.
    #[track_caller]
    pub fn registry_on(
        &self,
        node: &str,
        directory: &Path,
        port: u16,
        auth: Option<()>,
    ) -> Registry {
        let command = self.command(node, "docker-registry");
        let registry = Registry::spawn(command, directory, port, auth);
        self.eventually(&format!("a registry listens on {node}"), || {
            let ask = format!("curl -so /dev/null http://{}/v2/", registry.address());
            (self.sh(node, &ask).code == 0).then_some(())
        });
        registry
    }
}
