//! Volumes: directories that outlive containers.

pub(crate) mod copy_up;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id;
use crate::json::{self, Durable};
use crate::lock::Lock;
use crate::parse::ParseError;
use crate::parse::mount::volume_name;

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
    #[serde(default)]
    pub anonymous_of: Option<String>,
    /// Where its files lie.
    #[serde(skip)]
    pub path: PathBuf,
}

/// Where the files of a volume lie.
pub(crate) fn data(volumes: &Path, name: &str) -> PathBuf {
    volumes.join(name).join("_data")
}

/// Makes a volume unless there is one of this name. Two makers at once get the same one.
pub(crate) fn create(
    volumes: &Path,
    name: Option<&str>,
    labels: BTreeMap<String, String>,
    anonymous_of: Option<&str>,
) -> Result<Volume> {
    let name = match name {
        Some(name) => {
            volume_name(name).map_err(|why| ParseError::new("volume name", name, why, "data"))?
        }
        None => id::random_id()?,
    };
    if let Some(existing) = get(volumes, &name)? {
        return Ok(existing);
    }
    let volume = Volume {
        path: data(volumes, &name),
        created: Timestamp::now(),
        labels,
        anonymous_of: anonymous_of.map(str::to_owned),
        name,
    };
    // A volume appears whole or not at all: made under a name that no volume has, then renamed.
    let beside = volumes.join(format!(".{}", id::random_id()?));
    let made = fs::create_dir(&beside)
        .and_then(|()| fs::create_dir(beside.join("_data")))
        // Whatever the mask of whoever calls us: processes of any user may have to get in.
        .and_then(|()| fs::set_permissions(beside.join("_data"), fs::Permissions::from_mode(0o755)))
        .map_err(Error::io("make", &beside))
        .and_then(|()| json::write(&beside.join("volume.json"), &volume, Durable::No))
        .and_then(|()| {
            let target = volumes.join(&volume.name);
            fs::rename(&beside, &target).map_err(Error::io("make", &target))
        });
    if let Err(error) = made {
        json::remove_tree(&beside)?;
        return match get(volumes, &volume.name)? {
            Some(theirs) => Ok(theirs),
            None => Err(error),
        };
    }
    Ok(volume)
}

/// The volume of this name.
pub(crate) fn get(volumes: &Path, name: &str) -> Result<Option<Volume>> {
    if volume_name(name).is_err() {
        return Ok(None);
    }
    let volume: Option<Volume> = json::read(&volumes.join(name).join("volume.json"))?;
    Ok(volume.map(|volume| Volume {
        path: data(volumes, &volume.name),
        ..volume
    }))
}

/// Every volume, by name; one that vanishes meanwhile is left out.
pub(crate) fn list(volumes: &Path) -> Result<Vec<Volume>> {
    let mut result = Vec::new();
    for name in json::names(volumes)? {
        if let Some(volume) = get(volumes, &name)? {
            result.push(volume);
        }
    }
    result.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(result)
}

/// Removes a volume; the caller has seen to it that nobody uses it. Missing is fine.
pub(crate) fn remove(volumes: &Path, name: &str) -> Result<()> {
    if volume_name(name).is_err() {
        return Ok(());
    }
    let path = volumes.join(name);
    let Some(_lock) = Lock::wait(&path)? else {
        return Ok(());
    };
    // First the name, in one step; then the files, which may take long and may be broken off: `sweep` finishes.
    let beside = volumes.join(format!(".{}", id::random_id()?));
    match fs::rename(&path, &beside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(Error::io("remove", &path))?,
    }
    json::remove_tree(&beside)
}

/// Removes what a broken-off `create` or `remove` has left.
pub(crate) fn sweep(volumes: &Path) -> Result<()> {
    for name in json::names(volumes)?
        .iter()
        .filter(|name| name.starts_with('.'))
    {
        let path = volumes.join(name);
        let fresh = fs::metadata(&path)
            .and_then(|meta| meta.modified())
            .is_ok_and(|time| time.elapsed().is_ok_and(|age| age.as_secs() < 60));
        if !fresh {
            json::remove_tree(&path)?;
        }
    }
    Ok(())
}

/// Bytes that a directory takes on the disk, as well as it can be read.
pub(crate) fn size(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut total = 0;
    let mut pending = vec![path.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            total += meta.blocks() * 512
                / meta
                    .nlink()
                    .max(1)
                    .min(if meta.is_dir() { 1 } else { u64::MAX });
            if meta.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = create(dir.path(), Some("data"), BTreeMap::new(), None).unwrap();
        fs::write(first.path.join("file"), "x").unwrap();
        let again = create(dir.path(), Some("data"), BTreeMap::new(), Some("c")).unwrap();
        assert_eq!(first, again);
        let anonymous = create(dir.path(), None, BTreeMap::new(), Some("c")).unwrap();
        assert!(id::is_id(&anonymous.name));
        assert_eq!(list(dir.path()).unwrap().len(), 2);
        assert!(create(dir.path(), Some("../x"), BTreeMap::new(), None).is_err());
        assert!(get(dir.path(), "..").unwrap().is_none());
        remove(dir.path(), "data").unwrap();
        remove(dir.path(), "data").unwrap();
        assert_eq!(list(dir.path()).unwrap(), [anonymous]);
        assert_eq!(
            json::names(dir.path()).unwrap().len(),
            1,
            "nothing is left beside"
        );
    }

    #[test]
    fn two_makers_get_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let make = || create(dir.path(), Some("data"), BTreeMap::new(), None).unwrap();
        let all: Vec<Volume> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(all.iter().all(|volume| *volume == all[0]));
        assert_eq!(json::names(dir.path()).unwrap(), ["data"]);
    }
}
