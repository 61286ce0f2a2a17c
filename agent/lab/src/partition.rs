//! Partitions: from groups of nodes to pairs that no longer hear each other. Pure.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::plan::{Plan, invalid};

/// The pairs of nodes that are cut from each other when `side` is cut off from `other`, or from all the rest without
/// one. The smaller name of a pair comes first.
///
/// # Errors
/// [`NoSuchNode`](crate::Error::NoSuchNode), and [`Invalid`](crate::Error::Invalid) when a side is empty or a node on both.
pub fn cuts(
    plan: &Plan,
    side: &[String],
    other: Option<&[String]>,
) -> Result<BTreeSet<(String, String)>> {
    let side = known(plan, side)?;
    let other = match other {
        Some(names) => known(plan, names)?,
        None => {
            let rest = plan.nodes.iter().map(|node| node.name.clone());
            rest.filter(|name| !side.contains(name)).collect()
        }
    };
    let words = |side: &BTreeSet<String>| side.iter().cloned().collect::<Vec<_>>().join(",");
    if side.is_empty() || other.is_empty() {
        let reason = "a partition has a node on either side";
        return Err(invalid("partition", &words(&side), reason));
    }
    if let Some(both) = side.intersection(&other).next() {
        let reason = format!("{both} is on both sides");
        let value = format!("{} {}", words(&side), words(&other));
        return Err(invalid("partition", &value, &reason));
    }
    let pairs = side.iter().flat_map(|a| other.iter().map(move |b| (a, b)));
    let ordered = pairs.map(|(a, b)| if a < b { (a, b) } else { (b, a) });
    Ok(ordered.map(|(a, b)| (a.clone(), b.clone())).collect())
}

/// The nodes that `node` is cut off from.
pub(crate) fn cut_off_from(cuts: &BTreeSet<(String, String)>, node: &str) -> Vec<String> {
    let peer = |(a, b): &(String, String)| match node {
        _ if a == node => Some(b.clone()),
        _ if b == node => Some(a.clone()),
        _ => None,
    };
    cuts.iter().filter_map(peer).collect()
}

fn known(plan: &Plan, names: &[String]) -> Result<BTreeSet<String>> {
    let names = names.iter().map(|name| name.trim());
    let names = names.filter(|name| !name.is_empty());
    names
        .map(|name| plan.node(name).map(|node| node.name.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Spec;

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn planned() -> Plan {
        let spec = Spec {
            name: "lab".to_owned(),
            managers: 3,
            workers: 1,
            subnet: "10.66.0.0/24".parse().unwrap(),
            minid: "/bin/minid".into(),
        };
        Plan::new(&spec, Path::new("/l")).unwrap()
    }

    #[test]
    fn groups_become_pairs() {
        fn check(side: &str, other: Option<&str>, expected: &str) {
            let other = other.map(names);
            let pairs = cuts(&planned(), &names(side), other.as_deref()).unwrap();
            let words: Vec<String> = pairs.iter().map(|(a, b)| format!("{a}-{b}")).collect();
            assert_eq!(words.join(" ").replace("node", ""), expected);
        }
        check("node1", None, "1-2 1-3 1-4");
        check("node2", None, "1-2 2-3 2-4");
        check("node1,node2", None, "1-3 1-4 2-3 2-4");
        check("node4,node1", Some("node2"), "1-2 2-4");
        check("node1,node1, node2,", Some("node3"), "1-3 2-3");
    }

    #[test]
    fn senseless_groups_are_refused() {
        fn check(side: &str, other: Option<&str>, expected: &str) {
            let other = other.map(names);
            let error = cuts(&planned(), &names(side), other.as_deref()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        check(
            "node1,node2,node3,node4",
            None,
            r#"invalid partition "node1,node2,node3,node4": a partition has a node on either side"#,
        );
        check(
            "",
            None,
            r#"invalid partition "": a partition has a node on either side"#,
        );
        check(
            "node1,node2",
            Some("node2"),
            r#"invalid partition "node1,node2 node2": node2 is on both sides"#,
        );
        check(
            "node9",
            None,
            r#"lab `lab` has no node "node9": it has node1, node2, node3, node4"#,
        );
    }

    #[test]
    fn a_node_knows_whom_it_lost() {
        let pairs = cuts(&planned(), &names("node2"), Some(&names("node1,node4"))).unwrap();
        assert_eq!(cut_off_from(&pairs, "node2"), ["node1", "node4"]);
        assert_eq!(cut_off_from(&pairs, "node4"), ["node2"]);
        assert!(cut_off_from(&pairs, "node3").is_empty());
    }
}
