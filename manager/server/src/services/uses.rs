//! Which services use a secret, a config or a network. What is used is not removed.

use model::{Service, TaskSpec};
use store::{Stored, View};
use tonic::Status;

/// Most services that a refusal names.
const NAMED: usize = 5;

/// Refuses to remove what services use: what they are to run names it, or what tasks of them run still.
pub(super) fn refuse_if_used<T: Stored>(
    view: &View,
    object: &T,
    uses: impl Fn(&TaskSpec, &T) -> bool,
) -> Result<(), Status> {
    let users: Vec<&str> = view
        .services()
        .iter()
        .filter(|service| is_user(view, service, |task| uses(task, object)))
        .map(|service| service.spec.name.as_str())
        .collect();
    if users.is_empty() {
        return Ok(());
    }
    let more = match users.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = users[..users.len().min(NAMED)].join(", ");
    let name = object.unique_name().unwrap_or_else(|| object.id());
    Err(Status::failed_precondition(format!(
        "the {} `{name}` is used by {named}{more}: update or remove these services first",
        T::NOUN
    )))
}

fn is_user(view: &View, service: &Service, uses: impl Fn(&TaskSpec) -> bool) -> bool {
    if uses(&service.spec.task) {
        return true;
    }
    let mut older = view
        .revisions_of(&service.id)
        .filter(|revision| uses(&revision.task))
        .peekable();
    older.peek().is_some()
        && older.any(|revision| {
            view.tasks_of(&service.id)
                .any(|task| task.revision == revision.number && !task.status.state().is_final())
        })
}

#[cfg(test)]
mod tests {
    use model::{FileReference, Revision, Secret, Service, Task, TaskSpec, TaskState};
    use store::{Change, State, Transaction, View};

    use super::refuse_if_used;

    fn task(secret: Option<&str>) -> TaskSpec {
        let mut task = TaskSpec::default();
        task.container.secrets = secret
            .map(|name| FileReference {
                source: name.to_owned(),
                ..FileReference::default()
            })
            .into_iter()
            .collect();
        task
    }

    /// Service `web` that names the secret now or not, with a task of an older revision that does, in that state.
    fn view(now: bool, older: TaskState) -> View {
        let mut service = Service {
            id: "web".to_owned(),
            ..Service::default()
        };
        service.spec.name = "web".to_owned();
        service.spec.task = task(now.then_some("password"));
        let revision = Revision {
            id: Revision::id_of("web", 1),
            service_id: "web".to_owned(),
            number: 1,
            task: task(Some("password")),
            ..Revision::default()
        };
        let mut runs = Task {
            id: "t".to_owned(),
            service_id: "web".to_owned(),
            revision: 1,
            ..Task::default()
        };
        runs.status.state = older.into();
        let mut state = State::default();
        state.advance(1, 1);
        let applied = state.apply(Transaction {
            changes: vec![
                Change::create(service),
                Change::create(revision),
                Change::create(runs),
            ],
            ..Transaction::default()
        });
        assert_eq!(applied.reply.refusal, None);
        state
    }

    #[test]
    fn what_is_used_is_not_removed() {
        let mut secret = Secret::default();
        secret.spec.name = "password".to_owned();
        let uses = |task: &TaskSpec, secret: &Secret| {
            let mut files = task.container.secrets.iter();
            files.any(|file| file.source == secret.spec.name)
        };
        let table = [
            (true, TaskState::Running, false),
            (true, TaskState::Failed, false),
            (false, TaskState::Running, false),
            (false, TaskState::Shutdown, true),
        ];
        for (now, older, may_go) in table {
            let answer = refuse_if_used(&view(now, older), &secret, uses);
            assert_eq!(answer.is_ok(), may_go, "{now} {older}");
            if let Err(status) = answer {
                assert!(status.message().contains("used by web:"), "{status}");
            }
        }
    }
}
