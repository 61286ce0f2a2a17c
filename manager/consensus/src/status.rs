//! What a member can tell of its group.

use std::time::Duration;

use openraft::metrics::RaftMetrics;
use openraft::{Instant, LogIdOptionExt, ServerState};

use crate::machine::Position;
use crate::member::Member;
use crate::quorum::{quorum, tolerance};
use crate::record::Group;

/// The part a member plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is caught up and has no vote yet.
    Learner,
    /// It follows a leader.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
    /// It has stopped.
    Stopped,
}

/// Who leads, as far as this member knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The term.
    pub term: u64,
    /// Raft id of the leader, while one is known.
    pub leader: Option<u64>,
    /// Whether that is this member.
    pub is_self: bool,
}

/// One member, seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Raft id.
    pub id: u64,
    /// Who it is.
    pub member: Member,
    /// Whether it votes; a learner does not.
    pub voter: bool,
    /// How far its log agrees with the leader's; the leader knows.
    pub matched: Option<u64>,
    /// How long ago it answered the leader; the leader knows.
    pub silent_for: Option<Duration>,
}

/// The group as one member sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Raft id of the member that tells.
    pub id: u64,
    /// Its part.
    pub standing: Standing,
    /// Who leads.
    pub leadership: Leadership,
    /// Last entry in its log.
    pub last_index: Option<u64>,
    /// Committed, as far as it knows.
    pub committed: Option<u64>,
    /// Applied to its state machine.
    pub applied: Option<u64>,
    /// Last entry in its newest snapshot.
    pub snapshot: Option<u64>,
    /// Everything, by Raft id.
    pub members: Vec<MemberStatus>,
    /// How long ago a majority answered; the leader knows.
    pub quorum_acknowledged: Option<Duration>,
    /// Why it has stopped, when it has.
    pub failure: Option<String>,
}

impl Status {
    /// How many voters there are.
    pub fn voters(&self) -> usize {
        self.members.iter().filter(|member| member.voter).count()
    }

    /// How many of them it takes.
    pub fn quorum(&self) -> usize {
        quorum(self.voters())
    }

    /// How many may be lost.
    pub fn tolerance(&self) -> usize {
        tolerance(self.voters())
    }

    /// Where its state machine stands.
    pub fn position(&self) -> Position {
        Position {
            term: self.leadership.term,
            index: self.applied.unwrap_or(0),
        }
    }
}

pub(crate) fn leadership(metrics: &RaftMetrics<Group>) -> Leadership {
    let is_self = metrics.state == ServerState::Leader;
    Leadership {
        term: metrics.current_term,
        leader: metrics.current_leader,
        is_self,
    }
}

pub(crate) fn status(metrics: &RaftMetrics<Group>) -> Status {
    let membership = metrics.membership_config.membership();
    let voters: Vec<u64> = membership.voter_ids().collect();
    let matched = |id: &u64| {
        metrics
            .replication
            .as_ref()
            .and_then(|all| all.get(id))
            .and_then(|at| at.as_ref().map(|at| at.index))
    };
    let heard = |id: &u64| {
        metrics
            .heartbeat
            .as_ref()
            .and_then(|all| all.get(id))
            .and_then(|at| at.as_ref().map(|at| at.elapsed()))
    };
    let mut members: Vec<MemberStatus> = membership
        .nodes()
        .map(|(id, member)| MemberStatus {
            id: *id,
            member: member.clone(),
            voter: voters.contains(id),
            matched: matched(id),
            silent_for: heard(id),
        })
        .collect();
    members.sort_by_key(|member| member.id);
    Status {
        id: metrics.id,
        standing: match metrics.state {
            ServerState::Learner => Standing::Learner,
            ServerState::Follower => Standing::Follower,
            ServerState::Candidate => Standing::Candidate,
            ServerState::Leader => Standing::Leader,
            ServerState::Shutdown => Standing::Stopped,
        },
        leadership: leadership(metrics),
        last_index: metrics.last_log_index,
        committed: metrics.cluster_committed.index(),
        applied: metrics.last_applied.index(),
        snapshot: metrics.snapshot.index(),
        members,
        quorum_acknowledged: metrics.last_quorum_acked.as_ref().map(|at| at.elapsed()),
        failure: metrics
            .running_state
            .as_ref()
            .err()
            .map(ToString::to_string),
    }
}
