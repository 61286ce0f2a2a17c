//! Plain tables: a heading, columns as wide as their widest cell, three spaces between them.

use std::fmt::{self, Display, Formatter};

const GAP: usize = 3;

/// A table being filled row by row; its text is its `Display`.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(crate) fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        Table {
            rows: vec![headings.into_iter().map(Into::into).collect()],
        }
    }

    /// A table with no headings.
    pub(crate) fn bare() -> Self {
        Table { rows: Vec::new() }
    }

    /// Adds one row. Line breaks and tabs in a cell are shown as spaces: a row is one line.
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(
            cells
                .into_iter()
                .map(|cell| one_line(cell.into()))
                .collect(),
        );
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                let fill = width + GAP - cell.chars().count();
                line.extend(std::iter::repeat_n(' ', fill));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn one_line(cell: String) -> String {
    if !cell.contains(char::is_control) {
        return cell;
    }
    cell.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        fn check(headings: &[&str], rows: &[&[&str]], expected: &str) {
            let mut table = Table::new(headings.iter().copied());
            for row in rows {
                table.row(row.iter().copied());
            }
            assert_eq!(table.to_string(), expected);
        }
        check(&["ID", "NAME"], &[], "ID   NAME\n");
        check(
            &["ID", "NAME"],
            &[&["1", "a"], &["22222", "b"]],
            "ID      NAME\n1       a\n22222   b\n",
        );
        check(
            &["A", "PORTS", "B"],
            &[&["1", "", "x"]],
            "A   PORTS   B\n1           x\n",
        );
        check(&["É"], &[&["né\nx\ty"]], "É\nné x y\n");
    }
}
