use super::*;
use crate::container::{Mount, MountKind};

fn generate_with(record: &Record, namespaces: &Namespaces) -> Spec {
    let identity = Identity {
        uid: 33,
        gid: 33,
        groups: vec![33, 4],
        home: "/srv".to_owned(),
    };
    let host = Host {
        cpus: 2,
        capabilities: capabilities::of_mask(u64::MAX),
        open_files: 4096,
        read_only_trees: true,
    };
    generate(&Input {
        record,
        identity: &identity,
        root: RootSource {
            lower: &["/l/2".into(), "/l/1".into()],
            upper: Path::new("/a/upper"),
            work: Path::new("/a/work"),
        },
        files: Path::new("/c"),
        volumes: Path::new("/v"),
        hostname: "web",
        namespaces,
        host: &host,
        devices: &[],
        block_devices: &resources::BlockDevices::default(),
        minirun: Path::new("/usr/bin/minirun"),
        seccomp_file: None,
        console: Some((24, 80)),
    })
    .unwrap()
}

fn mount_of<'a>(spec: &'a Spec, target: &str) -> Option<&'a oci_spec::runtime::Mount> {
    spec.mounts()
        .as_ref()?
        .iter()
        .find(|mount| mount.destination() == Path::new(target))
}

fn options(spec: &Spec, target: &str) -> String {
    mount_of(spec, target)
        .and_then(|mount| mount.options().clone())
        .unwrap_or_default()
        .join(",")
}

#[test]
fn a_plain_container() {
    let namespaces = Namespaces {
        network: Some("/proc/self/fd/9".into()),
        pid: None,
    };
    let spec = generate_with(&test_record(), &namespaces);
    let mounts = spec.mounts().as_ref().unwrap();
    assert_eq!(mounts[0].destination(), Path::new("/"));
    assert_eq!(
        options(&spec, "/"),
        "lowerdir=/l/2:/l/1,upperdir=/a/upper,workdir=/a/work"
    );
    assert_eq!(options(&spec, "/sys"), "nosuid,noexec,nodev,ro");
    assert_eq!(
        options(&spec, "/dev/shm"),
        "nosuid,noexec,nodev,mode=1777,size=67108864"
    );
    assert_eq!(
        mount_of(&spec, "/etc/hosts").unwrap().source().as_deref(),
        Some(Path::new("/c/hosts"))
    );
    assert_eq!(spec.hostname().as_deref(), Some("web"));
    assert_eq!(spec.root().as_ref().unwrap().readonly(), Some(false));

    let process = spec.process().as_ref().unwrap();
    assert_eq!(process.args().as_ref().unwrap(), &["sh"]);
    assert_eq!(process.user().uid(), 33);
    assert_eq!(
        process.user().additional_gids().as_deref(),
        Some(&[33, 4][..])
    );
    assert_eq!(process.console_size(), None, "without a terminal");
    assert_eq!(
        process.env().as_ref().unwrap(),
        &[
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME=web",
            "HOME=/srv"
        ]
    );
    assert_eq!(process.rlimits().as_ref().unwrap()[0].hard(), 4096);

    let linux = spec.linux().as_ref().unwrap();
    let kinds: Vec<_> = linux
        .namespaces()
        .as_ref()
        .unwrap()
        .iter()
        .map(LinuxNamespace::typ)
        .collect();
    assert_eq!(kinds.len(), 6);
    assert_eq!(
        linux.cgroups_path().as_deref(),
        Some(Path::new("/mini/c0ffee"))
    );
    assert!(linux.seccomp().is_some());
    assert_eq!(linux.masked_paths().as_ref().unwrap().len(), MASKED.len());
}

