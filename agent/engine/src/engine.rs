//! The façade: opened once per process, it has a method for each verb; each verb's work stands in a file of its own.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use images::Store;
use jiff::Timestamp;
use network::{Network, NetworkSpec, Networks};
use runtime::Runtime;

use crate::attach::AttachClient;
use crate::config::Config;
use crate::container::{Container, ExitStatus, Record, Status};
use crate::error::{Error, Result};
use crate::heal::HealReport;
use crate::layout::Layout;
use crate::prune::{PruneReport, PruneSpec};
use crate::request::{ExecSpec, LogOptions, RunSpec, Stdio};
use crate::spec::Host;
use crate::stats::{ProcessTable, Stats};
use crate::{
    classify, create, exec, heal, host, logs, prune, records, remove, run, start, stats, stop, sys,
};

/// The containers of this host.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) layout: Layout,
    pub(crate) networks: Networks,
    pub(crate) runtime: Runtime,
    store: OnceLock<Store>,
    host: OnceLock<Host>,
}

impl Engine {
    /// Opens the engine; makes its directories when they are missing. Needs root.
    pub fn open(config: Config) -> Result<Engine> {
        if !nix::unistd::geteuid().is_root() {
            return Err(Error::Environment(
                "containers need root: try again with sudo".to_owned(),
            ));
        }
        check_root("data root", &config.data_root)?;
        check_root("run root", &config.run_root)?;
        let layout = Layout::new(&config);
        for directory in layout.directories() {
            if !directory.is_dir() {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o711)
                    .create(&directory)
                    .map_err(Error::io("make", &directory))?;
            }
        }
        let networks = Networks::open(network::Options {
            data_root: config.data_root.clone(),
            run_root: config.run_root.clone(),
            resolver: internal(&config, &["resolver"]),
        })?;
        Ok(Engine {
            runtime: Runtime::new(layout.runtime()),
            layout,
            networks,
            config,
            store: OnceLock::new(),
            host: OnceLock::new(),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The image store, opened when it is needed first.
    pub fn store(&self) -> Result<&Store> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let store = Store::open(self.layout.images())?;
        Ok(self.store.get_or_init(|| store))
    }

    pub(crate) fn host(&self) -> Result<&Host> {
        if let Some(host) = self.host.get() {
            return Ok(host);
        }
        let host = host::facts()?;
        Ok(self.host.get_or_init(|| host))
    }

    /// Puts in order what a `kill -9` or a reboot has left. Every command calls it first; takes less than a millisecond
    /// when there is nothing to do.
    pub fn heal(&self) -> Result<HealReport> {
        heal::heal(self)
    }

    /// Every container, the newest first; without `all` those that run or are paused.
    pub fn containers(&self, all: bool) -> Result<Vec<Container>> {
        let endpoints = self.networks.endpoints()?;
        let mut result = Vec::new();
        for record in records::readable(&self.layout)?.0 {
            let container = records::container(&self.layout, &self.runtime, record, &endpoints)?;
            if all || container.is_alive() {
                result.push(container);
            }
        }
        result.sort_by(|a, b| {
            b.record
                .created
                .cmp(&a.record.created)
                .then_with(|| a.id().cmp(b.id()))
        });
        Ok(result)
    }

    /// One error for each container that [`containers`](Self::containers) leaves out because its record is damaged.
    pub fn damaged_containers(&self) -> Result<Vec<Error>> {
        Ok(records::readable(&self.layout)?.1)
    }

    /// The container of this name, id, or beginning of an id.
    pub fn container(&self, name: &str) -> Result<Container> {
        let record = records::find(&self.layout, name)?;
        let endpoints = self.networks.endpoints()?;
        records::container(&self.layout, &self.runtime, record, &endpoints)
    }

    /// Where the health of this container stands while it runs and is probed: JSON of a [`crate::Health`], replaced by rename at
    /// each change. Nothing is there otherwise. Its directory lives as long as the container runs.
    pub fn health_path(&self, name: &str) -> Result<PathBuf> {
        let record = records::find(&self.layout, name)?;
        Ok(self.layout.health(&record.id))
    }

    /// Makes a container; the image must be in the store unless the spec's policy is to pull.
    pub fn create(&self, spec: &RunSpec) -> Result<Container> {
        let record = create::create(self, spec)?;
        records::container(&self.layout, &self.runtime, record, &[])
    }

    /// Starts a container. Returns when its process has been executed.
    pub fn start(&self, name: &str, stdio: Stdio) -> Result<Started> {
        start::start(self, name, stdio)
    }

    /// Connects to the streams of a running container.
    pub fn attach(&self, name: &str) -> Result<AttachClient> {
        let record = self.running(name, "attach to")?;
        AttachClient::connect(&self.layout.attach_socket(&record.id))
    }

    /// Sends the stop signal, waits and sends SIGKILL. `timeout` in seconds; negative waits for ever, `None` is the
    /// container's own. Nothing to do for one that doesn't run.
    pub fn stop(&self, name: &str, timeout: Option<i64>) -> Result<()> {
        stop::stop(self, name, timeout)
    }

    /// Stops and starts again.
    pub fn restart(&self, name: &str, timeout: Option<i64>) -> Result<()> {
        let id = records::find(&self.layout, name)?.id;
        stop::stop(self, &id, timeout)?;
        start::start(self, &id, Stdio::Detached).map(drop)
    }

    /// Sends a signal, e.g. `SIGHUP`, `HUP` or `1`; `None` is SIGKILL.
    pub fn kill(&self, name: &str, signal: Option<&str>) -> Result<()> {
        let signal = signal.map_or(Ok(libc::SIGKILL), run::signal)?;
        stop::kill(self, name, signal)
    }

    /// Waits until the container doesn't run any more.
    pub fn wait(&self, name: &str) -> Result<ExitStatus> {
        stop::wait(self, name)
    }

    /// Freezes a container.
    pub fn pause(&self, name: &str) -> Result<()> {
        let record = self.running(name, "pause")?;
        match run::status(&self.runtime, &record.id).map(|status| status.status) {
            Some(Status::Paused) => Err(Error::State {
                operation: "pause",
                object: format!("container {}", record.name),
                why: "it is paused already".to_owned(),
            }),
            _ => run::pause(self, &record),
        }
    }

    /// Thaws a container.
    pub fn unpause(&self, name: &str) -> Result<()> {
        let record = self.running(name, "unpause")?;
        match run::status(&self.runtime, &record.id).map(|status| status.status) {
            Some(Status::Paused) => run::resume(self, &record),
            _ => Err(Error::State {
                operation: "unpause",
                object: format!("container {}", record.name),
                why: "it is not paused".to_owned(),
            }),
        }
    }

    /// Gives a container another name.
    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        remove::rename(self, name, new)
    }

