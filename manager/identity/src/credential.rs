//! What a node shows: its certificate, the key to it, and the roots it trusts.

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::BACKDATED;
use crate::bundle::TrustBundle;
use crate::error::IdentityError;
use crate::peer::{Peer, peer};

/// A node's key, before it has a certificate.
pub struct NodeKey(KeyPair);

impl NodeKey {
    /// A new key: ECDSA P-256.
    pub fn generate() -> Result<Self, IdentityError> {
        let unreadable = IdentityError::unreadable("a new key");
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map(NodeKey)
            .map_err(|error| unreadable(&error))
    }

    /// PKCS #8, PEM.
    pub fn pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// A request for a certificate, PEM. It says nothing of the node: the authority decides that.
    pub fn request_pem(&self) -> Result<String, IdentityError> {
        let unreadable = IdentityError::unreadable("a new certificate request");
        let request = CertificateParams::default()
            .serialize_request(&self.0)
            .map_err(|error| unreadable(&error))?;
        request.pem().map_err(|error| unreadable(&error))
    }
}

/// What a node shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its key, PKCS #8, PEM.
    pub key_pem: String,
    /// Its certificate, and what leads from it to a root, PEM.
    pub chain_pem: String,
    /// The roots that it trusts.
    pub bundle: TrustBundle,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.peer() {
            Ok(peer) => write!(f, "the credential of {} {}", peer.role, peer.node_id),
            Err(_) => f.write_str("a credential"),
        }
    }
}

impl Credential {
    /// Who its certificate vouches for.
    pub fn peer(&self) -> Result<Peer, IdentityError> {
        let chain = self.chain()?;
        peer(&chain[0])
    }

    /// When to ask for the next certificate: between a half and four fifths of the life that was granted, as `unit` (0 to 1) says, so that nodes
    /// which came together do not ask together.
    pub fn renew_at(&self, unit: f64) -> Result<Timestamp, IdentityError> {
        let peer = self.peer()?;
        let granted = (peer.not_before + BACKDATED).min(peer.not_after);
        let life = peer.not_after.duration_since(granted);
        // Not a number is none, too.
        let unit = if unit > 0.0 { unit.min(1.0) } else { 0.0 };
        let waited = life.as_secs_f64() * (0.5 + 0.3 * unit);
        Ok(granted + SignedDuration::from_secs_f64(waited))
    }

    pub(crate) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
        let unreadable = IdentityError::unreadable("the node's certificate");
        let chain = CertificateDer::pem_slice_iter(self.chain_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unreadable(&error))?;
        if chain.is_empty() {
            Err(unreadable(&"there is none"))
        } else {
            Ok(chain)
        }
    }

    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, IdentityError> {
        let unreadable = IdentityError::unreadable("the node's key");
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(|error| unreadable(&error))
    }
}
