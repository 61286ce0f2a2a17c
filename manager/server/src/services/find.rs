//! What a person means by a word: an id, a name, or the beginning of an id.

use std::sync::Arc;

use model::Task;
use store::{Stored, Table, View};
use tonic::Status;

/// The one object that a word stands for.
pub(crate) fn find<'a, T: Stored>(table: &'a Table<T>, wanted: &str) -> Result<&'a Arc<T>, Status> {
    let noun = T::NOUN;
    if wanted.is_empty() {
        return Err(Status::invalid_argument(format!("no {noun} was named")));
    }
    if let Some(object) = by_name(table, wanted) {
        return Ok(object);
    }
    let mut found = table.with_prefix(wanted);
    match (found.next(), found.next()) {
        (Some(object), None) => Ok(object),
        (None, _) => Err(Status::not_found(format!(
            "there is no {noun} `{wanted}`; see `{}`",
            listing(noun)
        ))),
        (Some(_), Some(_)) => Err(Status::invalid_argument(format!(
            "`{wanted}` begins several ids of {noun}s; write more of it"
        ))),
    }
}

/// The object whose name or whole id that is.
pub(crate) fn by_name<'a, T: Stored>(table: &'a Table<T>, wanted: &str) -> Option<&'a Arc<T>> {
    table.get(wanted).or_else(|| table.named(wanted))
}

/// The tasks that `web.2` stands for, or `web.<node>` where there is one on each; none when no service is called that.
pub(crate) fn tasks_named<'a>(view: &'a View, wanted: &str) -> Option<Vec<&'a Arc<Task>>> {
    let (service, place) = wanted.rsplit_once('.')?;
    let service = view.services().named(service)?;
    let is_it = |task: &&Arc<Task>| {
        let node = view.nodes().get(&task.node_id);
        let host = node.map_or("", |node| node.description.hostname.as_str());
        match task.slot {
            0 => task.node_id == place || host == place,
            slot => place.parse() == Ok(slot),
        }
    };
    Some(view.tasks_of(&service.id).filter(is_it).collect())
}

fn listing(noun: &str) -> String {
    match noun {
        "task" => "minictl service ps".to_owned(),
        noun => format!("minictl {noun} ls"),
    }
}

#[cfg(test)]
mod tests {
    use model::{Service, Task};
    use store::{Change, State, Transaction, View};

    use super::{find, tasks_named};

    fn view() -> View {
        let service = |id: &str, name: &str| {
            let mut service = Service {
                id: id.to_owned(),
                ..Service::default()
            };
            service.spec.name = name.to_owned();
            Change::create(service)
        };
        let task = |id: &str, service: &str, slot: u64, node: &str| {
            Change::create(Task {
                id: id.to_owned(),
                service_id: service.to_owned(),
                slot,
                node_id: node.to_owned(),
                ..Task::default()
            })
        };
        let mut state = State::default();
        state.advance(1, 1);
        let applied = state.apply(Transaction {
            changes: vec![
                service("abc1", "web"),
                service("abc2", "blog_web"),
                service("def", "abc"),
                task("t1", "abc1", 1, "n1"),
                task("t2", "abc1", 2, "n1"),
                task("g1", "abc2", 0, "n1"),
            ],
            ..Transaction::default()
        });
        assert_eq!(applied.reply.refusal, None);
        state
    }

    #[test]
    fn a_word_stands_for_one_object_or_says_why_not() {
        let view = view();
        let found = |wanted: &str| match find(view.services(), wanted) {
            Ok(service) => service.id.clone(),
            Err(status) => status.message().to_owned(),
        };
        let table = [
            ("web", "abc1"),
            ("abc2", "abc2"),
            ("abc", "def"),
            ("de", "def"),
            (
                "ab",
                "`ab` begins several ids of services; write more of it",
            ),
            ("x", "there is no service `x`; see `minictl service ls`"),
            ("", "no service was named"),
        ];
        for (wanted, expected) in table {
            assert_eq!(found(wanted), expected, "{wanted}");
        }
    }

    #[test]
    fn a_task_has_a_name() {
        let view = view();
        let table = [
            ("web.2", Some("t2")),
            ("web.3", Some("")),
            ("blog_web.n1", Some("g1")),
            ("none.1", None),
            ("web", None),
        ];
        for (wanted, expected) in table {
            let found = tasks_named(&view, wanted).map(|tasks| {
                let ids: Vec<_> = tasks.iter().map(|task| task.id.as_str()).collect();
                ids.join(" ")
            });
            assert_eq!(found.as_deref(), expected, "{wanted}");
        }
    }
}
