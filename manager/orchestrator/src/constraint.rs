//! What a node must be like: `node.labels.disk == ssd`. Words and rules are SwarmKit's.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use model::Node;

/// Something that is true or false of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    key: Key,
    equal: bool,
    value: String,
}

/// A property of nodes, by which they are chosen or told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// `node.id`
    Id,
    /// `node.hostname`
    Hostname,
    /// `node.ip`: the address that it was seen from.
    Ip,
    /// `node.role`
    Role,
    /// `node.platform.os`
    Os,
    /// `node.platform.arch`
    Architecture,
    /// `node.labels.X`: given by people.
    Label(String),
    /// `engine.labels.X`: from the node's own configuration.
    EngineLabel(String),
}

const NODE_LABELS: &str = "node.labels.";
const ENGINE_LABELS: &str = "engine.labels.";
const KEYS: &str = "node.id, node.hostname, node.ip, node.role, node.platform.os, node.platform.arch, node.labels.<name> or engine.labels.<name>";

impl Constraint {
    /// Reads `<key> == <value>` or `<key> != <value>`. The error names the expression and says what to write.
    pub fn parse(expression: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("constraint `{}`: {what}", expression.trim());
        let (key, equal, value) = if let Some((key, value)) = expression.split_once("==") {
            (key, true, value)
        } else if let Some((key, value)) = expression.split_once("!=") {
            (key, false, value)
        } else {
            return Err(wrong(
                "it has no operator, write `<key> == <value>` or `<key> != <value>`",
            ));
        };
        let value = value.trim();
        if value.is_empty() {
            return Err(wrong(
                "it has no value, write one after the operator, like `node.labels.disk == ssd`",
            ));
        }
        if let Some(letter) = value.chars().find(|letter| !may_be_in_value(*letter)) {
            return Err(wrong(&format!(
                "`{letter}` cannot be in a value, write letters, digits and any of : - _ . * ( ) ? + [ ] \\ ^ $ | /"
            )));
        }
        let key = Key::parse(key).map_err(|error| wrong(&error))?;
        if key == Key::Ip && value.parse::<IpAddr>().is_err() && value.parse::<IpNet>().is_err() {
            return Err(wrong(
                "node.ip is compared with an address or a range, write 10.0.0.7 or 10.0.0.0/24",
            ));
        }
        Ok(Constraint {
            key,
            equal,
            value: value.to_owned(),
        })
    }

    /// Whether it is true of a node.
    pub fn matches(&self, node: &Node) -> bool {
        let same = match self.key {
            Key::Ip => self.holds_address(&node.status.address),
            Key::Architecture => self
                .key
                .value(node)
                .eq_ignore_ascii_case(architecture(&self.value)),
            _ => self.key.value(node).eq_ignore_ascii_case(&self.value),
        };
        same == self.equal
    }

