//! Docker as Debian packages it, with a daemon of its own on the host of the benchmark.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tests::Host;
use tests::command::{Done, run};

/// A running dockerd and the containerd that it starts. Dropped, both are gone.
#[derive(Debug)]
pub(crate) struct Docker {
    daemon: Child,
    directory: PathBuf,
}

impl Docker {
    /// Starts both with their images and containers in `data`.
    pub(crate) fn start(host: &Host, data: &std::path::Path) -> Docker {
        let directory = host.path("docker");
        std::fs::create_dir_all(&directory).expect("docker's directory");
        let config = directory.join("daemon.json");
        std::fs::write(&config, "{}").expect("docker's configuration");
        let mut command = host.command("dockerd");
        command.arg("--config-file").arg(config);
        command
            .arg("--data-root")
            .arg(data)
            .arg("--exec-root")
            .arg(directory.join("exec"));
        command
            .arg("--pidfile")
            .arg(directory.join("pid"))
            .arg("--host")
            .arg(socket(&directory));
        command.args([
            "--cgroup-parent",
            host.cgroup_parent(),
            "--exec-opt",
            "native.cgroupdriver=cgroupfs",
        ]);
        // Its own default is above what a machine without CAP_SYS_RESOURCE allows.
        command.args([
            "--default-ulimit",
            "nofile=1000:4000",
            "--default-ulimit",
            "nproc=1000:4000",
        ]);
        let log = std::fs::File::create(directory.join("log")).expect("docker's log");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a copy"))
            .stderr(log);
        let daemon = command.spawn().expect("dockerd starts");
        let docker = Docker { daemon, directory };
        let up = tests::wait::within(std::time::Duration::from_secs(60), || {
            (run(docker.client(host, &["version"])).code == 0).then_some(())
        });
        if up.is_none() {
            let log = std::fs::read_to_string(docker.directory.join("log")).unwrap_or_default();
            panic!("dockerd does not answer:\n{log}");
        }
        docker
    }

    /// A call of the client.
    pub(crate) fn client(&self, host: &Host, arguments: &[&str]) -> Command {
        // Debian's own: a newer client may stand before it in PATH.
        let program = if PathBuf::from("/usr/bin/docker").exists() {
            "/usr/bin/docker"
        } else {
            "docker"
        };
        let mut command = host.command(program);
        command
            .arg("--host")
            .arg(socket(&self.directory))
            .args(arguments);
        command
    }

    /// Runs the client to its end, which must be good.
    pub(crate) fn ok(&self, host: &Host, arguments: &[&str]) -> Done {
        run(self.client(host, arguments)).ok()
    }

    /// A call of containerd's client, in a namespace of its own.
    pub(crate) fn ctr(&self, host: &Host, arguments: &[&str]) -> Command {
        let mut command = host.command("ctr");
        command
            .arg("--address")
            .arg(self.directory.join("exec/containerd/containerd.sock"))
            .args(["--namespace", "bench"])
            .args(arguments);
        command
    }

    /// Ends the daemon, which ends its containerd.
    pub(crate) fn stop(&mut self) {
        let pid = i32::try_from(self.daemon.id()).expect("a process id is small");
        // SAFETY: kill has no memory effects; the daemon is our child and not yet reaped.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let _ = self.daemon.wait();
    }
}

fn socket(directory: &std::path::Path) -> String {
    format!("unix://{}/socket", directory.display())
}
