//! What a filter says about one system call: verdicts that depend on its arguments.

use libc::sock_filter;
use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator};

use super::bpf::{self, IF_AT_LEAST, IF_EQUAL, IF_GREATER};

/// One comparison of a 64-bit argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) argument: u32,
    pub(super) operator: LinuxSeccompOperator,
    pub(super) value: u64,
    /// The value to compare with, for the masked comparison whose mask is `value`.
    pub(super) second: u64,
}

impl From<&LinuxSeccompArg> for Condition {
    fn from(arg: &LinuxSeccompArg) -> Self {
        Condition {
            argument: arg.index() as u32,
            operator: arg.op(),
            value: arg.value(),
            second: arg.value_two().unwrap_or(0),
        }
    }
}

/// What becomes of a system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Always this verdict.
    Always(u32),
    /// The verdict of the first case whose conditions all hold, else the last one.
    Cases(Vec<(Vec<Condition>, u32)>, u32),
}

impl Outcome {
    /// Adds what one more rule of a profile says. A rule without conditions is stronger than any with.
    pub(super) fn add(&mut self, conditions: Vec<Condition>, verdict: u32) {
        match self {
            Outcome::Always(_) => {}
            Outcome::Cases(..) if conditions.is_empty() => *self = Outcome::Always(verdict),
            Outcome::Cases(cases, _) => cases.push((conditions, verdict)),
        }
    }

    /// The instructions; every path ends in a verdict.
    pub(super) fn block(&self) -> Vec<sock_filter> {
        match self {
            Outcome::Always(verdict) => vec![bpf::verdict(*verdict)],
            Outcome::Cases(cases, otherwise) => {
                let mut block = Vec::new();
                for (conditions, verdict) in cases {
                    block.extend(case(conditions, *verdict));
                }
                block.push(bpf::verdict(*otherwise));
                block
            }
        }
    }
}

/// Gives the verdict when all conditions hold, else falls off its end. Six conditions need at most 31 instructions, so
/// that every skip fits.
fn case(conditions: &[Condition], verdict: u32) -> Vec<sock_filter> {
    let mut block = vec![bpf::verdict(verdict)];
    for condition in conditions.iter().rev() {
        let mut longer = comparison(condition, block.len() as u8);
        longer.extend(block);
        block = longer;
    }
    block
}

/// Falls through when the condition holds, else skips the `rest` instructions that follow it.
fn comparison(condition: &Condition, rest: u8) -> Vec<sock_filter> {
    let Condition {
        argument,
        operator,
        value,
        second,
    } = *condition;
    let (high, low) = ((value >> 32) as u32, value as u32);
    let (load_high, load_low) = (bpf::load_high(argument), bpf::load_low(argument));
    match operator {
        LinuxSeccompOperator::ScmpCmpEq => vec![
            load_high,
            bpf::test(IF_EQUAL, high, 0, 2 + rest),
            load_low,
            bpf::test(IF_EQUAL, low, 0, rest),
        ],
        LinuxSeccompOperator::ScmpCmpNe => vec![
            load_high,
            bpf::test(IF_EQUAL, high, 0, 2),
            load_low,
            bpf::test(IF_EQUAL, low, rest, 0),
        ],
        LinuxSeccompOperator::ScmpCmpMaskedEq => vec![
            load_high,
            bpf::mask(high),
            bpf::test(IF_EQUAL, (second >> 32) as u32, 0, 3 + rest),
            load_low,
            bpf::mask(low),
            bpf::test(IF_EQUAL, second as u32, 0, rest),
        ],
        LinuxSeccompOperator::ScmpCmpGe => {
            ordered(load_high, load_low, high, low, IF_AT_LEAST, rest)
        }
        LinuxSeccompOperator::ScmpCmpGt => {
            ordered(load_high, load_low, high, low, IF_GREATER, rest)
        }
        LinuxSeccompOperator::ScmpCmpLt => {
            reversed(load_high, load_low, high, low, IF_AT_LEAST, rest)
        }
        LinuxSeccompOperator::ScmpCmpLe => {
            reversed(load_high, load_low, high, low, IF_GREATER, rest)
        }
    }
}

/// Greater than, or at least, by the comparison of the lower half.
fn ordered(
    load_high: sock_filter,
    load_low: sock_filter,
    high: u32,
    low: u32,
    code: u16,
    rest: u8,
) -> Vec<sock_filter> {
    vec![
        load_high,
        bpf::test(IF_GREATER, high, 3, 0),
        bpf::test(IF_EQUAL, high, 0, 2 + rest),
        load_low,
        bpf::test(code, low, 0, rest),
    ]
}

/// The opposite of [`ordered`].
fn reversed(
    load_high: sock_filter,
    load_low: sock_filter,
    high: u32,
    low: u32,
    code: u16,
    rest: u8,
) -> Vec<sock_filter> {
    vec![
        load_high,
        bpf::test(IF_GREATER, high, 3 + rest, 0),
        bpf::test(IF_EQUAL, high, 0, 2),
        load_low,
        bpf::test(code, low, rest, 0),
    ]
}
