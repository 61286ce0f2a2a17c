//! Mounts: `-v`, `--mount`, `--tmpfs`, `--volumes-from`.

use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ParseError;
use super::size::ByteSize;

/// One mount that a person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSpec {
    /// What is mounted.
    pub source: MountSource,
    /// Where, in the container; absolute and without `..`.
    pub target: PathBuf,
    /// Nothing may be written through it.
    #[serde(default)]
    pub read_only: bool,
    /// `rprivate`, `rshared`, `rslave` or the three without `r`; `None` is `rprivate`.
    #[serde(default)]
    pub propagation: Option<String>,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountSource {
    /// A file or directory of the host.
    Bind {
        /// Absolute.
        source: PathBuf,
        /// Whether a missing one is made as an empty directory: so with `-v`, not with `--mount`.
        create: bool,
        /// Whether mounts below it come along.
        recursive: bool,
    },
    /// A volume, made when it does not exist.
    Volume {
        /// `None` is an anonymous one.
        name: Option<String>,
        /// Without the image's files in an empty volume.
        nocopy: bool,
    },
    /// A file system in memory.
    Tmpfs {
        /// `None` is unlimited.
        size: Option<ByteSize>,
        /// `None` is 1777.
        mode: Option<u32>,
        /// Further options of the mount, such as `noexec` or `uid=1000`.
        options: Vec<String>,
    },
}

const VOLUME_EXAMPLE: &str = "data:/var/lib/data, /host/dir:/dir:ro or /dir";
const MOUNT_EXAMPLE: &str = "type=bind,source=/host/dir,target=/dir,readonly";
const TMPFS_EXAMPLE: &str = "/run:size=64m,mode=1777,noexec";
const PROPAGATIONS: [&str; 6] = [
    "private", "rprivate", "shared", "rshared", "slave", "rslave",
];

