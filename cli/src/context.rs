//! Where the containers of this command line live: the global flags, and the engine opened from them when a verb needs it.

use std::path::PathBuf;

use clap::Args;
use engine::{Config, Engine};

use crate::failure::{Failure, complain, with_causes};
use crate::remote::Endpoint;
use crate::remote::saved::{Contexts, DEFAULT};

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
    /// Daemon to ask about the cluster: unix:///PATH, ssh://[USER@]HOST or tcp://HOST:PORT [env: MINI_HOST=] [default: this host's]
    #[arg(
        short = 'H',
        long,
        global = true,
        value_name = "HOST",
        help_heading = "Global options"
    )]
    pub(crate) host: Option<String>,
    /// Context that names the daemon (see minictl context) [env: MINI_CONTEXT=]
    #[arg(
        long,
        global = true,
        conflicts_with = "host",
        value_name = "NAME",
        help_heading = "Global options"
    )]
    pub(crate) context: Option<String>,
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

    /// The daemon that is asked about the cluster: the one that was named, that of the context, or this host's. What stands on the
    /// command line wins over the environment, and that over the context in use; a host wins over a context.
    pub(crate) fn endpoint(&self) -> Result<Endpoint, Failure> {
        let environment = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let own = || Endpoint::Unix(self.global.run_root.join("minid.sock"));
        let mut context = self.global.context.clone();
        let mut host = self.global.host.clone();
        if context.is_none() && host.is_none() {
            host = environment("MINI_HOST");
            context = environment("MINI_CONTEXT");
        }
        if let Some(host) = host {
            return Endpoint::parse(&host, None);
        }
        let contexts = Contexts::load()?;
        match context.as_ref().or(contexts.current.as_ref()) {
            None => Ok(own()),
            Some(name) if name == DEFAULT => Ok(own()),
            Some(name) => Endpoint::of_saved(contexts.get(name)?),
        }
    }

    /// The engine on the roots of the command line, after what a killed command or a reboot has left was put in order.
    /// What resists is told, and no reason not to do what was asked for.
    pub(crate) fn engine(&self) -> Result<Engine, Failure> {
        let engine = self.engine_as_it_is()?;
        match engine.heal() {
            Ok(report) => report.problems.iter().for_each(|problem| complain(problem)),
            Err(error) => complain(&with_causes(&error)),
        }
        Ok(engine)
    }

    /// The engine for our own processes, which look after one thing alone.
    pub(crate) fn engine_as_it_is(&self) -> Result<Engine, Failure> {
        Ok(Engine::open(self.config()?)?)
    }

    /// The engine's settings as the command line has them.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let global = self.global.clone();
        Ok(Config {
            data_root: global.data_root,
            run_root: global.run_root,
            cgroup_parent: global.cgroup_parent.trim_matches('/').to_owned(),
            insecure_registries: global.insecure_registries,
            ..Config::usual()?
        })
    }
}
