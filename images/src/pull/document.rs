//! Manifests and indexes: what is read of them, and which of several is for this platform. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::digest::Digest;
use crate::media_type::{
    DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, is_foreign, is_image_config, is_layer,
    is_schema_1,
};
use crate::platform::Platform;

/// What a digest or a tag stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Document {
    /// A choice of manifests, or of further indexes.
    Index(Vec<Choice>),
    Manifest(Manifest),
}

/// One entry of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) digest: Digest,
    /// Absent where the index does not say.
    pub(super) platform: Option<Platform>,
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) config: Blob,
    /// The lowest first.
    pub(super) layers: Vec<Blob>,
}

/// A configuration or a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    /// Bytes.
    pub(super) size: u64,
    pub(super) media_type: String,
}

/// Both kinds of document in one, as they come.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<Vec<RawDescriptor>>,
    #[serde(default)]
    config: Option<RawDescriptor>,
    #[serde(default)]
    layers: Option<Vec<RawDescriptor>>,
    #[serde(default, rename = "fsLayers")]
    schema_1_layers: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    urls: Option<Vec<String>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

/// Reads a document. `content_type` is what the server calls it, where it came from one.
pub(super) fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Document, String> {
    let named = content_type.map_or_else(String::new, |name| format!(" ({name})"));
    let raw: Raw = serde_json::from_slice(bytes).map_err(|error| match bytes.first() {
        Some(b'{') => format!("it is not an image manifest{named}: {error}"),
        _ => format!("it is not an image manifest{named} but something else; is this a registry, or does a proxy ask for a login?"),
    })?;
    let own = raw.media_type.as_deref();
    if own.or(content_type).is_some_and(is_schema_1)
        || raw.schema_version == 1
        || raw.schema_1_layers.is_some()
    {
        return Err("it has a manifest of schema 1, which Docker gave up too; push it again with a tool of this decade".to_owned());
    }
    let is_index = match (
        raw.manifests.is_some(),
        raw.config.is_some() || raw.layers.is_some(),
    ) {
        (true, false) => true,
        (false, true) => false,
        (true, true) => return Err("it claims to be an index and a manifest at once".to_owned()),
        (false, false) => {
            return Err(format!(
                "it is neither an image manifest nor an index{named}"
            ));
        }
    };
    for name in [own, content_type].into_iter().flatten() {
        let says_index = match name {
            OCI_INDEX | DOCKER_LIST => true,
            OCI_MANIFEST | DOCKER_MANIFEST => false,
            _ => continue,
        };
        if says_index != is_index {
            return Err(format!(
                "it is called {name}, and its content is something else"
            ));
        }
    }
    if let Some(entries) = raw.manifests {
        let choices = entries
            .into_iter()
            .filter(|entry| !is_attestation(entry))
            .map(choice);
        return Ok(Document::Index(choices.collect::<Result<_, _>>()?));
    }
    let config = raw.config.ok_or("it names no configuration")?;
    if !config.media_type.is_empty() && !is_image_config(&config.media_type) {
        return Err(format!(
            "it is not a container image: its configuration is of type {}",
            config.media_type
        ));
    }
    let layers = raw.layers.unwrap_or_default().into_iter().map(layer);
    Ok(Document::Manifest(Manifest {
        config: blob(config)?,
        layers: layers.collect::<Result<_, _>>()?,
    }))
}

/// What was chosen from an index.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Chosen<'c> {
    /// It is made for this platform, says the index.
    Fits(&'c Choice),
    /// The index does not say; it may be one of these.
    Unknown(Vec<&'c Choice>),
}

/// Chooses the best for a platform. Of equals, the first.
pub(super) fn choose<'c>(choices: &'c [Choice], wanted: &Platform) -> Chosen<'c> {
    let mut best: Option<(u32, &Choice)> = None;
    for choice in choices {
        let rank = choice
            .platform
            .as_ref()
            .and_then(|platform| wanted.rank(platform));
        if let Some(rank) = rank.filter(|rank| best.is_none_or(|(known, _)| *rank > known)) {
            best = Some((rank, choice));
        }
    }
    match best {
        Some((_, choice)) => Chosen::Fits(choice),
        None => Chosen::Unknown(
            choices
                .iter()
                .filter(|choice| choice.platform.is_none())
                .collect(),
        ),
    }
}

/// The platforms an index offers, each once.
pub(super) fn offered(choices: &[Choice]) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = choices
        .iter()
        .filter_map(|choice| choice.platform.clone())
        .collect();
    platforms.sort();
    platforms.dedup();
    platforms
}

/// BuildKit puts its papers beside the images.
fn is_attestation(entry: &RawDescriptor) -> bool {
    let kind = entry
        .annotations
        .as_ref()
        .and_then(|all| all.get("vnd.docker.reference.type"));
    let unknown = entry
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown");
    kind.is_some() || unknown
}

fn choice(entry: RawDescriptor) -> Result<Choice, String> {
    let platform = entry
        .platform
        .filter(|platform| !platform.os.is_empty() && !platform.architecture.is_empty())
        .map(|platform| {
            Platform::new(
                &platform.os,
                &platform.architecture,
                platform.variant.as_deref(),
            )
        });
    Ok(Choice {
        digest: digest(&entry.digest)?,
        platform,
    })
}

fn layer(entry: RawDescriptor) -> Result<Blob, String> {
    let urls = entry.urls.iter().flatten().next();
    if let (true, Some(url)) | (_, Some(url)) = (is_foreign(&entry.media_type), urls) {
        return Err(format!(
            "layer {} is not distributed by registries but from {url}; images with such layers are not supported",
            entry.digest
        ));
    }
    if !is_layer(&entry.media_type) {
        return Err(format!(
            "layer {} is of type {:?}, which is no file system layer",
            entry.digest, entry.media_type
        ));
    }
    blob(entry)
}

fn blob(entry: RawDescriptor) -> Result<Blob, String> {
    Ok(Blob {
        digest: digest(&entry.digest)?,
        size: entry.size,
        media_type: entry.media_type,
    })
}

fn digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|error| format!("{error}"))
}

#[cfg(test)]
mod tests;