impl MountSpec {
    /// Reads `-v`: `[SOURCE:]TARGET[:OPTIONS]`. A source with a slash first is a path of the host, `.` and `~` are
    /// refused as in Docker's engine except for `./` and `../`, which `current_dir` resolves; else a volume's name.
    pub fn parse_volume(text: &str, current_dir: &Path) -> Result<MountSpec, ParseError> {
        let fail = |why: String| ParseError::new("volume", text, why, VOLUME_EXAMPLE);
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts.as_slice() {
            [target] => (None, *target, ""),
            [source, target] if target.starts_with('/') => (Some(*source), *target, ""),
            [target, options] if target.starts_with('/') => (None, *target, *options),
            [source, target, options] => (Some(*source), *target, *options),
            _ => return Err(fail("it is not SOURCE:TARGET:OPTIONS".to_owned())),
        };
        let target = absolute(target).map_err(fail)?;
        let mut spec = MountSpec {
            source: match source {
                None => MountSource::Volume {
                    name: None,
                    nocopy: false,
                },
                Some("") => return Err(fail("the source is empty".to_owned())),
                Some(path) if path.starts_with('/') || path.starts_with('.') => MountSource::Bind {
                    source: normal(&current_dir.join(path)),
                    create: true,
                    recursive: true,
                },
                Some(name) => MountSource::Volume {
                    name: Some(volume_name(name).map_err(fail)?),
                    nocopy: false,
                },
            },
            target,
            read_only: false,
            propagation: None,
        };
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match (option, &mut spec.source) {
                ("rw", _) => spec.read_only = false,
                ("ro", _) => spec.read_only = true,
                // Relabelling for SELinux, and hints that only Docker Desktop heeds.
                ("z" | "Z" | "consistent" | "cached" | "delegated", _) => {}
                ("nocopy", MountSource::Volume { nocopy, .. }) => *nocopy = true,
                (flag, MountSource::Bind { .. }) if PROPAGATIONS.contains(&flag) => {
                    spec.propagation = Some(flag.to_owned());
                }
                _ => {
                    return Err(fail(format!(
                        "the option {option:?} is unknown or does not fit"
                    )));
                }
            }
        }
        Ok(spec)
    }

    /// Reads `--mount`: comma-separated `KEY=VALUE`.
    pub fn parse_mount(text: &str, current_dir: &Path) -> Result<MountSpec, ParseError> {
        let fail = |why: String| ParseError::new("mount", text, why, MOUNT_EXAMPLE);
        let mut kind = "volume";
        let (mut source, mut target) = (None, None);
        let (mut read_only, mut nocopy, mut recursive) = (false, false, true);
        let (mut propagation, mut size, mut mode) = (None, None, None);
        for part in text.split(',') {
            let (key, value) = match part.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (part, None),
            };
            let needed = || {
                value
                    .filter(|v| !v.is_empty())
                    .ok_or_else(|| fail(format!("{key} has no value")))
            };
            let flag = || match value {
                None | Some("true" | "1") => Ok(true),
                Some("false" | "0") => Ok(false),
                Some(other) => Err(fail(format!("{key} is neither true nor false: {other:?}"))),
            };
            match key.to_ascii_lowercase().as_str() {
                "type" => kind = needed()?,
                "source" | "src" => source = value.filter(|v| !v.is_empty()),
                "target" | "destination" | "dst" => target = Some(needed()?),
                "readonly" | "ro" => read_only = flag()?,
                "volume-nocopy" => nocopy = flag()?,
                "bind-nonrecursive" => recursive = !flag()?,
                "bind-propagation" => propagation = Some(needed()?),
                "tmpfs-size" => size = Some(needed()?.parse::<ByteSize>()?),
                "tmpfs-mode" => mode = Some(octal(needed()?).map_err(fail)?),
                "consistency" => {}
                _ => return Err(fail(format!("the key {key:?} is unknown"))),
            }
        }
        let target =
            absolute(target.ok_or_else(|| fail("target= is missing".to_owned()))?).map_err(fail)?;
        if let Some(wrong) = propagation.filter(|p| !PROPAGATIONS.contains(p)) {
            return Err(fail(format!(
                "{wrong:?} is not one of {}",
                PROPAGATIONS.join(", ")
            )));
        }
        let alien = match kind {
            "bind" => (nocopy || size.is_some() || mode.is_some())
                .then_some("volume-nocopy, tmpfs-size and tmpfs-mode"),
            "volume" => (propagation.is_some() || !recursive || size.is_some() || mode.is_some())
                .then_some("bind-* and tmpfs-*"),
            "tmpfs" => (propagation.is_some() || !recursive || nocopy || source.is_some())
                .then_some("source, bind-* and volume-*"),
            _ => {
                return Err(fail(format!(
                    "the type {kind:?} is not bind, volume or tmpfs"
                )));
            }
        };
        if let Some(keys) = alien {
            return Err(fail(format!("{keys} do not fit type={kind}")));
        }
        let source = match (kind, source) {
            ("bind", None) => return Err(fail("source= is missing".to_owned())),
            ("bind", Some(path)) if path.starts_with('/') || path.starts_with('.') => {
                MountSource::Bind {
                    source: normal(&current_dir.join(path)),
                    create: false,
                    recursive,
                }
            }
            ("bind", Some(_)) => {
                return Err(fail(
                    "the source of a bind mount is a path that begins with / or ./".to_owned(),
                ));
            }
            ("volume", name) => MountSource::Volume {
                name: name.map(volume_name).transpose().map_err(fail)?,
                nocopy,
            },
            _ => MountSource::Tmpfs {
                size,
                mode,
                options: Vec::new(),
            },
        };
        Ok(MountSpec {
            source,
            target,
            read_only,
            propagation: propagation.map(str::to_owned),
        })
    }

    /// Reads `--tmpfs`: `TARGET[:OPTIONS]`.
    pub fn parse_tmpfs(text: &str) -> Result<MountSpec, ParseError> {
        let fail = |why: String| ParseError::new("tmpfs", text, why, TMPFS_EXAMPLE);
        let (target, given) = text.split_once(':').unwrap_or((text, ""));
        let (mut size, mut mode, mut options, mut read_only) = (None, None, Vec::new(), false);
        for option in given.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("size", value)) => size = Some(value.parse::<ByteSize>()?),
                Some(("mode", value)) => mode = Some(octal(value).map_err(fail)?),
                Some(("uid" | "gid" | "nr_inodes" | "nr_blocks", value))
                    if value.parse::<u32>().is_ok() =>
                {
                    options.push(option.to_owned());
                }
                None if [
                    "noexec", "exec", "nosuid", "suid", "nodev", "dev", "noatime", "relatime",
                ]
                .contains(&option) =>
                {
                    options.push(option.to_owned());
                }
                None if option == "ro" => read_only = true,
                None if option == "rw" => read_only = false,
                _ => return Err(fail(format!("the option {option:?} is unknown"))),
            }
        }
        Ok(MountSpec {
            source: MountSource::Tmpfs {
                size,
                mode,
                options,
            },
            target: absolute(target).map_err(fail)?,
            read_only,
            propagation: None,
        })
    }
}

/// `--volumes-from CONTAINER[:ro|rw]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumesFrom {
    /// Name or id.
    pub container: String,
    /// Whether nothing may be written through them; `None` as they are there.
    pub read_only: Option<bool>,
}

impl FromStr for VolumesFrom {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (container, read_only) = match text.split_once(':') {
            None => (text, None),
            Some((container, "ro")) => (container, Some(true)),
            Some((container, "rw" | "z" | "Z")) => (container, Some(false)),
            Some(_) => ("", None),
        };
        match container {
            "" => Err(ParseError::new(
                "container",
                text,
                "it is not NAME, NAME:ro or NAME:rw",
                "db:ro",
            )),
            _ => Ok(VolumesFrom {
                container: container.to_owned(),
                read_only,
            }),
        }
    }
}

/// Checks a volume's name: letters, digits, `_`, `.` and `-`, beginning with a letter or digit.
pub(crate) fn volume_name(name: &str) -> Result<String, String> {
    let valid = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 200
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    match valid {
        true => Ok(name.to_owned()),
        false => Err(format!(
            "{name:?} is not a volume's name (letters, digits, _ . - only); for a directory of the host give an absolute path"
        )),
    }
}

fn absolute(target: &str) -> Result<PathBuf, String> {
    if !target.starts_with('/') {
        return Err(format!(
            "the path in the container is not absolute: {target:?}"
        ));
    }
    let path = normal(Path::new(target));
    match path == Path::new("/") {
        true => Err("the root of the container cannot be mounted over".to_owned()),
        false => Ok(path),
    }
}

/// Without `.`, `..` and doubled slashes, by the text alone.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => Err(format!("the mode {text:?} is not octal, such as 1777")),
    }
}

#[cfg(test)]
mod tests;
