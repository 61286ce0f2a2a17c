//! A whole container, decided.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;
use oci_spec::runtime::{Hooks, LinuxIdMapping, LinuxResources, Spec};

use super::Bundle;
use super::namespaces::{Kind, Namespaces};
use super::process::ProcessPlan;
use super::sysctl::{self, Setting};
use crate::error::{Error, ErrorKind, Result};
use crate::id::ContainerId;
use crate::mounts::{Planned, devices, options};
use crate::rootfs::RootPlan;

/// Everything that the first process carries out.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) process: ProcessPlan,
    pub(crate) root: RootPlan,
    pub(crate) namespaces: Namespaces,
    /// Namespaces to join, opened.
    pub(crate) joined: Vec<(Kind, OwnedFd)>,
    pub(crate) mappings: Option<Mappings>,
    pub(crate) hostname: Option<String>,
    pub(crate) domainname: Option<String>,
    pub(crate) sysctl: Vec<Setting>,
    pub(crate) personality: Option<u32>,
    pub(crate) hooks: Hooks,
    /// Below each hierarchy.
    pub(crate) cgroups_path: String,
    pub(crate) resources: Option<LinuxResources>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What `/proc/PID/uid_map` and `gid_map` will say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mappings {
    pub(crate) uid: String,
    pub(crate) gid: String,
}

impl Plan {
    /// Decides the container `id` of a bundle.
    pub(crate) fn new(id: &ContainerId, bundle: &Bundle) -> Result<Plan> {
        let Bundle {
            directory, spec, ..
        } = bundle;
        check_version(spec)?;
        let linux = spec.linux().clone().unwrap_or_default();
        let namespaces = Namespaces::from_spec(linux.namespaces().as_deref().unwrap_or_default())?;
        let process = spec
            .process()
            .as_ref()
            .ok_or_else(|| Error::invalid("config.json has no process"))?;
        let process = ProcessPlan::new(process, linux.seccomp().as_ref())?;
        refuse_unsupported(&linux, &namespaces)?;
        let mappings = mappings(&linux, &namespaces)?;
        let root = root(directory, spec, &linux, &process, mappings.is_some())?;
        if !namespaces.has(Kind::Mount) && (!root.mounts.is_empty() || root.overlay.is_some()) {
            return Err(Error::invalid(
                "there are mounts but no mount namespace: they would be made on the host; add {\"type\": \"mount\"} to linux.namespaces",
            ));
        }
        for (what, name) in [
            ("hostname", spec.hostname()),
            ("domainname", spec.domainname()),
        ] {
            if name.as_ref().is_some_and(|name| !name.is_empty()) && !namespaces.has(Kind::Uts) {
                return Err(Error::invalid(format!(
                    "{what} needs a uts namespace: it would change the host's"
                )));
            }
        }
        let sysctl = sysctl::plan(linux.sysctl().as_ref(), &namespaces)?;
        let cgroups_path = match linux.cgroups_path() {
            Some(path) if !path.as_os_str().is_empty() => path.display().to_string(),
            _ => format!("/mini/{}", id.as_str()),
        };
        Ok(Plan {
            process,
            root,
            joined: namespaces.open()?,
            namespaces,
            mappings,
            hostname: spec.hostname().clone().filter(|name| !name.is_empty()),
            domainname: spec.domainname().clone().filter(|name| !name.is_empty()),
            sysctl,
            personality: linux.personality().as_ref().map(|personality| {
                match personality.domain() {
                    oci_spec::runtime::LinuxPersonalityDomain::PerLinux => 0,
                    oci_spec::runtime::LinuxPersonalityDomain::PerLinux32 => 8,
                }
            }),
            hooks: hooks(spec)?,
            cgroups_path,
            resources: linux.resources().clone(),
            annotations: spec
                .annotations()
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect(),
        })
    }
}

