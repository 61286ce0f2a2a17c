//! `oci-layout` and `index.json` (image-spec, image-layout.md): derived from `refs/`, for other tools to read the store with.

use std::collections::BTreeMap;

use serde::Serialize;

use super::records::{parse_digest, to_json, write_atomically};
use super::{Locked, Store, StoreResult};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

impl Store {
    /// Writes both files anew.
    pub(super) fn write_oci_layout(&self, locked: &Locked) -> StoreResult<()> {
        write_atomically(
            &self.root().join("oci-layout"),
            b"{\"imageLayoutVersion\":\"1.0.0\"}\n",
            false,
        )?;
        self.write_index(locked)
    }

    /// Writes `index.json` anew from the records. An image whose manifest is missing or malformed is left out.
    pub(crate) fn write_index(&self, _locked: &Locked) -> StoreResult<()> {
        let mut manifests = Vec::new();
        for (_, record) in self.ref_records()? {
            let digest = parse_digest("a reference's record", &record.manifest)?;
            let (Some(size), Ok(manifest)) = (self.blob_size(&digest)?, self.manifest(&digest))
            else {
                continue;
            };
            let annotations = record
                .reference
                .map(|name| ("org.opencontainers.image.ref.name", name))
                .into_iter()
                .collect();
            let media_type = manifest.media_type.unwrap_or_else(|| MANIFEST.to_owned());
            manifests.push(Descriptor {
                media_type,
                digest: record.manifest,
                size,
                annotations,
            });
        }
        let index = Index {
            schema_version: 2,
            media_type: INDEX,
            manifests,
        };
        write_atomically(&self.root().join("index.json"), &to_json(&index)?, false)
    }
}
