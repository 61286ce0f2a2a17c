//! Short ways to say what a service is.

use model::{
    Dependency, DependencyCondition, Global, GlobalJob, HealthCheck, PortSpec, PublishMode,
    Replicated, ReplicatedJob, RestartCondition, ServiceMode, ServiceSpec, StackSpec, UpdateConfig,
    UpdateOrder,
};

/// A service of so many replicas.
pub fn replicated(name: &str, image: &str, replicas: u64) -> ServiceSpec {
    of(
        name,
        image,
        ServiceMode::Replicated(Replicated { replicas }),
    )
}

/// A service with a task on every node.
pub fn global(name: &str, image: &str) -> ServiceSpec {
    of(name, image, ServiceMode::Global(Global {}))
}

/// A job of so many tasks, which are tried again when they fail.
pub fn job(name: &str, image: &str, completions: u64) -> ServiceSpec {
    let mode = ReplicatedJob {
        completions,
        concurrent: 0,
    };
    let mut spec = of(name, image, ServiceMode::ReplicatedJob(mode));
    spec.task.restart.condition = RestartCondition::OnFailure.into();
    spec
}

/// A job with a task on every node.
pub fn global_job(name: &str, image: &str) -> ServiceSpec {
    let mut spec = of(name, image, ServiceMode::GlobalJob(GlobalJob {}));
    spec.task.restart.condition = RestartCondition::OnFailure.into();
    spec
}

fn of(name: &str, image: &str, mode: ServiceMode) -> ServiceSpec {
    let mut spec = ServiceSpec {
        name: name.to_owned(),
        mode: Some(mode),
        ..ServiceSpec::default()
    };
    image.clone_into(&mut spec.task.container.image);
    spec
}

/// The services as a stack. Their names are full ones already.
pub fn stack(name: &str, services: Vec<ServiceSpec>) -> StackSpec {
    StackSpec {
        name: name.to_owned(),
        services,
        ..StackSpec::default()
    }
}

/// With a health check: its tasks run when their [`Behaviour`](crate::Behaviour) lets them be healthy.
pub fn probed(mut spec: ServiceSpec) -> ServiceSpec {
    spec.task.container.healthcheck = Some(HealthCheck {
        test: vec!["CMD".to_owned(), "true".to_owned()],
        ..HealthCheck::default()
    });
    spec
}

/// Waits for another service.
pub fn after(mut spec: ServiceSpec, service: &str, condition: DependencyCondition) -> ServiceSpec {
    spec.depends_on.push(Dependency {
        service: service.to_owned(),
        condition: condition.into(),
        ..Dependency::default()
    });
    spec
}

/// Where `node.labels.disk == ssd` and the like hold.
pub fn where_(mut spec: ServiceSpec, constraint: &str) -> ServiceSpec {
    spec.task.placement.constraints.push(constraint.to_owned());
    spec
}

/// Spread evenly again when a node has joined.
pub fn rebalanced(mut spec: ServiceSpec) -> ServiceSpec {
    spec.task.placement.rebalance = true;
    spec
}

/// With so many bytes set aside for each task.
pub fn reserving(mut spec: ServiceSpec, memory_bytes: i64) -> ServiceSpec {
    spec.task.resources.reservations.memory_bytes = memory_bytes;
    spec
}

/// With a port that the node of each task publishes.
pub fn on_host_port(mut spec: ServiceSpec, published: u32) -> ServiceSpec {
    spec.endpoint.ports.push(PortSpec {
        published,
        target: 80,
        mode: PublishMode::Host.into(),
        ..PortSpec::default()
    });
    spec
}

/// Updated in that order, so many slots at once.
pub fn updated(mut spec: ServiceSpec, order: UpdateOrder, parallelism: u64) -> ServiceSpec {
    spec.update = Some(UpdateConfig {
        order: order.into(),
        parallelism,
        ..UpdateConfig::default()
    });
    spec
}
