//! What a registry says of an image, without bringing it here.

use super::credentials;
use super::document::{Document, offered, parse};
use super::options::PullOptions;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::reference::Reference;
use crate::registry::Client;
use crate::store::StoreError;

/// An image as its registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteImage {
    /// What the name stands for now.
    pub digest: Digest,
    /// The platforms that it is made for; none where only the image's configuration would tell.
    pub platforms: Vec<Platform>,
}

/// Asks the registry what a name stands for. Nothing is stored; of the options, those about connections count.
///
/// Blocks until there is an answer, so it is not to be called from async code.
///
/// # Errors
/// [`Error`], of which [`Error::kind`] tells the kind.
pub fn look_up(reference: &Reference, options: &PullOptions) -> Result<RemoteImage> {
    let credentials = credentials(reference, &options.credentials)?;
    let client = Client::new(reference, options, &credentials)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| StoreError::Io {
            operation: "start",
            object: "async runtime".to_owned(),
            source,
        })?;
    let expected = reference.digest();
    let target = match expected {
        Some(digest) => digest.to_string(),
        None => reference.tag().unwrap_or("latest").to_owned(),
    };
    let fetched = runtime.block_on(client.manifest(&target, expected, &|_, _, _| {}));
    // A name that the system is still looking up need not be waited for.
    runtime.shutdown_background();
    let fetched = fetched?;
    let document = parse(&fetched.bytes, fetched.content_type.as_deref());
    let document = document.map_err(|reason| Error::Invalid {
        object: format!("manifest of {reference} from {}", fetched.host),
        reason,
    })?;
    Ok(RemoteImage {
        digest: fetched.digest,
        platforms: match document {
            Document::Index(choices) => offered(&choices),
            Document::Manifest(_) => Vec::new(),
        },
    })
}
