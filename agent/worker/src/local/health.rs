//! Health checks, as the engine has them.

use std::path::PathBuf;
use std::time::Duration;

use engine::{Engine, HealthStatus, RunSpec, State};
use model::{Health, HealthCheck};

/// Asks for a health check; what is not said is the image's.
pub(super) fn ask(asked: Option<&HealthCheck>, spec: &mut RunSpec) {
    let length = |ms: u64| (ms > 0).then(|| Duration::from_millis(ms));
    spec.health = asked.map(|asked| engine::HealthCheck {
        test: asked.test.clone(),
        interval: length(asked.interval_ms),
        timeout: length(asked.timeout_ms),
        start_period: length(asked.start_period_ms),
        start_interval: length(asked.start_interval_ms),
        retries: (asked.retries > 0).then_some(asked.retries),
    });
}

/// What the engine says of a container's health.
pub(super) fn of(state: &State) -> Health {
    match state.health.as_ref().map(|health| health.status) {
        None => Health::Unprobed,
        Some(HealthStatus::Starting) => Health::Starting,
        Some(HealthStatus::Healthy) => Health::Healthy,
        Some(HealthStatus::Unhealthy) => Health::Unhealthy,
    }
}

/// Where the engine keeps it while the container runs.
pub(super) fn path(engine: &Engine, container: &str) -> Option<PathBuf> {
    engine.health_path(container).ok()
}
