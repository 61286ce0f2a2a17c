//! What people ask of tasks.

use std::sync::Arc;

use api::v1::{GetTaskRequest, ListTasksReply, ListTasksRequest, TaskView};
use model::Task;
use orchestrator::standing;
use store::View;
use tonic::Status;

use super::find::{self, find};
use super::nodes;
use crate::clock::now_ms;
use crate::manager::Manager;

pub(crate) async fn list(
    manager: &Manager,
    asked: &ListTasksRequest,
) -> Result<ListTasksReply, Status> {
    let view = manager.read().await?;
    let now = now_ms();
    let tasks = choose(&view, asked)?;
    Ok(ListTasksReply {
        tasks: tasks.iter().map(|task| show(&view, task, now)).collect(),
        version: view.version(),
    })
}

pub(crate) async fn get(manager: &Manager, asked: &GetTaskRequest) -> Result<TaskView, Status> {
    let view = manager.read().await?;
    Ok(show(&view, meant(&view, &asked.task)?, now_ms()))
}

/// The task of that id or of that name: of a slot the one that is wanted, or the last one.
fn meant<'a>(view: &'a View, wanted: &str) -> Result<&'a Arc<Task>, Status> {
    let named = find::tasks_named(view, wanted).into_iter().flatten();
    let matters = named.max_by_key(|task| (task.is_wanted(), task.meta.created_ms));
    matters.map_or_else(|| find(view.tasks(), wanted), Ok)
}

/// The tasks that fit everything that is given, by the smallest of the tables that hold them.
fn choose<'a>(view: &'a View, asked: &ListTasksRequest) -> Result<Vec<&'a Arc<Task>>, Status> {
    let service = named(&asked.service, |wanted| {
        Ok(find(view.services(), wanted)?.id.as_str())
    })?;
    let stack = named(&asked.stack, |wanted| {
        Ok(find(view.stacks(), wanted)?.id.as_str())
    })?;
    let node = named(&asked.node, |wanted| {
        Ok(nodes::find(view, wanted)?.id.as_str())
    })?;
    let in_stack = |task: &Task, stack: &str| {
        let service = view.services().get(&task.service_id);
        service.is_some_and(|service| service.stack_id == stack)
    };
    let fits = |task: &&Arc<Task>| {
        service.is_none_or(|id| task.service_id == id)
            && node.is_none_or(|id| task.node_id == id)
            && stack.is_none_or(|id| in_stack(task, id))
    };
    Ok(match (service, node, stack) {
        (Some(service), ..) => view.tasks_of(service).filter(fits).collect(),
        (None, Some(node), _) => view.tasks_on(node).filter(fits).collect(),
        (None, None, Some(stack)) => view
            .services_of(stack)
            .flat_map(|service| view.tasks_of(&service.id))
            .collect(),
        (None, None, None) => view.tasks().iter().collect(),
    })
}

fn named<'a>(
    wanted: &str,
    find: impl FnOnce(&str) -> Result<&'a str, Status>,
) -> Result<Option<&'a str>, Status> {
    (!wanted.is_empty()).then(|| find(wanted)).transpose()
}

fn show(view: &View, task: &Task, now_ms: i64) -> TaskView {
    let service = view.services().get(&task.service_id);
    let revision = view.revision(&task.service_id, task.revision);
    let service_name = match (service, revision) {
        (Some(service), _) => service.spec.name.clone(),
        (None, Some(revision)) => revision.service_name.clone(),
        (None, None) => task.service_id.clone(),
    };
    let node = view.nodes().get(&task.node_id);
    TaskView {
        name: task.name(&service_name),
        service_name,
        image: revision.map_or_else(String::new, |revision| {
            revision.task.container.image.clone()
        }),
        node_name: node.map_or_else(
            || task.node_id.clone(),
            |node| node.description.hostname.clone(),
        ),
        waiting: standing::waiting(view, task, now_ms),
        task: Some(task.clone()),
    }
}

#[cfg(test)]
mod tests {
    use api::v1::ListTasksRequest;
    use model::{Node, Service, Stack, Task};
    use store::{Change, State, Transaction};

    use super::choose;

    #[test]
    fn tasks_are_chosen_by_everything_that_is_given() {
        let mut state = State::default();
        state.advance(1, 1);
        let service = |id: &str, stack: &str| {
            let mut service = Service {
                id: id.to_owned(),
                stack_id: stack.to_owned(),
                ..Service::default()
            };
            service.spec.name = format!("{id}-name");
            Change::create(service)
        };
        let task = |id: &str, service: &str, node: &str| {
            Change::create(Task {
                id: id.to_owned(),
                service_id: service.to_owned(),
                node_id: node.to_owned(),
                ..Task::default()
            })
        };
        let node = |id: &str| {
            Change::create(Node {
                id: id.to_owned(),
                ..Node::default()
            })
        };
        let changes = vec![
            Change::create(Stack {
                id: "s".to_owned(),
                name: "blog".to_owned(),
                ..Stack::default()
            }),
            service("web", "s"),
            service("db", "s"),
            service("lone", ""),
            node("n1"),
            node("n2"),
            task("w1", "web", "n1"),
            task("w2", "web", "n2"),
            task("d1", "db", "n1"),
            task("l1", "lone", "n1"),
        ];
        let applied = state.apply(Transaction {
            changes,
            ..Transaction::default()
        });
        assert_eq!(applied.reply.refusal, None);
        let table = [
            ("", "", "", "d1 l1 w1 w2"),
            ("n1", "", "", "d1 l1 w1"),
            ("", "web-name", "", "w1 w2"),
            ("", "", "blog", "d1 w1 w2"),
            ("n1", "", "blog", "d1 w1"),
            ("n2", "web", "blog", "w2"),
            ("n2", "lone", "blog", ""),
        ];
        for (node, service, stack, expected) in table {
            let asked = ListTasksRequest {
                node: node.to_owned(),
                service: service.to_owned(),
                stack: stack.to_owned(),
            };
            let chosen = choose(&state, &asked).expect("tasks");
            let mut ids: Vec<_> = chosen.iter().map(|task| task.id.as_str()).collect();
            ids.sort_unstable();
            assert_eq!(ids.join(" "), expected, "{asked:?}");
        }
    }
}
