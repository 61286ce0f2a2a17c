//! A profile becomes a program: one tree of comparisons over system call numbers for each architecture.

use std::collections::BTreeMap;

use libc::sock_filter;
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSyscall};

use super::SeccompError;
use super::bpf::{self, IF_AT_LEAST, IF_EQUAL};
use super::rule::{Condition, Outcome};
use super::table::{self, Column};

/// AUDIT_ARCH_* of `linux/audit.h`.
pub(super) const AUDIT_X86_64: u32 = 0xc000_003e;
pub(super) const AUDIT_I386: u32 = 0x4000_0003;
pub(super) const AUDIT_AARCH64: u32 = 0xc000_00b7;
pub(super) const AUDIT_ARM: u32 = 0x4000_0028;

/// Numbers of x32 calls have this bit and the architecture of 64-bit x86.
const X32_BIT: u32 = 0x4000_0000;
/// What a call of an architecture that the profile doesn't name gets: its process is killed, since no number could be
/// judged. (SECCOMP_RET_KILL_PROCESS)
const STRANGE: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// The program for a machine of this architecture.
pub(super) fn compile_for(
    native: Arch,
    profile: &LinuxSeccomp,
) -> Result<Vec<sock_filter>, SeccompError> {
    let judged = judged(native, profile);
    let mut program = vec![bpf::load(bpf::ARCHITECTURE)];
    let mut otherwise = vec![bpf::verdict(STRANGE)];
    // The native architecture is compared first.
    for (audit, columns) in groups(&judged).into_iter().rev() {
        let mut judge = vec![bpf::load(bpf::NUMBER)];
        let ranges = ranges(profile, audit, &columns)?;
        judge.extend(tree(&ranges));
        otherwise = bpf::branch(IF_EQUAL, audit, judge, otherwise);
    }
    program.extend(otherwise);
    match program.len() {
        length if length > bpf::LONGEST => Err(SeccompError::TooLong { length }),
        _ => Ok(program),
    }
}

/// The SECCOMP_RET_* value of an action.
pub(super) fn verdict(
    action: LinuxSeccompAction,
    errno: Option<u32>,
    call: &str,
) -> Result<u32, SeccompError> {
    if let Some(errno) = errno.filter(|errno| *errno > 4095) {
        return Err(SeccompError::Errno {
            call: call.to_owned(),
            errno,
        });
    }
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => {
            libc::SECCOMP_RET_KILL_THREAD
        }
        LinuxSeccompAction::ScmpActKillProcess => libc::SECCOMP_RET_KILL_PROCESS,
        LinuxSeccompAction::ScmpActTrap => libc::SECCOMP_RET_TRAP,
        LinuxSeccompAction::ScmpActErrno => {
            libc::SECCOMP_RET_ERRNO | errno.unwrap_or(libc::EPERM as u32)
        }
        LinuxSeccompAction::ScmpActNotify => libc::SECCOMP_RET_USER_NOTIF,
        LinuxSeccompAction::ScmpActTrace => {
            libc::SECCOMP_RET_TRACE | errno.unwrap_or(libc::EPERM as u32)
        }
        LinuxSeccompAction::ScmpActLog => libc::SECCOMP_RET_LOG,
        LinuxSeccompAction::ScmpActAllow => libc::SECCOMP_RET_ALLOW,
    })
}

/// The architecture of this machine.
pub(super) fn native() -> Arch {
    if cfg!(target_arch = "aarch64") {
        Arch::ScmpArchAarch64
    } else {
        Arch::ScmpArchX86_64
    }
}

/// The tables that apply, the machine's own first.
fn judged(native: Arch, profile: &LinuxSeccomp) -> Vec<Column> {
    let column = |arch: Arch| match arch {
        Arch::ScmpArchNative => column_of(native),
        other => column_of(other),
    };
    let family = |column: Column| matches!(column, Column::X86_64 | Column::X86 | Column::X32);
    let own = column(native).unwrap_or(Column::X86_64);
    let mut judged = vec![own];
    for arch in profile.architectures().iter().flatten() {
        match column(*arch) {
            Some(column) if !judged.contains(&column) && family(column) == family(own) => {
                judged.push(column)
            }
            _ => {}
        }
    }
    judged
}

fn column_of(arch: Arch) -> Option<Column> {
    match arch {
        Arch::ScmpArchX86_64 => Some(Column::X86_64),
        Arch::ScmpArchX86 => Some(Column::X86),
        Arch::ScmpArchX32 => Some(Column::X32),
        Arch::ScmpArchAarch64 => Some(Column::Aarch64),
        Arch::ScmpArchArm => Some(Column::Arm),
        _ => None,
    }
}

/// Tables by what the kernel calls their architecture: x32 shares that of 64-bit x86.
fn groups(judged: &[Column]) -> Vec<(u32, Vec<Column>)> {
    let mut groups: Vec<(u32, Vec<Column>)> = Vec::new();
    for column in judged {
        let audit = match column {
            Column::X86_64 | Column::X32 => AUDIT_X86_64,
            Column::X86 => AUDIT_I386,
            Column::Aarch64 => AUDIT_AARCH64,
            Column::Arm => AUDIT_ARM,
        };
        match groups.iter_mut().find(|group| group.0 == audit) {
            Some(group) => group.1.push(*column),
            None => groups.push((audit, vec![*column])),
        }
    }
    groups
}

