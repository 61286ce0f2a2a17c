//! What a deployment changes, in which order, and how a stack goes.
//!
//! A deployment is one transaction: what services need is made before them, services in the order of what they depend on, and what
//! is not named any more is taken away last. Which tasks then start when is up to rollouts and gates.

use model::{Deployment, ServiceSpec, Stack, StackSpec};
use store::{Change, View};

use crate::plan::{Ids, Plan};

mod dependencies;
mod deploy;
mod feasible;
mod objects;
#[cfg(test)]
mod points;
mod removal;
#[cfg(test)]
mod tests;
mod waves;

/// How many deployments of a stack are kept.
pub const KEPT_DEPLOYMENTS: usize = 10;

/// What a deployment comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Deploy {
    /// To be committed together; none when everything is as it is asked for.
    pub changes: Vec<Change>,
    /// The same for people, in the order in which it is done.
    pub planned: Vec<PlannedChange>,
    /// What will not do what one might expect.
    pub warnings: Vec<String>,
    /// The stack, a new one too.
    pub stack_id: String,
    /// Number of the deployment: the newest one's when nothing changes.
    pub deployment: u64,
}

/// One thing that a deployment does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedChange {
    /// What is done.
    pub what: What,
    /// To what: service, network, secret, config.
    pub noun: &'static str,
    /// Its full name.
    pub name: String,
    /// For people: `image: blog:v1 -> blog:v2`.
    pub details: Vec<String>,
    /// Services of a later wave wait for those of an earlier one; from 1, 0 for what is no service.
    pub wave: u32,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It comes to be.
    Create,
    /// It changes, and its tasks are replaced.
    Update,
    /// It changes, and no task is replaced.
    Adjust,
    /// It goes.
    Remove,
}

/// Why a stack cannot be deployed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StackError {
    /// The stack has no name that can be one.
    #[error(
        "`{0}` is no name for a stack: use letters, digits, `-` and `_`, and begin with a letter or a digit"
    )]
    Name(String),
    /// A name is used twice.
    #[error("{noun} `{name}` is in the stack twice")]
    Twice {
        /// What has it.
        noun: &'static str,
        /// The name.
        name: String,
    },
    /// Services wait for each other; the last is the first again.
    #[error("dependency cycle detected: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// A service depends on one that nobody knows.
    #[error(
        "service `{service}` depends on `{dependency}`, and there is no such service: name one of the stack, or say `required: false`"
    )]
    UnknownDependency {
        /// Who depends.
        service: String,
        /// On what.
        dependency: String,
    },
    /// A service waits for health that is never asked for.
    #[error(
        "service `{service}` waits for `{dependency}` to be healthy, and `{dependency}` has its health check disabled: give it one, or use service_started"
    )]
    NoHealthCheck {
        /// Who waits.
        service: String,
        /// For what.
        dependency: String,
    },
    /// A service waits for the end of one that is always started again.
    #[error(
        "service `{service}` waits for `{dependency}` to complete, and `{dependency}` is restarted whenever it ends: make it a job, or give it the restart condition `on-failure` or `none`"
    )]
    NeverCompletes {
        /// Who waits.
        service: String,
        /// For what.
        dependency: String,
    },
    /// A service cannot be as it is asked for; the text names it.
    #[error("{0}")]
    Service(String),
    /// A service is to start new tasks first, and there is no room for two.
    #[error(
        "service `{service}` cannot be updated start-first: {reason}; add a node, use stop-first, or allow a dip with --allow-dip"
    )]
    Infeasible {
        /// Which.
        service: String,
        /// Why there is no room.
        reason: String,
    },
    /// A name belongs to something else.
    #[error(
        "{noun} `{name}` exists and does not belong to stack `{stack}`: remove it, or use another name"
    )]
    Taken {
        /// What has it.
        noun: &'static str,
        /// The name.
        name: String,
        /// The stack that wants it.
        stack: String,
    },
    /// What exists is not what is asked for, and cannot become it.
    #[error(
        "{noun} `{name}` exists and is another one; it cannot be changed, only replaced: use another name"
    )]
    Unchangeable {
        /// What.
        noun: &'static str,
        /// Its name.
        name: String,
    },
    /// A secret or a config holds too much.
    #[error("{noun} `{name}` holds more than 500 KiB: mount a volume, or put it into the image")]
    TooLarge {
        /// What.
        noun: &'static str,
        /// Its name.
        name: String,
    },
    /// Something that the stack uses and does not bring is not there.
    #[error("service `{service}` uses {noun} `{name}`, and there is none: create it first")]
    Missing {
        /// Who uses it.
        service: String,
        /// What.
        noun: &'static str,
        /// Its name.
        name: String,
    },
    /// What an earlier deployment used was removed since.
    #[error(
        "{noun} `{name}` was removed since, and only its name is known: deploy the stack's file again"
    )]
    Gone {
        /// What.
        noun: &'static str,
        /// Its name.
        name: String,
    },
    /// It is on its way out.
    #[error("{noun} `{name}` is being removed: wait until it is gone, then try again")]
    Removing {
        /// What.
        noun: &'static str,
        /// Its name.
        name: String,
    },
    /// There is no such deployment to return to.
    #[error("stack `{stack}` has no {wanted} to return to, only {known}")]
    NoDeployment {
        /// The stack.
        stack: String,
        /// What was asked for: `deployment 3`.
        wanted: String,
        /// Those that are kept.
        known: String,
    },
}

