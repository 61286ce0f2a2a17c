//! What was measured, as one table for people.

use std::fmt;

/// One line of the table.
pub(crate) struct Row {
    /// What was done.
    pub(crate) work: String,
    /// How it was measured: rounds, trials.
    pub(crate) rounds: String,
    /// Ours, in `unit`.
    pub(crate) ours: f64,
    /// The peer's, if it was measured too.
    pub(crate) peer: Option<f64>,
    /// `ms`, `s`, `MB`, `KiB` or `/s`.
    pub(crate) unit: &'static str,
    /// What ours must be within.
    pub(crate) bar: Bar,
}

/// When a row is good.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// At most this part of the peer's.
    AtMost(f64),
    /// At least this multiple of the peer's.
    AtLeast(f64),
    /// Less than so much.
    Below(f64),
    /// At least so much.
    Above(f64),
    /// Told, not judged.
    Told,
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        self.peer.map(|peer| self.ours / peer)
    }

    fn is_short(&self) -> bool {
        match self.bar {
            Bar::AtMost(most) => self.ratio().is_none_or(|ratio| ratio > most),
            Bar::AtLeast(least) => self.ratio().is_none_or(|ratio| ratio < least),
            Bar::Below(most) => self.ours >= most,
            Bar::Above(least) => self.ours < least,
            Bar::Told => false,
        }
    }
}

/// What was measured beside one peer.
pub(crate) struct Table {
    /// How all of it was measured.
    title: &'static str,
    peer: &'static str,
    rows: Vec<Row>,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(title: &'static str, peer: &'static str) -> Self {
        Table {
            title,
            peer,
            rows: Vec::new(),
        }
    }

    /// Adds rows.
    pub(crate) fn extend(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    /// Whether nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a row is not within its bar.
    pub(crate) fn is_short(&self) -> bool {
        self.rows.iter().any(Row::is_short)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.peer;
        writeln!(f, "{}\n", self.title)?;
        writeln!(f, "| work | measured | ours | {name} | ratio | bar | |")?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            let digits = if row.unit == "/s" { 0 } else { 2 };
            let unit = row.unit;
            let peer = row
                .peer
                .map_or("-".to_owned(), |peer| format!("{peer:.digits$} {unit}"));
            let ratio = row
                .ratio()
                .map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            let bar = match row.bar {
                Bar::AtMost(most) => format!("≤ {most:.1} of {name}'s"),
                Bar::AtLeast(least) => format!("≥ {least:.1} of {name}'s"),
                Bar::Below(most) => format!("< {most} {unit}"),
                Bar::Above(least) => format!("≥ {least} {unit}"),
                Bar::Told => "-".to_owned(),
            };
            let verdict = match row.bar {
                Bar::Told => "",
                _ if row.is_short() => "short",
                _ => "ok",
            };
            writeln!(
                f,
                "| {} | {} | {:.digits$} {unit} | {peer} | {ratio} | {bar} | {verdict} |",
                row.work, row.rounds, row.ours
            )?;
        }
        Ok(())
    }
}
