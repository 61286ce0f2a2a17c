//! What a daemon tells of itself: numbers for who watches, and whose request it was in its log.

use std::io::{Read, Write};
use std::net::TcpStream;

use api::v1::*;
use model::{ClusterSpec, ConfigSpec};

use crate::daemons::{Daemons, is_ready, request_id};

/// An answer over HTTP: head and body.
fn ask(all: &Daemons, name: &str, line: &str) -> (String, String) {
    let mut stream = TcpStream::connect(all.metrics_address(name)).expect("somebody listens");
    let asked = format!("{line} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// Every line is a comment or a name with a number.
fn numbers(text: &str) -> Vec<(&str, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a number");
            (name, value.parse().expect("a number"))
        })
        .collect()
}

fn value(text: &str, name: &str) -> Option<f64> {
    let numbers = numbers(text);
    let found = numbers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_tells_numbers_and_whose_request_it_was() {
    let mut all = Daemons::new();
    all.start("m1");
    let (head, body) = ask(&all, "m1", "GET /metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(
        head.to_lowercase()
            .contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    assert_eq!(
        value(&body, r#"mini_node_state{state="inactive"}"#),
        Some(1.0)
    );
    assert_eq!(value(&body, "mini_raft_term"), None, "no manager yet");
    for (line, status) in [
        ("GET /", "404"),
        ("POST /metrics", "405"),
        ("GET /metrics/", "404"),
    ] {
        let (head, _) = ask(&all, "m1", line);
        assert!(head.contains(status), "{line}: {head}");
    }

    let made = all.init("m1", ClusterSpec::standard()).await;
    all.start("m2");
    let joined = all.join("m2", &made.manager_token, "m1").await;
    joined.expect("a manager joins");
    all.until("both are ready", async |all| {
        let nodes = all.nodes("m1").await;
        nodes.len() == 2 && nodes.iter().all(is_ready)
    })
    .await;
    let (_, body) = ask(&all, "m1", "GET /metrics");
    for (name, expected) in [
        (r#"mini_node_state{state="member"}"#, 1.0),
        ("mini_node_connected", 1.0),
        ("mini_node_containers", 0.0),
        ("mini_node_updates_waiting", 0.0),
        ("mini_raft_voters", 2.0),
        (r#"mini_nodes{state="ready"}"#, 2.0),
    ] {
        assert_eq!(value(&body, name), Some(expected), "{name}\n{body}");
    }
    let end = value(&body, "mini_node_certificate_end_seconds");
    assert!(end.is_some_and(|end| end > 1.0e9), "{end:?}");
    let names: Vec<&str> = body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let once: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(
        names.len(),
        once.len(),
        "a name is described once: {names:?}"
    );

    // Asked of the one that follows, done by the one that leads: both logs tell the same id.
    let leader = all.leader("m1").await;
    let follower = if leader == "m1" { "m2" } else { "m1" };
    let asked = CreateConfigRequest {
        spec: Some(ConfigSpec {
            name: "c".to_owned(),
            data: "data".into(),
            ..ConfigSpec::default()
        }),
    };
    let mut control = all.control(follower);
    let created = control
        .create_config(request_id(asked, "whose-request-17"))
        .await;
    created.expect("created");
    for name in ["m1", "m2"] {
        let log = all.log(name);
        let line = log.lines().find(|line| line.contains("whose-request-17"));
        let line = line.unwrap_or_else(|| panic!("{name} does not tell:\n{log}"));
        assert!(
            line.contains("CreateConfig") && line.contains("answered"),
            "{line}"
        );
    }
}
