//! Who we are to a registry, and how a registry asks for it.

use std::fmt;

/// What a registry is shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    Anonymous,
    /// A user's name and password.
    Basic {
        /// The user.
        username: String,
        /// The password, or an access token used as one.
        password: String,
    },
    /// An OAuth 2 refresh token, which the registry's token server exchanges (Docker's `identitytoken`).
    IdentityToken(String),
    /// A bearer token that the registry takes as it is (Docker's `registrytoken`).
    RegistryToken(String),
}

impl fmt::Debug for Credentials {
    /// Tells no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Anonymous => "Anonymous",
            Credentials::Basic { .. } => "Basic",
            Credentials::IdentityToken(_) => "IdentityToken",
            Credentials::RegistryToken(_) => "RegistryToken",
        })
    }
}