    fn holds_address(&self, address: &str) -> bool {
        let Ok(address) = address.parse::<IpAddr>() else {
            return false;
        };
        match self.value.parse::<IpNet>() {
            Ok(range) => range.contains(&address),
            Err(_) => self.value.parse() == Ok(address),
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = if self.equal { "==" } else { "!=" };
        write!(f, "{} {operator} {}", self.key, self.value)
    }
}

impl Key {
    /// Reads the name of a property. Its case means nothing, that of a label's own name does.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let after = |prefix: &str| {
            let (head, name) = text.split_at_checked(prefix.len())?;
            head.eq_ignore_ascii_case(prefix).then_some(name)
        };
        if let Some(name) = after(NODE_LABELS).or_else(|| after(ENGINE_LABELS)) {
            let letters = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
            if name.is_empty() || !name.chars().all(letters) {
                return Err(format!(
                    "`{text}` names no label, write letters, digits and any of - _ . / after `{}`",
                    &text[..text.len() - name.len()]
                ));
            }
            return Ok(match after(NODE_LABELS) {
                Some(name) => Key::Label(name.to_owned()),
                None => Key::EngineLabel(name.to_owned()),
            });
        }
        match text.to_ascii_lowercase().as_str() {
            "node.id" => Ok(Key::Id),
            "node.hostname" => Ok(Key::Hostname),
            "node.ip" => Ok(Key::Ip),
            "node.role" => Ok(Key::Role),
            "node.platform.os" => Ok(Key::Os),
            "node.platform.arch" => Ok(Key::Architecture),
            _ => Err(format!("`{text}` is nothing of a node, write {KEYS}")),
        }
    }

    /// What a node has there; empty when it has nothing.
    pub fn value<'a>(&self, node: &'a Node) -> &'a str {
        match self {
            Key::Id => &node.id,
            Key::Hostname => &node.description.hostname,
            Key::Ip => &node.status.address,
            Key::Role => match node.spec.role() {
                model::NodeRole::Worker => "worker",
                model::NodeRole::Manager => "manager",
            },
            Key::Os => &node.description.platform.os,
            Key::Architecture => architecture(&node.description.platform.architecture),
            Key::Label(name) => node.spec.labels.get(name).map_or("", String::as_str),
            Key::EngineLabel(name) => node.description.labels.get(name).map_or("", String::as_str),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Id => f.write_str("node.id"),
            Key::Hostname => f.write_str("node.hostname"),
            Key::Ip => f.write_str("node.ip"),
            Key::Role => f.write_str("node.role"),
            Key::Os => f.write_str("node.platform.os"),
            Key::Architecture => f.write_str("node.platform.arch"),
            Key::Label(name) => write!(f, "{NODE_LABELS}{name}"),
            Key::EngineLabel(name) => write!(f, "{ENGINE_LABELS}{name}"),
        }
    }
}

/// An architecture as the OCI image specification calls it, whatever `uname` calls it.
pub(crate) fn architecture(name: &str) -> &str {
    match name {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armhf" => "arm",
        "i386" | "i686" => "386",
        name => name,
    }
}

