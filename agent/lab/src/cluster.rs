//! From daemons that know nothing of each other to one cluster.

use std::path::Path;
use std::thread;

use crate::error::{Error, Result};
use crate::plan::{Node, Plan, Role};

/// What a [`Cluster`] answers: any error will do.
pub type ClusterResult<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The calls to a daemon that form a cluster. Each is made on a socket that accepts connections.
pub trait Cluster: Sync {
    /// Begins a cluster on the daemon behind `socket`, which other nodes will find at `advertise` (an address without a
    /// port), and returns what others join with.
    fn init(&self, socket: &Path, advertise: &str) -> ClusterResult<Tokens>;

    /// Joins the daemon behind `socket`, itself to be found at `advertise`, to the cluster of `managers` (addresses
    /// without a port, those that are members already). Returns once it is a member. Called for one manager after the
    /// other, and for all workers at once.
    fn join(
        &self,
        socket: &Path,
        advertise: &str,
        token: &str,
        managers: &[String],
    ) -> ClusterResult<()>;
}

/// What nodes join a cluster with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Makes a node a manager.
    pub manager: String,
    /// Makes a node a worker.
    pub worker: String,
}

/// Makes all nodes of `plan` one cluster. Managers join in turn, because consensus changes its membership one step at
/// a time; workers join together.
pub(crate) fn form(plan: &Plan, cluster: &dyn Cluster) -> Result<()> {
    let failed = |operation: &'static str, node: &Node| {
        let node = node.name.clone();
        move |source| Error::Cluster {
            operation,
            node,
            source,
        }
    };
    let (managers, workers): (Vec<&Node>, Vec<&Node>) = plan
        .nodes
        .iter()
        .partition(|node| node.role == Role::Manager);
    let Some((first, others)) = managers.split_first() else {
        return Ok(());
    };
    let advertise = first.address.to_string();
    let tokens = cluster
        .init(&plan.socket(&first.name), &advertise)
        .map_err(failed("start the cluster on", first))?;

    let join = |node: &Node, token: &str, members: &[String]| {
        let advertise = node.address.to_string();
        cluster
            .join(&plan.socket(&node.name), &advertise, token, members)
            .map_err(failed("join", node))
    };
    let mut members = vec![advertise];
    for node in others {
        join(node, &tokens.manager, &members)?;
        members.push(node.address.to_string());
    }
    let (worker, members, join) = (&tokens.worker, &members, &join);
    thread::scope(|scope| {
        let start = |node| scope.spawn(move || join(node, worker, members));
        let joining: Vec<_> = workers.into_iter().map(start).collect();
        let ends = joining.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        // All are waited for; the first error is told.
        ends.collect::<Vec<_>>().into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::Spec;

    #[derive(Default)]
    struct Calls {
        made: Mutex<Vec<String>>,
        refuse: &'static str,
    }

    impl Calls {
        fn note(&self, words: String) -> ClusterResult<()> {
            let refused = !self.refuse.is_empty() && words.contains(self.refuse);
            self.made.lock().unwrap().push(words);
            if refused {
                Err("no quorum".into())
            } else {
                Ok(())
            }
        }
    }

    impl Cluster for Calls {
        fn init(&self, socket: &Path, advertise: &str) -> ClusterResult<Tokens> {
            self.note(format!("init {} {advertise}", socket.display()))?;
            Ok(Tokens {
                manager: "M".to_owned(),
                worker: "W".to_owned(),
            })
        }

        fn join(
            &self,
            socket: &Path,
            advertise: &str,
            token: &str,
            managers: &[String],
        ) -> ClusterResult<()> {
            let managers = managers.join(",");
            self.note(format!(
                "join {} {advertise} {token} {managers}",
                socket.display()
            ))
        }
    }

    fn planned() -> Plan {
        let spec = Spec {
            name: "a".to_owned(),
            managers: 3,
            workers: 2,
            subnet: "10.0.0.0/24".parse().unwrap(),
            minid: "/bin/minid".into(),
        };
        Plan::new(&spec, Path::new("/l")).unwrap()
    }

    #[test]
    fn managers_join_in_turn_and_workers_know_them_all() {
        let calls = Calls::default();
        form(&planned(), &calls).unwrap();
        let mut made = calls.made.into_inner().unwrap();
        made[3..].sort();
        let all = "10.0.0.11,10.0.0.12,10.0.0.13";
        assert_eq!(
            made,
            [
                "init /l/a/node1/run/minid.sock 10.0.0.11".to_owned(),
                "join /l/a/node2/run/minid.sock 10.0.0.12 M 10.0.0.11".to_owned(),
                "join /l/a/node3/run/minid.sock 10.0.0.13 M 10.0.0.11,10.0.0.12".to_owned(),
                format!("join /l/a/node4/run/minid.sock 10.0.0.14 W {all}"),
                format!("join /l/a/node5/run/minid.sock 10.0.0.15 W {all}"),
            ]
        );
    }

    #[test]
    fn a_refusal_names_the_node() {
        fn check(refuse: &'static str, expected: &str, calls_made: usize) {
            let calls = Calls {
                refuse,
                ..Calls::default()
            };
            let error = form(&planned(), &calls).unwrap_err();
            let source = std::error::Error::source(&error).unwrap();
            assert_eq!(format!("{error}: {source}"), expected);
            assert_eq!(calls.made.into_inner().unwrap().len(), calls_made);
        }
        check("init", "start the cluster on node1: no quorum", 1);
        check("node3", "join node3: no quorum", 3);
        check("node4", "join node4: no quorum", 5);
    }
}
