//! From `config.json` to decisions: all that can be refused is refused before anything is made.

pub(crate) mod namespaces;
pub(crate) mod plan;
pub(crate) mod process;
pub(crate) mod sysctl;
pub(crate) mod template;

use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use crate::error::{Error, ErrorKind, Result};

/// A bundle as it was read.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// The directory, absolute.
    pub(crate) directory: PathBuf,
    pub(crate) spec: Spec,
    /// `config.json` byte for byte.
    pub(crate) text: Vec<u8>,
}

/// Reads the bundle in `directory`; `config` names another file than its `config.json`.
pub(crate) fn load(directory: &Path) -> Result<Bundle> {
    let directory = std::path::absolute(directory)
        .and_then(std::fs::canonicalize)
        .map_err(|error| unreadable("bundle", directory, error))?;
    let path = directory.join("config.json");
    let text = std::fs::read(&path).map_err(|error| unreadable("read", &path, error))?;
    let spec = parse(&text).map_err(|error| error.within(format!("read {}", path.display())))?;
    Ok(Bundle {
        directory,
        spec,
        text,
    })
}

/// Parses the text of a `config.json`.
pub(crate) fn parse(text: &[u8]) -> Result<Spec> {
    serde_json::from_slice(text).map_err(|error| {
        Error::caused(
            ErrorKind::InvalidSpec,
            "it is not a runtime specification",
            error,
        )
    })
}

fn unreadable(operation: &str, path: &Path, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::InvalidSpec,
        _ => ErrorKind::Io,
    };
    Error::sys(operation, path.display())(error).with_kind(kind)
}
