//! Volumes: directories that outlive containers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A volume: `volumes/NAME/volume.json` and `_data` beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name; 64 hexadecimal digits when it is anonymous.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The container that it was made for without a name; it is removed along with it by `rm -v`.
    pub anonymous_of: Option<String>,
    /// Where its files lie.
    #[serde(skip)]
    pub path: PathBuf,
}
