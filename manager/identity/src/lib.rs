#![forbid(unsafe_code)]
//! Who a node is: keys, certificates, join tokens, the certificate authority, and the key that seals what lies on disk.
//!
//! A node's certificate says three things: its id (CN), its role (OU) and its cluster (O). The authority writes all three; what a
//! request says of itself is ignored. A join token carries the digest of the roots it belongs to, so that a joiner can tell the
//! right cluster from a wrong one before it says the secret half. No network and no clock here.

mod authority;
mod base36;
mod bundle;
mod credential;
mod error;
mod peer;
mod seal;
mod tls;
mod token;
mod vault;

pub use authority::{RootCa, Validity};
pub use bundle::TrustBundle;
pub use credential::{Credential, NodeKey};
pub use error::IdentityError;
pub use peer::{Peer, Role, peer};
pub use seal::{DataKey, UnlockKey, WrongKey};
pub use tls::{
    client_config, introduction_config, provider, server_config, server_name, trusting_config,
};
pub use token::JoinToken;
pub use vault::{Identity, Locked, Vault, VaultError};

/// A fresh id of 25 characters, as nodes, clusters and tasks have: 128 random bits in base 36.
pub fn new_id() -> String {
    base36::encode(&secret::<16>(), 25)
}

/// Random bytes from the operating system.
///
/// # Panics
/// When the operating system has none to give: nothing sensible can be done without them.
pub(crate) fn secret<const N: usize>() -> [u8; N] {
    use ring::rand::SecureRandom;
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}
