//! OCI bundles, for tests that speak to `minirun` alone.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::command::{Done, Running};
use crate::host::{Host, binary};
use crate::images;

/// A directory with `config.json` and a root file system of busybox and `probe`.
#[derive(Debug)]
pub struct Bundle<'a> {
    host: &'a Host,
    directory: PathBuf,
    id: String,
    /// What `config.json` will say.
    pub config: Value,
}

impl<'a> Bundle<'a> {
    /// A bundle that runs `command` (in `/bin/sh -c`), in all namespaces but the user's, with nothing else asked for.
    pub fn new(host: &'a Host, id: &str, command: &str) -> Bundle<'a> {
        let directory = host.path(format!("bundle-{id}"));
        let rootfs = directory.join("rootfs");
        let _ = fs::remove_dir_all(&directory);
        for name in ["bin", "proc", "sys", "dev", "tmp", "etc"] {
            fs::create_dir_all(rootfs.join(name)).expect("a directory of the root file system");
        }
        fs::copy(images::busybox(), rootfs.join("bin/busybox")).expect("busybox");
        fs::copy(binary("probe"), rootfs.join("bin/probe")).expect("probe");
        let listed = Command::new(images::busybox())
            .arg("--list")
            .output()
            .expect("busybox runs");
        for name in String::from_utf8_lossy(&listed.stdout)
            .lines()
            .filter(|name| *name != "busybox")
        {
            symlink("busybox", rootfs.join("bin").join(name)).expect("a name of busybox");
        }
        fs::write(rootfs.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")
            .expect("etc/passwd");
        let config = json!({
            "ociVersion": "1.0.2",
            "hostname": "bundle",
            "root": {"path": "rootfs"},
            "process": {
                "cwd": "/",
                "args": ["/bin/sh", "-c", command],
                "env": ["PATH=/bin"],
                "user": {"uid": 0, "gid": 0},
                "noNewPrivileges": true,
                "capabilities": {"bounding": [], "effective": [], "permitted": []},
            },
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                 "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            ],
            "linux": {
                "cgroupsPath": format!("{}/{id}", host.cgroup_parent()),
                "namespaces": [
                    {"type": "pid"}, {"type": "mount"}, {"type": "uts"}, {"type": "ipc"}, {"type": "network"}, {"type": "cgroup"},
                ],
            },
        });
        Bundle {
            host,
            directory,
            id: id.to_owned(),
            config,
        }
    }

    /// The bundle's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The root file system.
    pub fn rootfs(&self) -> PathBuf {
        self.directory.join("rootfs")
    }

    /// Sets the value at `pointer` (RFC 6901) of the config, which must have its parent.
    #[track_caller]
    pub fn set(mut self, pointer: &str, value: Value) -> Bundle<'a> {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        let parent = self
            .config
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("the config has no {pointer}"));
        parent
            .as_object_mut()
            .expect("an object")
            .insert(key.to_owned(), value);
        self
    }

    /// Adds a mount.
    pub fn mount(mut self, mount: Value) -> Bundle<'a> {
        self.config["mounts"]
            .as_array_mut()
            .expect("mounts are a list")
            .push(mount);
        self
    }

    /// Runs `minirun run`, with config and standard streams, to the end of the container.
    #[track_caller]
    pub fn run(&self) -> Done {
        self.write();
        let directory = self.directory.display().to_string();
        minirun(self.host, ["run", "--bundle", &directory, &self.id])
    }

    /// Starts `minirun run` beside the test.
    #[track_caller]
    pub fn spawn(&self) -> Running {
        self.write();
        let directory = self.directory.display().to_string();
        Running::start(command(
            self.host,
            ["run", "--bundle", &directory, &self.id],
        ))
    }

    /// Runs `minirun create`; its output goes to files so that the container can outlive the command.
    #[track_caller]
    pub fn create(&self) -> Done {
        self.write();
        let script = format!(
            "exec {} --root {} create --bundle {} {} </dev/null >{}/out 2>{}/err",
            binary("minirun").display(),
            runtime_root(self.host).display(),
            self.directory.display(),
            self.id,
            self.directory.display(),
            self.directory.display(),
        );
        let mut done = self.host.sh(&script);
        done.stderr
            .push_str(&fs::read_to_string(self.directory.join("err")).unwrap_or_default());
        done
    }

    /// What the container has printed since `create`.
    pub fn output(&self) -> String {
        fs::read_to_string(self.directory.join("out")).unwrap_or_default()
    }

    /// Runs `minirun VERB ID` with further arguments after the id.
    #[track_caller]
    pub fn verb(&self, verb: &str, after: &[&str]) -> Done {
        let mut arguments = vec![verb, &self.id];
        arguments.extend(after);
        minirun(self.host, arguments)
    }

    /// Runs `minirun VERB OPTION... ID` with further arguments after the id.
    #[track_caller]
    pub fn verb_with(&self, verb: &str, options: &[&str], after: &[&str]) -> Done {
        let mut arguments = vec![verb];
        arguments.extend(options);
        arguments.push(&self.id);
        arguments.extend(after);
        minirun(self.host, arguments)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Writes `config.json` as it now stands.
    pub fn write(&self) {
        let text = serde_json::to_vec_pretty(&self.config).expect("JSON in memory");
        fs::write(self.directory.join("config.json"), text).expect("write config.json");
    }
}

/// Runs `minirun` on `host` to its end.
#[track_caller]
pub fn minirun<A: AsRef<str>>(host: &Host, arguments: impl IntoIterator<Item = A>) -> Done {
    Running::start(command(host, arguments)).wait()
}

fn command<A: AsRef<str>>(host: &Host, arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = host.command(binary("minirun"));
    command.arg("--root").arg(runtime_root(host));
    command.args(
        arguments
            .into_iter()
            .map(|argument| argument.as_ref().to_owned()),
    );
    command
}

fn runtime_root(host: &Host) -> PathBuf {
    host.run_root().join("runtime")
}
