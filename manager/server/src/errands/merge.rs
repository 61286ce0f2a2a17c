//! Several logs become one, in the order of time as far as that can be known. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Lines of several sources on their way to one reader.
pub(super) struct Merge<T> {
    /// How long a line waits for sources that say nothing; none for as long as they are open.
    patience: Option<Duration>,
    sources: BTreeMap<usize, Source<T>>,
    /// The first line of each source that has one, by time.
    heads: BTreeSet<(i64, usize)>,
    /// Open sources that have no line now.
    silent: usize,
}

struct Source<T> {
    open: bool,
    lines: VecDeque<Line<T>>,
}

struct Line<T> {
    at_ns: i64,
    arrived: Instant,
    line: T,
}

impl<T> Merge<T> {
    /// Lines wait for silent sources that long at most; for good without.
    pub(super) fn new(patience: Option<Duration>) -> Self {
        Merge {
            patience,
            sources: BTreeMap::new(),
            heads: BTreeSet::new(),
            silent: 0,
        }
    }

    /// There is another source.
    pub(super) fn open(&mut self, source: usize) {
        let new = Source {
            open: true,
            lines: VecDeque::new(),
        };
        if self.sources.insert(source, new).is_none() {
            self.silent += 1;
        }
    }

    /// A source says no more.
    pub(super) fn close(&mut self, source: usize) {
        let Some(known) = self.sources.get_mut(&source) else {
            return;
        };
        if known.lines.is_empty() {
            self.silent -= usize::from(known.open);
            self.sources.remove(&source);
        } else {
            known.open = false;
        }
    }

    /// A source has said something.
    pub(super) fn push(&mut self, source: usize, at_ns: i64, line: T, now: Instant) {
        let Some(known) = self.sources.get_mut(&source) else {
            return;
        };
        if known.lines.is_empty() {
            self.heads.insert((at_ns, source));
            self.silent -= usize::from(known.open);
        }
        known.lines.push_back(Line {
            at_ns,
            arrived: now,
            line,
        });
    }

    /// How many lines of a source wait.
    pub(super) fn waiting(&self, source: usize) -> usize {
        self.sources
            .get(&source)
            .map_or(0, |source| source.lines.len())
    }

    /// The next line, and its source; none while an older one may still come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(usize, T)> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        let (_, source) = self.heads.pop_first()?;
        let known = self.sources.get_mut(&source)?;
        let line = known.lines.pop_front()?;
        match known.lines.front() {
            Some(next) => {
                self.heads.insert((next.at_ns, source));
            }
            None if known.open => self.silent += 1,
            None => {
                self.sources.remove(&source);
            }
        }
        Some((source, line.line))
    }

    /// When the next line may go even if silent sources stay silent; none for not by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        let (_, source) = self.heads.first()?;
        let head = self.sources.get(source)?.lines.front()?;
        if self.silent == 0 {
            return Some(head.arrived);
        }
        self.patience.map(|patience| head.arrived + patience)
    }

    /// Whether nothing is left, and nothing will come.
    pub(super) fn is_done(&self) -> bool {
        self.sources.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Merge;
    use std::time::{Duration, Instant};

    /// Plays `open a`, `a 5` (a line of that time), `close a`, `wait` (a second passes); returns the lines that come out of it.
    fn play(patience: Option<Duration>, script: &str) -> String {
        let mut merge = Merge::new(patience);
        let mut now = Instant::now();
        let mut seen = Vec::new();
        let number = |name: &str| usize::from(name.as_bytes()[0] - b'a');
        for step in script.split(", ") {
            match step.split_once(' ') {
                Some(("open", name)) => merge.open(number(name)),
                Some(("close", name)) => merge.close(number(name)),
                Some((name, at)) => {
                    let line = format!("{name}{at}");
                    merge.push(number(name), at.parse().expect("a time"), line, now);
                }
                None => now += Duration::from_secs(1),
            }
            while let Some((_, line)) = merge.pop(now) {
                seen.push(line);
            }
        }
        if merge.is_done() {
            seen.push("done".to_owned());
        }
        seen.join(" ")
    }

    #[test]
    fn logs_are_merged_by_time_as_far_as_that_is_known() {
        let second = Some(Duration::from_secs(1));
        let table = [
            (None, "open a, open b, a 1, a 5, b 2, b 9", "a1 b2 a5"),
            (None, "open a, open b, a 1, wait, wait", ""),
            (None, "open a, open b, a 1, a 2, close b", "a1 a2"),
            (
                None,
                "open a, open b, b 3, a 1, close a, close b",
                "a1 b3 done",
            ),
            (None, "open a, a 1, close a", "a1 done"),
            (None, "open a, close a", "done"),
            (second, "open a, open b, a 2, wait, b 1, wait", "a2 b1"),
            (second, "open a, open b, a 2, b 1, wait", "b1 a2"),
            (second, "open a, a 7, a 3", "a7 a3"),
            (None, "open a, b 1, a 2", "a2"),
        ];
        for (patience, script, expected) in table {
            assert_eq!(play(patience, script), expected, "{script}");
        }
    }

    #[test]
    fn the_next_line_is_due_when_patience_ends() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut merge = Merge::new(Some(second));
        merge.open(0);
        merge.open(1);
        assert_eq!(merge.due(), None);
        merge.push(0, 1, "x", start);
        assert_eq!((merge.due(), merge.waiting(0)), (Some(start + second), 1));
        merge.close(1);
        assert_eq!(merge.due(), Some(start));
    }
}
