use std::collections::HashSet;

use oci_spec::runtime::{
    Arch, Capability, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg,
    LinuxSeccompArgBuilder, LinuxSeccompOperator as Operator, LinuxSyscall,
};
use proptest::prelude::*;

use super::compile::{AUDIT_AARCH64, AUDIT_ARM, AUDIT_I386, AUDIT_X86_64, compile_for, verdict};
use super::table::{self, Column};
use super::{bpf, compile, docker_default, flags};

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const fn errno(number: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | number as u32
}

fn profile(value: serde_json::Value) -> LinuxSeccomp {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_small_profile() {
    let profile = profile(serde_json::json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_MIPS"],
        "syscalls": [
            {"names": ["read", "write", "not_a_call"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["close"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
            {"names": ["dup"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
            {"names": ["dup2"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 2, "op": "SCMP_CMP_GE"}]},
            {"names": ["dup3"], "action": "SCMP_ACT_KILL", "args": [{"index": 2, "value": 7, "op": "SCMP_CMP_GT"}]},
            {"names": ["dup3"], "action": "SCMP_ACT_ALLOW"},
        ],
    }));
    let program = compile_for(Arch::ScmpArchX86_64, &profile).unwrap();
    let check = |architecture: u32, number: i64, args: [u64; 3], expected: u32| {
        let args = [args[0], args[1], args[2], 0, 0, 0];
        let seen = bpf::run(&program, architecture, number as u32, args);
        assert_eq!(seen, expected, "{architecture:#x} {number} {args:?}");
    };
    check(AUDIT_X86_64, libc::SYS_read, [0; 3], ALLOW);
    check(AUDIT_X86_64, libc::SYS_close, [0; 3], errno(5));
    check(AUDIT_X86_64, libc::SYS_open, [0; 3], errno(1));
    check(AUDIT_X86_64, libc::SYS_dup, [1, 0, 0], ALLOW);
    check(AUDIT_X86_64, libc::SYS_dup, [2, 0, 0], ALLOW);
    check(AUDIT_X86_64, libc::SYS_dup, [1 << 32 | 1, 0, 0], errno(1));
    check(AUDIT_X86_64, libc::SYS_dup2, [1, 2, 0], ALLOW);
    check(AUDIT_X86_64, libc::SYS_dup2, [1, 1, 0], errno(1));
    check(AUDIT_X86_64, libc::SYS_dup3, [0, 0, 8], ALLOW);
    // Newer than the profile; not of this architecture; suppressed by a tracer.
    check(AUDIT_X86_64, libc::SYS_openat2, [0; 3], errno(libc::ENOSYS));
    check(AUDIT_X86_64, 0x4000_0000, [0; 3], KILL);
    check(AUDIT_X86_64, -1, [0; 3], errno(1));
    check(AUDIT_I386, 3, [0; 3], ALLOW);
    check(AUDIT_I386, 0, [0; 3], errno(1));
    check(AUDIT_ARM, 3, [0; 3], KILL);
}

#[test]
fn mistakes_are_told() {
    let check = |rule: serde_json::Value, expected: &str| {
        let profile =
            profile(serde_json::json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}));
        assert_eq!(compile(&profile).unwrap_err().to_string(), expected);
    };
    check(
        serde_json::json!({"names": ["dup"], "action": "SCMP_ACT_KILL", "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}),
        "seccomp rule for dup: there is no argument 6, system calls have 0 to 5",
    );
    check(
        serde_json::json!({"names": ["dup"], "action": "SCMP_ACT_ERRNO", "errnoRet": 70000}),
        "seccomp action of dup: 70000 is no error number, they are 0 to 4095",
    );
    let args: Vec<_> = (0..900)
        .map(|value| serde_json::json!({"index": 0, "value": value, "op": "SCMP_CMP_EQ"}))
        .collect();
    let long = profile(
        serde_json::json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["dup"], "action": "SCMP_ACT_KILL", "args": args}]}),
    );
    assert!(
        compile_for(Arch::ScmpArchX86_64, &long)
            .unwrap_err()
            .to_string()
            .contains("the kernel takes 4096")
    );
}

