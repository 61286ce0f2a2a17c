use api::v1::errand::What;
use api::v1::*;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use crate::place::{Hollow, Place};
use crate::services::{create, spec};

/// A place with a node that runs two tasks of `web`.
async fn place() -> (Place, Hollow) {
    let mut place = Place::new(&["w1"]).await;
    let node = place.worker("w1").await;
    create(&mut place, spec("web", 2)).await;
    place.running("web", 2).await;
    (place, node)
}

fn line(at_ns: i64, text: &str) -> NodeLogLine {
    NodeLogLine {
        at_ns,
        stderr: false,
        data: text.to_owned().into(),
    }
}

/// A node answers an errand for logs with these lines.
async fn answer(node: &Hollow, errand: &Errand, lines: Vec<NodeLogLine>) {
    let first = NodeLogs {
        errand: errand.id.clone(),
        ..NodeLogs::default()
    };
    let then = NodeLogs {
        lines,
        ..NodeLogs::default()
    };
    let sent = tokio_stream::iter([first, then]);
    node.dispatcher
        .clone()
        .send_logs(sent)
        .await
        .expect("taken");
}

async fn read(mut replies: Streaming<LogsReply>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(reply) = replies.message().await.expect("a reply") {
        for line in reply.lines {
            let text = String::from_utf8(line.data.to_vec()).expect("text");
            lines.push(format!("{} {text}", line.task_name));
        }
        if !reply.warning.is_empty() {
            lines.push(reply.warning);
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_of_several_tasks_are_merged() {
    let (mut place, mut node) = place().await;
    let asked = LogsRequest {
        service: "web".to_owned(),
        ..LogsRequest::default()
    };
    let replies = place
        .control
        .logs(asked.clone())
        .await
        .expect("logs")
        .into_inner();
    let reading = tokio::spawn(read(replies));
    for _ in 0..2 {
        let errand = node.errand().await;
        let Some(What::Logs(logs)) = &errand.what else {
            panic!("{errand:?}");
        };
        let slot = node.told().tasks[&logs.task_id].slot;
        let lines = if slot == 1 {
            vec![line(10, "a"), line(40, "d")]
        } else {
            vec![line(20, "b"), line(30, "c")]
        };
        answer(&node, &errand, lines).await;
    }
    let lines = reading.await.expect("read");
    assert_eq!(lines, ["web.1 a", "web.2 b", "web.2 c", "web.1 d"]);
    // A node that is not there any more is told of.
    drop(node);
    let goodbye = place.worker("w1").await;
    goodbye
        .dispatcher
        .clone()
        .goodbye(GoodbyeRequest {})
        .await
        .expect("gone");
    let replies = place.control.logs(asked).await.expect("logs").into_inner();
    let lines = read(replies).await;
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line.contains("w1-host is down")),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_sees_lines_as_they_come_and_takes_the_errand_back() {
    let (mut place, mut node) = place().await;
    let tasks = place.running("web", 2).await;
    let asked = LogsRequest {
        task: tasks[0].id.clone(),
        follow: true,
        ..LogsRequest::default()
    };
    let mut replies = place.control.logs(asked).await.expect("logs").into_inner();
    let errand = node.errand().await;
    let (prints, printed) = mpsc::channel(4);
    let mut dispatcher = node.dispatcher.clone();
    let sending = tokio::spawn(async move {
        drop(dispatcher.send_logs(ReceiverStream::new(printed)).await);
    });
    let first = NodeLogs {
        errand: errand.id.clone(),
        lines: vec![line(1, "one")],
        ..NodeLogs::default()
    };
    prints.send(first).await.expect("sent");
    let reply = replies.message().await.expect("a reply").expect("one");
    assert_eq!(reply.lines[0].data, "one");
    let more = NodeLogs {
        lines: vec![line(2, "two")],
        ..NodeLogs::default()
    };
    prints.send(more).await.expect("sent");
    let reply = replies.message().await.expect("a reply").expect("one");
    assert_eq!(reply.lines[0].data, "two");
    drop(replies);
    let cancel = node.errand().await;
    assert_eq!(cancel.what, Some(What::Cancel(errand.id)));
    sending.await.expect("ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_in_a_task_is_joined_with_its_caller() {
    let (mut place, mut node) = place().await;
    let (types, typed) = mpsc::channel(4);
    let first = ExecInput {
        spec: Some(ExecSpec {
            task: "web.2".to_owned(),
            command: vec!["cat".to_owned()],
            stdin: true,
            ..ExecSpec::default()
        }),
        ..ExecInput::default()
    };
    types.send(first).await.expect("typed");
    let asked = place.control.exec(ReceiverStream::new(typed)).await;
    let mut seen = asked.expect("a process").into_inner();
    let errand = node.errand().await;
    let Some(What::Exec(exec)) = &errand.what else {
        panic!("{errand:?}");
    };
    assert_eq!(node.told().tasks[&exec.task_id].slot, 2);
    let (prints, printed) = mpsc::channel(4);
    let first = NodeExec {
        errand: errand.id.clone(),
        ..NodeExec::default()
    };
    prints.send(first).await.expect("sent");
    let mut dispatcher = node.dispatcher.clone();
    let called = dispatcher.send_exec(ReceiverStream::new(printed)).await;
    let mut input = called.expect("taken").into_inner();
    let hello = ExecInput {
        stdin: "hello".into(),
        ..ExecInput::default()
    };
    types.send(hello).await.expect("typed");
    let heard = input.message().await.expect("input").expect("some");
    assert_eq!(heard.stdin, "hello");
    drop(types);
    let end = input.message().await.expect("input").expect("some");
    assert!(
        end.stdin_closed,
        "the caller types no more, and still listens"
    );
    let output = |output: ExecOutput| NodeExec {
        output: Some(output),
        ..NodeExec::default()
    };
    let said = ExecOutput {
        stdout: "hello".into(),
        ..ExecOutput::default()
    };
    prints.send(output(said)).await.expect("sent");
    let ended = ExecOutput {
        exit_code: Some(3),
        ..ExecOutput::default()
    };
    prints.send(output(ended)).await.expect("sent");
    drop(prints);
    let heard = seen.message().await.expect("output").expect("some");
    assert_eq!(heard.stdout, "hello");
    let last = seen.message().await.expect("output").expect("some");
    assert_eq!(last.exit_code, Some(3));
    assert!(seen.message().await.expect("the end").is_none());
    assert!(input.message().await.expect("the end").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_told_when_the_node_is_lost() {
    let (mut place, mut node) = place().await;
    let first = ExecInput {
        spec: Some(ExecSpec {
            task: "web".to_owned(),
            command: vec!["sleep".to_owned(), "9".to_owned()],
            ..ExecSpec::default()
        }),
        ..ExecInput::default()
    };
    let typed =
        tokio_stream::StreamExt::chain(tokio_stream::iter([first]), tokio_stream::pending());
    let mut seen = place
        .control
        .exec(typed)
        .await
        .expect("a process")
        .into_inner();
    let errand = node.errand().await;
    let (prints, printed) = mpsc::channel(4);
    let begun = NodeExec {
        errand: errand.id,
        ..NodeExec::default()
    };
    prints.send(begun).await.expect("sent");
    let called = node
        .dispatcher
        .send_exec(ReceiverStream::new(printed))
        .await;
    let _input = called.expect("taken");
    drop(prints);
    let lost = seen.message().await.expect_err("lost");
    assert_eq!(lost.code(), Code::Unavailable);
    let none = ExecInput {
        spec: Some(ExecSpec {
            task: "none".to_owned(),
            command: vec!["ls".to_owned()],
            ..ExecSpec::default()
        }),
        ..ExecInput::default()
    };
    let refused = place.control.exec(tokio_stream::iter([none])).await;
    assert_eq!(refused.expect_err("refused").code(), Code::NotFound);
}
