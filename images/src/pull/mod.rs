//! From a name to an image in the store.
//!
//! One thread receives all layers at once; as the bytes of a layer come in they are hashed and written to the store, and handed to a
//! thread that unpacks them. Nothing that is here already, whole or in part, is asked for again.

mod document;
mod feed;
mod layer;
mod look_up;
mod options;
mod report;
mod resolve;
#[cfg(test)]
mod tests;
mod writeback;

use std::cell::Cell;
use std::fs::{File, TryLockError};
use std::thread;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use layer::{Ready, Workshop};
pub use look_up::{RemoteImage, look_up};
pub use options::{CredentialSource, Policy, PullOptions};
use report::Report;
use resolve::{Resolved, Sources};
use writeback::Writeback;

use crate::auth::Credentials;
use crate::config_file;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::Platform;
use crate::progress::{LayerState, Progress, PullEvent};
use crate::reference::Reference;
use crate::registry::Client;
use crate::store::{Image, ImageCommit, Store, StoreError};

/// Brings an image into the store, as far as it is not there already, and gives it its name.
///
/// Blocks until it is done, so it is not to be called from async code; several pulls may run at once, in one process or in many, and none
/// fetches what another one is fetching. Killed at any point, the next pull of the same image goes on from there.
///
/// # Errors
/// [`Error`], of which [`Error::kind`] tells the kind. The store's images are as they were then; downloads stay to be resumed.
pub fn pull(
    store: &Store,
    reference: &Reference,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Image> {
    if options.policy != Policy::Always
        && let Some(image) = store.find(reference)?
        && (options.policy == Policy::Never || is_for(&image, &options.platform))
    {
        return Ok(image);
    }
    if options.policy == Policy::Never {
        return Err(Error::NotPulled {
            reference: reference.to_string(),
        });
    }
    progress.event(&PullEvent::Resolving {
        reference: reference.to_string(),
    });
    let client = Client::new(
        reference,
        options,
        &credentials(reference, &options.credentials)?,
    )?;
    let lease = store.lease(&format!("pull of {reference}"))?;
    let fetched = Cell::new(false);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| StoreError::Io {
            operation: "start",
            object: "async runtime".to_owned(),
            source,
        })?;
    let sources = Sources {
        store,
        client: &client,
        lease: &lease,
        notify: &|attempt, wait, why| {
            let why = why.to_owned();
            progress.event(&PullEvent::Retrying { attempt, wait, why });
        },
        fetched: &fetched,
    };
    let result = runtime
        .block_on(sources.resolve(reference, &options.platform))
        .and_then(|resolved| {
            lease.hold(
                resolved
                    .chain
                    .iter()
                    .chain(resolved.document.layers.iter().map(|layer| &layer.digest)),
            )?;
            progress.event(&PullEvent::Resolved {
                manifest: resolved.manifest.clone(),
                platform: resolved.platform.clone(),
                layers: resolved
                    .document
                    .layers
                    .iter()
                    .map(|layer| (layer.digest.clone(), layer.size))
                    .collect(),
            });
            let _turn = await_turn(store, &resolved, progress)?;
            let layers = layers(&runtime, store, &client, &resolved, options, progress)?;
            commit(store, reference, &resolved, layers, &fetched, progress)
        });
    // A name that the system is still looking up need not be waited for.
    runtime.shutdown_background();
    let image = result.map_err(|error| match error.kind() {
        ErrorKind::NoSpace => Error::NoSpace {
            reference: reference.to_string(),
            store: store.root().display().to_string(),
            source: Box::new(error),
        },
        _ => error,
    })?;
    progress.event(&PullEvent::Done {
        manifest: image.manifest.clone(),
        fetched: fetched.get(),
    });
    Ok(image)
}

