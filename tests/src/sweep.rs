//! What tests that were killed have left: found by the process id in its name, and taken away by the next test.

use std::fs;
use std::path::Path;

use crate::leaks::{below, hierarchies};

/// The start of every directory and cgroup of a test; the process id of the test follows.
pub const PREFIX: &str = "mini-test-";

/// Removes what belongs to tests whose process is gone.
pub fn sweep() {
    let temporary = std::env::temp_dir();
    for name in names(&temporary) {
        end_processes_of(&temporary.join(&name).display().to_string());
        let _ = fs::remove_dir_all(temporary.join(&name));
    }
    for root in hierarchies() {
        for name in names(&root) {
            let mut groups = vec![root.join(&name)];
            below(&root.join(&name), &mut groups);
            for group in &groups {
                let _ = fs::write(group.join("freezer.state"), "THAWED");
                end_members_of(group);
            }
            groups.rotate_left(1);
            for group in &groups {
                let _ = fs::remove_dir(group);
            }
        }
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| {
            let pid = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split('-').next());
            pid.is_some_and(|pid| {
                pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()
            })
        })
        .collect()
}

/// Kills processes that were started with `path` in their command line.
fn end_processes_of(path: &str) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(path) {
            kill(&entry.file_name().to_string_lossy());
        }
    }
}

fn end_members_of(group: &Path) {
    let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    members.lines().for_each(kill);
}

fn kill(pid: &str) {
    if let Ok(pid) = pid.parse::<i32>() {
        // SAFETY: kill has no memory effects; the process was just seen to belong to a test that is gone.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}