    /// Removes a container; one that runs only with `force`, its anonymous volumes only with `volumes`.
    pub fn remove(&self, name: &str, force: bool, volumes: bool) -> Result<()> {
        remove::remove(self, name, force, volumes)?;
        Ok(self.networks.sweep()?)
    }

    /// Reads a container's log. `each` returns whether to go on.
    pub fn logs(
        &self,
        name: &str,
        options: &LogOptions,
        each: &mut dyn FnMut(LogEntry<'_>) -> bool,
    ) -> Result<()> {
        logs::logs(self, name, options, None, each)
    }

    /// The same; broken off when `stop` becomes readable, or the other end of it is closed.
    pub fn logs_until(
        &self,
        name: &str,
        options: &LogOptions,
        stop: BorrowedFd<'_>,
        each: &mut dyn FnMut(LogEntry<'_>) -> bool,
    ) -> Result<()> {
        logs::logs(self, name, options, Some(stop), each)
    }

    /// A descriptor of a container's first process: polls readable once that has ended. `None` when it doesn't run.
    pub fn process(&self, name: &str) -> Result<Option<OwnedFd>> {
        let record = records::find(&self.layout, name)?;
        Ok(stop::process(self, &record)?.map(stop::Process::into_descriptor))
    }

    /// The command that starts a process in a running container: run it, or exec into it.
    pub fn exec_command(&self, name: &str, spec: &ExecSpec) -> Result<Command> {
        exec::command(self, name, spec)
    }

    /// What a container uses now.
    pub fn stats(&self, name: &str) -> Result<Stats> {
        stats::stats(self, name)
    }

    /// The processes of a container, as `ps -ef` shows them.
    pub fn top(&self, name: &str) -> Result<ProcessTable> {
        stats::top(self, name)
    }

    /// What the monitor executes after a container's end: takes its network down, and the container itself when it was
    /// run with `--rm`. Idempotent. Only for the exit command's own process: what it inherited is closed before the slow
    /// part, so that the client who sees it close doesn't wait for that.
    pub fn cleanup(&self, id: &str) -> Result<()> {
        let inherited = sys::inherited().map_err(Error::io("list", "/proc/self/fd"))?;
        remove::cleanup(self, id)?;
        drop(inherited);
        Ok(self.networks.sweep()?)
    }

    /// Every network, the default one first.
    pub fn networks(&self) -> Result<Vec<Network>> {
        Ok(self.networks.list()?)
    }

    /// The network of this name or beginning of an id.
    pub fn network(&self, name: &str) -> Result<Network> {
        Ok(self.networks.get(name)?)
    }

    /// Makes a network.
    pub fn create_network(&self, spec: &NetworkSpec) -> Result<Network> {
        Ok(self.networks.create(spec)?)
    }

    /// Removes a network that nobody uses.
    pub fn remove_network(&self, name: &str) -> Result<Network> {
        self.networks
            .remove(name)
            .map_err(|error| classify::named(self, error))
    }

    /// Serves names on user-made networks until the last endpoint is gone; for the resolver's own process.
    pub fn serve_names(&self) -> Result<()> {
        Ok(network::resolver::serve(&self.config.run_root)?)
    }

    /// Removes what is not used.
    pub fn prune(&self, spec: &PruneSpec) -> Result<PruneReport> {
        prune::prune(self, spec)
    }

    /// The command that the monitor becomes after the end of a container.
    pub(crate) fn exit_command(&self, id: &str) -> Vec<OsString> {
        internal(&self.config, &["cleanup", id])
    }

    fn running(&self, name: &str, operation: &'static str) -> Result<Record> {
        let record = records::find(&self.layout, name)?;
        match run::status(&self.runtime, &record.id) {
            Some(_) => Ok(record),
            None => Err(stop::not_running(operation, &record)),
        }
    }
}

/// A root is absolute, for processes with other directories use it too; and colons and commas have a meaning of their
/// own in the options of an overlay.
fn check_root(what: &str, path: &Path) -> Result<()> {
    let text = path.to_string_lossy();
    match path.is_absolute() && !text.contains([':', ',', '\\']) && path.to_str().is_some() {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "invalid {what} \"{text}\": give an absolute path without : , and \\"
        ))),
    }
}

