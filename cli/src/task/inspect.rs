//! `minictl task inspect`.

use api::v1::{GetTaskRequest, TaskView};
use serde_json::{Value, json};

use crate::container::inspect::several;
use crate::context::Context;
use crate::failure::Outcome;
use crate::output::age::moment_of;
use crate::remote::Client;
use crate::service::spec::port::word;

/// Show everything about tasks
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl task inspect -f '{{.Status.State}}' 3kzq5b8t2m1x")]
pub(crate) struct Args {
    /// json, or a template such as '{{.Status.State}}'
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Ids, or their beginnings
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<String>,
}

/// Prints those that are there; 1 when one is not.
pub(crate) fn inspect(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    several(&args.tasks, args.format.as_deref(), |name| {
        let asked = GetTaskRequest {
            task: name.to_owned(),
        };
        let view = client.ask(asked, |channel, request| async move {
            api::control(channel).get_task(request).await
        })?;
        Ok(object(&view))
    })
}

/// In Docker's names, and ours beside them.
fn object(view: &TaskView) -> Value {
    let task = view.task.clone().unwrap_or_default();
    let status = &task.status;
    let ports: Vec<Value> = task
        .ports
        .iter()
        .map(|port| {
            json!({
                "Protocol": word(port.protocol()),
                "TargetPort": port.target,
                "PublishedPort": port.published,
                "PublishMode": "host",
            })
        })
        .collect();
    let addresses: Vec<Value> = status
        .addresses
        .iter()
        .map(|of| json!({ "Network": of.network, "Address": of.address }))
        .collect();
    json!({
        "ID": task.id,
        "Version": { "Index": task.meta.version },
        "CreatedAt": moment_of(task.meta.created_ms),
        "UpdatedAt": moment_of(task.meta.updated_ms),
        "Name": view.name,
        "ServiceID": task.service_id,
        "ServiceName": view.service_name,
        "Revision": task.revision,
        "Image": view.image,
        "Slot": task.slot,
        "NodeID": task.node_id,
        "NodeName": view.node_name,
        "DesiredState": task.desired_state().to_string(),
        "Reason": task.reason,
        "Waiting": view.waiting,
        "Attempt": task.attempt,
        "NotBefore": moment_of(task.not_before_ms),
        "JobIteration": task.job_iteration,
        "Status": {
            "Timestamp": moment_of(status.at_ms),
            "State": status.state().to_string(),
            "Message": status.message,
            "Err": status.error,
            "Health": status.health().to_string(),
            "Routable": status.routable,
            "ContainerStatus": { "ContainerID": status.container_id, "ExitCode": status.exit_code },
            "PortStatus": { "Ports": ports },
        },
        "Addresses": addresses,
    })
}

#[cfg(test)]
mod tests {
    use model::{Task, TaskState, TaskStatus};

    use super::*;

    #[test]
    fn a_task_says_how_it_ended() {
        let view = TaskView {
            task: Some(Task {
                id: "t1".to_owned(),
                status: TaskStatus {
                    state: TaskState::Failed.into(),
                    exit_code: Some(3),
                    error: "it ended with 3".to_owned(),
                    ..TaskStatus::default()
                },
                ..Task::default()
            }),
            ..TaskView::default()
        };
        let object = object(&view);
        assert_eq!(object["Status"]["State"], "failed");
        assert_eq!(object["Status"]["ContainerStatus"]["ExitCode"], 3);
        assert_eq!(object["NotBefore"], "");
    }
}
