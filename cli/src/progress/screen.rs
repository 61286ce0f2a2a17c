//! A few lines of a terminal that are drawn over again and again.

use std::fmt::Write as _;
use std::io::stderr;
use std::os::fd::AsFd;

use crate::terminal::size::{self, Size};

/// The lines last drawn on standard error.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    drawn: usize,
    columns: usize,
}

impl Screen {
    /// The room there is: one row is left to the cursor, one column so that no terminal wraps.
    pub(crate) fn room() -> (usize, usize) {
        let size = size::of(stderr().as_fd()).unwrap_or(Size {
            rows: 24,
            columns: 80,
        });
        (
            usize::from(size.rows.saturating_sub(1)).max(1),
            usize::from(size.columns.saturating_sub(1)).max(1),
        )
    }

    /// What takes the lines drawn before away; nothing where there are none.
    pub(crate) fn erase(&mut self) -> String {
        let rows = std::mem::take(&mut self.drawn);
        if rows == 0 {
            String::new()
        } else {
            format!("\r\x1b[{rows}A\x1b[J")
        }
    }

    /// The escape sequences of one drawing: up to the first line, each line cleared to its end and written, and what is
    /// left below cleared. Where the terminal has become narrower the old lines have wrapped, so that they take more rows.
    pub(crate) fn redraw(&mut self, lines: &[String], columns: usize) -> String {
        let wrapped = if columns < self.columns {
            self.columns.div_ceil(columns)
        } else {
            1
        };
        let mut text = String::new();
        if self.drawn > 0 {
            // Writing to a string can't fail.
            let _ = write!(text, "\r\x1b[{}A", self.drawn * wrapped);
        }
        for line in lines {
            let _ = writeln!(text, "\x1b[K{line}");
        }
        text.push_str("\x1b[J");
        self.drawn = lines.len();
        self.columns = columns;
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_drawn_over() {
        let mut screen = Screen::default();
        let lines = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            screen.redraw(&lines(&["a", "b"]), 80),
            "\x1b[Ka\n\x1b[Kb\n\x1b[J"
        );
        assert_eq!(
            screen.redraw(&lines(&["c"]), 80),
            "\r\x1b[2A\x1b[Kc\n\x1b[J"
        );
        assert_eq!(
            screen.redraw(&lines(&["d"]), 40),
            "\r\x1b[2A\x1b[Kd\n\x1b[J"
        );
        assert_eq!(screen.erase(), "\r\x1b[1A\x1b[J");
        assert_eq!(screen.erase(), "");
    }
}
