//! Volumes as a person handles them.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::records;
use crate::remove::uses;
use crate::volume::{self, Volume};

impl Engine {
    /// Every volume, by name.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        volume::list(&self.layout.volumes())
    }

    /// The volume of this name.
    pub fn volume(&self, name: &str) -> Result<Volume> {
        volume::get(&self.layout.volumes(), name)?.ok_or_else(|| Error::NotFound {
            what: "volume",
            name: name.to_owned(),
        })
    }

    /// Makes a volume (`None` makes a name up); the existing one if there is one of this name.
    pub fn create_volume(
        &self,
        name: Option<&str>,
        labels: BTreeMap<String, String>,
    ) -> Result<Volume> {
        volume::create(&self.layout.volumes(), name, labels, None)
    }

    /// Removes a volume that no container uses; with `force` it need not exist.
    pub fn remove_volume(&self, name: &str, force: bool) -> Result<()> {
        match self.volume(name) {
            Err(Error::NotFound { .. }) if force => return Ok(()),
            other => other?,
        };
        let users: Vec<String> = records::all(&self.layout)?
            .into_iter()
            .filter(|record| uses(record, name))
            .map(|record| record.name)
            .collect();
        if !users.is_empty() {
            return Err(Error::State {
                operation: "remove",
                object: format!("volume {name}"),
                why: format!(
                    "it is in use by {}; remove the container first",
                    users.join(", ")
                ),
            });
        }
        volume::remove(&self.layout.volumes(), name)
    }
}