/// What a container would silently lack is refused.
fn refuse_unsupported(linux: &oci_spec::runtime::Linux, namespaces: &Namespaces) -> Result<()> {
    let unsupported = [
        (linux.intel_rdt().is_some(), "linux.intelRdt"),
        (
            linux
                .net_devices()
                .as_ref()
                .is_some_and(|devices| !devices.is_empty()),
            "linux.netDevices",
        ),
        (linux.memory_policy().is_some(), "linux.memoryPolicy"),
        (namespaces.has(Kind::Time), "a time namespace"),
        (
            linux
                .time_offsets()
                .as_ref()
                .is_some_and(|offsets| !offsets.is_empty()),
            "linux.timeOffsets",
        ),
    ];
    match unsupported.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(Error::new(
            ErrorKind::Unsupported,
            format!("{what} is not supported"),
        )),
        None => Ok(()),
    }
}

fn check_version(spec: &Spec) -> Result<()> {
    let version = spec.version();
    if version.starts_with("1.") || version.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "ociVersion {version:?} is not supported: 1.x is"
    )))
}

fn root(
    bundle: &Path,
    spec: &Spec,
    linux: &oci_spec::runtime::Linux,
    process: &ProcessPlan,
    mapped: bool,
) -> Result<RootPlan> {
    let root = spec
        .root()
        .as_ref()
        .ok_or_else(|| Error::invalid("config.json has no root"))?;
    let path = bundle.join(root.path());
    let path = std::fs::canonicalize(&path)
        .map_err(Error::sys("open root file system", path.display()))
        .map_err(|error| error.with_kind(ErrorKind::InvalidSpec))?;
    if !path.is_dir() {
        return Err(Error::invalid(format!(
            "root file system {} is not a directory",
            path.display()
        )));
    }
    let mut mounts = Vec::new();
    let mut overlay = None;
    for (index, mount) in spec.mounts().iter().flatten().enumerate() {
        let planned = Planned::new(mount, bundle)?;
        if planned.destination != Path::new("/") {
            mounts.push(planned);
        } else if index == 0 && planned.kind != "bind" {
            overlay = Some(planned);
        } else {
            return Err(Error::invalid(
                "only the first mount may have the destination / and be the root file system",
            ));
        }
    }
    let paths = |list: &Option<Vec<String>>| list.iter().flatten().map(PathBuf::from).collect();
    let propagation = match linux.rootfs_propagation().as_deref() {
        None | Some("") => MsFlags::MS_SLAVE | MsFlags::MS_REC,
        Some(name) => options::propagation(name)
            .map(|flags| flags | MsFlags::MS_REC)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "linux.rootfsPropagation {name:?} is not a propagation"
                ))
            })?,
    };
    Ok(RootPlan {
        path,
        overlay,
        read_only: root.readonly().unwrap_or(false),
        propagation,
        mounts,
        devices: devices::plan(linux.devices().as_deref().unwrap_or_default())?,
        bind_devices: mapped,
        masked: paths(linux.masked_paths()),
        read_only_paths: paths(linux.readonly_paths()),
        working_directory: process.cwd.clone(),
    })
}

fn mappings(linux: &oci_spec::runtime::Linux, namespaces: &Namespaces) -> Result<Option<Mappings>> {
    let lines = |mappings: &Option<Vec<LinuxIdMapping>>| {
        let line = |mapping: &LinuxIdMapping| {
            format!(
                "{} {} {}\n",
                mapping.container_id(),
                mapping.host_id(),
                mapping.size()
            )
        };
        mappings.iter().flatten().map(line).collect::<String>()
    };
    let mappings = Mappings {
        uid: lines(linux.uid_mappings()),
        gid: lines(linux.gid_mappings()),
    };
    let given = !mappings.uid.is_empty() || !mappings.gid.is_empty();
    match (namespaces.is_new(Kind::User), given) {
        (false, false) => Ok(None),
        (true, true) => Ok(Some(mappings)),
        (true, false) => Err(Error::invalid(
            "a new user namespace needs linux.uidMappings and linux.gidMappings",
        )),
        // Those of the namespace that is joined hold.
        (false, true) if namespaces.has(Kind::User) => Ok(None),
        (false, true) => Err(Error::invalid(
            "linux.uidMappings and linux.gidMappings need a user namespace",
        )),
    }
}

