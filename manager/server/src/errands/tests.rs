use std::sync::Arc;

use api::v1::{LogsErrand, errand};
use store::View;
use tokio::sync::mpsc;

use super::{Ends, Errands, FromLogs};
use crate::dispatcher::Feed;

fn logs() -> (Ends, mpsc::Receiver<FromLogs>) {
    let (tells, hears) = mpsc::channel(1);
    (Ends::Logs(tells), hears)
}

/// What a node hears of its errands next: `logs`, `exec`, `cancel`.
fn heard(feed: &Feed) -> Vec<&'static str> {
    let message = feed.next("n", View::default);
    let errands = message.map(|message| message.errands).unwrap_or_default();
    errands
        .iter()
        .map(|errand| match errand.what {
            Some(errand::What::Logs(_)) => "logs",
            Some(errand::What::Exec(_)) => "exec",
            Some(errand::What::Cancel(_)) => "cancel",
            None => "nothing",
        })
        .collect()
}

fn what() -> errand::What {
    errand::What::Logs(LogsErrand::default())
}

#[test]
fn only_the_node_that_was_sent_may_call_back_and_once() {
    let (errands, feed) = (Errands::default(), Arc::new(Feed::default()));
    let (ends, _hears) = logs();
    let given = errands.give("n", feed.clone(), what(), ends);
    assert_eq!(heard(&feed), ["logs"]);
    assert!(errands.take(&given.id, "other").is_err());
    assert!(errands.take("none", "n").is_err());
    assert!(!given.is_taken());
    assert!(errands.take(&given.id, "n").is_ok() && given.is_taken());
    assert!(errands.take(&given.id, "n").is_err(), "once");
}

#[test]
fn what_nobody_waits_for_is_taken_back() {
    let (errands, feed) = (Errands::default(), Arc::new(Feed::default()));
    drop(errands.give("n", feed.clone(), what(), logs().0));
    assert!(heard(&feed).is_empty(), "the node never heard of it");
    let given = errands.give("n", feed.clone(), what(), logs().0);
    assert_eq!(heard(&feed), ["logs"]);
    let id = given.id.clone();
    drop(given);
    assert_eq!(heard(&feed), ["cancel"]);
    assert!(errands.take(&id, "n").is_err());
    let given = errands.give("n", feed.clone(), what(), logs().0);
    heard(&feed);
    errands.done(&given.id);
    drop(given);
    assert!(heard(&feed).is_empty(), "it was done");
}