/// Waits while another process pulls the same image: then there is nothing left to do. Its manifest's file carries the lock.
fn await_turn(store: &Store, resolved: &Resolved, progress: &dyn Progress) -> Result<File> {
    let object = format!("manifest {}", resolved.manifest);
    let Some(file) = store.blob(&resolved.manifest)? else {
        return Err(StoreError::Missing { object }.into());
    };
    let refused = |source| StoreError::Io {
        operation: "lock",
        object,
        source,
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(refused(error).into()),
        Err(TryLockError::WouldBlock) => {
            for blob in &resolved.document.layers {
                progress.event(&PullEvent::Layer {
                    digest: blob.digest.clone(),
                    state: LayerState::Waiting,
                });
            }
            file.lock().map_err(refused)?;
        }
    }
    Ok(file)
}

/// Brings all layers here, several at once; `None` for those that are unpacked already.
fn layers(
    runtime: &tokio::runtime::Runtime,
    store: &Store,
    client: &Client,
    resolved: &Resolved,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<Vec<Option<Ready>>> {
    let blobs = &resolved.document.layers;
    let reports: Vec<Report<'_>> = blobs
        .iter()
        .map(|blob| Report::new(progress, &blob.digest, blob.size))
        .collect();
    if blobs.len() > options.parallel {
        for report in &reports[options.parallel.max(1)..] {
            report.state(LayerState::Waiting);
        }
    }
    let size = blobs
        .iter()
        .zip(&resolved.chain)
        .filter(|(_, chain)| !store.has_layer(chain))
        .map(|(blob, _)| blob.size);
    let size = size.fold(0, u64::saturating_add);
    let mut layers = thread::scope(|scope| {
        let _writeback = Writeback::start(scope, store, size);
        let workshop = Workshop {
            scope,
            store,
            client,
            options,
        };
        let work = blobs.iter().zip(&resolved.chain).zip(&reports).enumerate();
        let work = work.map(|(place, ((blob, chain), report))| {
            let workshop = &workshop;
            async move { Ok::<_, Error>((place, workshop.layer(blob, chain, report).await?)) }
        });
        let work: Vec<_> = work.collect();
        runtime.block_on(
            stream::iter(work)
                .buffer_unordered(options.parallel.max(1))
                .try_collect::<Vec<_>>(),
        )
    })?;
    layers.sort_by_key(|(place, _)| *place);
    Ok(layers.into_iter().map(|(_, ready)| ready).collect())
}

/// Gives the image its name, unless that is what it has.
fn commit(
    store: &Store,
    reference: &Reference,
    resolved: &Resolved,
    layers: Vec<Option<Ready>>,
    fetched: &Cell<bool>,
    progress: &dyn Progress,
) -> Result<Image> {
    if layers.iter().any(Option::is_some) {
        fetched.set(true);
    } else if let Some(image) = store.find(reference)?
        && image.reference.as_ref() == Some(reference)
        && (&image.digest, &image.manifest) == (&resolved.target, &resolved.manifest)
    {
        return Ok(image);
    }
    progress.event(&PullEvent::Committing);
    Ok(store.commit_image(ImageCommit {
        reference: Some(reference),
        target: &resolved.target,
        manifest: &resolved.manifest,
        layers,
    })?)
}

fn is_for(image: &Image, wanted: &Platform) -> bool {
    let config = &image.config;
    let made_for = Platform::new(
        &config.os().to_string(),
        &config.architecture().to_string(),
        config.variant().as_deref(),
    );
    wanted.rank(&made_for).is_some()
}

/// What there is to show to the registry of an image.
///
/// # Errors
/// [`Error::Configuration`] when a file of credentials can't be read or understood, or its helper program fails.
pub fn credentials(reference: &Reference, source: &CredentialSource) -> Result<Credentials> {
    let path = match source {
        CredentialSource::Anonymous => return Ok(Credentials::Anonymous),
        CredentialSource::Given(credentials) => return Ok(credentials.clone()),
        CredentialSource::DockerConfig => config_file::default_path(),
        CredentialSource::File(path) => Some(path.clone()),
    };
    path.map_or(Ok(Credentials::Anonymous), |path| {
        config_file::lookup(&path, reference.registry())
    })
}