#[test]
fn docker_profile() {
    let bare = docker_default(&HashSet::new());
    let admin = docker_default(&HashSet::from([Capability::SysAdmin, Capability::SysTime]));
    let check =
        |profile: &LinuxSeccomp, column: Column, call: &str, args: [u64; 2], expected: u32| {
            let program = compile_for(Arch::ScmpArchX86_64, profile).unwrap();
            let (audit, base) = match column {
                Column::X86 => (AUDIT_I386, 0),
                Column::X32 => (AUDIT_X86_64, 0x4000_0000),
                _ => (AUDIT_X86_64, 0),
            };
            let number = base + table::number(call, column).unwrap();
            let seen = bpf::run(&program, audit, number, [args[0], args[1], 0, 0, 0, 0]);
            assert_eq!(seen, expected, "{call} {args:x?} on {column:?}");
        };
    let x = Column::X86_64;
    check(&bare, x, "read", [0; 2], ALLOW);
    check(&bare, Column::X86, "read", [0; 2], ALLOW);
    check(&bare, Column::X32, "read", [0; 2], ALLOW);
    check(&bare, x, "mount", [0; 2], errno(1));
    check(&admin, x, "mount", [0; 2], ALLOW);
    check(&bare, x, "ptrace", [0; 2], ALLOW);
    check(&bare, x, "clone3", [0; 2], errno(libc::ENOSYS));
    check(&admin, x, "clone3", [0; 2], ALLOW);
    check(&bare, x, "clone", [libc::SIGCHLD as u64, 0], ALLOW);
    check(
        &bare,
        x,
        "clone",
        [libc::CLONE_NEWUSER as u64 | 17, 0],
        errno(1),
    );
    check(
        &admin,
        x,
        "clone",
        [libc::CLONE_NEWUSER as u64 | 17, 0],
        ALLOW,
    );
    check(&bare, x, "personality", [0xffff_ffff, 0], ALLOW);
    check(&bare, x, "personality", [0x40000, 0], errno(1));
    check(&bare, x, "socket", [libc::AF_UNIX as u64, 0], ALLOW);
    check(&bare, x, "socket", [libc::AF_VSOCK as u64, 0], errno(1));
    check(&bare, x, "socket", [libc::AF_ALG as u64, 0], errno(1));
    check(&bare, x, "socket", [libc::AF_XDP as u64, 0], ALLOW);
    check(
        &bare,
        x,
        "socket",
        [1 << 32 | libc::AF_VSOCK as u64, 0],
        errno(1),
    );
    check(&bare, x, "io_uring_setup", [0; 2], errno(1));
    check(&bare, x, "file_setattr", [0; 2], errno(libc::ENOSYS));
    check(&bare, x, "clock_settime", [0; 2], errno(1));
    check(&admin, x, "clock_settime", [0; 2], ALLOW);
    check(&bare, x, "arch_prctl", [0; 2], ALLOW);
}

#[test]
fn flags_are_those_asked_for() {
    let flag = |list: serde_json::Value| {
        flags(&profile(
            serde_json::json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": list}),
        ))
    };
    assert_eq!(
        flag(serde_json::json!([
            "SECCOMP_FILTER_FLAG_LOG",
            "SECCOMP_FILTER_FLAG_TSYNC"
        ])),
        2
    );
    assert_eq!(flag(serde_json::json!([])), 0);
    assert_eq!(flags(&docker_default(&HashSet::new())), 4);
}

