//! A table of sets, maps and chains: its text, and the messages that put it into the kernel.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use super::clause::{Clause, Expressions, link_name};
use super::wire::{APPEND, Batch, CREATE, FAMILY_IP, Kind};
use crate::model::Protocol;

/// The table's name.
pub(crate) const NAME: &str = "mini";

/// What our table holds. Equal tables have equal text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Table {
    pub(crate) sets: Vec<Set>,
    pub(crate) chains: Vec<Chain>,
}

/// A named set or map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) key: &'static [Type],
    /// Empty for a set, otherwise what the map's values are made of.
    pub(crate) value: &'static [Type],
    pub(crate) elements: BTreeSet<Element>,
}

/// An element of a set, or a key with its value in a map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element {
    pub(crate) key: Vec<Datum>,
    pub(crate) value: Vec<Datum>,
}

/// One component of a key or value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Datum {
    Address(Ipv4Addr),
    Protocol(Protocol),
    Port(u16),
    Link(String),
}

/// The type of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Address,
    Protocol,
    Port,
    Link,
}

/// A chain and its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    /// `None` for a chain that is only jumped to.
    pub(crate) hook: Option<Hook>,
    pub(crate) rules: Vec<Vec<Clause>>,
}

/// Where the kernel calls a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hook {
    /// `filter` or `nat`.
    pub(crate) kind: &'static str,
    pub(crate) point: Point,
    pub(crate) priority: i32,
}

/// `enum nf_inet_hooks`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Point {
    Prerouting = 0,
    Forward = 2,
    Output = 3,
    Postrouting = 4,
}

/// Elements in one message: far below the 64 KiB that an attribute can hold.
const CHUNK: usize = 500;

impl Table {
    /// The messages that replace whatever is there by this table, at once.
    pub(crate) fn replace(&self) -> Batch {
        self.replace_in(FAMILY_IP)
    }

    /// The same for the table of this name in another family.
    pub(crate) fn replace_in(&self, family: u8) -> Batch {
        let mut batch = Batch::about(family);
        // To delete what may not be there, make it first: the whole batch takes effect at once.
        new_table(&mut batch);
        delete_table(&mut batch);
        new_table(&mut batch);
        for (index, set) in self.sets.iter().enumerate() {
            set.create(&mut batch, index);
        }
        for chain in &self.chains {
            chain.create(&mut batch);
        }
        for set in &self.sets {
            add_elements(
                &mut batch,
                set.name,
                &set.elements.iter().cloned().collect::<Vec<_>>(),
            );
        }
        for chain in &self.chains {
            chain.fill(&mut batch);
        }
        batch.finish()
    }
}

/// The messages that delete the table.
pub(crate) fn removal() -> Batch {
    let mut batch = Batch::new();
    new_table(&mut batch);
    delete_table(&mut batch);
    batch.finish()
}

fn new_table(batch: &mut Batch) {
    batch.push(Kind::NewTable, CREATE, "table ip mini", |a| {
        a.put_str(1, NAME).put_u32(2, 0);
    });
}

fn delete_table(batch: &mut Batch) {
    batch.push(Kind::DelTable, 0, "table ip mini", |a| {
        a.put_str(1, NAME);
    });
}

/// Adds elements to a set or map; those that are there already stay.
pub(crate) fn add_elements(batch: &mut Batch, set: &str, elements: &[Element]) {
    elements_message(batch, Kind::NewSetElem, CREATE, set, elements);
}

/// Deletes elements, all of which must be there.
pub(crate) fn delete_elements(batch: &mut Batch, set: &str, elements: &[Element]) {
    elements_message(batch, Kind::DelSetElem, 0, set, elements);
}

fn elements_message(batch: &mut Batch, kind: Kind, flags: u16, set: &str, elements: &[Element]) {
    for chunk in elements.chunks(CHUNK) {
        batch.push(kind, flags, format!("elements of {set}"), |a| {
            a.put_str(1, NAME).put_str(2, set).nest(3, |list| {
                for element in chunk {
                    list.nest(1, |e| element.encode(e));
                }
            });
        });
    }
}

impl Element {
    pub(crate) fn encode(&self, attributes: &mut super::wire::Attributes) {
        for (kind, data) in [(1, &self.key), (2, &self.value)] {
            if !data.is_empty() {
                attributes.nest(kind, |value| {
                    value.put(1, &data.iter().flat_map(Datum::bytes).collect::<Vec<u8>>());
                });
            }
        }
    }
}

impl Datum {
    /// As in the kernel's registers: each component begins on a word of 4 bytes.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Datum::Address(address) => address.octets().to_vec(),
            Datum::Protocol(Protocol::Tcp) => vec![libc::IPPROTO_TCP as u8, 0, 0, 0],
            Datum::Protocol(Protocol::Udp) => vec![libc::IPPROTO_UDP as u8, 0, 0, 0],
            Datum::Port(port) => [port.to_be_bytes(), [0; 2]].concat(),
            Datum::Link(name) => link_name(name).to_vec(),
        }
    }
}

impl Type {
    fn length(self) -> u32 {
        if self == Type::Link { 16 } else { 4 }
    }

