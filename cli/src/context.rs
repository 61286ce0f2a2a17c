//! Where the containers of this command line live: the global flags, and the engine opened from them when a verb needs it.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::{Config, Engine};

use crate::failure::{Failure, complain};

/// Flags that stand before or after any verb.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// Images, containers, networks and volumes lie here
    #[arg(
        long,
        global = true,
        env = "MINI_DATA_ROOT",
        hide_env_values = true,
        value_name = "DIR"
    )]
    #[arg(default_value = "/var/lib/mini", help_heading = "Global options")]
    pub(crate) data_root: PathBuf,
    /// What running containers need until the next boot lies here
    #[arg(
        long,
        global = true,
        env = "MINI_RUN_ROOT",
        hide_env_values = true,
        value_name = "DIR"
    )]
    #[arg(default_value = "/run/mini", help_heading = "Global options")]
    pub(crate) run_root: PathBuf,
    /// Control group above those of the containers
    #[arg(
        long,
        global = true,
        env = "MINI_CGROUP_PARENT",
        hide_env_values = true,
        value_name = "PATH"
    )]
    #[arg(default_value = "mini", help_heading = "Global options")]
    pub(crate) cgroup_parent: String,
    /// Registry (HOST[:PORT]) that may be spoken to without TLS; those on loopback always may
    #[arg(
        long = "insecure-registry",
        global = true,
        value_name = "HOST",
        help_heading = "Global options"
    )]
    pub(crate) insecure_registries: Vec<String>,
}

/// What a verb is given besides its own arguments.
#[derive(Debug)]
pub(crate) struct Context {
    global: Global,
}

impl Context {
    /// A context of these flags; nothing is opened yet.
    pub(crate) fn new(global: Global) -> Self {
        Context { global }
    }

    /// The engine on the roots of the command line, after what a killed command or a reboot has left was put in order.
    pub(crate) fn engine(&self) -> Result<Engine, Failure> {
        let engine = self.engine_as_it_is()?;
        for problem in engine.heal()?.problems {
            complain(&problem);
        }
        Ok(engine)
    }

    /// The engine for our own processes, which look after one thing alone.
    pub(crate) fn engine_as_it_is(&self) -> Result<Engine, Failure> {
        Ok(Engine::open(self.config()?)?)
    }

    /// The engine's settings as the command line has them.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let minictl = std::env::current_exe().map_err(|error| {
            Failure::new(format!(
                "find the path of this program in /proc/self/exe: {error}"
            ))
        })?;
        let global = self.global.clone();
        Ok(Config {
            data_root: global.data_root,
            run_root: global.run_root,
            cgroup_parent: global.cgroup_parent,
            minirun: minirun_path(&minictl),
            minictl,
            insecure_registries: global.insecure_registries,
        })
    }
}

/// `minirun`: MINI_MINIRUN, else beside this program, else the first in PATH, else where `make install` puts it.
pub(crate) fn minirun_path(minictl: &Path) -> PathBuf {
    if let Some(chosen) = std::env::var_os("MINI_MINIRUN").filter(|path| !path.is_empty()) {
        return chosen.into();
    }
    let beside = minictl.with_file_name("minirun");
    if beside.is_file() {
        return beside;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join("minirun"))
        .find(|file| file.is_file())
        .unwrap_or(beside)
}