impl StackError {
    /// Whether the request itself is wrong, whatever the cluster is like; else the cluster's state forbids it for now.
    pub fn is_invalid(&self) -> bool {
        !matches!(
            self,
            StackError::Infeasible { .. }
                | StackError::Taken { .. }
                | StackError::Unchangeable { .. }
                | StackError::Missing { .. }
                | StackError::Gone { .. }
                | StackError::Removing { .. }
        )
    }
}

/// What has to be changed so that a stack is as it is asked for. Nothing, and no new deployment, when it is.
pub fn deploy(
    view: &View,
    spec: &StackSpec,
    reason: &str,
    now_ms: i64,
    ids: Ids<'_>,
) -> Result<Deploy, StackError> {
    deploy::run(view, spec, &deploy::Origin::Asked, reason, now_ms, ids)
}

/// What has to be changed so that a stack is again as an earlier deployment asked for, the one before the newest when none is named.
/// Services that came with later deployments go.
pub fn roll_back(
    view: &View,
    stack: &Stack,
    to: Option<u64>,
    now_ms: i64,
    ids: Ids<'_>,
) -> Result<Deploy, StackError> {
    let mut kept: Vec<&Deployment> = view
        .deployments_of(&stack.id)
        .map(|deployment| &**deployment)
        .collect();
    kept.sort_by_key(|deployment| deployment.number);
    let wanted = |deployment: &&&Deployment| match to {
        Some(number) if number > 0 => deployment.number == number,
        _ => deployment.number < stack.deployment,
    };
    let Some(target) = kept.iter().rev().find(wanted) else {
        let known: Vec<String> = kept.iter().map(|kept| kept.number.to_string()).collect();
        return Err(StackError::NoDeployment {
            stack: stack.name.clone(),
            wanted: match to {
                Some(number) if number > 0 => format!("deployment {number}"),
                _ => "earlier deployment".to_owned(),
            },
            known: known.join(", "),
        });
    };
    let names = |deployment: &&Deployment| -> Vec<String> {
        let services = deployment.spec.services.iter();
        services.map(|service| service.name.clone()).collect()
    };
    let (before, after): (Vec<&Deployment>, Vec<&Deployment>) = kept
        .iter()
        .partition(|deployment| deployment.number <= target.number);
    let mut later: std::collections::BTreeSet<String> = after.iter().flat_map(names).collect();
    for name in before.iter().flat_map(names) {
        later.remove(&name);
    }
    let reason = format!("rollback to {}", target.number);
    let origin = deploy::Origin::Kept { later };
    deploy::run(view, &target.spec, &origin, &reason, now_ms, ids)
}

/// Marks a stack as one that goes. [`reconcile`] carries it out.
pub fn remove(_view: &View, stack: &Stack) -> Vec<Change> {
    if stack.removing {
        return Vec::new();
    }
    vec![Change::update(Stack {
        removing: true,
        ..stack.clone()
    })]
}

/// The next step of a removal, of the stack or of what its newest deployment does not name any more. To be called when something
/// of the stack, or a task of its services, has changed.
pub fn reconcile(view: &View, stack_id: &str, _now_ms: i64) -> Plan {
    match view.stacks().get(stack_id) {
        Some(stack) if stack.removing => removal::carry_on(view, stack),
        Some(stack) => removal::prune_networks(view, stack),
        None => Plan::default(),
    }
}

/// The services by what they depend on, as places in the list: those of a wave depend on those of earlier ones alone. What is not in
/// the list is not waited for.
pub fn waves(services: &[ServiceSpec]) -> Result<Vec<Vec<usize>>, StackError> {
    waves::of(services)
}
