//! From a name to the manifest and the configuration of the image for one platform, fetching only what the store lacks.

use std::cell::Cell;
use std::io::Read;

use oci_spec::image::ImageConfiguration;

use super::document::{Chosen, Document, Manifest, choose, offered, parse};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::registry::{CONFIG_LIMIT, Client, Notify};
use crate::store::{Lease, Store, StoreError, chain_id};

/// An index in an index is the most that is followed.
const MAX_NESTING: u32 = 2;
/// Entries of an index that are looked into when it does not say what they are for.
const MAX_UNKNOWN: usize = 16;

/// The image that is to be pulled.
#[derive(Debug)]
pub(super) struct Resolved {
    /// What the name stands for: the index, or the manifest itself.
    pub(super) target: Digest,
    /// The digest of `document`.
    pub(super) manifest: Digest,
    pub(super) document: Manifest,
    pub(super) platform: Platform,
    /// Of each layer, the lowest first.
    pub(super) chain: Vec<Digest>,
}

/// Where things are looked for.
pub(super) struct Sources<'a> {
    pub(super) store: &'a Store,
    pub(super) client: &'a Client,
    /// Holds what is found.
    pub(super) lease: &'a Lease,
    pub(super) notify: Notify<'a>,
    /// Something came over the network.
    pub(super) fetched: &'a Cell<bool>,
}

