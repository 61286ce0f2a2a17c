//! Where everything lies. No other file of this crate spells a path of ours.

use std::path::PathBuf;

use crate::config::Config;

/// The two roots.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    data: PathBuf,
    run: PathBuf,
}

impl Layout {
    pub(crate) fn new(config: &Config) -> Self {
        Layout {
            data: config.data_root.clone(),
            run: config.run_root.clone(),
        }
    }

    /// Every directory that must be there before anything is done.
    pub(crate) fn directories(&self) -> [PathBuf; 5] {
        [
            self.containers(),
            self.names(),
            self.volumes(),
            self.run_containers(),
            self.runtime(),
        ]
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.data.join("images")
    }

    pub(crate) fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }

    /// The OCI bundle and all else that belongs to one container.
    pub(crate) fn container(&self, id: &str) -> PathBuf {
        self.containers().join(id)
    }

    /// A file of a container; its presence is what makes a container exist.
    pub(crate) fn record(&self, id: &str) -> PathBuf {
        self.container(id).join("container.json")
    }

    /// What `record` becomes when the removal begins.
    pub(crate) fn removed_record(&self, id: &str) -> PathBuf {
        self.container(id).join("removed.json")
    }

    /// There from the start to the cleanup, so that a reboot in between is seen.
    pub(crate) fn started_mark(&self, id: &str) -> PathBuf {
        self.container(id).join("started")
    }

    pub(crate) fn exit(&self, id: &str) -> PathBuf {
        self.container(id).join("exit.json")
    }

    pub(crate) fn log(&self, id: &str) -> PathBuf {
        self.container(id).join("log")
    }

    /// What the monitor reads of the health check.
    pub(crate) fn health_check(&self, id: &str) -> PathBuf {
        self.container(id).join("health-check.json")
    }

    pub(crate) fn file(&self, id: &str, name: &str) -> PathBuf {
        self.container(id).join(name)
    }

    pub(crate) fn names(&self) -> PathBuf {
        self.data.join("names")
    }

    /// A symbolic link to the id.
    pub(crate) fn name(&self, name: &str) -> PathBuf {
        self.names().join(name)
    }

    pub(crate) fn volumes(&self) -> PathBuf {
        self.data.join("volumes")
    }

    pub(crate) fn run_containers(&self) -> PathBuf {
        self.run.join("containers")
    }

    /// There from the start to the cleanup.
    pub(crate) fn run_container(&self, id: &str) -> PathBuf {
        self.run_containers().join(id)
    }

    /// Held by the monitor for as long as the container lives.
    pub(crate) fn monitor_lock(&self, id: &str) -> PathBuf {
        self.run_container(id).join("monitor.lock")
    }

    pub(crate) fn attach_socket(&self, id: &str) -> PathBuf {
        self.run_container(id).join("attach.sock")
    }

    /// Kept by the monitor of a container that is probed.
    pub(crate) fn health(&self, id: &str) -> PathBuf {
        self.run_container(id).join("health.json")
    }

    pub(crate) fn runtime(&self) -> PathBuf {
        self.run.join("runtime")
    }

    /// There when everything was looked through since the last boot.
    pub(crate) fn boot_mark(&self) -> PathBuf {
        self.run.join("checked-since-boot")
    }
}
