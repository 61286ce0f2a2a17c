//! Every mount of a container, in the order in which it is made.

use std::path::PathBuf;

use oci_spec::runtime::Mount as OciMount;

use super::Input;
use crate::container::{Mount, MountKind};
use crate::parse::mode::Sharing;
use crate::volume;

const SHM_SIZE: u64 = 64 << 20;
/// Where `--init` finds its program.
pub(crate) const INIT: &str = "/sbin/minirun-init";

/// The root, the usual file systems, our files, then what was asked for: a target that was asked for is not made by us
/// as well, and parents come before what lies below them.
pub(crate) fn all(input: &Input<'_>) -> Vec<OciMount> {
    let mut own = usual(input);
    own.extend(files(input));
    if input.record.spec.init {
        let program = input.minirun.display().to_string();
        own.push(mount(
            INIT,
            "bind",
            &program,
            ["bind", "ro", "nosuid", "nodev"]
                .map(str::to_owned)
                .to_vec(),
        ));
    }
    let asked: Vec<OciMount> = input
        .record
        .mounts
        .iter()
        .map(|mount| wanted(mount, input))
        .collect();
    own.retain(|mount| {
        !asked
            .iter()
            .any(|wanted| wanted.destination() == mount.destination())
    });
    own.extend(asked);
    own.sort_by_key(|mount| mount.destination().components().count());
    own.insert(0, root(input));
    own
}

/// The overlay that becomes the root (an extension of our runtime: a first mount on `/`).
fn root(input: &Input<'_>) -> OciMount {
    let root = &input.root;
    let lower: Vec<String> = root
        .lower
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let options = vec![
        format!("lowerdir={}", lower.join(":")),
        format!("upperdir={}", root.upper.display()),
        format!("workdir={}", root.work.display()),
    ];
    mount("/", "overlay", "overlay", options)
}

fn usual(input: &Input<'_>) -> Vec<OciMount> {
    let spec = &input.record.spec;
    let access = if spec.privileged { "rw" } else { "ro" };
    let list = |options: &[&str]| {
        options
            .iter()
            .map(|option| (*option).to_owned())
            .collect::<Vec<_>>()
    };
    let mut result = vec![
        mount(
            "/proc",
            "proc",
            "proc",
            list(&["nosuid", "noexec", "nodev"]),
        ),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            list(&["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            list(&[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ]),
        ),
        mount(
            "/sys",
            "sysfs",
            "sysfs",
            list(&["nosuid", "noexec", "nodev", access]),
        ),
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            list(&["nosuid", "noexec", "nodev", "relatime", access]),
        ),
    ];
    let mqueue = mount(
        "/dev/mqueue",
        "mqueue",
        "mqueue",
        list(&["nosuid", "noexec", "nodev"]),
    );
    match spec.ipc.0 {
        Sharing::Host => {
            // A new mount of mqueue shows the messages of the IPC namespace it is made in: the host's. The host itself may have none.
            result.push(mqueue);
            result.push(mount(
                "/dev/shm",
                "bind",
                "/dev/shm",
                list(&["rbind", "rprivate"]),
            ));
        }
        _ => {
            let size = spec.shm_size.map_or(SHM_SIZE, |size| size.0);
            let mut options = list(&["nosuid", "noexec", "nodev", "mode=1777"]);
            options.push(format!("size={size}"));
            result.push(mqueue);
            result.push(mount("/dev/shm", "tmpfs", "shm", options));
        }
    }
    result
}

/// Our files, writable like those of Docker.
fn files(input: &Input<'_>) -> Vec<OciMount> {
    ["resolv.conf", "hostname", "hosts"]
        .into_iter()
        .map(|name| {
            let target = format!("/etc/{name}");
            let source = input.files.join(name).display().to_string();
            mount(
                &target,
                "bind",
                &source,
                vec!["rbind".to_owned(), "rprivate".to_owned()],
            )
        })
        .collect()
}

fn wanted(wanted: &Mount, input: &Input<'_>) -> OciMount {
    let access = if wanted.read_only { "ro" } else { "rw" }.to_owned();
    let bind = |source: PathBuf, recursive: bool| {
        let kind = if recursive { "rbind" } else { "bind" }.to_owned();
        let access = match wanted.read_only && recursive && input.host.read_only_trees {
            true => "rro".to_owned(),
            false => access.clone(),
        };
        (
            Some(source),
            "bind",
            vec![kind, wanted.propagation.clone(), access],
        )
    };
    let (source, kind, options) = match &wanted.kind {
        MountKind::Bind { source, recursive } => bind(source.clone(), *recursive),
        MountKind::Volume { name, .. } => bind(volume::data(input.volumes, name), true),
        MountKind::Tmpfs { options } => {
            let mut options = options.clone();
            options.push(access.clone());
            (Some("tmpfs".into()), "tmpfs", options)
        }
    };
    let mut mount = OciMount::default();
    mount.set_destination(wanted.target.clone());
    mount.set_typ(Some(kind.to_owned()));
    mount.set_source(source);
    mount.set_options(Some(options));
    mount
}

fn mount(target: &str, kind: &str, source: &str, options: Vec<String>) -> OciMount {
    let mut mount = OciMount::default();
    mount.set_destination(target.into());
    mount.set_typ(Some(kind.to_owned()));
    mount.set_source(Some(source.into()));
    mount.set_options(Some(options));
    mount
}
