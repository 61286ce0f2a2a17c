//! Tasks as rows of a table: `service ps`, `stack ps`, `node ps` and `task ls` alike.

use api::v1::{ListTasksRequest, TaskView};
use jiff::Timestamp;
use model::{Task, TaskState};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome, print};
use crate::output::age::ago;
use crate::output::filter::{Filter, parse_all, passes};
use crate::output::format::{Columns, listing};
use crate::output::{ellipsis, short_id};
use crate::remote::Client;
use crate::service::spec::port;

const COLUMNS: Columns = Columns {
    all: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Image", "IMAGE"),
        ("Node", "NODE"),
        ("DesiredState", "DESIRED STATE"),
        ("CurrentState", "CURRENT STATE"),
        ("Error", "ERROR"),
        ("Ports", "PORTS"),
        ("Health", "HEALTH"),
        ("Service", "SERVICE"),
        ("Slot", "SLOT"),
        ("Revision", "REVISION"),
    ],
    shown: &[
        "ID",
        "Name",
        "Image",
        "Node",
        "DesiredState",
        "CurrentState",
        "Error",
        "Ports",
    ],
};
const FILTERS: &[&str] = &["id", "name", "node", "desired-state"];
/// Characters of an error that a table shows.
const ERROR_WIDTH: usize = 60;