#[test]
fn a_privileged_container_on_the_host() {
    let mut record = test_record();
    record.spec.privileged = true;
    record.spec.read_only = true;
    record.spec.ipc = "host".parse().unwrap();
    record.spec.pid = "host".parse().unwrap();
    record.spec.uts = "host".parse().unwrap();
    record.spec.cgroupns = "host".parse().unwrap();
    record.process.tty = true;
    let spec = generate_with(&record, &Namespaces::default());
    assert_eq!(options(&spec, "/sys"), "nosuid,noexec,nodev,rw");
    assert_eq!(options(&spec, "/dev/shm"), "rbind,rprivate");
    assert_eq!(spec.hostname(), &None);
    assert_eq!(spec.root().as_ref().unwrap().readonly(), Some(true));
    let linux = spec.linux().as_ref().unwrap();
    assert_eq!(linux.namespaces().as_ref().unwrap().len(), 1, "mount alone");
    assert!(linux.seccomp().is_none());
    assert_eq!(linux.masked_paths().as_ref().unwrap().len(), 0);
    let process = spec.process().as_ref().unwrap();
    assert_eq!(process.console_size().unwrap().width(), 80);
    assert!(
        process
            .env()
            .as_ref()
            .unwrap()
            .contains(&"TERM=xterm".to_owned())
    );
}

#[test]
fn asked_mounts_take_the_place_of_ours() {
    let mut record = test_record();
    let mount = |kind, target: &str, read_only| Mount {
        kind,
        target: target.into(),
        read_only,
        propagation: "rslave".to_owned(),
    };
    record.mounts = vec![
        mount(
            MountKind::Volume {
                name: "data".to_owned(),
                anonymous: false,
            },
            "/srv/a/b",
            true,
        ),
        mount(
            MountKind::Bind {
                source: "/host".into(),
                recursive: false,
            },
            "/srv",
            false,
        ),
        mount(
            MountKind::Tmpfs {
                options: vec!["size=1".to_owned()],
            },
            "/dev/shm",
            false,
        ),
        mount(
            MountKind::Bind {
                source: "/hosts".into(),
                recursive: true,
            },
            "/etc/hosts",
            true,
        ),
    ];
    let spec = generate_with(&record, &Namespaces::default());
    assert_eq!(options(&spec, "/dev/shm"), "size=1,rw");
    assert_eq!(options(&spec, "/srv"), "bind,rslave,rw");
    assert_eq!(options(&spec, "/srv/a/b"), "rbind,rslave,rro");
    assert_eq!(
        mount_of(&spec, "/srv/a/b").unwrap().source().as_deref(),
        Some(Path::new("/v/data/_data"))
    );
    assert_eq!(
        mount_of(&spec, "/etc/hosts").unwrap().source().as_deref(),
        Some(Path::new("/hosts"))
    );
    let targets: Vec<_> = spec
        .mounts()
        .as_ref()
        .unwrap()
        .iter()
        .map(|m| m.destination().clone())
        .collect();
    let place = |target: &str| targets.iter().position(|t| t == Path::new(target)).unwrap();
    assert!(place("/srv") < place("/srv/a/b"));
    assert!(place("/dev") < place("/dev/shm"));
    assert_eq!(
        targets
            .iter()
            .filter(|t| *t == Path::new("/dev/shm"))
            .count(),
        1
    );
    assert_eq!(
        spec.linux()
            .as_ref()
            .unwrap()
            .rootfs_propagation()
            .as_deref(),
        Some("slave")
    );
}

#[test]
fn a_ulimit_takes_the_place_of_ours() {
    let mut record = test_record();
    record.spec.ulimits = vec!["nofile=1:2".parse().unwrap(), "core=0".parse().unwrap()];
    let spec = generate_with(&record, &Namespaces::default());
    let limits = spec.process().as_ref().unwrap().rlimits().clone().unwrap();
    assert_eq!(limits.len(), 2);
    assert_eq!((limits[0].soft(), limits[0].hard()), (1, 2));
}

#[test]
fn an_init_goes_before_the_command() {
    let mut record = test_record();
    record.spec.init = true;
    let spec = generate_with(&record, &Namespaces::default());
    let args = spec.process().as_ref().unwrap().args().clone().unwrap();
    assert_eq!(args, [mounts::INIT, "init", "sh"]);
    assert_eq!(options(&spec, mounts::INIT), "bind,ro,nosuid,nodev");
}
