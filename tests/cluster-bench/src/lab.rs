//! Hosts of a lab, as `minictl lab` makes them, in namespaces of their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tonic::transport::Channel;

use crate::cleanup;

/// Where the demo's images are served, on every host that has a registry.
pub(crate) const IMAGE: &str = "127.0.0.1:5000/debian";

/// A network and a mount namespace; what is done in there touches nothing of the machine.
pub(crate) struct Space {
    holder: Child,
}

impl Space {
    pub(crate) fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--", "sleep", "infinity"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let holder = command.spawn().expect("unshare starts");
        let space = Space { holder };
        let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let pid = space.holder.id().to_string();
        while network(&pid) == network("self") {
            std::thread::sleep(Duration::from_millis(5));
        }
        run(space.command("ip").args(["link", "set", "lo", "up"]));
        let mut end = Command::new("kill");
        end.arg(&pid);
        cleanup::expect_command(end);
        space
    }

    /// A program in there.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--net", "--mount", "-t", &self.holder.id().to_string()])
            .arg("--")
            .arg(program)
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A lab with its daemons; dropped, it is taken down.
pub(crate) struct Lab {
    space: Space,
    directory: PathBuf,
    name: String,
}

impl Lab {
    /// Managers and workers, `node1` and so on, each with the image.
    pub(crate) fn up(directory: &Path, managers: usize, workers: usize) -> Self {
        let lab = Lab {
            space: Space::new(),
            directory: directory.join("labs"),
            name: format!("bench{}", std::process::id()),
        };
        cleanup::expect_command(lab.minictl(&["lab", "down", "--name", &lab.name]));
        let (managers, workers) = (managers.to_string(), workers.to_string());
        let up = ["lab", "up", "--name", &lab.name, "--managers", &managers];
        run(lab.minictl(&up).args(["--workers", &workers]));
        let nodes = std::fs::read_dir(lab.directory.join(&lab.name)).expect("the lab's hosts");
        for node in nodes.flatten() {
            let node = node.file_name().to_string_lossy().into_owned();
            if node.starts_with("node") {
                lab.pull(&node);
            }
        }
        lab
    }

    /// The directory of a node.
    pub(crate) fn home(&self, node: &str) -> PathBuf {
        self.directory.join(&self.name).join(node)
    }

    /// A node's daemon.
    pub(crate) fn socket(&self, node: &str) -> Channel {
        api::connect::unix(&self.home(node).join("run/minid.sock"))
    }

    fn pull(&self, node: &str) {
        let registry = registry_line();
        let script = format!(
            "{registry} & for try in $(seq 100); do minictl pull -q {IMAGE} && break; sleep 0.1; done; kill $!; minictl images -q | grep -q ."
        );
        let words = ["lab", "exec", "--name", &self.name, node, "--", "sh", "-c"];
        run(self.minictl(&words).arg(script));
    }

    fn minictl(&self, words: &[&str]) -> Command {
        let bin = binaries();
        let mut command = self.space.command(bin.join("minictl"));
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .args(words)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("MINI_LAB_ROOT", &self.directory)
            .stdout(Stdio::null());
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        run(&mut self.minictl(&["lab", "down", "--name", &self.name]));
    }
}

/// Where the binaries are.
fn binaries() -> PathBuf {
    let own = std::env::var_os("MINI_BIN_DIR").map(PathBuf::from);
    own.expect("MINI_BIN_DIR says where minictl is")
}

/// A line of shell that serves the demo's images at 127.0.0.1:5000.
pub(crate) fn registry_line() -> String {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images");
    let printed = Command::new(images.join("build")).arg("--print").output();
    let printed = printed.expect("tests/images/build runs").stdout;
    let cache = String::from_utf8(printed).expect("a path");
    format!(
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY={}/registry REGISTRY_HTTP_ADDR=127.0.0.1:5000 docker-registry serve {}/registry.yml >/dev/null 2>&1",
        cache.trim(),
        images.display()
    )
}

/// Runs a command to its end, which must be good.
pub(crate) fn run(command: &mut Command) {
    let done = command.output().expect("the command starts");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{command:?}: {}: {said}",
        done.status
    );
}