impl Sources<'_> {
    /// Finds the image. Its manifests and its configuration are in the store afterwards.
    pub(super) async fn resolve(
        &self,
        reference: &Reference,
        wanted: &Platform,
    ) -> Result<Resolved> {
        let (target, document) = match reference.digest() {
            Some(digest) => (digest.clone(), self.by_digest(digest).await?),
            None => self.by_tag(reference).await?,
        };
        let found = self.descend(&target, document, wanted, false, 0).await?;
        match found {
            Ok((manifest, document, platform, chain)) => Ok(Resolved {
                target,
                manifest,
                document,
                platform,
                chain,
            }),
            Err(available) => Err(Error::NoPlatform {
                reference: reference.to_string(),
                wanted: wanted.clone(),
                available,
            }),
        }
    }

    /// Asks what a tag stands for. Where the store knows the name, the digest alone is asked for first: most often it has not changed.
    async fn by_tag(&self, reference: &Reference) -> Result<(Digest, Document)> {
        let tag = reference.tag().unwrap_or("latest");
        if self.store.find(reference)?.is_some()
            && let Some(digest) = self.client.head(tag).await
            && let Some(bytes) = self.stored(&digest)?
        {
            let document = self.parse(&bytes, None, None, &digest)?;
            return Ok((digest, document));
        }
        let fetched = self.client.manifest(tag, None, self.notify).await?;
        let document = self.parse(
            &fetched.bytes,
            fetched.content_type.as_deref(),
            Some(&fetched.host),
            &fetched.digest,
        )?;
        self.keep(&fetched.digest, &fetched.bytes)?;
        Ok((fetched.digest, document))
    }

    async fn by_digest(&self, digest: &Digest) -> Result<Document> {
        if let Some(bytes) = self.stored(digest)? {
            return self.parse(&bytes, None, None, digest);
        }
        let fetched = self
            .client
            .manifest(&digest.to_string(), Some(digest), self.notify)
            .await?;
        let document = self.parse(
            &fetched.bytes,
            fetched.content_type.as_deref(),
            Some(&fetched.host),
            digest,
        )?;
        self.keep(digest, &fetched.bytes)?;
        Ok(document)
    }

    /// Follows indexes down to the manifest for a platform; else the platforms that there are. `sure` when an index said that this is it.
    async fn descend(
        &self,
        digest: &Digest,
        document: Document,
        wanted: &Platform,
        sure: bool,
        depth: u32,
    ) -> Result<Result<(Digest, Manifest, Platform, Vec<Digest>), Vec<Platform>>> {
        let choices = match document {
            Document::Manifest(manifest) => {
                return self.check_config(digest, manifest, wanted, sure).await;
            }
            Document::Index(_) if depth >= MAX_NESTING => {
                return Err(Error::Invalid {
                    object: format!("index {digest} of {}", self.client.image()),
                    reason: format!("indexes are nested more than {MAX_NESTING} deep"),
                });
            }
            Document::Index(choices) => choices,
        };
        let (candidates, sure) = match choose(&choices, wanted) {
            Chosen::Fits(choice) => (vec![choice], true),
            Chosen::Unknown(unknown) => (unknown, false),
        };
        let mut available = offered(&choices);
        for choice in candidates.into_iter().take(MAX_UNKNOWN) {
            let document = self.by_digest(&choice.digest).await?;
            match Box::pin(self.descend(&choice.digest, document, wanted, sure, depth + 1)).await? {
                Ok(found) => return Ok(Ok(found)),
                Err(more) => available.extend(more),
            }
        }
        available.sort();
        available.dedup();
        Ok(Err(available))
    }

    /// Gets the configuration and compares it with the manifest and the platform.
    async fn check_config(
        &self,
        digest: &Digest,
        manifest: Manifest,
        wanted: &Platform,
        sure: bool,
    ) -> Result<Result<(Digest, Manifest, Platform, Vec<Digest>), Vec<Platform>>> {
        let object = || {
            format!(
                "configuration {} of {}",
                manifest.config.digest,
                self.client.image()
            )
        };
        let bytes = match self.stored(&manifest.config.digest)? {
            Some(bytes) => bytes,
            None => {
                let blob = &manifest.config;
                let bytes = self
                    .client
                    .small_blob(&blob.digest, blob.size, CONFIG_LIMIT, self.notify)
                    .await?;
                self.keep(&blob.digest, &bytes)?;
                bytes
            }
        };
        let config =
            ImageConfiguration::from_reader(&bytes[..]).map_err(|error| Error::Invalid {
                object: object(),
                reason: format!("can't be understood: {}", crate::error::innermost(&error)),
            })?;
        let platform = Platform::new(
            &config.os().to_string(),
            &config.architecture().to_string(),
            config.variant().as_deref(),
        );
        if !sure && wanted.rank(&platform).is_none() {
            return Ok(Err(vec![platform]));
        }
        let diff_ids = config.rootfs().diff_ids();
        if diff_ids.len() != manifest.layers.len() {
            return Err(Error::Invalid {
                object: object(),
                reason: format!(
                    "it tells of {} layers, and the manifest of {}",
                    diff_ids.len(),
                    manifest.layers.len()
                ),
            });
        }
        let mut chain: Vec<Digest> = Vec::new();
        for diff_id in diff_ids {
            let diff_id: Digest = diff_id.parse()?;
            chain.push(chain_id(chain.last(), &diff_id));
        }
        Ok(Ok((digest.clone(), manifest, platform, chain)))
    }

    /// Reads a small blob that is here; held from then on.
    fn stored(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        self.lease.hold([digest])?;
        let Some(file) = self.store.blob(digest)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(CONFIG_LIMIT)
            .read_to_end(&mut bytes)
            .map_err(|source| StoreError::Io {
                operation: "read",
                object: format!("blob {digest}"),
                source,
            })?;
        Ok(Some(bytes))
    }

    fn keep(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        self.fetched.set(true);
        self.lease.hold([digest])?;
        Ok(self.store.put_blob(digest, bytes)?)
    }

    fn parse(
        &self,
        bytes: &[u8],
        content_type: Option<&str>,
        host: Option<&str>,
        digest: &Digest,
    ) -> Result<Document> {
        parse(bytes, content_type).map_err(|reason| {
            let from = host.map_or_else(String::new, |host| format!(" from {host}"));
            Error::Invalid {
                object: format!("manifest {digest:.19} of {}{from}", self.client.image()),
                reason,
            }
        })
    }
}
