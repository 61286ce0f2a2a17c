//! The façade: opened once per process, it has a method for each verb; each verb's work stands in a file of its own.

use std::collections::BTreeMap;
use std::process::Command;

use jiff::Timestamp;
use network::{Network, NetworkSpec, Networks};

use crate::attach::AttachClient;
use crate::config::Config;
use crate::HealReport;
use crate::container::{Container, ExitStatus};
use crate::error::Result;
use crate::prune::{PruneReport, PruneSpec};
use crate::request::{ExecSpec, LogOptions, RunSpec, Stdio};
use crate::stats::{ProcessTable, Stats};
use crate::volume::Volume;

/// The containers of this host.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) networks: Networks,
}

impl Engine {
    /// Opens the engine; makes its directories when they are missing. Needs root.
    pub fn open(config: Config) -> Result<Engine> {
        todo!("{config:?}")
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Puts in order what a `kill -9` or a reboot has left. Every command calls it first; takes less than a millisecond
    /// when there is nothing to do.
    pub fn heal(&self) -> Result<HealReport> {
        todo!()
    }

    /// Every container, the newest first; without `all` those that run or are paused.
    pub fn containers(&self, all: bool) -> Result<Vec<Container>> {
        todo!("{all}")
    }

    /// The container of this name, id, or beginning of an id.
    pub fn container(&self, name: &str) -> Result<Container> {
        todo!("{name}")
    }

    /// Makes a container; the image must be in the store unless the spec's policy is to pull.
    pub fn create(&self, spec: &RunSpec) -> Result<Container> {
        todo!("{spec:?}")
    }

    /// Starts a container. Returns when its process has been executed.
    pub fn start(&self, name: &str, stdio: Stdio) -> Result<Started> {
        todo!("{name} {stdio:?}")
    }

    /// Connects to the streams of a running container.
    pub fn attach(&self, name: &str) -> Result<AttachClient> {
        todo!("{name}")
    }

    /// Sends the stop signal, waits and sends SIGKILL. `timeout` in seconds; negative waits for ever, `None` is the
    /// container's own. Nothing to do for one that doesn't run.
    pub fn stop(&self, name: &str, timeout: Option<i64>) -> Result<()> {
        todo!("{name} {timeout:?}")
    }

    /// Stops and starts again.
    pub fn restart(&self, name: &str, timeout: Option<i64>) -> Result<()> {
        todo!("{name} {timeout:?}")
    }

    /// Sends a signal, e.g. `SIGHUP`, `HUP` or `1`; `None` is SIGKILL.
    pub fn kill(&self, name: &str, signal: Option<&str>) -> Result<()> {
        todo!("{name} {signal:?}")
    }

    /// Waits until the container doesn't run any more.
    pub fn wait(&self, name: &str) -> Result<ExitStatus> {
        todo!("{name}")
    }

    /// Freezes a container.
    pub fn pause(&self, name: &str) -> Result<()> {
        todo!("{name}")
    }

    /// Thaws a container.
    pub fn unpause(&self, name: &str) -> Result<()> {
        todo!("{name}")
    }

    /// Gives a container another name.
    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        todo!("{name} {new}")
    }

    /// Removes a container; one that runs only with `force`, its anonymous volumes only with `volumes`.
    pub fn remove(&self, name: &str, force: bool, volumes: bool) -> Result<()> {
        todo!("{name} {force} {volumes}")
    }

    /// Reads a container's log. `each` returns whether to go on.
    pub fn logs(
        &self,
        name: &str,
        options: &LogOptions,
        each: &mut dyn FnMut(LogEntry<'_>) -> bool,
    ) -> Result<()> {
        todo!("{name} {options:?} {:p}", each)
    }

    /// The command that starts a process in a running container: run it, or exec into it.
    pub fn exec_command(&self, name: &str, spec: &ExecSpec) -> Result<Command> {
        todo!("{name} {spec:?}")
    }

    /// What a container uses now.
    pub fn stats(&self, name: &str) -> Result<Stats> {
        todo!("{name}")
    }

    /// The processes of a container, as `ps -ef` shows them.
    pub fn top(&self, name: &str) -> Result<ProcessTable> {
        todo!("{name}")
    }

    /// What the monitor executes after a container's end: takes its network down, and the container itself when it was
    /// run with `--rm`. Idempotent. Only for the exit command's own process: every descriptor that it inherited is
    /// closed before the slow part, so that nobody waits for that.
    pub fn cleanup(self, id: &str) -> Result<()> {
        todo!("{id}")
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
        Ok(self.networks.remove(name)?)
    }

    /// Serves names on user-made networks until the last endpoint is gone; for the resolver's own process.
    pub fn serve_names(&self) -> Result<()> {
        todo!()
    }

    /// Every volume, by name.
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        todo!()
    }

    /// The volume of this name.
    pub fn volume(&self, name: &str) -> Result<Volume> {
        todo!("{name}")
    }

    /// Makes a volume (`None` makes a name up); the existing one if there is one of this name.
    pub fn create_volume(
        &self,
        name: Option<&str>,
        labels: BTreeMap<String, String>,
    ) -> Result<Volume> {
        todo!("{name:?} {labels:?}")
    }

    /// Removes a volume that no container uses; with `force` it need not exist.
    pub fn remove_volume(&self, name: &str, force: bool) -> Result<()> {
        todo!("{name} {force}")
    }

    /// Removes what is not used.
    pub fn prune(&self, spec: &PruneSpec) -> Result<PruneReport> {
        todo!("{spec:?}")
    }
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
