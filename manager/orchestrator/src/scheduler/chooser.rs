//! Which of the nodes that fit is best for the next task of a group: a tree of the values that tasks are spread over, with heaps of
//! nodes as leaves, so that the next task costs no look at every node.
//!
//! Before all else come nodes on which the service did not fail of late. Then the spread decides, level by level: the value with
//! the fewest tasks of the same revision, so that an update ends spread as evenly as it began. Then the node with the fewest tasks of the
//! service, then with the fewest tasks at all, then the first by id.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};

use super::filter::{FILLING, STANDING, passes};
use super::group::Group;
use super::ledger::{Ledger, NodeUse};

/// This many failures of a service on a node put the node behind others.
const FAILURES: usize = 5;
/// For how long a failure counts.
const FAILURES_COUNT_MS: i64 = 5 * 60 * 1000;

/// Chooses nodes for the tasks of one group, one after another. Who takes what it chose must put that on the ledger.
pub(super) struct Chooser {
    nodes: Vec<Candidate>,
    tree: Branch,
    /// Nodes were left out because the service failed on them.
    spared: bool,
}

#[derive(Clone, Copy)]
struct Candidate {
    place: usize,
    fit: bool,
    failing: bool,
}

enum Branch {
    /// Nodes: whether the service fails there, its tasks, all tasks, and the rank by id.
    Leaf(BinaryHeap<Reverse<(bool, u32, u32, usize)>>),
    Split(Split),
}

struct Split {
    max_skew: u32,
    /// The fewest tasks of a value that can be given no more.
    floor: u32,
    /// The values that may be given more: tasks, and which branch.
    open: BinaryHeap<Reverse<(u32, usize)>>,
    branches: Vec<Branch>,
}

impl Chooser {
    pub(super) fn new(ledger: &Ledger, group: &Group, now_ms: i64) -> Self {
        let nodes: Vec<_> = ledger
            .nodes()
            .map(|(place, _, carried)| Candidate {
                place,
                fit: passes(STANDING, group, carried),
                failing: fails(group, carried, now_ms),
            })
            .collect();
        let spared = nodes.iter().any(|node| node.fit && node.failing);
        let tree = grow(ledger, group, &nodes, !spared);
        Chooser {
            nodes,
            tree,
            spared,
        }
    }

    /// The place of the best node.
    pub(super) fn next(&mut self, ledger: &Ledger, group: &Group) -> Option<usize> {
        let nodes = &self.nodes;
        let mut fits = |rank: usize| passes(FILLING, group, ledger.at(nodes[rank].place));
        let mut found = self.tree.take(&mut fits);
        if found.is_none() && self.spared {
            self.spared = false;
            self.tree = grow(ledger, group, nodes, true);
            found = self.tree.take(&mut fits);
        }
        found.map(|rank| nodes[rank].place)
    }
}

/// Whether the service failed on a node too often of late.
pub(super) fn fails(group: &Group, node: &NodeUse, now_ms: i64) -> bool {
    let after_ms = now_ms.saturating_sub(FAILURES_COUNT_MS);
    node.failures_after(group, after_ms) >= FAILURES
}

/// Whether a task of the group at that place would keep the spread as even as it must be.
pub(super) fn keeps_even(ledger: &Ledger, group: &Group, place: usize) -> bool {
    let Some(node) = &ledger.at(place).node else {
        return false;
    };
    let mut beside: Vec<_> = ledger
        .nodes()
        .map(|(_, other, carried)| {
            (
                other,
                passes(STANDING, group, carried),
                carried.wanted_of_revision(group),
            )
        })
        .collect();
    for spread in &group.spread {
        let own = spread.over.value(node);
        let mut values = BTreeMap::<&str, (bool, u32)>::new();
        for (other, fit, wanted) in &beside {
            let (any, sum) = values.entry(spread.over.value(other)).or_default();
            *any |= *fit;
            *sum += wanted;
        }
        let least = values
            .values()
            .filter(|(any, _)| *any)
            .map(|(_, sum)| *sum)
            .min();
        let here = values.get(own).map_or(0, |(_, sum)| *sum);
        if spread.max_skew > 0 && here + 1 > least.unwrap_or(0).saturating_add(spread.max_skew) {
            return false;
        }
        beside.retain(|(other, ..)| spread.over.value(other) == own);
    }
    true
}

fn grow(ledger: &Ledger, group: &Group, nodes: &[Candidate], with_failing: bool) -> Branch {
    let ranks: Vec<usize> = (0..nodes.len()).collect();
    let take = |node: &Candidate| node.fit && (with_failing || !node.failing);
    branch(ledger, group, nodes, &take, &ranks, 0)
}

fn branch(
    ledger: &Ledger,
    group: &Group,
    nodes: &[Candidate],
    take: &dyn Fn(&Candidate) -> bool,
    ranks: &[usize],
    level: usize,
) -> Branch {
    let Some(spread) = group.spread.get(level) else {
        let known = |rank: &usize| {
            let node = &nodes[*rank];
            let carried = ledger.at(node.place);
            take(node).then(|| Reverse((node.failing, carried.wanted(group), carried.tasks, *rank)))
        };
        return Branch::Leaf(ranks.iter().filter_map(known).collect());
    };
    let mut values = BTreeMap::<&str, Vec<usize>>::new();
    for rank in ranks {
        if let Some(node) = &ledger.at(nodes[*rank].place).node {
            values
                .entry(spread.over.value(node))
                .or_default()
                .push(*rank);
        }
    }
    let mut split = Split {
        max_skew: spread.max_skew,
        floor: u32::MAX,
        open: BinaryHeap::new(),
        branches: Vec::new(),
    };
    for ranks in values.into_values() {
        // Tasks on a node that takes no more count for its value; a value of such nodes alone is none to be even with.
        if !ranks.iter().any(|rank| nodes[*rank].fit) {
            continue;
        }
        let tasks = ranks
            .iter()
            .map(|rank| ledger.at(nodes[*rank].place).wanted_of_revision(group))
            .sum();
        split.open.push(Reverse((tasks, split.branches.len())));
        split
            .branches
            .push(branch(ledger, group, nodes, take, &ranks, level + 1));
    }
    Branch::Split(split)
}

impl Branch {
    /// Takes the best node that still fits, and counts one more task for it. Who fails once is not asked again.
    fn take(&mut self, fits: &mut dyn FnMut(usize) -> bool) -> Option<usize> {
        match self {
            Branch::Leaf(nodes) => loop {
                let mut best = nodes.peek_mut()?;
                let Reverse((_, of_service, tasks, rank)) = &mut *best;
                let rank = *rank;
                if fits(rank) {
                    *of_service += 1;
                    *tasks += 1;
                    return Some(rank);
                }
                PeekMut::pop(best);
            },
            Branch::Split(split) => split.take(fits),
        }
    }
}

impl Split {
    fn take(&mut self, fits: &mut dyn FnMut(usize) -> bool) -> Option<usize> {
        loop {
            let mut best = self.open.peek_mut()?;
            let Reverse((tasks, at)) = &mut *best;
            // The fewest of all values only grow where this one may: what is too much now stays so.
            let most = self.floor.min(*tasks).saturating_add(self.max_skew);
            if self.max_skew > 0 && *tasks >= most {
                return None;
            }
            if let Some(rank) = self.branches[*at].take(fits) {
                *tasks += 1;
                return Some(rank);
            }
            self.floor = self.floor.min(*tasks);
            PeekMut::pop(best);
        }
    }
}
