//! What the daemon was told: flags, and a file of the same words. A flag wins over the file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde::Deserialize;

const DATA_ROOT: &str = "/var/lib/mini";
const RUN_ROOT: &str = "/run/mini";
const CGROUP_PARENT: &str = "mini";
const CONFIG: &str = "/etc/mini/minid.toml";

/// The root daemon of a host: joins it to a cluster.
#[derive(Debug, Parser)]
#[command(name = "minid", version, max_term_width = 120)]
struct Flags {
    /// File of settings, TOML: each flag without its dashes, e.g. `name = "node1"` [default: /etc/mini/minid.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// The settings, from flags or from the file.
#[derive(Debug, Default, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// Directory of what must survive a reboot [default: /var/lib/mini]
    #[arg(long, env = "MINI_DATA_ROOT", value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// Directory of what lives until the next reboot [default: /run/mini]
    #[arg(long, env = "MINI_RUN_ROOT", value_name = "DIR")]
    run_root: Option<PathBuf>,
    /// Cgroup under which containers are made [default: mini]
    #[arg(long, env = "MINI_CGROUP_PARENT", value_name = "NAME")]
    cgroup_parent: Option<String>,
    /// Program that runs containers [default: minirun beside this program, else in PATH]
    #[arg(long, env = "MINI_MINIRUN", value_name = "FILE")]
    minirun: Option<PathBuf>,
    /// Program that tidies up after containers [default: minictl beside this program, else in PATH]
    #[arg(long, env = "MINI_MINICTL", value_name = "FILE")]
    minictl: Option<PathBuf>,
    /// Registry (HOST[:PORT]) that may be spoken to without TLS; may be given several times. Those on loopback always may
    #[arg(long = "insecure-registry", value_name = "HOST")]
    #[serde(default, rename = "insecure-registry", alias = "insecure-registries")]
    insecure_registries: Vec<String>,
    /// Socket on which people are answered [default: RUN-ROOT/minid.sock]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Group that may use the socket [default: mini, if there is such a group]
    #[arg(long, value_name = "GROUP")]
    socket_group: Option<String>,
    /// Name of this node [default: the host's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Label of this node's engine, for placement; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE")]
    #[serde(default)]
    labels: Vec<String>,
    /// Port of the cluster's listener [default: 2377]
    #[arg(long, value_name = "PORT")]
    cluster_port: Option<u16>,
    /// Entries of the managers' log between two snapshots [default: 10000]
    #[arg(long, value_name = "N")]
    snapshot_every: Option<u64>,
    /// Address (HOST:PORT) on which metrics are told to whoever asks: `GET /metrics`, without TLS [default: none]
    #[arg(long, value_name = "ADDR")]
    metrics_address: Option<SocketAddr>,
    /// What is logged, as for tracing's EnvFilter [default: info,openraft=error]
    #[arg(long, env = "MINID_LOG", value_name = "FILTER")]
    log: Option<String>,
}

/// What the daemon was told, complete.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) data_root: PathBuf,
    pub(crate) run_root: PathBuf,
    pub(crate) cgroup_parent: String,
    pub(crate) minirun: PathBuf,
    pub(crate) minictl: PathBuf,
    pub(crate) insecure_registries: Vec<String>,
    pub(crate) socket: PathBuf,
    pub(crate) socket_group: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) cluster_port: u16,
    pub(crate) snapshot_every: Option<u64>,
    pub(crate) metrics_address: Option<SocketAddr>,
    pub(crate) log: String,
}

/// A command line that was not accepted.
pub(crate) enum Refused {
    /// By clap, which prints it, or `--help`.
    Usage(clap::Error),
    /// By us.
    Reason(String),
}

impl Refused {
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Refused::Usage(error) => {
                // Nothing can be done about a closed stderr.
                let _ = error.print();
                ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
            }
            Refused::Reason(reason) => {
                eprintln!("minid: {reason}");
                ExitCode::from(2)
            }
        }
    }
}

impl Options {
    pub(crate) fn from_command_line() -> Result<Self, Refused> {
        let flags = Flags::try_parse().map_err(Refused::Usage)?;
        let file = match &flags.config {
            Some(path) => read(path).map_err(Refused::Reason)?,
            None if std::path::Path::new(CONFIG).exists() => {
                read(CONFIG.as_ref()).map_err(Refused::Reason)?
            }
            None => Settings::default(),
        };
        complete(flags.settings, file).map_err(Refused::Reason)
    }
}

