//! Keys that seal what lies on disk: XChaCha20-Poly1305 with random nonces of 24 bytes.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::error::IdentityError;
use crate::secret;

const NONCE: usize = 24;
const PREFIX: &str = "MINIKEY-1-";

/// What was sealed does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "wrong unlock key; the right one is printed by `minictl cluster unlock-key` on a manager that is unlocked"
)]
pub struct WrongKey;

fn seal(key: &[u8; 32], plain: &[u8]) -> Vec<u8> {
    let nonce = secret::<NONCE>();
    let cipher = XChaCha20Poly1305::new(key.into());
    let mut sealed = nonce.to_vec();
    // Fails for messages above 256 GiB only (RFC 8439, 2.8).
    sealed.extend(
        cipher
            .encrypt(&XNonce::from(nonce), plain)
            .expect("what we seal fits in memory"),
    );
    sealed
}

fn open(key: &[u8; 32], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(*nonce), sealed)
        .ok()
}

/// The key that seals a manager's log and snapshots.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey([u8; 32]);

impl DataKey {
    /// A new key.
    pub fn generate() -> Self {
        DataKey(secret())
    }

    /// The bytes, sealed: 40 more.
    pub fn seal(&self, plain: &[u8]) -> Vec<u8> {
        seal(&self.0, plain)
    }

    /// What was sealed; none when it was changed or sealed under another key.
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        open(&self.0, sealed)
    }

    pub(crate) fn text(&self) -> String {
        STANDARD_NO_PAD.encode(self.0)
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Some(DataKey(STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a data key")
    }
}

/// The key that a person keeps, and that unlocks a manager after a restart.
#[derive(Clone, PartialEq, Eq)]
pub struct UnlockKey([u8; 32]);

impl UnlockKey {
    /// A new key.
    pub fn generate() -> Self {
        UnlockKey(secret())
    }

    /// A secret, sealed, as text.
    pub fn wrap(&self, plain: &[u8]) -> String {
        STANDARD_NO_PAD.encode(seal(&self.0, plain))
    }

    /// The secret that was wrapped.
    pub fn unwrap(&self, wrapped: &str) -> Result<Vec<u8>, WrongKey> {
        let sealed = STANDARD_NO_PAD.decode(wrapped).map_err(|_| WrongKey)?;
        open(&self.0, &sealed).ok_or(WrongKey)
    }
}

impl fmt::Display for UnlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for UnlockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an unlock key")
    }
}

impl FromStr for UnlockKey {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let Some(digits) = text.trim().strip_prefix(PREFIX) else {
            return Err(IdentityError::UnlockKey("not an unlock key".to_owned()));
        };
        let bytes = URL_SAFE_NO_PAD
            .decode(digits)
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map(UnlockKey).ok_or_else(|| {
            IdentityError::UnlockKey("the unlock key is cut off or garbled".to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{DataKey, UnlockKey};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_changed_does_not_open(plain in prop::collection::vec(any::<u8>(), 0..200), bit in any::<prop::sample::Index>()) {
            let key = DataKey::generate();
            let mut sealed = key.seal(&plain);
            prop_assert_eq!(sealed.len(), plain.len() + 40);
            prop_assert_eq!(key.open(&sealed), Some(plain));
            prop_assert_eq!(DataKey::generate().open(&sealed), None);
            let bit = bit.index(sealed.len() * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(key.open(&sealed), None);
        }
    }

    #[test]
    fn an_unlock_key_survives_being_written_down() {
        let key = UnlockKey::generate();
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        assert_eq!(
            key.unwrap(&key.wrap(b"secret")).as_deref(),
            Ok(&b"secret"[..])
        );
        assert!(UnlockKey::generate().unwrap(&key.wrap(b"secret")).is_err());
        for wrong in ["", "MINIKEY-1-short", "MINITKN-1-x", &key.to_string()[..30]] {
            assert!(wrong.parse::<UnlockKey>().is_err(), "{wrong}");
        }
        assert!(!format!("{key:?} {:?}", DataKey::generate()).contains(&key.to_string()[10..]));
    }
}
