//! Which nodes are there. Kept by the leader alone, in memory: a new leader starts from nothing and is generous at first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dispatcher::Feed;

/// How many heartbeats may be missed.
const GRACE: u32 = 3;
/// After a change of leader nodes must find the new one first: so much longer is waited.
const AFTER_ELECTION: Duration = Duration::from_secs(10);

/// The sessions of all nodes with the leader.
#[derive(Default)]
pub(crate) struct Sessions {
    period: Duration,
    nodes: BTreeMap<String, Session>,
    drawn: u64,
}

struct Session {
    /// None for a node that an earlier leader knew and that has not come yet.
    id: Option<String>,
    /// Where its host is, as the connection has it.
    from: String,
    deadline: Instant,
    /// Its streams, which end with it.
    feed: Arc<Feed>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.feed.end();
    }
}

impl Session {
    fn awaited(deadline: Instant) -> Self {
        Session {
            id: None,
            from: String::new(),
            deadline,
            feed: Arc::default(),
        }
    }
}

/// A session that has begun.
pub(crate) struct Opened {
    pub(crate) id: String,
    /// What wakes its streams.
    pub(crate) feed: Arc<Feed>,
    /// From where the session came that this one replaced, if that is another host and was still speaking.
    pub(crate) ousted: Option<String>,
}

impl Sessions {
    /// Begins anew: these nodes were there under the leader before.
    pub(crate) fn begin(
        &mut self,
        period: Duration,
        known: impl IntoIterator<Item = String>,
        now: Instant,
    ) {
        self.period = period;
        let deadline = now + period * GRACE + AFTER_ELECTION;
        self.nodes = known
            .into_iter()
            .map(|node| (node, Session::awaited(deadline)))
            .collect();
    }

    /// Sets how often nodes speak.
    pub(crate) fn set_period(&mut self, period: Duration) {
        self.period = period;
    }

    /// How often nodes speak.
    pub(crate) fn period(&self) -> Duration {
        self.period
    }

    /// A node has come from that address; a session that it had before is over.
    pub(crate) fn open(&mut self, node: &str, from: &str, term: u64, now: Instant) -> Opened {
        self.drawn += 1;
        let id = format!("{term}-{}", self.drawn);
        let feed = Arc::<Feed>::default();
        let session = Session {
            id: Some(id.clone()),
            from: from.to_owned(),
            deadline: now + self.period * GRACE,
            feed: feed.clone(),
        };
        let before = self.nodes.insert(node.to_owned(), session);
        let other = before.filter(|was| was.id.is_some() && was.from != from && was.deadline > now);
        Opened {
            id,
            feed,
            ousted: other.map(|was| was.from.clone()),
        }
    }

    /// A node speaks. False when its session is over: it must come again.
    pub(crate) fn heard(&mut self, node: &str, id: &str, now: Instant) -> bool {
        match self.nodes.get_mut(node) {
            Some(session) if session.id.as_deref() == Some(id) => {
                session.deadline = now + self.period * GRACE;
                true
            }
            _ => false,
        }
    }

    /// Whether a session is still the one of its node.
    pub(crate) fn holds(&self, node: &str, id: &str) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|session| session.id.as_deref() == Some(id))
    }

    /// The streams of a node's session, if it has one.
    pub(crate) fn feed(&self, node: &str) -> Option<Arc<Feed>> {
        let session = self.nodes.get(node)?;
        session.id.as_ref().map(|_| session.feed.clone())
    }

    /// The streams of all sessions.
    pub(crate) fn feeds(&self) -> Vec<Arc<Feed>> {
        let there = self.nodes.values().filter(|session| session.id.is_some());
        there.map(|session| session.feed.clone()).collect()
    }

    /// How many nodes have a session.
    pub(crate) fn len(&self) -> usize {
        let there = self.nodes.values().filter(|session| session.id.is_some());
        there.count()
    }

    /// This manager leads no more: all sessions are over.
    pub(crate) fn end(&mut self) {
        self.nodes.clear();
    }

    /// Takes out the nodes that were silent too long.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<String> {
        let gone: Vec<String> = self
            .nodes
            .iter()
            .filter(|(_, session)| session.deadline <= now)
            .map(|(node, _)| node.clone())
            .collect();
        for node in &gone {
            self.nodes.remove(node);
        }
        gone
    }

    /// Nobody could be heard: all nodes are given the time that a new leader gives them.
    pub(crate) fn pardon(&mut self, now: Instant) {
        let deadline = now + self.period * GRACE + AFTER_ELECTION;
        for session in self.nodes.values_mut() {
            session.deadline = deadline;
        }
    }

    /// A node was let in, and is to come.
    pub(crate) fn expect(&mut self, node: &str, now: Instant) {
        let deadline = now + self.period * GRACE + AFTER_ELECTION;
        self.nodes
            .entry(node.to_owned())
            .or_insert(Session::awaited(deadline));
    }

    /// A node that could not be marked as silent: it expires again at once, unless it has come meanwhile.
    pub(crate) fn suspect(&mut self, node: String, now: Instant) {
        self.nodes.entry(node).or_insert(Session::awaited(now));
    }

    /// A node has left or was removed.
    pub(crate) fn close(&mut self, node: &str) {
        self.nodes.remove(node);
    }
}

#[cfg(test)]
mod tests {
    use super::{AFTER_ELECTION, GRACE, Sessions};
    use std::time::{Duration, Instant};

    #[test]
    fn a_silent_node_is_gone_after_three_heartbeats_and_a_new_leader_waits_longer() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let mut sessions = Sessions::default();
        sessions.begin(second, ["old".to_owned()], start);
        let id = sessions.open("new", "a", 7, start).id;
        assert!(sessions.heard("new", &id, start + second));
        assert!(!sessions.heard("old", &id, start), "no session yet");
        assert!(
            sessions
                .expire(start + second * (GRACE + 1) - Duration::from_millis(1))
                .is_empty()
        );
        assert_eq!(sessions.expire(start + second * (GRACE + 1)), ["new"]);
        assert!(!sessions.heard("new", &id, start), "it must come again");
        assert_eq!(
            sessions.expire(start + second * GRACE + AFTER_ELECTION),
            ["old"]
        );
        sessions.expect("young", start - second);
        sessions.pardon(start);
        let due = start + second * GRACE + AFTER_ELECTION;
        assert!(sessions.expire(due - Duration::from_millis(1)).is_empty());
        assert_eq!(sessions.expire(due), ["young"], "it never came");
        let again = sessions.open("new", "a", 7, start).id;
        let second_time = sessions.open("new", "a", 7, start).id;
        assert!(
            again != id && sessions.holds("new", &second_time) && !sessions.holds("new", &again)
        );
    }

    #[test]
    fn a_node_that_is_on_two_hosts_is_noticed() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let mut sessions = Sessions::default();
        sessions.begin(second, ["twin".to_owned()], start);
        let first = sessions.open("twin", "a", 1, start);
        assert_eq!(first.ousted, None, "nobody was there");
        let same = sessions.open("twin", "a", 1, start + second);
        assert_eq!(same.ousted, None, "it came again");
        let other = sessions.open("twin", "b", 1, start + second * 2);
        assert!(first.feed.is_over() && same.feed.is_over() && !other.feed.is_over());
        assert_eq!(other.ousted.as_deref(), Some("a"));
        let moved = sessions.open("twin", "c", 1, start + second * 9);
        assert_eq!(moved.ousted, None, "it had been silent, and moved");
    }
}
