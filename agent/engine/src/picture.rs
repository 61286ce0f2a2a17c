//! Images as the engine uses them: found by name or id, pulled, listed, removed.

use std::time::Duration;

use images::{
    GcKind, GcOptions, GcVerdict, Image, ImageSummary, Progress, PullOptions, Reference, Removed,
};
use oci_spec::image::Config as ImageConfig;

use crate::classify;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::id;
use crate::parse::mode::PullPolicy;
use crate::prune::PruneReport;
use crate::request::RunSpec;

/// After this a download that was broken off is not kept for a later pull to resume.
const STALE_DOWNLOAD: Duration = Duration::from_secs(24 * 3600);

/// The part of an image's config that says how it is run.
pub(crate) fn config(image: &Image) -> ImageConfig {
    image.config.config().clone().unwrap_or_default()
}

impl Engine {
    /// Pulls an image.
    pub fn pull(
        &self,
        reference: &str,
        options: &PullOptions,
        progress: &dyn Progress,
    ) -> Result<Image> {
        Ok(images::pull(
            self.store()?,
            &parse(reference)?,
            options,
            progress,
        )?)
    }

    /// How to pull, with this engine's settings; `platform` is `os/arch[/variant]`.
    pub fn pull_options(&self, platform: Option<&str>) -> Result<PullOptions> {
        let mut options = PullOptions {
            insecure: self.config.insecure_registries.clone(),
            ..PullOptions::default()
        };
        if let Some(platform) = platform {
            options.platform = platform.parse().map_err(images::Error::from)?;
        }
        Ok(options)
    }

    /// Every image.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        Ok(self.store()?.list()?)
    }

    /// Takes a reference away, and with the last one the image; an id takes the image with its one reference. `force`
    /// takes all references of an id, and a reference whose image a container uses.
    pub fn remove_image(&self, name: &str, force: bool) -> Result<Vec<Removed>> {
        let store = self.store()?;
        if let Ok(reference) = name.parse::<Reference>()
            && store.find(&reference)?.is_some()
        {
            return store
                .untag(&reference, force)
                .map_err(|error| classify::in_use(self, error));
        }
        let image = self.image(name)?;
        let names: Vec<String> = store
            .list()?
            .into_iter()
            .filter(|summary| summary.id == image.id)
            .flat_map(|summary| summary.references)
            .map(|reference| reference.to_string())
            .collect();
        if names.len() > 1 && !force {
            return Err(Error::State {
                operation: "remove",
                object: format!("image {name}"),
                why: format!(
                    "it has several names: {}; remove those, or use --force",
                    names.join(", ")
                ),
            });
        }
        store
            .remove(&image.id)
            .map_err(|error| classify::in_use(self, error))
    }

    /// The image of this reference, id, or beginning of an id.
    pub fn image(&self, name: &str) -> Result<Image> {
        self.find_image(name)?.ok_or_else(|| Error::NotFound {
            what: "image",
            name: format!("{name}: pull it with: minictl pull {name}"),
        })
    }

    /// The image of a request, pulled when its policy says so.
    pub(crate) fn image_for(&self, spec: &RunSpec) -> Result<Image> {
        match spec.pull {
            PullPolicy::Missing => {
                if let Some(image) = self.find_image(&spec.image)? {
                    return Ok(image);
                }
            }
            PullPolicy::Never => return self.image(&spec.image),
            PullPolicy::Always => {}
        }
        let options = self.pull_options(spec.platform.as_deref())?;
        self.pull(&spec.image, &options, &images::Silent)
    }

    fn find_image(&self, name: &str) -> Result<Option<Image>> {
        let store = self.store()?;
        if let Ok(reference) = name.parse::<Reference>()
            && let Some(image) = store.find(&reference)?
        {
            return Ok(Some(image));
        }
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        match id::is_hex(hex) && hex.len() <= 64 {
            true => Ok(store.find_by_id(hex)?),
            false => Ok(None),
        }
    }
}

fn parse(reference: &str) -> Result<Reference> {
    Ok(reference
        .parse::<Reference>()
        .map_err(images::Error::from)?)
}

/// Removes images that no container uses: those without a name, or all.
pub(crate) fn prune(engine: &Engine, all: bool, report: &mut PruneReport) -> Result<()> {
    let exists = |id: &str| engine.layout.container(id).exists();
    let collected = engine.store()?.gc(&GcOptions {
        untagged: true,
        unused: all,
        downloads_older_than: Some(STALE_DOWNLOAD),
        container_exists: Some(&exists),
        ..GcOptions::default()
    })?;
    report.space += collected.freed();
    report.images.extend(
        collected
            .items
            .into_iter()
            .filter(|item| item.kind == GcKind::Image && item.verdict == GcVerdict::Removed)
            .map(|item| item.name),
    );
    Ok(())
}
