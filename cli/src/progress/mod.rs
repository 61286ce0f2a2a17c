//! The progress of a pull: live lines on a terminal, one line a finished layer elsewhere, or nothing.

mod events;
mod rate;
pub(crate) mod screen;
mod view;

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rate::Rate;
use screen::Screen;
use view::{LayerState, LayerView, frame};

/// Between two drawings.
const TICK: Duration = Duration::from_millis(80);

/// Where progress is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    Stdout,
    Stderr,
}

impl Target {
    fn is_terminal(self) -> bool {
        match self {
            Target::Stdout => io::stdout().is_terminal(),
            Target::Stderr => io::stderr().is_terminal(),
        }
    }

    /// Progress nobody can see any more is no reason to stop a pull.
    fn write(self, text: &str) {
        let _ = match self {
            Target::Stdout => io::stdout().lock().write_all(text.as_bytes()),
            Target::Stderr => io::stderr().lock().write_all(text.as_bytes()),
        };
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Style {
    Silent,
    Lines,
    Live,
}

/// Shows the events of a pull; they come from several threads.
#[derive(Debug)]
pub(crate) struct Reporter {
    target: Target,
    style: Style,
    begun: Instant,
    layers: Mutex<Layers>,
}

#[derive(Debug, Default)]
struct Layers {
    /// In the order in which they were first heard of, which is that of the image.
    known: Vec<Layer>,
    screen: Screen,
    drawn_at: Option<Instant>,
}

#[derive(Debug)]
struct Layer {
    digest: String,
    view: LayerView,
    rate: Rate,
}

impl Reporter {
    /// Shows nothing.
    pub(crate) fn silent() -> Self {
        Reporter::new(Target::Stderr, Style::Silent)
    }

    /// Shows live lines where the target is a terminal, else plain ones.
    pub(crate) fn on(target: Target) -> Self {
        let style = if target.is_terminal() {
            Style::Live
        } else {
            Style::Lines
        };
        Reporter::new(target, style)
    }

    fn new(target: Target, style: Style) -> Self {
        Reporter {
            target,
            style,
            begun: Instant::now(),
            layers: Mutex::default(),
        }
    }

    /// A line above those of the layers.
    pub(crate) fn say(&self, line: &str) {
        if self.style == Style::Silent {
            return;
        }
        let mut layers = self
            .layers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let erased = layers.screen.erase();
        self.target.write(&format!("{erased}{line}\n"));
        if self.style == Style::Live && !layers.known.is_empty() {
            self.draw(&mut layers);
        }
    }

    /// Draws the last state of things; call when the pull is over, however it ended.
    pub(crate) fn finish(&self) {
        let mut layers = self
            .layers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.style == Style::Live && !layers.known.is_empty() {
            self.draw(&mut layers);
        }
    }

    /// A layer has come to a state.
    fn layer(&self, digest: &str, state: LayerState) {
        if self.style == Style::Silent {
            return;
        }
        let mut layers = self
            .layers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let rate_at = self.begun.elapsed();
        let changed = layers.note(digest, state, rate_at);
        match self.style {
            Style::Silent => {}
            Style::Lines => {
                if let Some(line) = changed.and_then(|layer| layer.news()) {
                    self.target.write(&format!("{line}\n"));
                }
            }
            Style::Live => {
                let due = layers.drawn_at.is_none_or(|drawn| drawn.elapsed() >= TICK);
                if due {
                    self.draw(&mut layers);
                }
            }
        }
    }

    fn draw(&self, layers: &mut Layers) {
        let (rows, columns) = Screen::room();
        let views: Vec<LayerView> = layers
            .known
            .iter()
            .map(|layer| layer.view.clone())
            .collect();
        let text = layers.screen.redraw(&frame(&views, rows, columns), columns);
        self.target.write(&text);
        layers.drawn_at = Some(Instant::now());
    }
}

impl Layers {
    /// Takes a state in; the layer when its state is of another kind than before.
    fn note(&mut self, digest: &str, state: LayerState, now: Duration) -> Option<&Layer> {
        let place = match self.known.iter().position(|layer| layer.digest == digest) {
            Some(place) => place,
            None => {
                let view = LayerView {
                    name: crate::output::short_id(digest, false).to_owned(),
                    state: LayerState::Waiting,
                    rate: None,
                };
                self.known.push(Layer {
                    digest: digest.to_owned(),
                    view,
                    rate: Rate::default(),
                });
                self.known.len() - 1
            }
        };
        let layer = &mut self.known[place];
        let changed = std::mem::discriminant(&layer.view.state) != std::mem::discriminant(&state);
        layer.view.rate = match state {
            LayerState::Downloading { done, .. } => layer.rate.note(now, done),
            _ => None,
        };
        layer.view.state = state;
        changed.then_some(&self.known[place])
    }
}

impl Layer {
    /// The line printed where nobody watches live: what is worth telling once.
    fn news(&self) -> Option<String> {
        let worth_telling =
            self.view.state.is_settled() || matches!(self.view.state, LayerState::Retrying { .. });
        worth_telling.then(|| format!("{}: {}", self.view.name, self.view.state.words()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_news_is_told_once() {
        let mut layers = Layers::default();
        let mut told = Vec::new();
        let now = Duration::ZERO;
        let states = [
            ("sha256:aa", LayerState::Waiting),
            ("sha256:bb", LayerState::Exists),
            ("sha256:bb", LayerState::Exists),
            ("sha256:aa", LayerState::Downloading { done: 1, total: 2 }),
            ("sha256:aa", LayerState::Downloading { done: 2, total: 2 }),
            ("sha256:aa", LayerState::Extracting { done: 1, total: 2 }),
            ("sha256:aa", LayerState::Done),
        ];
        for (digest, state) in states {
            told.extend(layers.note(digest, state, now).and_then(Layer::news));
        }
        assert_eq!(told, ["bb: Already exists", "aa: Pull complete"]);
    }
}