    /// The number by which the `nft` tool knows the type (for listings alone; the kernel does not look at it).
    fn number(self) -> u32 {
        match self {
            Type::Address => 7,
            Type::Protocol => 12,
            Type::Port => 13,
            Type::Link => 41,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Type::Address => "ipv4_addr",
            Type::Protocol => "inet_proto",
            Type::Port => "inet_service",
            Type::Link => "ifname",
        }
    }
}

/// `nft` numbers a concatenation by six bits a component.
fn numbers(types: &[Type]) -> u32 {
    types.iter().fold(0, |number, t| number << 6 | t.number())
}

impl Set {
    const MAP: u32 = 8;

    fn create(&self, batch: &mut Batch, index: usize) {
        let length = |types: &[Type]| types.iter().map(|t| t.length()).sum::<u32>();
        batch.push(Kind::NewSet, CREATE, format!("set {}", self.name), |a| {
            a.put_str(1, NAME).put_str(2, self.name);
            a.put_u32(3, if self.value.is_empty() { 0 } else { Set::MAP });
            a.put_u32(4, numbers(self.key)).put_u32(5, length(self.key));
            if !self.value.is_empty() {
                a.put_u32(6, numbers(self.value))
                    .put_u32(7, length(self.value));
            }
            a.put_u32(10, index as u32 + 1);
            if self.key == [Type::Link] {
                // For listings: `nft` reads a lone name in the host's byte order (`NFTNL_UDATA_SET_KEYBYTEORDER`).
                a.put(13, &[[0, 4].as_slice(), &1u32.to_ne_bytes()].concat());
            }
        });
    }
}

impl Chain {
    fn create(&self, batch: &mut Batch) {
        batch.push(
            Kind::NewChain,
            CREATE,
            format!("chain {}", self.name),
            |a| {
                a.put_str(1, NAME).put_str(3, self.name);
                if let Some(hook) = self.hook {
                    a.nest(4, |h| {
                        h.put_u32(1, hook.point as u32)
                            .put(2, &hook.priority.to_be_bytes());
                    });
                    a.put_u32(5, 1 /* NF_ACCEPT */).put_str(7, hook.kind);
                }
            },
        );
    }

    fn fill(&self, batch: &mut Batch) {
        for rule in &self.rules {
            batch.push(
                Kind::NewRule,
                CREATE | APPEND,
                format!("rule {:?} of chain {}", words(rule), self.name),
                |a| {
                    let mut expressions = Expressions::default();
                    for clause in rule {
                        clause.encode(&mut expressions);
                    }
                    a.put_str(1, NAME).put_str(2, self.name);
                    a.nest(4, |list| *list = expressions.list);
                },
            );
        }
    }
}

fn words(rule: &[Clause]) -> String {
    rule.iter()
        .map(Clause::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

impl fmt::Display for Table {
    /// As `nft list table ip mini` shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table ip {NAME} {{")?;
        let mut first = true;
        let mut gap = |f: &mut fmt::Formatter<'_>| {
            if std::mem::take(&mut first) {
                Ok(())
            } else {
                writeln!(f)
            }
        };
        for set in &self.sets {
            gap(f)?;
            let concat = |types: &[Type]| {
                types
                    .iter()
                    .map(|t| t.name())
                    .collect::<Vec<_>>()
                    .join(" . ")
            };
            if set.value.is_empty() {
                writeln!(f, "\tset {} {{\n\t\ttype {}", set.name, concat(set.key))?;
            } else {
                writeln!(
                    f,
                    "\tmap {} {{\n\t\ttype {} : {}",
                    set.name,
                    concat(set.key),
                    concat(set.value)
                )?;
            }
            let elements: Vec<String> = set.elements.iter().map(Element::to_string).collect();
            if !elements.is_empty() {
                writeln!(
                    f,
                    "\t\telements = {{ {} }}",
                    elements.join(",\n\t\t\t     ")
                )?;
            }
            writeln!(f, "\t}}")?;
        }
        for chain in &self.chains {
            gap(f)?;
            writeln!(f, "\tchain {} {{", chain.name)?;
            if let Some(hook) = chain.hook {
                writeln!(f, "\t\t{hook}")?;
            }
            for rule in &chain.rules {
                writeln!(f, "\t\t{}", words(rule))?;
            }
            writeln!(f, "\t}}")?;
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let point = match self.point {
            Point::Prerouting => "prerouting",
            Point::Forward => "forward",
            Point::Output => "output",
            Point::Postrouting => "postrouting",
        };
        let priority = match (self.point, self.priority) {
            (_, -300) => "raw".to_owned(),
            (_, 0) => "filter".to_owned(),
            (Point::Prerouting, -100) => "dstnat".to_owned(),
            (Point::Postrouting, 100) => "srcnat".to_owned(),
            (_, other) => other.to_string(),
        };
        write!(
            f,
            "type {} hook {point} priority {priority}; policy accept;",
            self.kind
        )
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let concat = |data: &[Datum]| {
            data.iter()
                .map(Datum::to_string)
                .collect::<Vec<_>>()
                .join(" . ")
        };
        f.write_str(&concat(&self.key))?;
        if !self.value.is_empty() {
            write!(f, " : {}", concat(&self.value))?;
        }
        Ok(())
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Address(address) => address.fmt(f),
            Datum::Protocol(protocol) => protocol.fmt(f),
            Datum::Port(port) => port.fmt(f),
            Datum::Link(name) => write!(f, "{name:?}"),
        }
    }
}
