//! Making a container: nothing of it is there until its record is, and a maker that dies leaves only what `heal`
//! recognises by the missing record and the free lock.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use images::Image;
use jiff::Timestamp;

use crate::container::{Mount, MountKind, Record};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::health::{self, HealthCheck};
use crate::id;
use crate::image_config::{Merged, merge};
use crate::json::{self, Durable};
use crate::lock::Lock;
use crate::network_plan::{NetworkPlan, plan};
use crate::parse::environment;
use crate::parse::mode::Sharing;
use crate::parse::mount::{MountSource, MountSpec};
use crate::records;
use crate::remove;
use crate::request::RunSpec;
use crate::rootfs;
use crate::spec::resources::{BlockDevices, resources};
use crate::volume;

/// Makes a container.
pub(crate) fn create(engine: &Engine, spec: &RunSpec) -> Result<Record> {
    check(engine, spec)?;
    let image = engine.image_for(spec)?;
    let env = environment(&spec.env_files, &spec.env)?;
    let labels = labels(spec)?;
    let merged = merge(&crate::picture::config(&image), spec, env, labels)?;
    let health = health_check(engine, spec, &image)?;
    let (id, lock) = claim(engine)?;
    let made = make(engine, spec, &image, merged, health, &id);
    if made.is_err() {
        // Best effort: what cannot be removed now is removed by the next command.
        let _ = remove::half_made(engine, &id);
    }
    drop(lock);
    made
}

/// What contradicts itself, before anything is made.
fn check(engine: &Engine, spec: &RunSpec) -> Result<()> {
    if let Some(name) = &spec.name {
        id::check_name(name)?;
    }
    match plan(spec)? {
        NetworkPlan::Networks(endpoints) => {
            for endpoint in endpoints {
                engine.networks.get(&endpoint.network)?;
            }
        }
        NetworkPlan::Container(other) => {
            records::find(&engine.layout, &other)?;
        }
        NetworkPlan::Host | NetworkPlan::None => {}
    }
    if let Sharing::Container(other) = &spec.ipc.0 {
        return Err(Error::Refused(format!(
            "--ipc container:{other} is not supported yet: use --ipc host for both containers, or a volume"
        )));
    }
    if let Sharing::Container(other) = &spec.pid.0 {
        records::find(&engine.layout, other)?;
    }
    if let Some(signal) = &spec.stop_signal {
        crate::run::signal(signal)?;
    }
    if let Some(hostname) = &spec.hostname {
        let valid = !hostname.is_empty()
            && hostname.len() <= 63
            && hostname
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !valid {
            return Err(Error::Invalid(format!(
                "invalid host name \"{hostname}\": at most 63 letters, digits and - _ . are allowed"
            )));
        }
    }
    if spec
        .oom_score_adj
        .is_some_and(|score| !(-1000..=1000).contains(&score))
    {
        return Err(Error::Invalid(
            "--oom-score-adj: give a number from -1000 to 1000".to_owned(),
        ));
    }
    // The limits are looked up again when the container is started; here they are checked alone.
    resources(spec, engine.host()?.cpus, &[], &BlockDevices::default())?;
    Ok(())
}

/// The request's variables, resolved against our own.
pub(crate) fn environment(files: &[PathBuf], given: &[String]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in files {
        all.extend(environment::read_file(file)?);
    }
    all.extend(given.iter().cloned());
    Ok(environment::resolve(&all, &|name| {
        std::env::var(name).ok()
    })?)
}

fn labels(spec: &RunSpec) -> Result<BTreeMap<String, String>> {
    let mut all = Vec::new();
    for file in &spec.label_files {
        all.extend(environment::read_file(file)?);
    }
    all.extend(spec.labels.iter().cloned());
    Ok(environment::labels(&all)?)
}

fn health_check(engine: &Engine, spec: &RunSpec, image: &Image) -> Result<Option<HealthCheck>> {
    let asked = spec.health.as_ref();
    let of_image = match asked.is_some_and(HealthCheck::is_disabled) {
        // So that an image whose check is broken can be run.
        true => None,
        false => {
            let config = engine.store()?.read_blob(&image.id)?;
            health::of_image(&config, &spec.image)?
        }
    };
    health::merge(asked, of_image)
}

