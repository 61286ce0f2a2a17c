//! `--format`: a table, JSON with one object a line, or a template.

use serde_json::Value;

use super::table::Table;
use super::template::Template;

/// A kind of row: every field it has, with the heading it stands under.
#[derive(Debug)]
pub(crate) struct Columns {
    /// `(field, heading)` of every field a template may name.
    pub(crate) all: &'static [(&'static str, &'static str)],
    /// The fields of the table shown without `--format`.
    pub(crate) shown: &'static [&'static str],
}

impl Columns {
    fn heading(&self, field: &str) -> String {
        let known = self.all.iter().find(|(name, _)| *name == field);
        known.map_or_else(
            || field.to_uppercase(),
            |(_, heading)| (*heading).to_owned(),
        )
    }
}

/// The rows as `format` asks: `None` or `table` is the usual table, `json` an object a line, `table TEMPLATE` a table
/// of the template's own columns, everything else a template filled in once a row.
pub(crate) fn listing(
    rows: &[Value],
    columns: &Columns,
    format: Option<&str>,
) -> Result<String, String> {
    match format {
        None | Some("table" | "") => Ok(table(rows, columns)),
        Some("json") => Ok(rows.iter().map(|row| format!("{row}\n")).collect()),
        Some(text) => match text.strip_prefix("table ") {
            Some(template) => template_table(rows, columns, &Template::parse(template)?),
            None => lines(rows, &Template::parse(text)?),
        },
    }
}

fn table(rows: &[Value], columns: &Columns) -> String {
    let mut table = Table::new(columns.shown.iter().map(|field| columns.heading(field)));
    for row in rows {
        table.row(columns.shown.iter().map(|field| cell(row.get(field))));
    }
    table.to_string()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn template_table(
    rows: &[Value],
    columns: &Columns,
    template: &Template,
) -> Result<String, String> {
    let headings = template.headings(|field| columns.heading(field));
    let mut table = Table::new(headings.split('\t'));
    for row in rows {
        table.row(template.render(row)?.split('\t'));
    }
    Ok(table.to_string())
}

fn lines(rows: &[Value], template: &Template) -> Result<String, String> {
    rows.iter()
        .map(|row| template.render(row).map(|line| format!("{line}\n")))
        .collect()
}

/// What `inspect` prints: an indented JSON array, or the template once an object.
pub(crate) fn inspection(objects: &[Value], format: Option<&str>) -> Result<String, String> {
    match format {
        None | Some("") => Ok(format!("{}\n", pretty(&Value::Array(objects.to_vec())))),
        Some("json") => Ok(format!("{}\n", Value::Array(objects.to_vec()))),
        Some(text) => lines(objects, &Template::parse(text)?),
    }
}

/// JSON indented by four spaces, as Docker indents it.
fn pretty(value: &Value) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    match serde::Serialize::serialize(value, &mut serializer) {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: Columns = Columns {
        all: &[("ID", "THE ID"), ("Names", "NAMES"), ("Size", "SIZE")],
        shown: &["ID", "Names"],
    };

    #[test]
    fn rows_come_in_the_format_asked_for() {
        fn check(format: Option<&str>, expected: &str) {
            let rows = [
                json!({ "ID": "1", "Names": "a", "Size": "5B" }),
                json!({ "ID": "22", "Names": "b", "Size": "6B" }),
            ];
            assert_eq!(
                listing(&rows, &COLUMNS, format).as_deref(),
                Ok(expected),
                "{format:?}"
            );
        }
        check(None, "THE ID   NAMES\n1        a\n22       b\n");
        check(Some("table"), "THE ID   NAMES\n1        a\n22       b\n");
        check(
            Some("json"),
            "{\"ID\":\"1\",\"Names\":\"a\",\"Size\":\"5B\"}\n{\"ID\":\"22\",\"Names\":\"b\",\"Size\":\"6B\"}\n",
        );
        check(Some("{{.Names}}"), "a\nb\n");
        check(
            Some("table {{.Names}}\\t{{.Size}}"),
            "NAMES   SIZE\na       5B\nb       6B\n",
        );
    }

    #[test]
    fn inspect_prints_an_array() {
        let objects = [json!({ "Id": "1" })];
        assert_eq!(
            inspection(&objects, None).unwrap(),
            "[\n    {\n        \"Id\": \"1\"\n    }\n]\n"
        );
        assert_eq!(
            inspection(&objects, Some("json")).unwrap(),
            "[{\"Id\":\"1\"}]\n"
        );
        assert_eq!(inspection(&objects, Some("{{.Id}}")).unwrap(), "1\n");
    }
}
