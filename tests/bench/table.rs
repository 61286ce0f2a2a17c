//! What was measured, as one table for people.

use std::fmt;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) work: String,
    /// How often each was measured.
    pub(crate) rounds: usize,
    /// Who it is compared with.
    pub(crate) peer_name: &'static str,
    /// Ours, in `unit`.
    pub(crate) ours: f64,
    /// The peer's, in `unit`.
    pub(crate) peer: f64,
    /// `ms`, `s` or `MB`.
    pub(crate) unit: &'static str,
    /// What ours must be within.
    pub(crate) bar: Bar,
}

/// When a row is good.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// At most this part of the peer's.
    Ratio(f64),
    /// Less than so much.
    Below(f64),
    /// For information.
    None,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours / self.peer
    }

    fn is_short(&self) -> bool {
        match self.bar {
            Bar::Ratio(most) => self.ratio() > most,
            Bar::Below(most) => self.ours >= most,
            Bar::None => false,
        }
    }
}

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    /// Adds rows.
    pub(crate) fn extend(&mut self, rows: Vec<Row>) {
        self.0.extend(rows);
    }

    /// Whether a row is not within its bar.
    pub(crate) fn is_short(&self) -> bool {
        self.0.iter().any(Row::is_short)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "medians; lower is better\n")?;
        writeln!(f, "| work | rounds | ours | peer | ratio | bar | |")?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for row in &self.0 {
            let digits = if row.unit == "ms" { 1 } else { 2 };
            let unit = row.unit;
            let bar = match row.bar {
                Bar::Ratio(most) => format!("≤ {most:.2}"),
                Bar::Below(most) => format!("< {most} {unit}"),
                Bar::None => "-".to_owned(),
            };
            let verdict = match row.bar {
                Bar::None => "",
                _ if row.is_short() => "short",
                _ => "ok",
            };
            writeln!(
                f,
                "| {} | {} | {:.digits$} {unit} | {:.digits$} {unit} ({}) | {:.3} | {bar} | {verdict} |",
                row.work,
                row.rounds,
                row.ours,
                row.peer,
                row.peer_name,
                row.ratio(),
            )?;
        }
        Ok(())
    }
}
