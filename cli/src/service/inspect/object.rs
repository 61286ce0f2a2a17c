//! A service as JSON: Docker's names, and ours beside them. Pure.

use api::v1::ServiceView;
use model::{Latch, Service, ServiceMode};
use serde_json::{Value, json};

use super::spec;
use crate::output::age::moment_of;

/// The service, and how far it has come.
pub(super) fn of(service: &Service, view: &ServiceView) -> Value {
    let vips: Vec<Value> = service
        .allocation
        .vips
        .iter()
        .map(|of| json!({ "NetworkID": of.network_id, "Addr": of.address }))
        .collect();
    let mut object = json!({
        "ID": service.id,
        "Version": { "Index": service.meta.version },
        "CreatedAt": moment_of(service.meta.created_ms),
        "UpdatedAt": moment_of(service.meta.updated_ms),
        "Spec": spec::of(&service.spec),
        "PreviousSpec": service.previous.as_deref().map(spec::of),
        "Endpoint": {
            "Ports": spec::ports(&service.allocation.ports),
            "VirtualIPs": vips,
        },
        "ServiceStatus": {
            "RunningTasks": view.running,
            "DesiredTasks": view.wanted,
            "CompletedTasks": view.completed,
            "CurrentTasks": view.current,
            "Converged": view.converged,
            "Failed": view.failed,
            "Reasons": view.reasons,
        },
        "StackID": service.stack_id,
        "Revision": service.revision,
        "Removing": service.removing,
        "Trouble": service.trouble,
        "Latches": service.latches.iter().map(latch).collect::<Vec<_>>(),
        "NextRun": moment_of(service.next_run_ms),
    });
    if let Some(rollout) = &service.rollout {
        object["UpdateStatus"] = json!({
            "State": rollout.state().to_string(),
            "StartedAt": moment_of(rollout.started_ms),
            "CompletedAt": moment_of(rollout.completed_ms),
            "Message": rollout.message,
            "FromRevision": rollout.from,
            "ToRevision": rollout.to,
            "FailedTasks": rollout.failed,
        });
    }
    if let Some(wait) = &service.waiting {
        object["Waiting"] = json!({
            "Revision": wait.revision,
            "Since": moment_of(wait.since_ms),
            "Deadline": moment_of(wait.deadline_ms),
            "Message": wait.message,
            "Expired": wait.expired,
        });
    }
    if let Some(ServiceMode::ReplicatedJob(_) | ServiceMode::GlobalJob(_)) = service.spec.mode {
        object["JobStatus"] = json!({ "JobIteration": { "Index": service.job_iteration } });
    }
    if let Some(scaled) = &service.autoscaled {
        object["Autoscaled"] = json!({
            "At": moment_of(scaled.at_ms),
            "From": scaled.from,
            "To": scaled.to,
            "Reason": scaled.reason,
        });
    }
    object
}

fn latch(latch: &Latch) -> Value {
    json!({
        "Dependency": latch.dependency,
        "Revision": latch.revision,
        "DependencyRevision": latch.dependency_revision,
        "JudgedAt": latch.judged_at,
        "Warning": latch.warning,
    })
}

#[cfg(test)]
mod tests {
    use model::{GateWait, Rollout, RolloutState};

    use super::*;

    #[test]
    fn only_what_there_is_is_told() {
        let mut service = Service {
            id: "s1".to_owned(),
            ..Service::default()
        };
        let view = ServiceView {
            running: 2,
            ..ServiceView::default()
        };
        let object = of(&service, &view);
        assert_eq!(object["ServiceStatus"]["RunningTasks"], 2);
        assert_eq!(object.get("UpdateStatus"), None);
        assert_eq!(object.get("Waiting"), None);
        service.rollout = Some(Rollout {
            state: RolloutState::Paused.into(),
            ..Rollout::default()
        });
        service.waiting = Some(GateWait {
            message: "db service_healthy 1/2".to_owned(),
            ..GateWait::default()
        });
        let object = of(&service, &view);
        assert_eq!(object["UpdateStatus"]["State"], "paused");
        assert_eq!(object["Waiting"]["Message"], "db service_healthy 1/2");
    }
}
