//! What every executor keeps. Run against the fake here, and against the engine's where there is root and a runtime.

use std::sync::Arc;
use std::time::Duration;

use api::v1::{ExecInput, ExecOutput, ExecSpec};
use model::{Health, Revision, Task, Words};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::executor::{Container, Executor, LogOptions};
use crate::fake::{Fake, ended};
use crate::step::Seen;
use crate::work::Work;

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(30);
const SLEEPS: &str = "echo hello; exec sleep 300";

/// A task of that id, whose container runs `sh -c <script>`.
pub(crate) fn work(task: &str, script: &str, change: &dyn Fn(&mut Revision)) -> Work {
    let mut revision = Revision {
        id: "s1.1".to_owned(),
        service_id: "s1".to_owned(),
        number: 1,
        service_name: "web".to_owned(),
        ..Revision::default()
    };
    let container = &mut revision.task.container;
    container.image = "app".to_owned();
    container.command = Some(Words {
        words: ["sh", "-c", script].map(str::to_owned).to_vec(),
    });
    change(&mut revision);
    Work {
        task: Task {
            id: task.to_owned(),
            service_id: "s1".to_owned(),
            revision: 1,
            slot: 1,
            ..Task::default()
        },
        revision: Arc::new(revision),
        networks: Vec::new(),
        secrets: Vec::new(),
        configs: Vec::new(),
    }
}

/// Holds an executor to its word. `change` makes a task one that it can run, `spoil` one that it cannot prepare.
pub(crate) async fn check(executor: &dyn Executor, change: &dyn Fn(&mut Revision), spoiled: &Work) {
    assert!(executor.find().await.unwrap().is_empty());
    a_life(executor, &work("t1", SLEEPS, change)).await;
    an_end(executor, &work("t2", "exit 3", change)).await;
    a_removal(executor, &work("t3", SLEEPS, change)).await;

    let refused = executor.prepare(spoiled).await.unwrap_err().to_string();
    assert!(refused.contains("image"), "{refused}");
    executor.remove(&spoiled.task.id, None).await.unwrap();
    assert!(executor.find().await.unwrap().is_empty());
}

async fn a_life(executor: &dyn Executor, work: &Work) {
    let made = executor.prepare(work).await.unwrap();
    assert_eq!(made.seen, Seen::Made);
    assert_eq!(executor.prepare(work).await.unwrap(), made, "made once");
    let id = made.id.as_str();
    let found = executor.find().await.unwrap();
    assert_eq!(found.get(&work.task.id), Some(&made));

    let live = executor.start(work, id).await.unwrap();
    assert_eq!(
        (live.seen.clone(), live.id.as_str()),
        (Seen::Live(Health::Unprobed), id)
    );
    assert_eq!(executor.start(work, id).await.unwrap().seen, live.seen);
    assert_eq!(executor.prepare(work).await.unwrap().seen, live.seen);
    assert_eq!(next(executor, id, &Seen::Made).await.seen, live.seen);
    let short = Duration::from_millis(100);
    let still = timeout(short, executor.next(id, &live.seen)).await;
    assert!(still.is_err(), "nothing changes");

    assert!(executor.usage(vec![id.to_owned()]).await.contains_key(id));
    assert_eq!(log(executor, id).await, "hello\n");
    let (printed, code) = exec(executor, id, &["echo", "a", "word"], &[]).await;
    assert_eq!((printed.as_str(), code), ("a word\n", Some(0)));
    let (printed, code) = exec(executor, id, &["cat"], &["ty", "ped"]).await;
    assert_eq!((printed.as_str(), code), ("typed", Some(0)));

    let (end, stopped) = tokio::join!(
        next(executor, id, &live.seen),
        executor.stop(id, Some(Duration::from_secs(10)))
    );
    assert_eq!((end.seen, stopped.unwrap().seen), (ended(143), ended(143)));
    let again = executor.stop(id, None).await.unwrap();
    assert_eq!(again.seen, ended(143));
    assert_eq!(
        executor.find().await.unwrap()[&work.task.id].seen,
        ended(143)
    );
    assert!(executor.usage(vec![id.to_owned()]).await.is_empty());
    executor.remove(&work.task.id, Some(id)).await.unwrap();
    executor.remove(&work.task.id, Some(id)).await.unwrap();
    assert!(executor.find().await.unwrap().is_empty());
    assert_eq!(executor.stop(id, None).await.unwrap().seen, Seen::Nothing);
}

async fn an_end(executor: &dyn Executor, work: &Work) {
    let id = executor.prepare(work).await.unwrap().id;
    executor.start(work, &id).await.unwrap();
    let end = next(executor, &id, &Seen::Live(Health::Unprobed)).await;
    assert_eq!(end.seen, ended(3));
    executor.remove(&work.task.id, Some(&id)).await.unwrap();
}

async fn a_removal(executor: &dyn Executor, work: &Work) {
    let id = executor.prepare(work).await.unwrap().id;
    let live = executor.start(work, &id).await.unwrap();
    let (end, removed) = tokio::join!(
        next(executor, &id, &live.seen),
        executor.remove(&work.task.id, Some(&id))
    );
    removed.unwrap();
    assert!(matches!(end.seen, Seen::Nothing | Seen::Ended { .. }));
    assert_eq!(next(executor, &id, &live.seen).await.seen, Seen::Nothing);
}

async fn next(executor: &dyn Executor, container: &str, seen: &Seen) -> Container {
    let next = timeout(PATIENCE, executor.next(container, seen)).await;
    next.expect("it is seen in time").unwrap()
}

async fn log(executor: &dyn Executor, container: &str) -> String {
    let options = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let mut logs = executor.logs(container, options).await.unwrap();
    let line = timeout(PATIENCE, logs.lines.recv()).await.unwrap();
    String::from_utf8(line.unwrap().unwrap().data.to_vec()).unwrap()
}

async fn exec(
    executor: &dyn Executor,
    container: &str,
    command: &[&str],
    typed: &[&str],
) -> (String, Option<i32>) {
    let spec = ExecSpec {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        stdin: !typed.is_empty(),
        ..ExecSpec::default()
    };
    let (types, input) = mpsc::channel(8);
    for text in typed {
        let message = ExecInput {
            stdin: (*text).to_owned().into(),
            ..ExecInput::default()
        };
        types.send(message).await.unwrap();
    }
    let closed = ExecInput {
        stdin_closed: true,
        ..ExecInput::default()
    };
    types.send(closed).await.unwrap();
    let (output, mut heard) = mpsc::channel::<ExecOutput>(8);
    let hearing = async {
        let (mut printed, mut code) = (Vec::new(), None);
        while let Some(message) = heard.recv().await {
            printed.extend_from_slice(&message.stdout);
            code = code.or(message.exit_code);
        }
        (String::from_utf8(printed).unwrap(), code)
    };
    let running = executor.exec(container, &spec, input, output);
    let (ran, heard) = timeout(PATIENCE, async { tokio::join!(running, hearing) })
        .await
        .expect("it ends in time");
    ran.unwrap();
    heard
}

#[tokio::test]
async fn the_fake_keeps_the_contract() {
    let fake = Fake::default();
    fake.refuse("spoiled", "no such image: app");
    check(&fake, &|_| {}, &work("spoiled", "", &|_| {})).await;
}