/// Flags of every list of tasks.
#[derive(Debug, clap::Args)]
pub(crate) struct ListingArgs {
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Don't cut ids, digests and errors
    #[arg(long)]
    no_trunc: bool,
    /// Print ids of nodes in place of their names
    #[arg(long)]
    no_resolve: bool,
    /// Show those alone that fit: id, name, node, desired-state (running, ready, shutdown, accepted)
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,
    /// json, table TEMPLATE or a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Tasks that fit everything that is not empty.
pub(crate) fn tasks(
    client: &Client,
    node: &str,
    service: &str,
    stack: &str,
) -> Result<Vec<TaskView>, Failure> {
    let asked = ListTasksRequest {
        node: node.to_owned(),
        service: service.to_owned(),
        stack: stack.to_owned(),
    };
    let reply = client.ask(asked, |channel, request| async move {
        api::control(channel).list_tasks(request).await
    })?;
    Ok(reply.tasks)
}

/// Prints them.
pub(crate) fn show(tasks: Vec<TaskView>, args: &ListingArgs) -> Outcome {
    let filters = parse_all(&args.filters, FILTERS)?;
    let tasks = in_order(
        tasks
            .into_iter()
            .filter(|view| fits(&filters, view))
            .collect(),
    );
    if args.quiet {
        for (_, view) in &tasks {
            print(&format!("{}\n", task(view).id))?;
        }
        return Ok(0);
    }
    let now = Timestamp::now();
    let plain = args.format.is_none();
    let rows: Vec<Value> = tasks
        .iter()
        .map(|(newest, view)| row(view, *newest || !plain, args, now))
        .collect();
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

fn task(view: &TaskView) -> Task {
    view.task.clone().unwrap_or_default()
}

fn fits(filters: &[Filter], view: &TaskView) -> bool {
    let task = task(view);
    passes(filters, |key, value| match key {
        "id" => task.id.starts_with(value),
        "name" => view.name.starts_with(value),
        "node" => view.node_name == value || task.node_id.starts_with(value),
        _ => task.desired_state().to_string() == value.to_lowercase(),
    })
}

/// By name, the newest of a name first; whether a task is that one is told with it.
fn in_order(tasks: Vec<TaskView>) -> Vec<(bool, TaskView)> {
    let mut tasks: Vec<(Task, TaskView)> =
        tasks.into_iter().map(|view| (task(&view), view)).collect();
    tasks.sort_by(|(one, first), (other, second)| {
        let key = |task: &Task, view: &TaskView| {
            (view.service_name.clone(), task.slot, view.name.clone())
        };
        key(one, first).cmp(&key(other, second)).then_with(|| {
            let age = |task: &Task| (task.is_wanted(), task.meta.created_ms, task.id.clone());
            age(other).cmp(&age(one))
        })
    });
    let mut before: Option<String> = None;
    let mark = |(_, view): (Task, TaskView)| {
        let newest = before.as_ref() != Some(&view.name);
        before = Some(view.name.clone());
        (newest, view)
    };
    tasks.into_iter().map(mark).collect()
}

fn row(view: &TaskView, newest: bool, args: &ListingArgs, now: Timestamp) -> Value {
    let task = task(view);
    let name = if newest {
        view.name.clone()
    } else {
        format!(" \\_ {}", view.name)
    };
    let image = match view.image.split_once('@') {
        Some((name, _)) if !args.no_trunc => name,
        _ => &view.image,
    };
    let error = match args.no_trunc {
        true => error(&task),
        false => ellipsis(&error(&task), ERROR_WIDTH),
    };
    let ports: Vec<String> = task.ports.iter().map(port::shown).collect();
    json!({
        "ID": short_id(&task.id, args.no_trunc),
        "Name": name,
        "Image": image,
        "Node": if args.no_resolve { &task.node_id } else { &view.node_name },
        "DesiredState": capital(task.desired_state()),
        "CurrentState": current(&task, &view.waiting, now),
        "Error": error,
        "Ports": if task.is_live() { ports.join(",") } else { String::new() },
        "Health": task.status.health().to_string(),
        "Service": view.service_name,
        "Slot": task.slot,
        "Revision": task.revision,
    })
}

/// What went wrong; why it was told to end, where nothing did.
fn error(task: &Task) -> String {
    match task.status.error.as_str() {
        "" => String::new(),
        error => format!("{error:?}"),
    }
}

/// `Running 5 minutes ago`, `Ready (waiting: db service_healthy 1/2, 00:12, deadline 04:48)`.
fn current(task: &Task, waiting: &str, now: Timestamp) -> String {
    let state = capital(task.status.state());
    let waiting = waiting.strip_prefix("waiting: ").unwrap_or(waiting);
    if !waiting.is_empty() {
        return format!("{state} (waiting: {waiting})");
    }
    let since = Timestamp::from_millisecond(task.status.at_ms).unwrap_or_default();
    format!("{state} {}", ago(since, now).to_lowercase())
}

fn capital(state: TaskState) -> String {
    format!("{state:?}")
}

#[cfg(test)]
mod tests {
    use model::{Meta, TaskStatus};

    use super::*;

    fn view(
        id: &str,
        slot: u64,
        state: TaskState,
        desired: TaskState,
        created_ms: i64,
    ) -> TaskView {
        TaskView {
            task: Some(Task {
                id: id.to_owned(),
                slot,
                desired_state: desired.into(),
                meta: Meta {
                    created_ms,
                    ..Meta::default()
                },
                status: TaskStatus {
                    state: state.into(),
                    at_ms: 1_000,
                    ..TaskStatus::default()
                },
                ..Task::default()
            }),
            name: format!("web.{slot}"),
            service_name: "web".to_owned(),
            image: "nginx:1@sha256:aa".to_owned(),
            ..TaskView::default()
        }
    }

    #[test]
    fn former_tasks_stand_below_the_one_that_is_wanted() {
        use TaskState::{Failed, Running, Shutdown};
        let ordered = in_order(vec![
            view("old", 2, Failed, Shutdown, 9),
            view("now", 2, Running, Running, 8),
            view("ten", 10, Running, Running, 1),
            view("older", 2, Failed, Shutdown, 3),
        ]);
        let shown: Vec<(bool, String)> = ordered
            .iter()
            .map(|(newest, view)| (*newest, task(view).id))
            .collect();
        let expected = [
            (true, "now"),
            (false, "old"),
            (false, "older"),
            (true, "ten"),
        ];
        assert_eq!(shown, expected.map(|(newest, id)| (newest, id.to_owned())));
    }

    #[test]
    fn a_state_tells_why_it_lasts() {
        fn check(state: TaskState, waiting: &str, expected: &str) {
            let task = task(&view("a", 1, state, TaskState::Running, 0));
            let now = Timestamp::from_millisecond(61_000).unwrap();
            assert_eq!(current(&task, waiting, now), expected);
        }
        check(TaskState::Running, "", "Running about a minute ago");
        check(
            TaskState::Ready,
            "waiting: db service_healthy 1/2, 00:12, deadline 04:48",
            "Ready (waiting: db service_healthy 1/2, 00:12, deadline 04:48)",
        );
    }

    #[test]
    fn rows_have_all_their_fields() {
        let args = ListingArgs {
            quiet: false,
            no_trunc: false,
            no_resolve: false,
            filters: Vec::new(),
            format: None,
        };
        let view = view(
            "0123456789abcdef",
            1,
            TaskState::Running,
            TaskState::Running,
            0,
        );
        let row = row(&view, false, &args, Timestamp::now());
        for (field, _) in COLUMNS.all {
            assert!(row.get(field).is_some(), "{field}");
        }
        assert_eq!(row["ID"], "0123456789ab");
        assert_eq!(row["Name"], " \\_ web.1");
        assert_eq!(row["Image"], "nginx:1");
    }
}
