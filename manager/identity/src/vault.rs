//! Where a node keeps who it is: one file, replaced as a whole, so that a crash never leaves a key without its certificate.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bundle::TrustBundle;
use crate::credential::Credential;
use crate::error::IdentityError;
use crate::peer::Peer;
use crate::seal::{DataKey, UnlockKey, WrongKey};

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it shows.
    pub credential: Credential,
    /// What seals a manager's log and snapshots.
    pub data_key: DataKey,
}

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The disk said no.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what we wrote.
    #[error("{} is damaged: {reason}; if there is no backup, remove the directory and let the node join anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it shows.
        reason: String,
    },
}

/// The file.
#[derive(Clone, Debug)]
pub struct Vault {
    path: PathBuf,
}

/// What a vault holds.
#[derive(Debug)]
enum Held {
    Open(Identity),
    Locked(Locked),
}

/// An identity whose secrets are sealed.
#[derive(Clone, Debug)]
pub struct Locked {
    chain_pem: String,
    bundle: TrustBundle,
    wrapped: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    certificate: String,
    roots: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<Secrets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Secrets {
    key: String,
    data_key: String,
}

impl Locked {
    /// Who it is; that is not secret.
    pub fn peer(&self) -> Result<Peer, IdentityError> {
        Credential {
            key_pem: String::new(),
            chain_pem: self.chain_pem.clone(),
            bundle: self.bundle.clone(),
        }
        .peer()
    }

    /// Unseals it.
    pub fn unlock(&self, key: &UnlockKey) -> Result<Identity, WrongKey> {
        let secrets: Secrets =
            serde_json::from_slice(&key.unwrap(&self.wrapped)?).map_err(|_| WrongKey)?;
        let data_key = DataKey::from_text(&secrets.data_key).ok_or(WrongKey)?;
        let credential = Credential {
            key_pem: secrets.key,
            chain_pem: self.chain_pem.clone(),
            bundle: self.bundle.clone(),
        };
        Ok(Identity {
            credential,
            data_key,
        })
    }
}

impl Vault {
    /// The vault at that path.
    pub fn at(path: PathBuf) -> Self {
        Vault { path }
    }

    /// Reads it: none when the node belongs to no cluster; a [`Locked`] one needs its unlock key.
    pub fn load(&self) -> Result<Option<Result<Identity, Locked>>, VaultError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.error("read", source)),
        };
        Ok(Some(match self.parse(&bytes)? {
            Held::Open(identity) => Ok(identity),
            Held::Locked(locked) => Err(locked),
        }))
    }

    fn parse(&self, bytes: &[u8]) -> Result<Held, VaultError> {
        let damaged = |reason: String| VaultError::Damaged {
            path: self.path.clone(),
            reason,
        };
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        let bundle =
            TrustBundle::from_pem(&document.roots).map_err(|error| damaged(error.to_string()))?;
        let chain_pem = document.certificate;
        match (document.secrets, document.locked) {
            (Some(secrets), None) => {
                let data_key = DataKey::from_text(&secrets.data_key)
                    .ok_or_else(|| damaged("its data key is none".to_owned()))?;
                Ok(Held::Open(Identity {
                    credential: Credential {
                        key_pem: secrets.key,
                        chain_pem,
                        bundle,
                    },
                    data_key,
                }))
            }
            (None, Some(wrapped)) => Ok(Held::Locked(Locked {
                chain_pem,
                bundle,
                wrapped,
            })),
            _ => Err(damaged("it holds no key".to_owned())),
        }
    }

    /// Writes an identity, sealed if there is an unlock key, in place of what was there.
    pub fn save(&self, identity: &Identity, lock: Option<&UnlockKey>) -> Result<(), VaultError> {
        let secrets = Secrets {
            key: identity.credential.key_pem.clone(),
            data_key: identity.data_key.text(),
        };
        let (secrets, locked) = match lock {
            None => (Some(secrets), None),
            Some(key) => (
                None,
                Some(key.wrap(&serde_json::to_vec(&secrets).expect("strings are JSON"))),
            ),
        };
        let document = Document {
            certificate: identity.credential.chain_pem.clone(),
            roots: identity.credential.bundle.pem().to_owned(),
            secrets,
            locked,
        };
        let bytes = serde_json::to_vec_pretty(&document).expect("strings are JSON");
        let draft = self.path.with_extension("draft");
        write_synced(&draft, &bytes).map_err(|source| self.error("write", source))?;
        fs::rename(&draft, &self.path).map_err(|source| self.error("replace", source))?;
        let parent = self.path.parent().unwrap_or(Path::new("."));
        File::open(parent)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| self.error("sync the directory of", source))
    }

    /// Forgets who the node was.
    pub fn remove(&self) -> Result<(), VaultError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.error("remove", error))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, action: &'static str, source: io::Error) -> VaultError {
        VaultError::Io {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Made anew: a draft that somebody else left there keeps neither its mode nor its owner.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
