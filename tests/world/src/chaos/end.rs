//! All is well again: what must have come of it.

use std::collections::BTreeMap;

use model::{Availability, NodeState, Replicated, ServiceMode, TaskState};

use super::{Chaos, MINUTE_MS, NODES, services};

impl Chaos {
    /// Mends everything, asks for what was given up, and sees that all that is wanted runs.
    pub(super) fn end(&mut self) {
        for node in NODES {
            match self.here(node) {
                true => {
                    self.world.restart_node(node);
                    self.world.heal(node);
                    self.world.availability(node, Availability::Active);
                }
                false => self.world.node(node, &[("zone", "a")]),
            }
        }
        self.world.run_for(10 * MINUTE_MS);
        self.ask_again();
        self.world.run_for(15 * MINUTE_MS);
        // Between two runs of what the clock starts.
        let to_next_ms = self.world.service("tick").next_run_ms - self.world.now_ms();
        self.world.run_for(to_next_ms + MINUTE_MS);
        self.everything_runs_once();
        self.is_even("web");
        self.is_at_rest();
        self.world.remove_stack("shop");
        for name in ["web", "api", "log", "once", "tick", "big"] {
            self.world.remove(name);
        }
        self.world.run_for(2 * MINUTE_MS);
        let view = self.world.view();
        let left = (
            view.services().len(),
            view.stacks().len(),
            view.tasks().len(),
        );
        self.hold(left == (0, 0, 0), || {
            format!("of what was removed there are left: {left:?}")
        });
        let processes = self.processes();
        self.hold(processes == 0, || {
            format!("{processes} processes live that nobody knows of")
        });
    }

    fn ask_again(&mut self) {
        self.world.update("web", |spec| {
            "web:9".clone_into(&mut spec.task.container.image);
        });
        self.world.update("api", |spec| {
            "api:9".clone_into(&mut spec.task.container.image);
        });
        self.world.update("once", |spec| spec.task.force += 1);
        let deployed = self.world.deploy(&services::shop(9));
        self.hold(deployed.is_ok(), || {
            format!("the stack is refused: {deployed:?}")
        });
    }

    fn everything_runs_once(&self) {
        for (name, standing) in self.world.standings() {
            self.hold(standing.converged, || format!("{name}: {standing:?}"));
        }
        let mut wanted = 0;
        for service in self.world.view().services().iter() {
            let tasks = match service.spec.mode {
                Some(ServiceMode::Replicated(Replicated { replicas })) => replicas,
                Some(ServiceMode::Global(_)) => NODES.len() as u64,
                _ => 0,
            };
            let name = &service.spec.name;
            let running = self.world.running(name).len() as u64;
            self.hold(running == tasks, || {
                format!("{running} tasks of {name} run, of {tasks}")
            });
            wanted += tasks;
        }
        let processes = self.processes();
        self.hold(processes == wanted, || {
            format!("{processes} processes live, and {wanted} are wanted")
        });
        let view = self.world.view();
        let live = view.tasks().iter().filter(|task| task.is_live()).count() as u64;
        self.hold(live == wanted, || {
            format!("{live} tasks are told to live, and {wanted} are wanted")
        });
        let down = view
            .nodes()
            .iter()
            .find(|node| node.status.state() != NodeState::Ready);
        self.hold(down.is_none(), || format!("a node is not ready: {down:?}"));
        let complete = |name: &str, of_run: u64| {
            let tasks = self.world.tasks(name);
            let well = |task: &&std::sync::Arc<model::Task>| {
                task.job_iteration == of_run && task.status.state() == TaskState::Complete
            };
            tasks.iter().filter(well).count()
        };
        for (name, completions) in [("once", 3), ("tick", 2), ("shop_migrate", 1)] {
            let service = self.world.service(name);
            let done = complete(name, service.job_iteration);
            self.hold(done == completions, || {
                format!("{done} of {completions} tasks of {name} have ended well")
            });
        }
    }

    /// Nodes differ by one task at most, where that was asked for and nothing else counts.
    fn is_even(&self, name: &str) {
        let placement = &self.world.service(name).spec.task.placement;
        if !placement.rebalance || !placement.preferences.is_empty() {
            return;
        }
        let mut on: BTreeMap<&str, usize> = NODES.into_iter().map(|node| (node, 0)).collect();
        for task in self.world.running(name) {
            if let Some(count) = on.get_mut(task.node_id.as_str()) {
                *count += 1;
            }
        }
        let (most, least) = (on.values().max(), on.values().min());
        let even = most
            .zip(least)
            .is_some_and(|(most, least)| most - least <= 1);
        self.hold(even, || format!("{name} is not spread evenly: {on:?}"));
    }

    /// Nothing is written any more, but what the clock starts.
    fn is_at_rest(&mut self) {
        let before = self.world.commits();
        let due_ms = self.world.service("tick").next_run_ms - self.world.now_ms();
        self.world.run_for(due_ms - 1000);
        let commits = self.world.commits() - before;
        self.hold(commits == 0, || {
            format!("{commits} transactions while nothing happens")
        });
    }

    fn processes(&self) -> u64 {
        let processes = NODES.into_iter().map(|node| self.world.processes(node));
        processes.sum::<usize>() as u64
    }

    fn hold(&self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.world.panic(&otherwise());
        }
    }
}
