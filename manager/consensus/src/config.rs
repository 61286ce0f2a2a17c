//! The clock of the group: how often a leader speaks, how long its silence is borne.

use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

/// Entries between two snapshots, unless told otherwise.
pub(crate) const SNAPSHOT_EVERY: u64 = 10_000;

/// Timings of elections. The same on every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// How often a leader tells its followers that it lives.
    pub heartbeat: Duration,
    /// The shortest silence after which a follower becomes candidate; each draws its own between this and the longest.
    pub election_min: Duration,
    /// The longest such silence.
    pub election_max: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Timings {
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(300),
        }
    }
}

/// Timings that could not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingsError {
    /// A timer ran out between two heartbeats of a healthy leader.
    #[error(
        "the election timer of {election_min:?} must be at least twice the heartbeat of {heartbeat:?}"
    )]
    TooNervous {
        /// What was asked for.
        heartbeat: Duration,
        /// What was asked for.
        election_min: Duration,
    },
    /// Nothing to draw from.
    #[error(
        "the longest election timer, {max:?}, must be above the shortest, {min:?}: members that draw the same number block each other"
    )]
    NoSpread {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// Less than the clock can measure.
    #[error("a heartbeat of {0:?} is too short: the least is 10 ms")]
    TooShort(Duration),
}

impl Timings {
    /// Tells whether a group could live with these timings.
    pub fn check(&self) -> Result<(), TimingsError> {
        if self.heartbeat < Duration::from_millis(10) {
            return Err(TimingsError::TooShort(self.heartbeat));
        }
        if self.election_min < self.heartbeat * 2 {
            return Err(TimingsError::TooNervous {
                heartbeat: self.heartbeat,
                election_min: self.election_min,
            });
        }
        if self.election_max <= self.election_min {
            return Err(TimingsError::NoSpread {
                min: self.election_min,
                max: self.election_max,
            });
        }
        Ok(())
    }

    pub(crate) fn openraft(&self, group: &str, snapshot_every: u64) -> Config {
        Config {
            cluster_name: group.to_owned(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            enable_pre_vote: Some(true),
            // A leader that returns may have lost entries that the others hold, for it sends them before they are on its own
            // disk: to lead on in the same term would give their places to other entries.
            enable_leader_restore: Some(false),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(snapshot_every),
            // A follower that was away for a moment catches up from the log, not from a snapshot.
            max_in_snapshot_log_to_keep: snapshot_every / 2,
            purge_batch_size: 256,
            replication_lag_threshold: snapshot_every / 2,
            install_snapshot_timeout: 60_000,
            max_payload_entries: 512,
            ..Config::default()
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Timings, TimingsError};
    use std::time::Duration;

    #[test]
    fn timings_that_cannot_work_are_refused() {
        let ms = Duration::from_millis;
        let with = |heartbeat, election_min, election_max| Timings {
            heartbeat: ms(heartbeat),
            election_min: ms(election_min),
            election_max: ms(election_max),
        };
        assert_eq!(Timings::default().check(), Ok(()));
        assert!(matches!(
            with(100, 150, 300).check(),
            Err(TimingsError::TooNervous { .. })
        ));
        assert!(matches!(
            with(50, 300, 300).check(),
            Err(TimingsError::NoSpread { .. })
        ));
        assert!(matches!(
            with(1, 150, 300).check(),
            Err(TimingsError::TooShort(_))
        ));
        assert!(
            Timings::default()
                .openraft("group", 10_000)
                .validate()
                .is_ok()
        );
    }
}
