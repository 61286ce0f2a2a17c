//! The image store's events, as this crate shows them.

use engine::{LayerState as Reported, Progress, PullEvent};

use super::Reporter;
use super::view::LayerState;

impl Progress for Reporter {
    fn event(&self, event: &PullEvent) {
        if let PullEvent::Layer { digest, state } = event {
            self.layer(&digest.to_string(), shown(state));
        }
    }
}

fn shown(state: &Reported) -> LayerState {
    match state {
        Reported::Waiting => LayerState::Waiting,
        Reported::Exists => LayerState::Exists,
        Reported::Downloading { done, total } => LayerState::Downloading {
            done: *done,
            total: *total,
        },
        Reported::Extracting { done, total } => LayerState::Extracting {
            done: *done,
            total: *total,
        },
        Reported::Retrying { attempt, wait, why } => LayerState::Retrying {
            attempt: *attempt,
            wait: *wait,
            why: why.clone(),
        },
        Reported::Done => LayerState::Done,
    }
}