fn read(path: &std::path::Path) -> Result<Settings, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("read {}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn complete(flags: Settings, file: Settings) -> Result<Options, String> {
    let run_root = flags
        .run_root
        .or(file.run_root)
        .unwrap_or_else(|| RUN_ROOT.into());
    let mut labels = BTreeMap::new();
    for label in file.labels.iter().chain(&flags.labels) {
        let (key, value) = label
            .split_once('=')
            .ok_or_else(|| format!("the label `{label}` has no value: write KEY=VALUE"))?;
        labels.insert(key.to_owned(), value.to_owned());
    }
    let snapshot_every = flags.snapshot_every.or(file.snapshot_every);
    if snapshot_every.is_some_and(|every| every < 10) {
        return Err("--snapshot-every must be at least 10".to_owned());
    }
    let mut insecure_registries = file.insecure_registries;
    insecure_registries.extend(flags.insecure_registries);
    Ok(Options {
        cgroup_parent: flags
            .cgroup_parent
            .or(file.cgroup_parent)
            .unwrap_or_else(|| CGROUP_PARENT.to_owned())
            .trim_matches('/')
            .to_owned(),
        minirun: flags
            .minirun
            .or(file.minirun)
            .unwrap_or_else(|| program("minirun")),
        minictl: flags
            .minictl
            .or(file.minictl)
            .unwrap_or_else(|| program("minictl")),
        insecure_registries,
        data_root: flags
            .data_root
            .or(file.data_root)
            .unwrap_or_else(|| DATA_ROOT.into()),
        socket: flags
            .socket
            .or(file.socket)
            .unwrap_or_else(|| run_root.join("minid.sock")),
        run_root,
        socket_group: flags.socket_group.or(file.socket_group),
        name: flags.name.or(file.name),
        labels,
        cluster_port: flags
            .cluster_port
            .or(file.cluster_port)
            .unwrap_or(api::CLUSTER_PORT),
        snapshot_every,
        metrics_address: flags.metrics_address.or(file.metrics_address),
        log: flags
            .log
            .or(file.log)
            .unwrap_or_else(|| "info,openraft=error".to_owned()),
    })
}

/// A program of ours: beside this one, else in PATH, else its bare name (whose absence is told when it is needed).
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let beside = own.parent().map(|directory| directory.join(name));
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&in_path).map(|directory| directory.join(name));
    beside
        .into_iter()
        .chain(in_path.collect::<Vec<_>>())
        .find(|path| path.is_file())
        .unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::{Settings, complete};

    #[test]
    fn a_flag_wins_over_the_file_and_an_unknown_word_is_refused() {
        let file: Settings =
            toml::from_str("name = 'file'\ncluster-port = 7\nlabels = ['a=1', 'b=2']\ninsecure-registry = ['one:5000']\nmetrics-address = '127.0.0.1:9'\ncgroup-parent = '/file/'")
                .expect("settings");
        let flags = Settings {
            name: Some("flag".to_owned()),
            labels: vec!["b=3".to_owned()],
            insecure_registries: vec!["two".to_owned()],
            minirun: Some("/opt/minirun".into()),
            ..Settings::default()
        };
        let options = complete(flags, file).expect("complete");
        assert_eq!(
            (options.name.as_deref(), options.cluster_port),
            (Some("flag"), 7)
        );
        assert_eq!(
            options
                .labels
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect::<Vec<_>>(),
            ["a=1", "b=3"]
        );
        assert_eq!(options.insecure_registries, ["one:5000", "two"]);
        assert_eq!(
            (options.cgroup_parent.as_str(), options.minirun.to_str()),
            ("file", Some("/opt/minirun"))
        );
        assert_eq!(options.socket.to_str(), Some("/run/mini/minid.sock"));
        assert_eq!(
            options.metrics_address,
            Some(([127, 0, 0, 1], 9).into()),
            "of the file"
        );
        assert!(toml::from_str::<Settings>("nmae = 'x'").is_err());
        let wrong = Settings {
            labels: vec!["lonely".to_owned()],
            ..Settings::default()
        };
        assert!(
            complete(wrong, Settings::default())
                .expect_err("no value")
                .contains("KEY=VALUE")
        );
    }
}
