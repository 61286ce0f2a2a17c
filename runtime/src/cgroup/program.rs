//! Device rules on cgroup v2: an eBPF program of a few instructions a rule, made and loaded without a library.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::devices::{Kind, Rule};
use super::error::{CgroupError, Result};
use super::files;

/// One instruction (`struct bpf_insn`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
struct Instruction {
    code: u8,
    /// Destination in the lower half, source in the upper.
    registers: u8,
    offset: i16,
    value: i32,
}

const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xbf;
const SET: u8 = 0xb7;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const SKIP_IF_NOT: u8 = 0x55;
/// As SKIP_IF_NOT, over the lower 32 bits: device numbers above 2^31 would else be compared as negative ones.
const SKIP_IF_NOT_32: u8 = 0x56;
const JUMP: u8 = 0x05;
const EXIT: u8 = 0x95;

/// The verdict; the context at entry; and what the program keeps.
const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

fn step(code: u8, destination: u8, source: u8, offset: i16, value: i32) -> Instruction {
    Instruction {
        code,
        registers: destination | source << 4,
        offset,
        value,
    }
}

/// Rules from the last to the first: the access still asked for shrinks with each rule that allows some of it, and ends at one
/// that refuses any.
fn build(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        // struct bpf_cgroup_dev_ctx: access in the upper half of the first word and kind in the lower; then the numbers.
        step(LOAD_WORD, KIND, CONTEXT, 0, 0),
        step(MOVE, ACCESS, KIND, 0, 0),
        step(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        step(AND, KIND, 0, 0, 0xffff),
        step(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        step(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        program.extend(block(rule));
    }
    program.extend([step(SET, VERDICT, 0, 0, 0), step(EXIT, 0, 0, 0, 0)]);
    program
}

fn block(rule: &Rule) -> Vec<Instruction> {
    let access = i32::from(rule.access);
    let verdict = |allowed: i32| [step(SET, VERDICT, 0, 0, allowed), step(EXIT, 0, 0, 0, 0)];
    let mut tail = Vec::new();
    if rule.allow {
        tail.push(step(AND, ACCESS, 0, 0, !access));
        tail.push(step(SKIP_IF_NOT, ACCESS, 0, 2, 0));
        tail.extend(verdict(1));
    } else {
        tail.push(step(MOVE, SCRATCH, ACCESS, 0, 0));
        tail.push(step(AND, SCRATCH, 0, 0, access));
        // No bit in common: go on with the next rule.
        tail.push(step(SET, VERDICT, 0, 0, 0));
        tail.push(step(SKIP_IF_NOT, SCRATCH, 0, 1, 0));
        tail.push(step(JUMP, 0, 0, 1, 0));
        tail.push(step(EXIT, 0, 0, 0, 0));
    }
    let mut block = tail;
    let mut guard = |register: u8, value: Option<u32>| {
        if let Some(value) = value {
            let skip = block.len() as i16;
            block.insert(0, step(SKIP_IF_NOT_32, register, 0, skip, value as i32));
        }
    };
    guard(MINOR, rule.minor);
    guard(MAJOR, rule.major);
    guard(
        KIND,
        match rule.kind {
            Kind::Any => None,
            Kind::Block => Some(1),
            Kind::Character => Some(2),
        },
    );
    block
}

/// Loads the program and attaches it to a v2 directory, where it stays as long as the directory.
pub(super) fn attach(rules: &[Rule], directory: &Path) -> Result<()> {
    let failed = |operation| {
        move |source| CgroupError::DeviceProgram {
            operation,
            cgroup: directory.to_owned(),
            source,
        }
    };
    let program = load(&build(rules)).map_err(failed("load"))?;
    let cgroup = files::open_directory(directory)?;
    let attributes = AttachAttributes {
        target: cgroup.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        kind: CGROUP_DEVICE_HOOK,
        flags: ALLOW_MULTI,
    };
    // SAFETY: BPF_PROG_ATTACH reads `attributes`, which lives through the call; both descriptors are open.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            PROG_ATTACH,
            &raw const attributes,
            size_of::<AttachAttributes>(),
        )
    };
    if result < 0 {
        Err(failed("attach")(io::Error::last_os_error()))
    } else {
        Ok(())
    }
}

const PROG_LOAD: i32 = 5;
const PROG_ATTACH: i32 = 8;
const CGROUP_DEVICE_PROGRAM: u32 = 15;
const CGROUP_DEVICE_HOOK: u32 = 6;
const ALLOW_MULTI: u32 = 2;

/// The head of `union bpf_attr` for BPF_PROG_LOAD; the kernel takes what follows as zero.
#[repr(C)]
struct LoadAttributes {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_hook: u32,
}

