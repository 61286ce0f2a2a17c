//! Where the engine keeps its things and which programs it starts.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Where the engine keeps its things and which programs it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Durable state; `/var/lib/mini` as a rule.
    pub data_root: PathBuf,
    /// State until reboot; `/run/mini` as a rule.
    pub run_root: PathBuf,
    /// The cgroup beneath which every container gets its own, without slashes at the ends; `mini` as a rule.
    pub cgroup_parent: String,
    /// The runtime's program.
    pub minirun: PathBuf,
    /// The program that knows `internal cleanup` and `internal resolver`.
    pub minictl: PathBuf,
    /// Registries spoken to without TLS, beside those on loopback: `host[:port]`.
    pub insecure_registries: Vec<String>,
}

impl Config {
    /// The usual places: `/var/lib/mini`, `/run/mini`, parent `mini`, `minirun` beside the running program.
    pub fn usual() -> Result<Config> {
        let minictl = env::current_exe().map_err(Error::io("find", "the running program"))?;
        Ok(Config {
            data_root: "/var/lib/mini".into(),
            run_root: "/run/mini".into(),
            cgroup_parent: "mini".to_owned(),
            minirun: find_minirun(&minictl),
            minictl,
            insecure_registries: Vec::new(),
        })
    }
}

/// `MINI_MINIRUN`, else beside `minictl`, else in PATH, else the bare name (whose absence is told at the first start).
fn find_minirun(minictl: &Path) -> PathBuf {
    if let Some(path) = env::var_os("MINI_MINIRUN").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let beside = minictl.parent().map(|dir| dir.join("minirun"));
    let in_path = env::var_os("PATH").into_iter().flat_map(|path| {
        env::split_paths(&path)
            .map(|dir| dir.join("minirun"))
            .collect::<Vec<_>>()
    });
    beside
        .into_iter()
        .chain(in_path)
        .find(|path| path.is_file())
        .unwrap_or_else(|| "minirun".into())
}