fn internal(config: &Config, words: &[&str]) -> Vec<OsString> {
    let mut command: Vec<OsString> = vec![config.minictl.clone().into()];
    for (option, value) in [
        ("--data-root", config.data_root.as_os_str()),
        ("--run-root", config.run_root.as_os_str()),
        ("--cgroup-parent", config.cgroup_parent.as_ref()),
    ] {
        command.push(option.into());
        command.push(value.to_owned());
    }
    command.push("internal".into());
    command.extend(words.iter().map(Into::into));
    command
}

/// A started container.
#[derive(Debug)]
pub struct Started {
    /// The container, running or ended already.
    pub container: Container,
    /// Its streams when it was started attached.
    pub attach: Option<AttachClient>,
    /// What a person should know though it works, one sentence each.
    pub warnings: Vec<String>,
}

/// Which stream a line of the log was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntry<'a> {
    /// When it was written.
    pub time: Timestamp,
    /// To which stream.
    pub stream: LogStream,
    /// The bytes, with the newline that ends a whole line.
    pub bytes: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_checked() {
        fn check(path: &str, valid: bool) {
            assert_eq!(
                check_root("data root", Path::new(path)).is_ok(),
                valid,
                "{path}"
            );
        }
        check("/var/lib/mini", true);
        check("relative", false);
        check("/a:b", false);
        check("/a,b", false);
    }

    #[test]
    fn our_own_commands_name_their_roots() {
        let config = Config {
            data_root: "/d".into(),
            run_root: "/r".into(),
            cgroup_parent: "p".to_owned(),
            minirun: "/bin/minirun".into(),
            minictl: "/bin/minictl".into(),
            insecure_registries: Vec::new(),
        };
        let words = internal(&config, &["cleanup", "c"]);
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(
            words.join(" "),
            "/bin/minictl --data-root /d --run-root /r --cgroup-parent p internal cleanup c"
        );
    }
}
