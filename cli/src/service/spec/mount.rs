//! `--mount type=volume,source=data,target=/var/lib/data`.

use model::{MountKind, MountSpec};

use super::values::{bytes, fields, flag, mode, needed, pair};

const PROPAGATIONS: [&str; 6] = [
    "private", "rprivate", "shared", "rshared", "slave", "rslave",
];

/// Reads one mount.
pub(super) fn mount(text: &str) -> Result<MountSpec, String> {
    read(text).map_err(|why| {
        format!("{why}; write it like type=bind,source=/host/dir,target=/dir,readonly")
    })
}

fn read(text: &str) -> Result<MountSpec, String> {
    let mut mount = MountSpec {
        kind: MountKind::Volume.into(),
        ..MountSpec::default()
    };
    for (key, value) in fields(text)? {
        match key.as_str() {
            "type" => mount.kind = kind(&needed(&key, value)?)?.into(),
            "source" | "src" => mount.source = value.unwrap_or_default(),
            "target" | "destination" | "dst" => mount.target = needed(&key, value)?,
            "readonly" | "ro" => mount.read_only = flag(&key, value.as_deref())?,
            "bind-propagation" => mount.propagation = propagation(needed(&key, value)?)?,
            "volume-nocopy" => mount.no_copy = flag(&key, value.as_deref())?,
            "volume-label" => {
                let (key, value) = pair(&needed(&key, value)?)?;
                mount.labels.insert(key, value);
            }
            "volume-driver" => match needed(&key, value)?.as_str() {
                "local" => {}
                driver => return Err(format!("there is no volume driver {driver:?}, but local")),
            },
            "tmpfs-size" => {
                mount.tmpfs_bytes = bytes(&needed(&key, value)?)?.unsigned_abs();
            }
            "tmpfs-mode" => mount.tmpfs_mode = Some(mode(&needed(&key, value)?)?),
            // Of use to Docker Desktop alone.
            "consistency" => {}
            _ => return Err(format!("the key {key:?} is unknown")),
        }
    }
    check(&mount)?;
    Ok(mount)
}

fn kind(word: &str) -> Result<MountKind, String> {
    match word {
        "bind" => Ok(MountKind::Bind),
        "volume" => Ok(MountKind::Volume),
        "tmpfs" => Ok(MountKind::Tmpfs),
        _ => Err(format!(
            "the type {word:?} is none of bind, volume and tmpfs"
        )),
    }
}

fn propagation(word: String) -> Result<String, String> {
    if PROPAGATIONS.contains(&word.as_str()) {
        return Ok(word);
    }
    Err(format!(
        "{word:?} is not one of {}",
        PROPAGATIONS.join(", ")
    ))
}

/// What fits together.
fn check(mount: &MountSpec) -> Result<(), String> {
    if !mount.target.starts_with('/') {
        return Err(format!("the target {:?} is no absolute path", mount.target));
    }
    let kind = mount.kind();
    let of_bind = !mount.propagation.is_empty();
    let of_volume = mount.no_copy || !mount.labels.is_empty();
    let of_tmpfs = mount.tmpfs_bytes != 0 || mount.tmpfs_mode.is_some();
    let alien = [
        (of_bind && kind != MountKind::Bind, "bind-propagation"),
        (of_volume && kind != MountKind::Volume, "volume-*"),
        (of_tmpfs && kind != MountKind::Tmpfs, "tmpfs-*"),
        (
            !mount.source.is_empty() && kind == MountKind::Tmpfs,
            "source",
        ),
    ];
    if let Some((_, keys)) = alien.iter().find(|(alien, _)| *alien) {
        return Err(format!("{keys} does not fit the type of the mount"));
    }
    match kind {
        MountKind::Bind if !mount.source.starts_with('/') => Err(format!(
            "the source {:?} is no absolute path: nodes don't know where you stand",
            mount.source
        )),
        MountKind::Volume if mount.source.contains('/') => Err(format!(
            "{:?} is no name of a volume; a path of the node has type=bind",
            mount.source
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read() {
        fn check(text: &str, expected: Result<&str, &str>) {
            let read = mount(text);
            let shown = read.as_ref().map(|mount| {
                let writes = if mount.read_only { "ro" } else { "rw" };
                format!(
                    "{:?} {} {} {writes} {:?} {}",
                    mount.kind(),
                    mount.source,
                    mount.target,
                    mount.tmpfs_mode,
                    mount.tmpfs_bytes
                )
            });
            match (&shown, expected) {
                (Ok(shown), Ok(expected)) => assert_eq!(shown, expected, "{text}"),
                (Err(error), Err(named)) => assert!(error.contains(named), "{text}: {error}"),
                _ => panic!("{text}: {shown:?}, expected {expected:?}"),
            }
        }
        check("source=data,target=/d", Ok("Volume data /d rw None 0"));
        check("type=volume,dst=/d,ro", Ok("Volume  /d ro None 0"));
        check(
            "type=bind,src=/a,dst=/b,readonly=false",
            Ok("Bind /a /b rw None 0"),
        );
        check(
            "type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1770",
            Ok("Tmpfs  /t rw Some(1016) 67108864"),
        );
        check(
            "source=d-{{.Task.Slot}},target=/d",
            Ok("Volume d-{{.Task.Slot}} /d rw None 0"),
        );
        check("source=data", Err("no absolute path"));
        check("type=bind,source=a,target=/b", Err("nodes don't know"));
        check("source=/a,target=/b", Err("type=bind"));
        check("type=npipe,source=a,target=/b", Err("none of bind"));
        check(
            "type=bind,source=/a,target=/b,tmpfs-size=1m",
            Err("does not fit"),
        );
        check("type=tmpfs,source=a,target=/b", Err("source does not fit"));
        check("source=a,target=/b,volume-opt=x=y", Err("unknown"));
        check("source=a,target=/b,volume-driver=nfs", Err("nfs"));
        check("source=a,target=/b,bind-propagation=maybe", Err("maybe"));
    }
}