/// The same for BPF_PROG_ATTACH.
#[repr(C)]
struct AttachAttributes {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    let attributes = LoadAttributes {
        kind: CGROUP_DEVICE_PROGRAM,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *b"mini_devices\0\0\0\0",
        interface: 0,
        expected_hook: CGROUP_DEVICE_HOOK,
    };
    // SAFETY: BPF_PROG_LOAD reads `attributes` and the program and licence it points to; all live through the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            PROG_LOAD,
            &raw const attributes,
            size_of::<LoadAttributes>(),
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[cfg(test)]
mod tests {
    use super::super::devices::{self, ALL, MAKE, READ, WRITE};
    use super::*;
    use proptest::prelude::*;

    /// What the kernel does with the program.
    fn run(program: &[Instruction], kind: u32, access: u8, major: u32, minor: u32) -> bool {
        let context = [u32::from(access) << 16 | kind, major, minor];
        let (mut registers, mut at) = ([0u64; 10], 0usize);
        loop {
            let Instruction {
                code,
                registers: pair,
                offset,
                value,
            } = program[at];
            let (destination, source) = (usize::from(pair & 15), usize::from(pair >> 4));
            at += 1;
            match code {
                LOAD_WORD => registers[destination] = u64::from(context[(offset / 4) as usize]),
                MOVE => registers[destination] = registers[source],
                SET => registers[destination] = value as i64 as u64,
                AND => registers[destination] &= value as i64 as u64,
                SHIFT_RIGHT => registers[destination] >>= value,
                SKIP_IF_NOT if registers[destination] != value as i64 as u64 => {
                    at += offset as usize
                }
                SKIP_IF_NOT_32 if registers[destination] as u32 != value as u32 => {
                    at += offset as usize
                }
                SKIP_IF_NOT | SKIP_IF_NOT_32 => {}
                JUMP => at += offset as usize,
                EXIT => return registers[0] != 0,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    /// Each access on its own: the last rule that matches decides.
    fn naive(rules: &[Rule], kind: u32, access: u8, major: u32, minor: u32) -> bool {
        [MAKE, READ, WRITE]
            .into_iter()
            .filter(|bit| access & bit != 0)
            .all(|bit| {
                let matching = |rule: &&Rule| {
                    let kinds = match rule.kind {
                        Kind::Any => true,
                        Kind::Block => kind == 1,
                        Kind::Character => kind == 2,
                    };
                    kinds
                        && rule.major.is_none_or(|number| number == major)
                        && rule.minor.is_none_or(|number| number == minor)
                        && rule.access & bit != 0
                };
                rules
                    .iter()
                    .rev()
                    .find(matching)
                    .is_some_and(|rule| rule.allow)
            })
    }

    fn rule() -> impl Strategy<Value = Rule> {
        let number = prop::option::of(prop::sample::select(vec![0u32, 1, 2, 3, u32::MAX]));
        let kind = prop::sample::select(vec![Kind::Any, Kind::Block, Kind::Character]);
        (any::<bool>(), kind, number.clone(), number, 1u8..=7).prop_map(
            |(allow, kind, major, minor, access)| Rule {
                allow,
                kind,
                major,
                minor,
                access,
            },
        )
    }

    proptest! {
        #[test]
        fn programs_decide_as_the_rules_do(
            rules in prop::collection::vec(rule(), 0..10),
            probes in prop::collection::vec((1u32..=2, 1u8..=7, prop::sample::select(vec![0u32, 1, 2, 3, u32::MAX]), 0u32..4), 40),
        ) {
            let program = build(&rules);
            for (kind, access, major, minor) in probes {
                prop_assert_eq!(run(&program, kind, access, major, minor), naive(&rules, kind, access, major, minor));
            }
        }
    }

    #[test]
    fn defaults_allow_null_and_refuse_disks() {
        let program = build(&devices::rules(&[]).unwrap());
        let check = |kind, access, major, minor, expected| {
            assert_eq!(
                run(&program, kind, access, major, minor),
                expected,
                "{kind} {access} {major}:{minor}"
            );
        };
        check(2, ALL, 1, 3, true);
        check(2, READ, 136, 9, true);
        check(1, MAKE, 8, 0, true);
        check(1, READ, 8, 0, false);
        check(1, READ | MAKE, 8, 0, false);
        check(2, READ, 10, 200, false);
    }

    #[test]
    fn the_kernel_takes_it() {
        match load(&build(&devices::rules(&[]).unwrap())) {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                eprintln!("skipped: loading needs root")
            }
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && !has_cgroup_programs() => {
                eprintln!("skipped: this kernel has no cgroup programs")
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether even the smallest program (allow everything) is unknown to this kernel.
    fn has_cgroup_programs() -> bool {
        load(&[step(SET, VERDICT, 0, 0, 1), step(EXIT, 0, 0, 0, 0)]).is_ok()
    }
}
