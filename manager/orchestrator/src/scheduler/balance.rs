//! Which node a running task is best moved away from, so that the tasks of its service are spread more evenly.

use std::cmp::Reverse;

use model::{Node, Revision};
use store::View;

use super::Scheduler;
use super::chooser::{Chooser, fails};
use super::filter::{STANDING, passes};
use super::group::Group;
use super::ledger::{Ledger, NodeUse};

/// The node that has too many of a revision's tasks: another one, which the next task would be given, has at least two fewer. Where
/// tasks are spread over labels, it is the values of those that are compared first. None when no move would make the spread more
/// even, and where tasks leave data behind on their nodes.
///
/// Each move that follows from this makes the spread more even, so that moves come to an end.
pub(crate) fn crowded(view: &View, revision: &Revision, now_ms: i64) -> Option<String> {
    let group = Group::of(revision);
    if group.volume.is_some() {
        return None;
    }
    let ledger = Scheduler::new(view).ledger;
    let to = Chooser::new(&ledger, &group, now_ms).next(&ledger, &group)?;
    let target = ledger.at(to);
    let to = target.node.as_deref()?;
    if fails(&group, target, now_ms) {
        return None;
    }
    let may_leave = |node: &Node, carried: &NodeUse| {
        carried.wanted(&group) > 0
            && passes(STANDING, &group, carried)
            && is_gain(&ledger, &group, node, to)
    };
    ledger
        .nodes()
        .filter(|(_, node, carried)| may_leave(node, carried))
        .max_by_key(|(place, node, carried)| {
            let values = sums(&ledger, &group, node).map(|(sum, _)| sum);
            let crowd: Vec<u32> = values.chain([carried.wanted(&group)]).collect();
            (crowd, carried.tasks, Reverse(*place))
        })
        .map(|(_, node, _)| node.id.clone())
}

/// Whether tasks are spread more evenly when one is moved: at the first level at which the nodes differ.
fn is_gain(ledger: &Ledger, group: &Group, from: &Node, to: &Node) -> bool {
    let pairs = sums(ledger, group, from).zip(sums(ledger, group, to));
    for ((here, value), (there, other)) in pairs {
        if value != other {
            return here >= there + 2;
        }
    }
    let wanted = |node: &Node| {
        let place = ledger.find(&node.id);
        place.map_or(0, |place| ledger.at(place).wanted(group))
    };
    wanted(from) >= wanted(to) + 2
}

/// Of each label that tasks are spread over: the tasks of its value on this node, among nodes that are alike up to there, and the value.
fn sums<'a>(
    ledger: &'a Ledger,
    group: &'a Group,
    node: &'a Node,
) -> impl Iterator<Item = (u32, &'a str)> {
    (0..group.spread.len()).map(move |level| {
        let is_alike = |other: &Node| {
            group.spread[..=level]
                .iter()
                .all(|spread| spread.over.value(other) == spread.over.value(node))
        };
        let sum = ledger
            .nodes()
            .filter(|(_, other, _)| is_alike(other))
            .map(|(_, _, carried)| carried.wanted_of_revision(group))
            .sum();
        (sum, group.spread[level].over.value(node))
    })
}
