//! The part of Go's templates that people type after `--format`: `{{.Name}}`, `{{.State.ExitCode}}`, `{{json .}}`,
//! `{{index .Labels "a.b"}}`, `{{len .Mounts}}`, `{{range .Mounts}}...{{end}}`, `{{if .X}}...{{else}}...{{end}}`.
//! Everything else is refused by name.

mod parse;
mod render;

use serde_json::Value;

/// A template that has been read and can be filled in.
#[derive(Debug, PartialEq)]
pub(crate) struct Template {
    pub(super) nodes: Vec<Node>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Show(Expression),
    Range {
        over: Expression,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    If {
        condition: Expression,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
}

#[derive(Debug, PartialEq)]
pub(super) enum Expression {
    /// `.A.B`; no names is `.` itself. `from_root` for `$.A`.
    Field {
        from_root: bool,
        names: Vec<String>,
    },
    Json(Box<Expression>),
    Len(Box<Expression>),
    Index(Box<Expression>, Vec<Key>),
}

#[derive(Debug, PartialEq)]
pub(super) enum Key {
    Name(String),
    Position(usize),
}

impl Template {
    /// Reads a template; the error says what isn't understood.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(Template {
            nodes: parse::nodes(text)?,
        })
    }

    /// Fills the template in with `value`; the error names a field that isn't there, and those that are.
    pub(crate) fn render(&self, value: &Value) -> Result<String, String> {
        let mut out = String::new();
        render::nodes(&self.nodes, value, value, &mut out)?;
        Ok(out)
    }

    /// The names of the fields shown, in order: what heads the columns of a `table` template.
    pub(crate) fn headings(&self, name_of: impl Fn(&str) -> String) -> String {
        let heading = |node: &Node| match node {
            Node::Text(text) => text.clone(),
            Node::Show(expression) => name_of(expression.last_name()),
            Node::Range { .. } | Node::If { .. } => String::new(),
        };
        self.nodes.iter().map(heading).collect()
    }
}

impl Expression {
    fn last_name(&self) -> &str {
        match self {
            Expression::Field { names, .. } => names.last().map_or("", String::as_str),
            Expression::Json(inner) | Expression::Len(inner) | Expression::Index(inner, _) => {
                inner.last_name()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "Name": "web",
            "State": { "ExitCode": 3, "Running": true, "Error": null },
            "Labels": { "a.b": "c", "d": "e" },
            "Networks": { "n1": { "IP": "10.0.0.2" }, "n2": { "IP": "10.0.1.2" } },
            "Args": ["x", "y z"],
            "Empty": [],
        })
    }

    #[test]
    fn templates_are_filled_in() {
        fn check(template: &str, expected: &str) {
            let rendered =
                Template::parse(template).and_then(|template| template.render(&sample()));
            assert_eq!(rendered.as_deref(), Ok(expected), "{template}");
        }
        check("", "");
        check("plain", "plain");
        check("{{.Name}}", "web");
        check("{{ .Name }}!", "web!");
        check("{{.State.ExitCode}}:{{.State.Running}}", "3:true");
        check("{{.State.Error}}", "<nil>");
        check("a {{- .Name -}} b", "awebb");
        check(r"{{.Name}}\t{{.State.ExitCode}}\n", "web\t3\n");
        check(
            "{{json .State}}",
            r#"{"Error":null,"ExitCode":3,"Running":true}"#,
        );
        check("{{json .Name}}", r#""web""#);
        check(r#"{{index .Labels "a.b"}}"#, "c");
        check(r#"{{index .Labels "none"}}"#, "");
        check("{{index .Args 1}}", "y z");
        check("{{index .Args `1`}}", "y z");
        check(r#"{{(index .Networks "n2").IP}}"#, "10.0.1.2");
        check("{{len .Args}}{{len .Labels}}{{len .Name}}", "223");
        check("{{range .Networks}}{{.IP}} {{end}}", "10.0.0.2 10.0.1.2 ");
        check("{{range .Args}}[{{.}}]{{else}}none{{end}}", "[x][y z]");
        check("{{range .Empty}}x{{else}}none{{end}}", "none");
        check("{{range .Args}}{{$.Name}}{{end}}", "webweb");
        check("{{if .State.Running}}up{{else}}down{{end}}", "up");
        check("{{if .Empty}}some{{end}}", "");
        check("{{.Args}}", "[x y z]");
        check("{{.Labels}}", "map[a.b:c d:e]");
        check("{{.Labels.d}}", "e");
        check("{{/* a note */}}x", "x");
    }

    #[test]
    fn what_is_not_understood_is_named() {
        fn check(template: &str, named: &str) {
            let error = Template::parse(template)
                .and_then(|template| template.render(&sample()))
                .unwrap_err();
            assert!(error.contains(named), "{template}: {error}");
        }
        check("{{.Nmae}}", "no field \"Nmae\"");
        check("{{.Nmae}}", "Name");
        check("{{.Name.First}}", "\"First\"");
        check("{{.Name", "}}");
        check("{{with .Name}}x{{end}}", "with");
        check("{{.Name | upper}}", "|");
        check("{{range $k, $v := .Labels}}{{end}}", "$k");
        check("{{range .Args}}", "end");
        check("{{end}}", "end");
        check("{{}}", "empty");
        check("{{index .Args 7}}", "7");
        check("{{len .State.ExitCode}}", "len");
        check("{{range .Name}}{{end}}", "range");
    }
}
