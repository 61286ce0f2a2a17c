//! What this node shows to others, as it is now: certificates are renewed while it runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use identity::{Credential, IdentityError, Peer, TrustBundle, client_config, server_config};
use rustls::{ClientConfig, ServerConfig};

/// A node's credential, ready for use. Clones see the same, always the newest.
#[derive(Clone)]
pub struct Tls {
    now: Arc<ArcSwap<Ready>>,
}

struct Ready {
    credential: Credential,
    peer: Peer,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Ready {
    fn of(credential: Credential) -> Result<Self, IdentityError> {
        Ok(Ready {
            peer: credential.peer()?,
            server: server_config(&credential)?,
            client: client_config(&credential)?,
            credential,
        })
    }
}

impl Tls {
    /// Shows this credential.
    pub fn new(credential: Credential) -> Result<Self, IdentityError> {
        Ok(Tls {
            now: Arc::new(ArcSwap::from_pointee(Ready::of(credential)?)),
        })
    }

    /// Shows another one from now on; connections that exist stay.
    pub fn replace(&self, credential: Credential) -> Result<(), IdentityError> {
        self.now.store(Arc::new(Ready::of(credential)?));
        Ok(())
    }

    /// The credential.
    pub fn credential(&self) -> Credential {
        self.now.load().credential.clone()
    }

    /// Whom it vouches for.
    pub fn peer(&self) -> Peer {
        self.now.load().peer.clone()
    }

    /// The roots that it trusts.
    pub fn bundle(&self) -> TrustBundle {
        self.now.load().credential.bundle.clone()
    }

    /// For a server.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.now.load().server.clone()
    }

    /// For a client.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.now.load().client.clone()
    }
}
