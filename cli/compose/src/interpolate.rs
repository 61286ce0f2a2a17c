//! Variables put into a document.

use std::collections::BTreeSet;

use crate::environment::Environment;
use crate::error::{Fault, Result};
use crate::place::{At, Notes, Path};
use crate::template::fill;
use crate::tree::{Node, Scalar, Value};

/// Fills in every value of a document. Keys stay, and so do values of the document's own that nobody reads: `x-*`.
pub(crate) fn interpolate(
    document: &mut Node,
    environment: &Environment,
    notes: &Notes,
) -> Result<()> {
    let mut walk = Walk {
        environment,
        notes,
        path: String::new(),
        told: BTreeSet::new(),
    };
    let Value::Map(map) = &mut document.value else {
        return Ok(());
    };
    for (key, node) in &mut map.0 {
        if !key.text.starts_with("x-") && key.text != "version" {
            walk.path.clone_from(&key.text);
            walk.node(node)?;
        }
    }
    Ok(())
}

struct Walk<'a> {
    environment: &'a Environment,
    notes: &'a Notes,
    path: String,
    /// Names that were told already.
    told: BTreeSet<String>,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut Node) -> Result<()> {
        let length = self.path.len();
        match &mut node.value {
            Value::Null => {}
            Value::Scalar(scalar) => self.scalar(scalar, node.at)?,
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.path.push_str(&format!("[{index}]"));
                    self.node(item)?;
                    self.path.truncate(length);
                }
            }
            Value::Map(map) => {
                for (key, value) in &mut map.0 {
                    self.path.push('.');
                    self.path.push_str(&key.text);
                    self.node(value)?;
                    self.path.truncate(length);
                }
            }
        }
        Ok(())
    }

    fn scalar(&mut self, scalar: &mut Scalar, at: At) -> Result<()> {
        if !scalar.text.contains('$') {
            return Ok(());
        }
        let path = Path::of(&self.path);
        let filled = fill(&scalar.text, &|name| self.environment.get(name))
            .map_err(|error| Fault::new(self.locate(at, &error.fragment), &path, error.message))?;
        for (name, written) in filled.unset {
            self.notes.unset(at, &name);
            if !self.told.insert(name.clone()) {
                continue;
            }
            let why = format!(
                "{name} is not set and taken for nothing; write `${{{name}:-}}` if that is meant, `$$` for a dollar sign"
            );
            self.notes.warn(self.locate(at, &written), &path, why);
        }
        *scalar = Scalar {
            text: filled.text,
            plain: false,
        };
        Ok(())
    }

    /// Where a fragment of the value stands in the file: looked for from where the value begins.
    fn locate(&self, at: At, fragment: &str) -> At {
        let file = self.notes.file(at.file);
        let fragment = fragment.lines().next().unwrap_or_default();
        let found = |number: u32, skip: usize| {
            let line = file.line(number)?;
            let (from, _) = line.char_indices().nth(skip)?;
            let found = line[from..].find(fragment)? + from;
            Some((number, line[..found].chars().count()))
        };
        // A value of several lines: few are longer than this, and another value is not to be taken for it.
        let below = || (at.line + 1..at.line + 100).find_map(|number| found(number, 0));
        let here = found(at.line, at.column as usize - 1);
        match here.or_else(below) {
            Some((line, column)) => At {
                file: at.file,
                line,
                column: u32::try_from(column + 1).unwrap_or(1),
                length: u32::try_from(fragment.chars().count()).unwrap_or(1),
            },
            None => at,
        }
    }
}
