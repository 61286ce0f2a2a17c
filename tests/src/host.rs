//! One host for the length of one test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::command::{Done, Running, run};
use crate::image::Image;
use crate::leaks::{Leaks, Watched};
use crate::registry::Registry;
use crate::spaces::Spaces;
use crate::words::Words;
use crate::{images, sweep, wait};

static HOSTS: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();

/// A machine as far as `minictl` and `minirun` can tell: network, mounts, state and cgroups of its own.
///
/// Dropping it checks that nothing was left behind (unless the test has failed already) and takes everything down.
#[derive(Debug)]
pub struct Host {
    spaces: Spaces,
    directory: TempDir,
    cgroup_parent: String,
    environment: BTreeMap<String, String>,
    before: Leaks,
    registry: Option<Registry>,
    check: bool,
}

impl Host {
    /// A new host, or nothing (and a line that says so) when the test does not run as root.
    pub fn start() -> Option<Host> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: this test needs root (namespaces and cgroups of its own)");
            return None;
        }
        SWEPT.call_once(sweep::sweep);
        let number = HOSTS.fetch_add(1, Ordering::Relaxed);
        let cgroup_parent = format!("/{}{}-{number}", sweep::PREFIX, std::process::id());
        let directory = tempfile::Builder::new()
            .prefix(&format!("{}{}-", sweep::PREFIX, std::process::id()))
            .tempdir()
            .expect("a temporary directory");
        for name in ["data", "run", "home"] {
            fs::create_dir(directory.path().join(name)).expect("a directory of the host");
        }
        let path = |name: &str| directory.path().join(name).display().to_string();
        let environment = BTreeMap::from([
            ("MINI_DATA_ROOT".to_owned(), path("data")),
            ("MINI_RUN_ROOT".to_owned(), path("run")),
            ("MINI_CGROUP_PARENT".to_owned(), cgroup_parent.clone()),
            ("HOME".to_owned(), path("home")),
            (
                "PATH".to_owned(),
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            ),
        ]);
        let spaces = Spaces::new();
        let mut host = Host {
            spaces,
            directory,
            cgroup_parent,
            environment,
            before: Leaks::default(),
            registry: None,
            check: true,
        };
        host.before = Leaks::find(&host.watched());
        Some(host)
    }

    /// The directory of everything this host has.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A path in the host's directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The data root that `minictl` uses here.
    pub fn data(&self) -> PathBuf {
        self.environment["MINI_DATA_ROOT"].clone().into()
    }

    /// The run root that `minictl` uses here.
    pub fn run_root(&self) -> PathBuf {
        self.environment["MINI_RUN_ROOT"].clone().into()
    }

    /// The cgroup under which this host's containers live, the same in every hierarchy.
    pub fn cgroup_parent(&self) -> &str {
        &self.cgroup_parent
    }

    /// The namespaces of this host.
    pub fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    /// Writes a file below the host's directory and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file has a directory"))
            .expect("the file's directory");
        fs::write(&path, content).expect("write a file of the host");
        path
    }

    /// Sets a variable in the environment of every command from now on.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.insert(name.to_owned(), value.into());
    }

    /// Any program, to be started on this host.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().envs(&self.environment);
        self.spaces.place(&mut command);
        command
    }

    /// Runs any program of the machine on this host, to its end.
    #[track_caller]
    pub fn sh(&self, script: &str) -> Done {
        let mut command = self.command("/bin/sh");
        command.args(["-ec", script]);
        run(command)
    }

    /// Runs `minictl` to its end.
    #[track_caller]
    pub fn minictl(&self, arguments: impl Words) -> Done {
        self.spawn(arguments).wait()
    }

    /// Starts `minictl` beside the test.
    #[track_caller]
    pub fn spawn(&self, arguments: impl Words) -> Running {
        let mut command = self.command(binary("minictl"));
        command.args(arguments.words());
        Running::start(command)
    }

    /// Runs `minictl` on a terminal (that of `script`, from util-linux) of 40 rows and 132 columns. For each of `talk` it waits
    /// until the first text has been shown, then types the second.
    #[track_caller]
    pub fn terminal(&self, arguments: &[&str], talk: &[(&str, &str)]) -> Done {
        let mut line = format!(
            "stty rows 40 cols 132; exec {}",
            binary("minictl").display()
        );
        for argument in arguments {
            line.push_str(&format!(" '{}'", argument.replace('\'', r"'\''")));
        }
        let mut command = self.command("/usr/bin/script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.env("TERM", "xterm").env("SHELL", "/bin/sh");
        let mut running = Running::start(command);
        let mut seen = 0;
        for (shown, typed) in talk {
            wait::eventually(&format!("{shown:?} is shown"), || {
                let all = running.stdout();
                let at = all.get(seen..)?.find(shown)?;
                seen += at + shown.len();
                Some(())
            });
            running.write(typed);
        }
        // `script` ends with its input: it is kept open until the program has ended by itself.
        wait::within(Duration::from_secs(20), || {
            running.has_ended().then_some(())
        });
        running.wait()
    }

    /// The real registry on 127.0.0.1:5000, started at the first call.
    pub fn registry(&mut self) -> &Registry {
        if self.registry.is_none() {
            self.registry = Some(Registry::start(
                &self.spaces,
                &self.path("registry"),
                5000,
                None,
            ));
        }
        self.registry.as_ref().expect("it was just started")
    }

    /// Starts the real registry, pulls the small image and returns its reference. Most tests begin so.
    #[track_caller]
    pub fn busybox(&mut self) -> String {
        let reference = self.registry().push("busybox", "latest", &Image::busybox());
        self.minictl(["pull", "-q", &reference]).ok();
        reference
    }

    /// Pulls one of the images built from Debian packages (`debian`, `redis`, `blog-app`) and returns its reference.
    #[track_caller]
    pub fn real(&mut self, name: &str) -> String {
        let reference = self.registry().serve(name);
        self.minictl(["pull", "-q", &reference]).ok();
        reference
    }

    /// The value at `pointer` (RFC 6901) of the first object that `minictl inspect` prints for `container`.
    #[track_caller]
    pub fn inspect(&self, container: &str, pointer: &str) -> serde_json::Value {
        let all = self.minictl(["inspect", container]).ok().json();
        let found = all.pointer(&format!("/0{pointer}"));
        found
            .unwrap_or_else(|| panic!("inspect has no {pointer}: {all:#}"))
            .clone()
    }

    /// Ids (shortened) of all containers, whatever their state.
    #[track_caller]
    pub fn containers(&self) -> Vec<String> {
        self.minictl(["ps", "-aq"]).ok().lines()
    }

    /// Waits until `container` has the status Docker calls `status` (`running`, `exited`, ...).
    #[track_caller]
    pub fn until(&self, container: &str, status: &str) {
        wait::eventually(&format!("{container} is {status}"), || {
            (self.inspect(container, "/State/Status") == status).then_some(())
        });
    }

    /// Waits until the log of `container` contains `text`.
    #[track_caller]
    pub fn until_logged(&self, container: &str, text: &str) {
        wait::eventually(&format!("{container} logs {text:?}"), || {
            let logs = self.minictl(["logs", container]);
            (logs.stdout.contains(text) || logs.stderr.contains(text)).then_some(())
        });
    }

    /// Where a cgroup file of `container` is, whichever hierarchy has it: `controller` is its name on v1, `file` the candidates.
    pub fn cgroup_file(
        &self,
        container_id: &str,
        controller: &str,
        files: &[&str],
    ) -> Option<PathBuf> {
        let group = format!("{}/{container_id}", self.cgroup_parent);
        let roots = [
            "/sys/fs/cgroup".into(),
            format!("/sys/fs/cgroup/{controller}"),
            "/sys/fs/cgroup/unified".into(),
        ];
        let candidates = roots
            .iter()
            .flat_map(|root| files.iter().map(move |file| (root, file)));
        candidates
            .map(|(root, file)| PathBuf::from(format!("{root}{group}/{file}")))
            .find(|path| path.exists())
    }

    /// Ends the machine as a loss of power and the boot after it do: every process dies, links and rules
    /// are gone, the run root is empty.
    pub fn reboot(&self) {
        self.watched().kill_everything();
        self.watched().remove_cgroups();
        let bridges = "ip -br link show type bridge | cut -d' ' -f1";
        self.sh(&format!(
            "for link in $({bridges}); do ip link delete $link; done; nft flush ruleset"
        ))
        .ok();
        let run = self.run_root();
        fs::remove_dir_all(&run).expect("remove the run root");
        fs::create_dir(&run).expect("an empty run root");
    }

    /// Leaves the check for leaks out: for a test that proves something else about leftovers.
    pub fn without_check(&mut self) {
        self.check = false;
    }

    /// What is on this host now that was not there at its start.
    pub fn leaks(&self) -> Vec<String> {
        let mut left = Vec::new();
        wait::within(Duration::from_secs(5), || {
            left = Leaks::find(&self.watched()).since(&self.before);
            left.is_empty().then_some(())
        });
        left
    }

    /// What a check for leaks looks at.
    pub fn watched(&self) -> Watched<'_> {
        Watched {
            spaces: &self.spaces,
            cgroup_parent: &self.cgroup_parent,
            directory: self.directory.path(),
            data: self.data(),
            run: self.run_root(),
            spared: self.registry.iter().map(Registry::pid).collect(),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let left = if self.check && !std::thread::panicking() {
            self.leaks()
        } else {
            Vec::new()
        };
        self.registry = None;
        self.watched().kill_everything();
        self.watched().remove_cgroups();
        if !std::thread::panicking() {
            assert!(
                left.is_empty(),
                "left behind by this test:\n  {}",
                left.join("\n  ")
            );
        }
    }
}

/// One of the binaries under test, in `MINI_BIN_DIR` (where `make` puts them by default).
pub fn binary(name: &str) -> PathBuf {
    let directory = std::env::var_os("MINI_BIN_DIR").map_or_else(built_here, PathBuf::from);
    let path = directory.join(name);
    assert!(
        path.exists(),
        "{} is missing: `make dev` builds it (or set MINI_BIN_DIR)",
        path.display()
    );
    path
}

fn built_here() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| images::repository().join("target"), PathBuf::from);
    target.join("mini/debug")
}