fn hooks(spec: &Spec) -> Result<Hooks> {
    let hooks = spec.hooks().clone().unwrap_or_default();
    crate::hooks::check(&hooks)?;
    Ok(hooks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn plan(change: impl FnOnce(&mut Value)) -> Result<Plan> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("rootfs")).unwrap();
        let mut config = json!({
            "ociVersion": "1.0.2",
            "root": {"path": "rootfs"},
            "process": {"args": ["sh"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
            "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
        });
        change(&mut config);
        std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
        let bundle = super::super::load(directory.path())?;
        Plan::new(&"c1".parse().unwrap(), &bundle)
    }

    #[test]
    fn containers_are_decided() {
        let check = |pointer: &str, value: Value, refused: Option<&str>| {
            let planned = plan(|config| {
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                let parent = config.pointer_mut(parent).unwrap();
                parent
                    .as_object_mut()
                    .unwrap()
                    .insert(key.to_owned(), value.clone());
            });
            match (planned, refused) {
                (Ok(_), None) => {}
                (Err(error), Some(part)) => assert!(
                    error.chain().contains(part),
                    "{pointer} {value}: {}",
                    error.chain()
                ),
                (planned, _) => panic!("{pointer} {value}: {planned:?}"),
            }
        };
        check("/ociVersion", json!("1.2.0"), None);
        check("/ociVersion", json!("2.0.0"), Some("2.0.0"));
        check("/root", Value::Null, Some("no root"));
        check("/process", Value::Null, Some("no process"));
        check("/root/path", json!("nosuch"), Some("nosuch"));
        check("/root/path", json!("config.json"), Some("not a directory"));
        check("/hostname", json!("x"), Some("uts"));
        check("/linux/rootfsPropagation", json!("rshared"), None);
        check("/linux/rootfsPropagation", json!("bogus"), Some("bogus"));
        check(
            "/linux/sysctl",
            json!({"vm.swappiness": "1"}),
            Some("vm.swappiness"),
        );
        check(
            "/linux/namespaces",
            json!([{"type": "pid"}]),
            Some("no mount namespace"),
        );
        check(
            "/linux/namespaces",
            json!([{"type": "mount"}, {"type": "user"}]),
            Some("uidMappings"),
        );
        check(
            "/linux/uidMappings",
            json!([{"containerID": 0, "hostID": 1000, "size": 1}]),
            Some("user namespace"),
        );
        check("/linux/intelRdt", json!({}), Some("intelRdt"));
        check(
            "/hooks",
            json!({"prestart": [{"path": "relative"}]}),
            Some("relative"),
        );
        check(
            "/linux/seccomp",
            json!({"defaultAction": "SCMP_ACT_NONSENSE"}),
            Some("SCMP_ACT_NONSENSE"),
        );
    }

    #[test]
    fn a_first_mount_may_be_the_root() {
        let overlay = json!({"destination": "/", "type": "overlay", "source": "overlay", "options": ["lowerdir=/a:/b"]});
        let planned = plan(|config| {
            config["mounts"]
                .as_array_mut()
                .unwrap()
                .insert(0, overlay.clone())
        })
        .unwrap();
        assert_eq!(planned.root.overlay.unwrap().kind, "overlay");
        assert_eq!(planned.root.mounts.len(), 1);
        assert_eq!(planned.cgroups_path, "/mini/c1");
        assert!(
            plan(|config| config["mounts"]
                .as_array_mut()
                .unwrap()
                .push(overlay.clone()))
            .is_err()
        );
    }
}
