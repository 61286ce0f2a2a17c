//! Settings of a cluster, as flags of `init` and `update`.

use std::time::Duration;

use model::ClusterSpec;

use crate::output::age::parse_age;

/// What may be changed later too.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Managers need the unlock key after a restart: without it nobody reads their disks
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    autolock: Option<bool>,
    /// Life of nodes' certificates, such as 2160h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    cert_expiry: Option<Duration>,
    /// How often nodes speak to the managers, such as 5s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    dispatcher_heartbeat: Option<Duration>,
    /// How often the leader of the managers speaks, such as 50ms; counts when a manager starts
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    heartbeat: Option<Duration>,
    /// The shortest silence of the leader after which another is elected, such as 150ms; the longest is twice as long
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    election: Option<Duration>,
    /// How many ended tasks of a slot are remembered
    #[arg(long, value_name = "COUNT")]
    task_history_limit: Option<u32>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_age(text).ok_or_else(|| format!("`{text}` is no duration: write 150ms, 5s or 2160h"))
}

impl Settings {
    /// Whether any was given.
    pub(crate) fn any(&self) -> bool {
        self.autolock.is_some()
            || self.cert_expiry.is_some()
            || self.dispatcher_heartbeat.is_some()
            || self.heartbeat.is_some()
            || self.election.is_some()
            || self.task_history_limit.is_some()
    }

    /// The settings with what was given in place.
    pub(crate) fn apply(&self, spec: &mut ClusterSpec) {
        let millis = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        if let Some(autolock) = self.autolock {
            spec.autolock = autolock;
        }
        if let Some(life) = self.cert_expiry {
            spec.certificate_life_s = life.as_secs();
        }
        if let Some(period) = self.dispatcher_heartbeat {
            spec.node_heartbeat_ms = millis(period);
        }
        if let Some(period) = self.heartbeat {
            spec.heartbeat_ms = millis(period);
        }
        if let Some(shortest) = self.election {
            spec.election_ms = millis(shortest);
        }
        if let Some(limit) = self.task_history_limit {
            spec.task_history = limit;
        }
    }
}
