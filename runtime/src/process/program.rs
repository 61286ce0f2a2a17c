//! The last steps of any process of a container: from root with all rights to the person's program with few.

use std::ffi::{CString, OsString};
use std::io::BufRead;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, fstat, makedev, umask};
use nix::unistd::{Uid, fchdir, fchown};

use super::sync::{Channel, Report};
use crate::error::{Error, ErrorKind, Result};
use crate::safefs::Proc;
use crate::spec::process::ProcessPlan;
use crate::sys::{descriptors, process};

/// Settings that go through the host's `/proc`, before it is out of reach.
pub(crate) fn write_settings(plan: &ProcessPlan, proc: &Proc) -> Result<()> {
    if let Some(value) = plan.oom_score_adj {
        proc.write("self/oom_score_adj", value.to_string().as_bytes())
            .map_err(|errno| {
                let kind = if errno == Errno::EACCES {
                    ErrorKind::Limit
                } else {
                    ErrorKind::Io
                };
                Error::sys("set oom_score_adj to", value)(errno).with_kind(kind)
            })?;
    }
    if let Some(profile) = &plan.apparmor_profile {
        let value = format!("exec {profile}");
        let write = |path| proc.write(path, value.as_bytes());
        write("self/attr/apparmor/exec")
            .or_else(|_| write("self/attr/exec"))
            .map_err(Error::sys("set AppArmor profile", profile))?;
    }
    if let Some(label) = &plan.selinux_label {
        proc.write("self/attr/exec", label.as_bytes())
            .map_err(Error::sys("set SELinux label", label))?;
    }
    Ok(())
}

/// Scheduling and I/O priority, which take privileges.
pub(crate) fn set_priorities(plan: &ProcessPlan) -> Result<()> {
    if let Some((class, priority)) = plan.io_priority {
        process::set_io_priority(class, priority)
            .map_err(Error::sys("set", "process.ioPriority"))?;
    }
    if let Some(scheduling) = plan.scheduling {
        process::set_scheduling(scheduling).map_err(Error::sys("set", "process.scheduler"))?;
    }
    Ok(())
}

/// Makes `streams` standard input, output and error.
pub(crate) fn place_streams(streams: &[OwnedFd; 3]) -> Result<()> {
    for (stream, number) in streams.iter().zip(0..) {
        descriptors::place(stream.as_fd(), number)
            .map_err(Error::sys("place standard stream", number))?;
    }
    Ok(())
}

/// Enters the working directory. It must be inside the root: a link to a descriptor of the host would lead out of it
/// (CVE-2024-21626).
///
/// # Errors
/// [`ErrorKind::Permission`] to this user; otherwise [`ErrorKind::CommandNotExecutable`]: nothing can be executed there.
pub(crate) fn enter_directory(path: &Path) -> Result<(), Error> {
    let failed = || {
        let told = Error::sys("enter working directory", path.display());
        move |errno: Errno| match errno {
            Errno::EACCES => told(errno),
            _ => told(errno).with_kind(ErrorKind::CommandNotExecutable),
        }
    };
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let directory = openat2(nix::fcntl::AT_FDCWD, path, how).map_err(failed())?;
    fchdir(&directory).map_err(failed())?;
    let now = process::working_directory().map_err(failed())?;
    if now.first() != Some(&b'/') {
        return Err(Error::invalid(format!(
            "working directory {} is outside the root file system",
            path.display()
        )));
    }
    Ok(())
}

/// The file of the program, looked up inside the container.
///
/// # Errors
/// [`ErrorKind::CommandNotFound`] and [`ErrorKind::CommandNotExecutable`].
pub(crate) fn find(plan: &ProcessPlan) -> Result<PathBuf> {
    let name = plan.name();
    let mut refusal = None;
    for candidate in plan.candidates() {
        match std::fs::metadata(&candidate) {
            Ok(metadata) if metadata.is_dir() => {
                refusal = Some("permission denied: it is a directory")
            }
            Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
                refusal = Some("permission denied: no one may execute it")
            }
            Ok(_) => return Ok(candidate),
            // What root may not even look at, the person's user may.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Ok(candidate);
            }
            Err(_) => {}
        }
    }
    match refusal {
        Some(why) => Err(Error::new(
            ErrorKind::CommandNotExecutable,
            format!("cannot execute {name:?}: {why}"),
        )),
        None if name.contains('/') => Err(Error::new(
            ErrorKind::CommandNotFound,
            format!("cannot execute {name:?}: no such file or directory in the container"),
        )),
        None => Err(Error::new(
            ErrorKind::CommandNotFound,
            format!("cannot execute {name:?}: executable file not found in $PATH"),
        )),
    }
}

