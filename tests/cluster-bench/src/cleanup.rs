//! What a measurement that fails would leave: a release build ends at a panic without a look back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
struct Left {
    processes: Vec<u32>,
    directory: Option<PathBuf>,
    commands: Vec<Command>,
}

static LEFT: Mutex<Left> = Mutex::new(Left {
    processes: Vec::new(),
    directory: None,
    commands: Vec::new(),
});

/// This process was started.
pub(crate) fn expect_process(pid: u32) {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    left.processes.push(pid);
}

/// After a panic this is to be run, before the processes are ended: the last one first, for it may need what the first one ends.
pub(crate) fn expect_command(command: Command) {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    left.commands.push(command);
}

/// From now on a panic ends all processes and removes the directory.
pub(crate) fn at_panic(directory: &Path) {
    LEFT.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .directory = Some(directory.to_owned());
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        for command in left.commands.iter_mut().rev() {
            let _ = command.status();
        }
        for pid in &left.processes {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            // Those that have ended are nobody's or somebody else's by now.
            let directory = left.directory.as_deref().unwrap_or(Path::new("/"));
            if line.contains(&*directory.to_string_lossy()) {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            }
        }
        if let Some(directory) = &left.directory {
            let _ = std::fs::remove_dir_all(directory);
        }
    }));
}
