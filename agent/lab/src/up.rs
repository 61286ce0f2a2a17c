//! Brings a lab up: all hosts at once, then the wires, all daemons at once, then the cluster.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use network::{Plug, Switch};

use crate::cgroups::Cgroups;
use crate::cluster::{self, Cluster};
use crate::error::{Error, Result};
use crate::host::client;
use crate::host::protocol::{Daemon, Request};
use crate::labs::{Lab, Labs};
use crate::logs::last_lines;
use crate::plan::{LINK, Plan, SWITCH, Spec, invalid};
use crate::record::{self, Record};

/// How long a daemon may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);

impl Labs {
    /// Brings a lab up and makes its daemons one cluster; without a `cluster`, they are left as they begin.
    ///
    /// A lab that fails half-way stays as it is, to be looked at; [`Labs::down`] takes it away, even when this process
    /// was killed.
    ///
    /// # Errors
    /// [`Error::UpAlready`]; whatever keeps a host, a daemon or the cluster from coming up.
    pub fn up(&self, spec: &Spec, cluster: Option<&dyn Cluster>) -> Result<Lab> {
        let plan = Plan::new(spec, &self.root)?;
        if !nix::unistd::geteuid().is_root() {
            return Err(Error::NotRoot);
        }
        if !plan.minid.is_file() {
            let reason = "no such file: give the daemon's program with --minid";
            return Err(invalid("daemon", &plan.minid.to_string_lossy(), reason));
        }
        fs::create_dir_all(&self.root)
            .map_err(Error::system("make directory", self.root.display()))?;
        let cgroups = Cgroups::find()?;
        match fs::create_dir(&plan.directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::UpAlready(plan.name));
            }
            other => other.map_err(Error::system("make directory", plan.directory.display()))?,
        }
        if let Some(cgroup) = cgroups.inhabited(&plan.name) {
            // Nothing has been made yet.
            let _ = fs::remove_dir(&plan.directory);
            return Err(Error::Elsewhere {
                name: plan.name,
                cgroup,
            });
        }
        let lock = record::lock(&plan.directory, &plan.name)?;
        let record = Record {
            plan,
            cuts: Default::default(),
        };
        record.write()?;
        let lab = Lab { record };
        lab.make_hosts(&cgroups, &self.host_command)?;
        lab.wire()?;
        let plan = lab.plan();
        for node in &plan.nodes {
            lab.start_daemon(&node.name)?;
        }
        wait_for_sockets(plan, plan.nodes.iter().map(|node| node.name.as_str()))?;
        if let Some(cluster) = cluster {
            cluster::form(plan, cluster)?;
        }
        drop(lock);
        Ok(lab)
    }
}

impl Lab {
    fn make_hosts(&self, cgroups: &Cgroups, command: &[std::ffi::OsString]) -> Result<()> {
        let plan = self.plan();
        let mut starting = Vec::new();
        for host in plan.hosts() {
            let mut directories = vec![plan.home(host)];
            if host != SWITCH {
                directories.extend([plan.data(host), plan.run(host)]);
            }
            for directory in directories {
                fs::create_dir(&directory)
                    .map_err(Error::system("make directory", directory.display()))?;
            }
            cgroups.make(&plan.cgroup(host))?;
            let door = cgroups.door(&plan.cgroup(host))?;
            starting.push(client::start(plan, host, command, door)?);
        }
        // All are waited for, so that none is left unreaped; the first error is told.
        let ready: Vec<Result<()>> = starting.into_iter().map(|one| one.ready()).collect();
        ready.into_iter().collect()
    }

    fn wire(&self) -> Result<()> {
        let plan = self.plan();
        let netns = |host: &str| {
            let asked = client::ask(plan, host, &Request::Status)?;
            client::namespace(&asked, "net")
        };
        let mut switch = Switch::create(netns(SWITCH)?)?;
        for node in &plan.nodes {
            switch.plug(&Plug {
                port: &node.name,
                netns: &netns(&node.name)?,
                link: LINK,
                address: node.address,
                prefix_len: plan.subnet.prefix_len(),
            })?;
        }
        Ok(())
    }

    pub(crate) fn start_daemon(&self, node: &str) -> Result<()> {
        let command = self.plan().daemon_command(node);
        client::ask(self.plan(), node, &Request::Start { command }).map(drop)
    }
}

/// Waits until the daemon of each node listens on its socket.
pub(crate) fn wait_for_sockets<'a>(
    plan: &Plan,
    nodes: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut waiting: Vec<&str> = nodes.collect();
    let mut pause = Duration::from_millis(1);
    loop {
        waiting.retain(|node| UnixStream::connect(plan.socket(node)).is_err());
        let Some(first) = waiting.first() else {
            return Ok(());
        };
        for node in &waiting {
            let daemon = client::ask(plan, node, &Request::Status)?.status.daemon;
            if let Daemon::Exited(_) | Daemon::Killed(_) = daemon {
                return Err(Error::Ended {
                    node: (*node).to_owned(),
                    how: daemon.to_string(),
                    log: last_lines(&plan.log(node)),
                });
            }
        }
        if Instant::now() > deadline {
            return Err(Error::Silent {
                node: (*first).to_owned(),
                socket: plan.socket(first),
                seconds: PATIENCE.as_secs(),
                log: last_lines(&plan.log(first)),
            });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
