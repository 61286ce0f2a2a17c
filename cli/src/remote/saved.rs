//! Contexts: daemons with names, in `~/.config/minictl/contexts.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::endpoint::TlsFiles;
use crate::failure::Failure;

/// The context that is always there: this host's daemon.
pub(crate) const DEFAULT: &str = "default";

/// One daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) host: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<TlsFiles>,
}

/// All of them, and the one that is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Contexts {
    pub(crate) current: Option<String>,
    pub(crate) contexts: BTreeMap<String, Saved>,
}

fn path() -> Result<PathBuf, Failure> {
    let configured = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let base = configured.or_else(home).ok_or_else(|| {
        Failure::new("neither XDG_CONFIG_HOME nor HOME is set: there is no place for contexts")
    })?;
    Ok(base.join("minictl/contexts.json"))
}

impl Contexts {
    /// Reads them; none is a file that isn't there.
    pub(crate) fn load() -> Result<Self, Failure> {
        let Ok(path) = path() else {
            return Ok(Contexts::default());
        };
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| Failure::new(format!("{} is damaged: {error}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Contexts::default()),
            Err(error) => Err(Failure::new(format!("read {}: {error}", path.display()))),
        }
    }

    /// Writes them, as a whole.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let path = path()?;
        let draft = path.with_extension("draft");
        let written = || {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(&draft, serde_json::to_vec_pretty(self)?)?;
            std::fs::rename(&draft, &path)
        };
        written().map_err(|error: std::io::Error| {
            Failure::new(format!("write {}: {error}", path.display()))
        })
    }

    /// The context of that name.
    pub(crate) fn get(&self, name: &str) -> Result<&Saved, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            Failure::new(format!(
                "there is no context `{name}`; see `minictl context ls`"
            ))
        })
    }
}
