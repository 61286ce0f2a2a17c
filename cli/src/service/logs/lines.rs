//! Lines of many tasks, put together and given names. Pure.

use std::collections::BTreeMap;

use api::v1::LogLine;
use jiff::Timestamp;

use crate::output::short_id;

/// A line is shown at the latest when it has so many bytes.
const LONGEST: usize = 64 << 10;
/// Colours of names, one after another: cyan, yellow, green, magenta, blue, and the same brighter.
const COLOURS: [u8; 10] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];

/// What stands before a line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Style {
    pub(super) timestamps: bool,
    pub(super) no_trunc: bool,
    pub(super) no_task_ids: bool,
    pub(super) raw: bool,
    pub(super) colour: bool,
}

/// A line as it is printed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) stderr: bool,
    pub(super) bytes: Vec<u8>,
}

/// Puts pieces of lines together: pieces of two tasks never stand on one line.
#[derive(Debug)]
pub(super) struct Lines {
    style: Style,
    open: BTreeMap<(String, bool), LogLine>,
    /// Of each name, in the order in which they came.
    colours: BTreeMap<String, u8>,
    width: usize,
}

impl Lines {
    pub(super) fn new(style: Style) -> Self {
        Lines {
            style,
            open: BTreeMap::new(),
            colours: BTreeMap::new(),
            width: 0,
        }
    }

    /// Takes a piece; a line when it is whole.
    pub(super) fn take(&mut self, piece: &LogLine) -> Option<Line> {
        let key = (piece.task_id.clone(), piece.stderr);
        let whole = match self.open.remove(&key) {
            None => piece.clone(),
            Some(begun) => LogLine {
                data: [begun.data.as_ref(), piece.data.as_ref()].concat().into(),
                ..begun
            },
        };
        if whole.data.ends_with(b"\n") || whole.data.len() >= LONGEST {
            return Some(self.shown(&whole));
        }
        self.open.insert(key, whole);
        None
    }

    /// What was begun and not ended.
    pub(super) fn rest(&mut self) -> Vec<Line> {
        let open = std::mem::take(&mut self.open);
        open.values().map(|line| self.shown(line)).collect()
    }

    fn shown(&mut self, line: &LogLine) -> Line {
        let mut bytes = Vec::with_capacity(line.data.len() + 64);
        if self.style.timestamps {
            let at = Timestamp::from_nanosecond(line.at_ns.into()).unwrap_or_default();
            bytes.extend_from_slice(format!("{at:.9} ").as_bytes());
        }
        if !self.style.raw {
            bytes.extend_from_slice(self.head(line).as_bytes());
        }
        bytes.extend_from_slice(&line.data);
        if !line.data.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        Line {
            stderr: line.stderr,
            bytes,
        }
    }

    /// `web.1.3kzq5b8t2m1x@node1    | `.
    fn head(&mut self, line: &LogLine) -> String {
        let id = short_id(&line.task_id, self.style.no_trunc);
        let name = match self.style.no_task_ids {
            true => format!("{}@{}", line.task_name, line.node_name),
            false => format!("{}.{id}@{}", line.task_name, line.node_name),
        };
        self.width = self.width.max(name.chars().count());
        let fill = " ".repeat(self.width - name.chars().count());
        if !self.style.colour {
            return format!("{name}{fill}    | ");
        }
        let next = COLOURS[self.colours.len() % COLOURS.len()];
        let colour = *self.colours.entry(line.task_name.clone()).or_insert(next);
        format!("\x1b[{colour}m{name}\x1b[0m{fill}    | ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(task: &str, data: &str) -> LogLine {
        LogLine {
            task_id: format!("{task}0123456789abcdef"),
            task_name: format!("web.{task}"),
            node_name: "node1".to_owned(),
            at_ns: 1_500_000_000,
            stderr: false,
            data: data.as_bytes().to_vec().into(),
        }
    }

    fn shown(style: Style, pieces: &[LogLine]) -> Vec<String> {
        let mut lines = Lines::new(style);
        let mut shown: Vec<Line> = pieces
            .iter()
            .filter_map(|piece| lines.take(piece))
            .collect();
        shown.extend(lines.rest());
        let text = |line: &Line| String::from_utf8_lossy(&line.bytes).into_owned();
        shown.iter().map(text).collect()
    }

    #[test]
    fn lines_have_the_names_of_their_tasks() {
        fn check(style: Style, expected: &str) {
            assert_eq!(shown(style, &[piece("1", "hello\n")]), [expected]);
        }
        let usual = Style::default();
        check(usual, "web.1.10123456789a@node1    | hello\n");
        check(
            Style {
                no_task_ids: true,
                ..usual
            },
            "web.1@node1    | hello\n",
        );
        check(
            Style {
                no_trunc: true,
                ..usual
            },
            "web.1.10123456789abcdef@node1    | hello\n",
        );
        check(Style { raw: true, ..usual }, "hello\n");
        check(
            Style {
                raw: true,
                timestamps: true,
                ..usual
            },
            "1970-01-01T00:00:01.500000000Z hello\n",
        );
        check(
            Style {
                no_task_ids: true,
                colour: true,
                ..usual
            },
            "\x1b[36mweb.1@node1\x1b[0m    | hello\n",
        );
    }

    #[test]
    fn pieces_of_two_tasks_are_not_mixed() {
        let style = Style {
            no_task_ids: true,
            ..Style::default()
        };
        let pieces = [
            piece("1", "he"),
            piece("2", "wor"),
            piece("10", "x\n"),
            piece("1", "llo\n"),
            piece("2", "ld"),
        ];
        assert_eq!(
            shown(style, &pieces),
            [
                "web.10@node1    | x\n",
                "web.1@node1     | hello\n",
                "web.2@node1     | world\n"
            ]
        );
    }

    #[test]
    fn a_line_without_an_end_is_shown_at_last() {
        let long = "x".repeat(LONGEST);
        let mut lines = Lines::new(Style::default());
        assert!(lines.take(&piece("1", &long)).is_some());
    }
}