/// What becomes of each number: the first number of each range, in order, beginning with 0.
fn ranges(
    profile: &LinuxSeccomp,
    audit: u32,
    columns: &[Column],
) -> Result<Vec<(u32, Outcome)>, SeccompError> {
    let default = verdict(
        profile.default_action(),
        profile.default_errno_ret(),
        "the default",
    )?;
    let newer = unknown(profile, default);
    let mut marks: BTreeMap<u32, Outcome> = BTreeMap::from([(0, Outcome::Always(default))]);
    if audit == AUDIT_X86_64 && !columns.contains(&Column::X32) {
        marks.insert(X32_BIT, Outcome::Always(STRANGE));
    }
    // A tracer that suppresses a call makes its number -1.
    marks.insert(u32::MAX, Outcome::Always(default));
    for column in columns {
        let base = if *column == Column::X32 { X32_BIT } else { 0 };
        if base != 0 {
            marks.insert(base, Outcome::Always(default));
        }
        let calls = calls(profile, *column, default)?;
        if let Some(last) = last_named(profile, *column) {
            marks
                .entry(base + last + 1)
                .or_insert(Outcome::Always(newer));
        }
        for (number, outcome) in calls {
            // What follows this call is judged as what came before it, unless it has a mark of its own.
            let number = base + number;
            let around = marks
                .range(..=number)
                .next_back()
                .map(|(_, outcome)| outcome.clone());
            if let Some(around) = around {
                marks.entry(number + 1).or_insert(around);
            }
            marks.insert(number, outcome);
        }
    }
    let mut ranges: Vec<(u32, Outcome)> = Vec::with_capacity(marks.len());
    for (first, outcome) in marks {
        if ranges.last().is_none_or(|last| last.1 != outcome) {
            ranges.push((first, outcome));
        }
    }
    Ok(ranges)
}

/// What a call gets that is newer than the profile.
fn unknown(profile: &LinuxSeccomp, default: u32) -> u32 {
    match profile.default_action() {
        LinuxSeccompAction::ScmpActAllow | LinuxSeccompAction::ScmpActLog => default,
        _ => libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
    }
}

/// The highest number that the profile speaks of, even where it says no more than the default.
fn last_named(profile: &LinuxSeccomp, column: Column) -> Option<u32> {
    let names = profile
        .syscalls()
        .iter()
        .flatten()
        .flat_map(LinuxSyscall::names);
    // Calls private to an architecture lie far above all others.
    names
        .filter_map(|name| table::number(name, column))
        .filter(|number| *number < 0xf0000)
        .max()
}

/// What the profile's rules say of each number.
fn calls(
    profile: &LinuxSeccomp,
    column: Column,
    default: u32,
) -> Result<BTreeMap<u32, Outcome>, SeccompError> {
    let mut calls: BTreeMap<u32, Outcome> = BTreeMap::new();
    for rule in profile.syscalls().iter().flatten() {
        let first = rule.names().first().map_or("no call", String::as_str);
        let verdict = verdict(rule.action(), rule.errno_ret(), first)?;
        let cases = cases(rule, first)?;
        if verdict == default {
            continue;
        }
        for number in rule
            .names()
            .iter()
            .filter_map(|name| table::number(name, column))
        {
            let outcome = calls
                .entry(number)
                .or_insert(Outcome::Cases(Vec::new(), default));
            for case in &cases {
                outcome.add(case.clone(), verdict);
            }
        }
    }
    Ok(calls)
}

/// The conditions of a rule: all must hold; those on the same argument are alternatives, as in every other runtime.
fn cases(rule: &LinuxSyscall, call: &str) -> Result<Vec<Vec<Condition>>, SeccompError> {
    let args = rule.args().as_deref().unwrap_or_default();
    if let Some(arg) = args.iter().find(|arg| arg.index() > 5) {
        return Err(SeccompError::Argument {
            call: call.to_owned(),
            index: arg.index(),
        });
    }
    let conditions: Vec<Condition> = args.iter().map(Condition::from).collect();
    let repeated = (0..6).any(|index| {
        conditions
            .iter()
            .filter(|one| one.argument == index)
            .count()
            > 1
    });
    Ok(if repeated {
        conditions
            .into_iter()
            .map(|condition| vec![condition])
            .collect()
    } else {
        vec![conditions]
    })
}

/// Binary search over the ranges' first numbers.
fn tree(ranges: &[(u32, Outcome)]) -> Vec<sock_filter> {
    match ranges {
        [] => Vec::new(),
        [(_, outcome)] => outcome.block(),
        _ => {
            let (lower, upper) = ranges.split_at(ranges.len() / 2);
            bpf::branch(IF_AT_LEAST, upper[0].0, tree(upper), tree(lower))
        }
    }
}