/// A directory of our own, locked: as long as we live nobody takes it for a leftover.
fn claim(engine: &Engine) -> Result<(String, Lock)> {
    loop {
        let id = id::random_id()?;
        let path = engine.layout.container(&id);
        // Environment and output of a container are nobody else's business.
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(Error::io("make", &path))?;
        // Between the two calls it looks like a leftover; when it was swept away, the next id is tried.
        if let Some(lock) = Lock::wait(&path)? {
            return Ok((id, lock));
        }
    }
}

fn make(
    engine: &Engine,
    spec: &RunSpec,
    image: &Image,
    merged: Merged,
    health: Option<HealthCheck>,
    id: &str,
) -> Result<Record> {
    let layout = &engine.layout;
    let name = name(engine, spec, id)?;
    let rootfs = layout.file(id, "rootfs");
    fs::create_dir(&rootfs).map_err(Error::io("make", &rootfs))?;
    let snapshot = engine.store()?.prepare(id, image)?;
    let mounts = mounts(engine, spec, &merged.volumes, id)?;
    fill_volumes(engine, spec, &mounts, &snapshot)?;
    let record = Record {
        id: id.to_owned(),
        name,
        created: Timestamp::now(),
        image: spec.image.clone(),
        image_id: image.id.to_string(),
        process: merged.process,
        labels: merged.labels,
        exposed: merged.exposed,
        mounts,
        health,
        spec: spec.clone(),
        cgroup_parent: spec
            .cgroup_parent
            .as_deref()
            .unwrap_or(&engine.config.cgroup_parent)
            .trim_matches('/')
            .to_owned(),
    };
    // A container that goes with its end need not outlive a power failure.
    let durable = if spec.remove {
        Durable::No
    } else {
        Durable::Yes
    };
    json::write(&layout.record(id), &record, durable)?;
    Ok(record)
}