/// The profile read as it is written, rule by rule.
fn naive(profile: &LinuxSeccomp, column: Column, number: u32, args: [u64; 6]) -> u32 {
    let default = verdict(profile.default_action(), profile.default_errno_ret(), "").unwrap();
    let rules = profile.syscalls().as_deref().unwrap_or_default();
    let about = |rule: &&LinuxSyscall| {
        rule.names()
            .iter()
            .any(|name| table::number(name, column) == Some(number))
    };
    let of = |rule: &LinuxSyscall| verdict(rule.action(), rule.errno_ret(), "").unwrap();
    let rules_here: Vec<_> = rules
        .iter()
        .filter(about)
        .filter(|rule| of(rule) != default)
        .collect();
    let bare = |rule: &&&LinuxSyscall| rule.args().as_ref().is_none_or(Vec::is_empty);
    if let Some(rule) = rules_here.iter().find(bare) {
        return of(rule);
    }
    for rule in rules_here {
        let list = rule.args().as_deref().unwrap_or_default();
        let mut indexes: Vec<_> = list.iter().map(LinuxSeccompArg::index).collect();
        indexes.sort_unstable();
        let matched = if indexes.windows(2).any(|pair| pair[0] == pair[1]) {
            list.iter().any(|arg| holds(arg, args))
        } else {
            list.iter().all(|arg| holds(arg, args))
        };
        if matched {
            return of(rule);
        }
    }
    let named = rules
        .iter()
        .flat_map(|rule| rule.names())
        .filter_map(|name| table::number(name, column));
    match named.max() {
        Some(last) if number > last && profile.default_action() != Action::ScmpActAllow => {
            errno(libc::ENOSYS)
        }
        _ => default,
    }
}

fn holds(arg: &LinuxSeccompArg, args: [u64; 6]) -> bool {
    let (seen, value) = (args[arg.index()], arg.value());
    match arg.op() {
        Operator::ScmpCmpNe => seen != value,
        Operator::ScmpCmpLt => seen < value,
        Operator::ScmpCmpLe => seen <= value,
        Operator::ScmpCmpEq => seen == value,
        Operator::ScmpCmpGe => seen >= value,
        Operator::ScmpCmpGt => seen > value,
        Operator::ScmpCmpMaskedEq => seen & value == arg.value_two().unwrap_or(0),
    }
}

/// Few values, near one another, with both halves in play.
fn value() -> impl Strategy<Value = u64> {
    (0u64..3, 0u64..4).prop_map(|(high, low)| high << 32 | low)
}

fn rule() -> impl Strategy<Value = LinuxSyscall> {
    let operator = prop::sample::select(vec![
        Operator::ScmpCmpNe,
        Operator::ScmpCmpLt,
        Operator::ScmpCmpLe,
        Operator::ScmpCmpEq,
        Operator::ScmpCmpGe,
        Operator::ScmpCmpGt,
        Operator::ScmpCmpMaskedEq,
    ]);
    let arg = (0usize..3, value(), prop::option::of(value()), operator).prop_map(
        |(index, value, second, op)| {
            let arg = LinuxSeccompArgBuilder::default()
                .index(index)
                .value(value)
                .op(op);
            match second {
                Some(second) => arg.value_two(second),
                None => arg,
            }
            .build()
            .unwrap()
        },
    );
    let names = prop::collection::vec(prop::sample::select(NAMES.to_vec()), 1..6);
    let action = prop::sample::select(vec![
        Action::ScmpActAllow,
        Action::ScmpActErrno,
        Action::ScmpActTrap,
        Action::ScmpActKillProcess,
    ]);
    (
        names,
        action,
        prop::option::of(0u32..20),
        prop::collection::vec(arg, 0..4),
    )
        .prop_map(|(names, action, errno, args)| {
            let mut rule = LinuxSyscall::default();
            rule.set_names(names.into_iter().map(str::to_owned).collect());
            rule.set_action(action)
                .set_errno_ret(errno)
                .set_args(Some(args));
            rule
        })
}

const NAMES: &[&str] = &[
    "read",
    "write",
    "open",
    "close",
    "stat",
    "fstat",
    "openat2",
    "dup3",
    "socketcall",
    "nonsense",
    "getpid",
    "clone3",
];