fn may_be_in_value(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || letter.is_ascii_whitespace()
        || ":-_.*()?+[]\\^$|/".contains(letter)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{NodeDescription, NodeRole, NodeSpec, NodeStatus, Platform};

    use super::*;

    #[test]
    fn an_expression_is_read_or_refused_with_what_to_write() {
        let table: &[(&str, Result<&str, &str>)] = &[
            ("", Err("it has no operator")),
            (" ", Err("it has no operator")),
            ("nodeabc", Err("it has no operator")),
            ("node.id ~ abc", Err("write `<key> == <value>`")),
            ("1node==a2", Err("`1node` is nothing of a node")),
            (" node.id == node1", Ok("node.id == node1")),
            ("node.id==node1 ", Ok("node.id == node1")),
            ("no de== node1", Err("`no de` is nothing of a node")),
            ("no*de==node1", Err("is nothing of a node")),
            ("==node1", Err("`` is nothing of a node")),
            ("node.id==", Err("it has no value")),
            ("node.id== ", Err("it has no value")),
            ("node.id!=", Err("it has no value")),
            ("NoDe.Id==node1", Ok("node.id == node1")),
            ("node.labels.disk!=ssd", Ok("node.labels.disk != ssd")),
            (
                "Node.Labels.com.example/Disk==ssd",
                Ok("node.labels.com.example/Disk == ssd"),
            ),
            ("engine.labels._rack==_1", Ok("engine.labels._rack == _1")),
            ("node.labels.==ssd", Err("names no label")),
            ("node.labels.a$b==ssd", Err("names no label")),
            (
                "node.labels==ssd",
                Err("is nothing of a node, write node.id"),
            ),
            (
                "node.labels.x==[a-b]+c*(n|b)/",
                Ok("node.labels.x == [a-b]+c*(n|b)/"),
            ),
            ("node.labels.x==node 1", Ok("node.labels.x == node 1")),
            ("node.labels.x==a==b", Err("`=` cannot be in a value")),
            ("node.labels.x==a>b", Err("`>` cannot be in a value")),
            ("node.labels.x!=a==b", Err("names no label")),
            ("node.ip==10.0.0.0/24", Ok("node.ip == 10.0.0.0/24")),
            ("node.ip==2001:db8::2", Ok("node.ip == 2001:db8::2")),
            ("node.ip==10.0.0", Err("write 10.0.0.7 or 10.0.0.0/24")),
        ];
        for (expression, expected) in table {
            match (Constraint::parse(expression), expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read.to_string(), *expected),
                (Err(error), Err(expected)) => {
                    assert!(error.contains(expected), "{expression}: {error}");
                    assert!(
                        error.starts_with(&format!("constraint `{}`: ", expression.trim())),
                        "{error}"
                    );
                }
                (read, expected) => panic!("{expression}: {read:?} in place of {expected:?}"),
            }
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn node() -> Node {
        Node {
            id: "n1".to_owned(),
            spec: NodeSpec {
                labels: labels(&[("disk", "SSD"), ("odd", "f.-$o")]),
                role: NodeRole::Manager.into(),
                ..NodeSpec::default()
            },
            description: NodeDescription {
                hostname: "Alpha".to_owned(),
                platform: Platform {
                    os: "linux".to_owned(),
                    architecture: "x86_64".to_owned(),
                },
                labels: labels(&[("rack", "7")]),
                ..NodeDescription::default()
            },
            status: NodeStatus {
                address: "10.0.3.4".to_owned(),
                ..NodeStatus::default()
            },
            ..Node::default()
        }
    }

    #[test]
    fn a_node_matches_whole_values_in_any_case() {
        let table = [
            ("node.id == n1", true),
            ("node.id == N1", true),
            ("node.id == n", false),
            ("node.id != n", true),
            ("node.id != n1", false),
            ("node.hostname == alpha", true),
            ("node.hostname == al*", false),
            ("node.hostname != beta", true),
            ("node.role == manager", true),
            ("node.role == Manager", true),
            ("node.role != worker", true),
            ("node.role == worker", false),
            ("node.platform.os == linux", true),
            ("node.platform.os == windows", false),
            ("node.platform.arch == x86_64", true),
            ("node.platform.arch == amd64", true),
            ("node.platform.arch != amd64", false),
            ("node.platform.arch == arm64", false),
            ("node.labels.disk == ssd", true),
            ("node.labels.disk != ssd", false),
            ("node.labels.disk == ssdx", false),
            ("node.labels.Disk == ssd", false),
            ("node.labels.Disk != ssd", true),
            ("node.labels.odd == f.-$o", true),
            ("node.labels.odd == fa-$o", false),
            ("node.labels.rack == 7", false),
            ("engine.labels.rack == 7", true),
            ("engine.labels.disk == ssd", false),
            ("engine.labels.disk != ssd", true),
            ("node.ip == 10.0.3.4", true),
            ("node.ip != 10.0.3.4", false),
            ("node.ip == 10.0.0.0/16", true),
            ("node.ip != 10.0.0.0/16", false),
            ("node.ip == 10.1.0.0/16", false),
            ("node.ip == 2001:db8::2", false),
        ];
        for (expression, expected) in table {
            let constraint = Constraint::parse(expression).expect("it is one");
            assert_eq!(constraint.matches(&node()), expected, "{expression}");
        }
    }

    #[test]
    fn a_node_that_was_never_seen_has_no_address() {
        let unseen = Node::default();
        for (expression, expected) in [
            ("node.ip == 10.0.0.0/8", false),
            ("node.ip != 10.0.0.1", true),
        ] {
            let constraint = Constraint::parse(expression).expect("it is one");
            assert_eq!(constraint.matches(&unseen), expected, "{expression}");
        }
    }
}