/// What is executed, with nothing left to be allocated.
#[derive(Debug)]
pub(crate) struct Prepared {
    path: CString,
    args: Vec<*const libc::c_char>,
    env: Vec<*const libc::c_char>,
    /// What the pointers point into.
    _strings: (Vec<CString>, Vec<CString>),
}

impl Prepared {
    /// With HOME from the container's `/etc/passwd` if the environment has none.
    pub(crate) fn new(plan: &ProcessPlan, path: &Path) -> Result<Prepared> {
        let invalid = |_| Error::invalid("the path of the program has a zero byte in it");
        let path = CString::new(path.as_os_str().as_bytes()).map_err(invalid)?;
        let (args, mut env) = (plan.args.clone(), plan.env.clone());
        if plan.variable("HOME").is_none() {
            let mut home = b"HOME=".to_vec();
            home.extend(
                home_of(plan.uid)
                    .unwrap_or_else(|| OsString::from("/"))
                    .into_vec(),
            );
            env.extend(CString::new(home));
        }
        let pointers = |strings: &[CString]| {
            strings
                .iter()
                .map(|string| string.as_ptr())
                .chain([std::ptr::null()])
                .collect::<Vec<_>>()
        };
        Ok(Prepared {
            path,
            args: pointers(&args),
            env: pointers(&env),
            _strings: (args, env),
        })
    }

    fn execute(&self) -> Errno {
        // SAFETY: path, arguments and environment are terminated strings, the lists end in null, and `self` owns them all.
        unsafe { libc::execve(self.path.as_ptr(), self.args.as_ptr(), self.env.as_ptr()) };
        Errno::last()
    }
}

fn home_of(uid: u32) -> Option<OsString> {
    let file = std::fs::File::open("/etc/passwd").ok()?;
    // name:password:uid:gid:comment:home:shell
    std::io::BufReader::new(file)
        .split(b'\n')
        .map_while(Result::ok)
        .take(100_000)
        .find_map(|line| {
            let mut fields = line.split(|byte| *byte == b':').skip(2);
            let id: u32 = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
            let home = fields.nth(2).filter(|home| home.starts_with(b"/"))?;
            (id == uid).then(|| OsString::from_vec(home.to_vec()))
        })
}

/// How the last steps go, beside what the plan says.
#[derive(Debug)]
pub(crate) struct Last<'a> {
    /// Where success or failure is told.
    pub(crate) channel: &'a Channel,
    pub(crate) die_with_parent: bool,
    /// Descriptors from 3 on that stay open.
    pub(crate) preserve_fds: u32,
    /// Setting groups is denied in this user namespace.
    pub(crate) may_set_groups: bool,
    /// The working directory could not be entered as root; its owner may be allowed to.
    pub(crate) directory_pending: bool,
}

/// Gives up all rights that the plan doesn't grant, and executes the program. Returns only if that fails.
pub(crate) fn become_program(plan: &ProcessPlan, program: &Prepared, last: &Last<'_>) -> Error {
    match give_up_rights(plan, last) {
        Ok(()) => refused(plan, program.execute()),
        Err(error) => error,
    }
}