proptest! {
    #[test]
    fn programs_say_what_profiles_say(
        rules in prop::collection::vec(rule(), 0..8),
        default in prop::sample::select(vec![Action::ScmpActAllow, Action::ScmpActErrno, Action::ScmpActKill]),
        probes in prop::collection::vec((0u32..480, value(), value(), value()), 30),
    ) {
        let mut profile = LinuxSeccomp::default();
        profile.set_default_action(default);
        profile.set_architectures(Some(vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32]));
        profile.set_syscalls(Some(rules));
        let program = compile_for(Arch::ScmpArchX86_64, &profile).unwrap();
        for (column, audit, base) in [(Column::X86_64, AUDIT_X86_64, 0), (Column::X86, AUDIT_I386, 0), (Column::X32, AUDIT_X86_64, 0x4000_0000)] {
            let named = NAMES.iter().filter_map(|name| table::number(name, column)).map(|number| (number, 1, 2, 1 << 32));
            for (number, a, b, c) in named.chain(probes.iter().copied()) {
                let args = [a, b, c, 0, 0, 0];
                prop_assert_eq!(bpf::run(&program, audit, base + number, args), naive(&profile, column, number, args));
            }
        }
        prop_assert!(compile_for(Arch::ScmpArchAarch64, &profile).is_ok());
    }

    #[test]
    fn the_docker_profile_is_what_it_says(number in 0u32..600, a in value(), b in value()) {
        for capabilities in [HashSet::new(), HashSet::from([Capability::SysAdmin, Capability::SysPtrace])] {
            let profile = docker_default(&capabilities);
            let program = compile_for(Arch::ScmpArchX86_64, &profile).unwrap();
            let args = [a, b, 0, 0, 0, 0];
            prop_assert_eq!(bpf::run(&program, AUDIT_X86_64, number, args), naive(&profile, Column::X86_64, number, args));
            let arm = compile_for(Arch::ScmpArchAarch64, &profile).unwrap();
            prop_assert_eq!(bpf::run(&arm, AUDIT_AARCH64, number, args), naive(&profile, Column::Aarch64, number, args));
        }
    }
}

/// A process of its own is judged by the kernel as by the interpreter.
#[test]
fn the_kernel_takes_it() {
    let program = compile(&docker_default(&HashSet::new())).unwrap();
    assert!(program.len() < 1500, "{} instructions", program.len());
    let results = judged(
        &program,
        &[
            (libc::SYS_getpid, [0; 2]),
            (libc::SYS_socket, [libc::AF_VSOCK as u64, 1]),
            (libc::SYS_clone3, [0, 0]),
            (libc::SYS_unshare, [libc::CLONE_NEWUSER as u64, 0]),
            (libc::SYS_personality, [0xffff_ffff, 0]),
            (libc::SYS_close, [u64::MAX, 0]),
            (900, [0; 2]),
        ],
    );
    assert_eq!(
        results,
        [
            0,
            libc::EPERM,
            libc::ENOSYS,
            libc::EPERM,
            0,
            libc::EBADF,
            libc::ENOSYS
        ]
    );
}

/// The error of each call in a child that runs under the program; 0 for success.
fn judged(program: &[libc::sock_filter], calls: &[(i64, [u64; 2])]) -> Vec<i32> {
    let mut pipe = [0; 2];
    // SAFETY: pipe fills the array of two.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the child makes raw system calls only, on memory made before the fork, and ends with _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: as above; the filter outlives the call, and the answers are written from a local.
        unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            if libc::syscall(
                libc::SYS_seccomp,
                1,
                flags(&LinuxSeccomp::default()),
                &filter,
            ) != 0
            {
                libc::_exit(1);
            }
            for (number, args) in calls {
                let failed = libc::syscall(*number, args[0], args[1], 0, 0, 0, 0) < 0;
                let answer = if failed { *libc::__errno_location() } else { 0 };
                libc::write(pipe[1], (&raw const answer).cast(), 4);
            }
            libc::_exit(0);
        }
    }
    let mut answers = vec![0i32; calls.len()];
    let mut status = 0;
    // SAFETY: the child is ours, and the buffer holds what is read into it.
    unsafe {
        libc::close(pipe[1]);
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        let read = libc::read(pipe[0], answers.as_mut_ptr().cast(), 4 * calls.len());
        libc::close(pipe[0]);
        assert_eq!((status, read), (0, 4 * calls.len() as isize));
    }
    answers
}
