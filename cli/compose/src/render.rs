//! A resolved document as a compose file.

use crate::canonical::SECTIONS;
use crate::tree::{Map, Node, Value};
use crate::write::write;

/// The text, in one order whatever the order of the files.
pub(crate) fn render(stack: Option<&str>, root: &Node) -> String {
    let mut rendered = Map::default();
    if let Some(stack) = stack {
        rendered.put("name", Node::text(stack, root.at));
    }
    for section in SECTIONS {
        let entries = root.as_map().and_then(|map| map.given(section));
        if let Some(entries) = entries {
            let mut entries = entries.clone();
            tidy(&mut entries);
            rendered.put(section, entries);
        }
    }
    write(&Node::map(rendered, root.at))
}

/// Keys in order, and dollar signs that are not filled in once more.
fn tidy(node: &mut Node) {
    match &mut node.value {
        Value::Null => {}
        Value::Scalar(scalar) => scalar.text = scalar.text.replace('$', "$$"),
        Value::List(items) => items.iter_mut().for_each(tidy),
        Value::Map(map) => {
            map.0.iter_mut().for_each(|(_, node)| tidy(node));
            map.0.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
        }
    }
}