fn name(engine: &Engine, spec: &RunSpec, id: &str) -> Result<String> {
    if let Some(name) = &spec.name {
        let name = id::check_name(name)?;
        return match records::take_name(&engine.layout, name, id) {
            // The name of a half-made container whose maker has died is free.
            Err(Error::NameTaken { .. }) if remove::heal_owner(engine, name)? => {
                records::take_name(&engine.layout, name, id).map(|()| name.to_owned())
            }
            other => other.map(|()| name.to_owned()),
        };
    }
    let mut attempt = 0;
    loop {
        let name = id::random_name(attempt)?;
        match records::take_name(&engine.layout, &name, id) {
            Ok(()) => return Ok(name),
            Err(Error::NameTaken { .. }) if attempt < 100 => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The mounts: those asked for, those of other containers, then the image's volumes that nothing else covers. Volumes
/// are made here.
fn mounts(engine: &Engine, spec: &RunSpec, of_image: &[PathBuf], id: &str) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    for asked in &spec.mounts {
        if mounts.iter().any(|mount| mount.target == asked.target) {
            return Err(Error::Invalid(format!(
                "two mounts on {}: give each target once",
                asked.target.display()
            )));
        }
        mounts.push(mount(engine, asked, id)?);
    }
    for from in &spec.volumes_from {
        let other = records::find(&engine.layout, &from.container)?;
        for theirs in other.mounts {
            if matches!(theirs.kind, MountKind::Tmpfs { .. })
                || mounts.iter().any(|mount| mount.target == theirs.target)
            {
                continue;
            }
            mounts.push(Mount {
                read_only: from.read_only.unwrap_or(theirs.read_only),
                ..theirs
            });
        }
    }
    for target in of_image {
        if mounts.iter().any(|mount| mount.target == *target) {
            continue;
        }
        let anonymous = MountSpec {
            source: MountSource::Volume {
                name: None,
                nocopy: false,
            },
            target: target.clone(),
            read_only: false,
            propagation: None,
        };
        mounts.push(mount(engine, &anonymous, id)?);
    }
    Ok(mounts)
}

fn mount(engine: &Engine, asked: &MountSpec, id: &str) -> Result<Mount> {
    let kind = match &asked.source {
        MountSource::Bind {
            source,
            create,
            recursive,
        } => {
            bind_source(source, *create)?;
            MountKind::Bind {
                source: source.clone(),
                recursive: *recursive,
            }
        }
        MountSource::Volume { name, .. } => {
            let owner = name.is_none().then_some(id);
            let volume = volume::create(
                &engine.layout.volumes(),
                name.as_deref(),
                BTreeMap::new(),
                owner,
            )?;
            MountKind::Volume {
                anonymous: name.is_none(),
                name: volume.name,
            }
        }
        MountSource::Tmpfs {
            size,
            mode,
            options,
        } => MountKind::Tmpfs {
            options: tmpfs_options(size.map(|size| size.0), *mode, options),
        },
    };
    Ok(Mount {
        kind,
        target: asked.target.clone(),
        read_only: asked.read_only,
        propagation: asked
            .propagation
            .clone()
            .unwrap_or_else(|| "rprivate".to_owned()),
    })
}

/// `-v` makes a missing directory, `--mount` refuses it: Docker's rule.
pub(crate) fn bind_source(source: &Path, create: bool) -> Result<()> {
    match fs::metadata(source) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && create => {
            fs::create_dir_all(source).map_err(Error::io("make", source))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::Invalid(format!(
            "bind mount source {} does not exist: make it first, or use -v, which makes a directory",
            source.display()
        ))),
        Err(error) => Err(Error::io("look up", source)(error)),
    }
}

fn tmpfs_options(size: Option<u64>, mode: Option<u32>, given: &[String]) -> Vec<String> {
    let has = |word: &str| given.iter().any(|option| option == word);
    let mut options: Vec<String> = [("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")]
        .into_iter()
        .filter(|(no, yes)| !has(no) && !has(yes))
        .map(|(no, _)| no.to_owned())
        .collect();
    options.extend(given.iter().cloned());
    options.extend(size.map(|size| format!("size={size}")));
    options.push(format!("mode={:o}", mode.unwrap_or(0o1777)));
    options
}

fn fill_volumes(
    engine: &Engine,
    spec: &RunSpec,
    mounts: &[Mount],
    snapshot: &images::Snapshot,
) -> Result<()> {
    let nocopy = |target: &Path| {
        spec.mounts.iter().any(|asked| {
            asked.target == target
                && matches!(asked.source, MountSource::Volume { nocopy: true, .. })
        })
    };
    let volumes: Vec<(&Path, &str)> = mounts
        .iter()
        .filter(|mount| !nocopy(&mount.target))
        .filter_map(|mount| match &mount.kind {
            MountKind::Volume { name, .. } => Some((mount.target.as_path(), name.as_str())),
            _ => None,
        })
        .collect();
    if volumes.is_empty() {
        return Ok(());
    }
    let root = rootfs::open(snapshot)?;
    for (target, name) in volumes {
        volume::copy_up::copy_up(&root, target, &engine.layout.volumes().join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tmpfs_is_restricted_unless_asked_otherwise() {
        fn check(size: Option<u64>, mode: Option<u32>, given: &[&str], expected: &str) {
            let given: Vec<String> = given.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(tmpfs_options(size, mode, &given).join(","), expected);
        }
        check(None, None, &[], "noexec,nosuid,nodev,mode=1777");
        check(
            Some(4096),
            Some(0o700),
            &["exec"],
            "nosuid,nodev,exec,size=4096,mode=700",
        );
        check(
            None,
            None,
            &["noexec", "uid=5"],
            "nosuid,nodev,noexec,uid=5,mode=1777",
        );
    }

    #[test]
    fn bind_sources() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("a/b");
        assert!(
            bind_source(&missing, false)
                .unwrap_err()
                .to_string()
                .contains("does not exist")
        );
        bind_source(&missing, true).unwrap();
        assert!(missing.is_dir());
        bind_source(&missing, false).unwrap();
    }
}
