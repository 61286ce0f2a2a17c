//! What a pull looks like: lines made of the layers' states. Pure; the terminal is elsewhere.

use std::time::Duration;

use crate::output::size::decimal;

/// How far one layer is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LayerState {
    Waiting,
    Exists,
    Downloading {
        done: u64,
        total: u64,
    },
    Extracting {
        done: u64,
        total: u64,
    },
    Retrying {
        attempt: u32,
        wait: Duration,
        why: String,
    },
    Done,
}

/// One layer's line: its short digest, its state, how fast it comes.
#[derive(Debug, Clone)]
pub(crate) struct LayerView {
    pub(crate) name: String,
    pub(crate) state: LayerState,
    /// Bytes a second, where known.
    pub(crate) rate: Option<u64>,
}

impl LayerState {
    /// Whether nothing more will happen to the layer.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self, LayerState::Exists | LayerState::Done)
    }

    /// The state in words, without figures: what is printed when nobody watches live.
    pub(crate) fn words(&self) -> String {
        match self {
            LayerState::Waiting => "Waiting".to_owned(),
            LayerState::Exists => "Already exists".to_owned(),
            LayerState::Downloading { .. } => "Downloading".to_owned(),
            LayerState::Extracting { .. } => "Extracting".to_owned(),
            LayerState::Retrying { attempt, wait, why } => {
                format!(
                    "Retrying in {} s (attempt {attempt}): {why}",
                    wait.as_secs_f64().ceil()
                )
            }
            LayerState::Done => "Pull complete".to_owned(),
        }
    }
}

/// The picture of all layers: at most `rows` lines of at most `columns` characters. Where the layers don't fit, those
/// still at work are shown and the others counted.
pub(crate) fn frame(layers: &[LayerView], rows: usize, columns: usize) -> Vec<String> {
    let rows = rows.max(1);
    if layers.len() <= rows {
        return layers.iter().map(|layer| line(layer, columns)).collect();
    }
    let mut by_interest: Vec<&LayerView> = layers.iter().collect();
    by_interest.sort_by_key(|layer| match layer.state {
        LayerState::Downloading { .. }
        | LayerState::Extracting { .. }
        | LayerState::Retrying { .. } => 0,
        LayerState::Waiting => 1,
        LayerState::Exists | LayerState::Done => 2,
    });
    let mut lines: Vec<String> = by_interest[..rows - 1]
        .iter()
        .map(|layer| line(layer, columns))
        .collect();
    let done = layers
        .iter()
        .filter(|layer| layer.state.is_settled())
        .count();
    lines.push(cut(
        &format!("{done} of {} layers complete", layers.len()),
        columns,
    ));
    lines
}

/// One line; a bar only where there is room for it.
fn line(layer: &LayerView, columns: usize) -> String {
    let words = layer.state.words();
    let (done, total) = match layer.state {
        LayerState::Downloading { done, total } | LayerState::Extracting { done, total } => {
            (done, total)
        }
        _ => return cut(&format!("{}: {words}", layer.name), columns),
    };
    let mut figures = if total > 0 {
        format!("{}/{}", decimal(done), decimal(total))
    } else {
        decimal(done)
    };
    if let Some(rate) = layer.rate {
        figures.push_str(&format!("  {}/s", decimal(rate)));
    }
    let with_bar = format!("{}: {words:<11} {} {figures}", layer.name, bar(done, total));
    if with_bar.chars().count() <= columns && total > 0 {
        return with_bar;
    }
    cut(&format!("{}: {words} {figures}", layer.name), columns)
}

const BAR: u64 = 30;

fn bar(done: u64, total: u64) -> String {
    let full =
        u64::try_from(u128::from(done.min(total)) * u128::from(BAR) / u128::from(total.max(1)))
            .unwrap_or(BAR);
    let head = u64::from(full < BAR);
    let mut bar = String::from("[");
    bar.extend((0..full).map(|_| '='));
    bar.extend((0..head).map(|_| '>'));
    bar.extend((full + head..BAR).map(|_| ' '));
    bar.push(']');
    bar
}

/// At most `columns` characters, so that no line wraps.
fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, state: LayerState) -> LayerView {
        LayerView {
            name: name.to_owned(),
            state,
            rate: Some(2_000_000),
        }
    }

    #[test]
    fn a_line_fits_its_terminal() {
        fn check(state: LayerState, columns: usize, expected: &str) {
            let frame = frame(&[layer("abc", state)], 10, columns);
            assert_eq!(frame, [expected]);
        }
        let half = LayerState::Downloading {
            done: 5_000_000,
            total: 10_000_000,
        };
        check(
            half.clone(),
            80,
            "abc: Downloading [===============>              ] 5MB/10MB  2MB/s",
        );
        check(half.clone(), 50, "abc: Downloading 5MB/10MB  2MB/s");
        check(half, 10, "abc: Downl");
        check(
            LayerState::Extracting {
                done: 10,
                total: 10,
            },
            80,
            "abc: Extracting  [==============================] 10B/10B  2MB/s",
        );
        check(
            LayerState::Downloading {
                done: 5_000,
                total: 0,
            },
            80,
            "abc: Downloading 5kB  2MB/s",
        );
        check(LayerState::Done, 80, "abc: Pull complete");
        check(LayerState::Exists, 80, "abc: Already exists");
        let retrying = LayerState::Retrying {
            attempt: 2,
            wait: Duration::from_millis(1500),
            why: "reset".to_owned(),
        };
        check(retrying, 80, "abc: Retrying in 2 s (attempt 2): reset");
    }

    #[test]
    fn a_low_terminal_shows_what_is_at_work() {
        let layers = [
            layer("a", LayerState::Done),
            layer("b", LayerState::Waiting),
            layer("c", LayerState::Extracting { done: 1, total: 2 }),
            layer("d", LayerState::Exists),
        ];
        let frame = frame(&layers, 3, 20);
        assert_eq!(
            frame,
            ["c: Extracting 1B/2B ", "b: Waiting", "2 of 4 layers comple"]
        );
    }
}
