//! What is waited for, and how it is looked at.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use api::v1::{GetServiceRequest, GetStackRequest, ListTasksRequest, TaskView};
use tonic::{Code, Status};

use super::picture::{Picture, of_service, of_stack};
use crate::remote::Client;

/// A stack or a service.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// All services of a stack, and those, by full name, whose rollouts the deployment began.
    Stack {
        name: String,
        changed: BTreeSet<String>,
    },
    /// A stack until it is gone.
    Leaving(String),
    /// A service by its id, and when the rollout began that it had before it was changed.
    Service {
        id: String,
        name: String,
        before: Option<i64>,
    },
}

impl Subject {
    /// Whether being gone is what is waited for.
    pub(super) fn leaves(&self) -> bool {
        matches!(self, Subject::Leaving(_))
    }

    /// How long it must stay as it is wanted before that is believed.
    pub(super) fn probation(&self, picture: &Picture) -> Duration {
        match self {
            Subject::Stack { .. } => picture.probation(),
            Subject::Leaving(_) | Subject::Service { .. } => Duration::ZERO,
        }
    }

    /// How it stands; `None` when there is none.
    pub(super) async fn look(&self, client: &Client) -> Result<Option<Picture>, Status> {
        let looked = match self {
            Subject::Stack { name, changed } => stack(client, name, Some(changed)).await,
            Subject::Leaving(name) => stack(client, name, None).await,
            Subject::Service { id, before, .. } => service(client, id, *before).await,
        };
        match looked {
            Ok(picture) => Ok(Some(picture)),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Stack { name, .. } | Subject::Leaving(name) => write!(f, "stack {name}"),
            Subject::Service { name, .. } => write!(f, "service {name}"),
        }
    }
}

async fn stack(
    client: &Client,
    name: &str,
    changed: Option<&BTreeSet<String>>,
) -> Result<Picture, Status> {
    let asked = GetStackRequest {
        stack: name.to_owned(),
    };
    let view = client.asked(asked, |channel, request| async move {
        api::control(channel).get_stack(request).await
    });
    let view = view.await?;
    let tasks = tasks(
        client,
        ListTasksRequest {
            stack: name.to_owned(),
            ..ListTasksRequest::default()
        },
    );
    Ok(of_stack(&view, &tasks.await?, changed))
}

async fn service(client: &Client, id: &str, before: Option<i64>) -> Result<Picture, Status> {
    let asked = GetServiceRequest {
        service: id.to_owned(),
    };
    let reply = client.asked(asked, |channel, request| async move {
        api::control(channel).get_service(request).await
    });
    let view = reply.await?.service.unwrap_or_default();
    let tasks = tasks(
        client,
        ListTasksRequest {
            service: id.to_owned(),
            ..ListTasksRequest::default()
        },
    );
    Ok(of_service(&view, &tasks.await?, before))
}

async fn tasks(client: &Client, asked: ListTasksRequest) -> Result<Vec<TaskView>, Status> {
    let reply = client.asked(asked, |channel, request| async move {
        api::control(channel).list_tasks(request).await
    });
    Ok(reply.await?.tasks)
}