fn give_up_rights(plan: &ProcessPlan, last: &Last<'_>) -> Result<()> {
    own_streams(plan.uid);
    umask(Mode::from_bits_truncate(plan.umask));
    let first = 3 + last.preserve_fds;
    descriptors::close_on_exec_from(first)
        .map_err(Error::sys("mark", "descriptors to be closed"))?;
    for limit in &plan.rlimits {
        process::set_limit(limit.resource, limit.soft, limit.hard).map_err(|errno| {
            let what = format!(
                "resource limit {} to {} (hard {})",
                limit.resource, limit.soft, limit.hard
            );
            let kind = if errno == Errno::EPERM {
                ErrorKind::Limit
            } else {
                ErrorKind::Io
            };
            Error::sys("set", what)(errno).with_kind(kind)
        })?;
    }
    plan.capabilities.apply_bounding()?;
    process::keep_capabilities(true).map_err(Error::sys("keep", "capabilities"))?;
    process::set_user(plan.uid, plan.gid, &plan.groups, last.may_set_groups).map_err(
        Error::sys("become user", format!("{}:{}", plan.uid, plan.gid)),
    )?;
    process::keep_capabilities(false).map_err(Error::sys("keep", "capabilities"))?;
    if last.directory_pending {
        enter_directory(&plan.cwd)
            .map_err(|error| error.with_kind(ErrorKind::CommandNotExecutable))?;
    }
    if last.die_with_parent {
        process::die_with_parent(true)
            .map_err(Error::sys("ask for", "a signal at the parent's end"))?;
        if last.channel.is_orphaned() {
            return Err(Error::new(ErrorKind::Io, "the parent has ended"));
        }
    }
    if plan.no_new_privileges {
        plan.capabilities.apply()?;
        process::no_new_privileges().map_err(Error::sys("set", "no_new_privs"))?;
        last.channel.report(&Report::Executing)?;
        set_filter(plan)
    } else {
        // A filter takes either no_new_privs or CAP_SYS_ADMIN, which the program is not to have.
        let [_, permitted, inheritable] =
            process::capabilities().map_err(Error::sys("read", "the capabilities"))?;
        process::set_capabilities(permitted, permitted, inheritable)
            .map_err(Error::sys("set", "the capabilities"))?;
        last.channel.report(&Report::Executing)?;
        set_filter(plan)?;
        plan.capabilities.apply()
    }
}

fn set_filter(plan: &ProcessPlan) -> Result<()> {
    match &plan.seccomp {
        Some(filter) => process::set_seccomp(&filter.program, filter.flags)
            .map_err(Error::sys("install", "the seccomp filter")),
        None => Ok(()),
    }
}

/// Standard streams that are pipes or terminals belong to the person's user: `/dev/stdout` can be opened by name.
fn own_streams(uid: u32) {
    let (input, output, errors) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    for stream in [input.as_fd(), output.as_fd(), errors.as_fd()] {
        let Ok(status) = fstat(stream) else { continue };
        let is_null = status.st_rdev == makedev(1, 3);
        let kind = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
        if status.st_uid != uid
            && !is_null
            && [SFlag::S_IFIFO, SFlag::S_IFCHR, SFlag::S_IFSOCK].contains(&kind)
        {
            // Where it isn't allowed (a read-only file system, another's user namespace) the stream itself still works.
            let _ = fchown(stream, Some(Uid::from_raw(uid)), None);
        }
    }
}

/// Why the kernel did not execute the program.
fn refused(plan: &ProcessPlan, errno: Errno) -> Error {
    let name = plan.name();
    let (kind, why) = match errno {
        Errno::ENOENT => (
            ErrorKind::CommandNotFound,
            "no such file or directory: it, or the interpreter it names, is not in the container",
        ),
        Errno::ENOTDIR => (
            ErrorKind::CommandNotFound,
            "a part of its path is not a directory",
        ),
        Errno::ENOEXEC => (
            ErrorKind::CommandNotExecutable,
            "it is not a program for this machine, and no script that names its interpreter",
        ),
        Errno::EACCES => (
            ErrorKind::CommandNotExecutable,
            "permission denied: it, or a directory on its path, is not for this user, or it is on a noexec mount",
        ),
        Errno::E2BIG => (
            ErrorKind::CommandNotExecutable,
            "arguments and environment are too long",
        ),
        Errno::ENOMEM => (
            ErrorKind::Limit,
            "there is not enough memory within the limits",
        ),
        other => (ErrorKind::CommandNotExecutable, other.desc()),
    };
    Error::new(kind, format!("cannot execute {name:?}: {why}"))
}
