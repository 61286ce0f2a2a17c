//! From nodes and a value to text.

use serde_json::Value;

use super::{Expression, Key, Node};

/// Appends the nodes, filled in from `dot` (and `root` for `$`), to `out`.
pub(super) fn nodes(
    nodes: &[Node],
    root: &Value,
    dot: &Value,
    out: &mut String,
) -> Result<(), String> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Show(expression) => out.push_str(&shown(&evaluate(expression, root, dot)?)),
            Node::If {
                condition,
                body,
                otherwise,
            } => {
                let chosen = if truth(&evaluate(condition, root, dot)?) {
                    body
                } else {
                    otherwise
                };
                self::nodes(chosen, root, dot, out)?;
            }
            Node::Range {
                over,
                body,
                otherwise,
            } => {
                let items = items(evaluate(over, root, dot)?)?;
                if items.is_empty() {
                    self::nodes(otherwise, root, dot, out)?;
                }
                for item in &items {
                    self::nodes(body, root, item, out)?;
                }
            }
        }
    }
    Ok(())
}

fn evaluate(expression: &Expression, root: &Value, dot: &Value) -> Result<Value, String> {
    match expression {
        Expression::Field { from_root, names } => {
            let start = if *from_root { root } else { dot };
            names
                .iter()
                .try_fold(start, |value, name| field(value, name))
                .cloned()
        }
        Expression::Json(inner) => Ok(Value::String(evaluate(inner, root, dot)?.to_string())),
        Expression::Len(inner) => match evaluate(inner, root, dot)? {
            Value::Array(items) => Ok(items.len().into()),
            Value::Object(fields) => Ok(fields.len().into()),
            Value::String(text) => Ok(text.len().into()),
            Value::Null => Ok(0.into()),
            other => Err(format!("template: len of {other}")),
        },
        Expression::Index(inner, keys) => {
            let value = evaluate(inner, root, dot)?;
            keys.iter()
                .try_fold(&value, |value, key| at(value, key))
                .cloned()
        }
    }
}

fn field<'a>(value: &'a Value, name: &str) -> Result<&'a Value, String> {
    let Value::Object(fields) = value else {
        return Err(format!("template: no field {name:?} in {}", shown(value)));
    };
    fields.get(name).ok_or_else(|| {
        let there: Vec<&str> = fields.keys().map(String::as_str).collect();
        format!(
            "template: no field {name:?}; there are: {}",
            there.join(", ")
        )
    })
}

/// What `index` finds: a missing name is empty, as in Go; a missing position is an error.
fn at<'a>(value: &'a Value, key: &Key) -> Result<&'a Value, String> {
    const EMPTY: &Value = &Value::String(String::new());
    match (value, key) {
        (Value::Object(fields), Key::Name(name)) => Ok(fields.get(name).unwrap_or(EMPTY)),
        (Value::Null, Key::Name(_)) => Ok(EMPTY),
        (Value::Array(items), Key::Name(text)) => {
            let position = text
                .parse()
                .map_err(|_| format!("template: index {text:?} of a list"))?;
            at_position(items, position)
        }
        (Value::Array(items), Key::Position(position)) => at_position(items, *position),
        (other, _) => Err(format!("template: can't index {}", shown(other))),
    }
}

fn at_position(items: &[Value], position: usize) -> Result<&Value, String> {
    items
        .get(position)
        .ok_or_else(|| format!("template: index {position} of a list of {}", items.len()))
}

fn items(value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Object(fields) => Ok(fields.into_iter().map(|(_, item)| item).collect()),
        Value::Null => Ok(Vec::new()),
        other => Err(format!("template: range over {other}")),
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// A value as Go prints it: lists as `[a b]`, maps as `map[k:v]`, nothing as `<nil>`.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(shown).collect::<Vec<_>>().join(" ")
        ),
        Value::Object(fields) => {
            let pairs: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}:{}", shown(value)))
                .collect();
            format!("map[{}]", pairs.join(" "))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
