//! The image store's events, as this crate shows them.

use engine::{LayerState as Reported, Progress, PullEvent};

use super::Reporter;
use super::view::LayerState;

impl Progress for Reporter {
    fn event(&self, event: &PullEvent) {
        match event {
            PullEvent::Resolving { reference } => self.say(&format!("Pulling {reference}")),
            PullEvent::Retrying { attempt, wait, why } => {
                let wait = wait.as_secs_f64().ceil();
                self.say(&format!("Retrying in {wait} s (attempt {attempt}): {why}"));
            }
            PullEvent::Resolved { layers, .. } => {
                for (digest, _) in layers {
                    self.layer(&digest.to_string(), LayerState::Waiting);
                }
            }
            PullEvent::Layer { digest, state } => self.layer(&digest.to_string(), shown(state)),
            PullEvent::Committing | PullEvent::Done { .. } => {}
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
