//! Programs that the specification wants run at points of a container's life.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use oci_spec::runtime::{Hook, Hooks};

use crate::error::{Error, ErrorKind, Result};

/// Refuses hooks that can't be run.
pub(crate) fn check(hooks: &Hooks) -> Result<()> {
    for hook in all(hooks) {
        if !hook.path().is_absolute() {
            return Err(Error::invalid(format!(
                "hook {}: its path must be absolute",
                hook.path().display()
            )));
        }
        if hook.timeout().is_some_and(|seconds| seconds <= 0) {
            return Err(Error::invalid(format!(
                "hook {}: its timeout must be more than 0",
                hook.path().display()
            )));
        }
    }
    Ok(())
}

fn all(hooks: &Hooks) -> impl Iterator<Item = &Hook> {
    [
        prestart(hooks),
        hooks.create_runtime(),
        hooks.create_container(),
        hooks.start_container(),
        hooks.poststart(),
        hooks.poststop(),
    ]
    .into_iter()
    .flatten()
    .flatten()
}

/// The hooks of the oldest name, which are still in use.
#[allow(deprecated)] // The field is deprecated in the specification, not gone.
pub(crate) fn prestart(hooks: &Hooks) -> &Option<Vec<Hook>> {
    hooks.prestart()
}

/// Whether there are any for after the start or the end.
pub(crate) fn any_later(hooks: &Hooks) -> bool {
    [hooks.poststart(), hooks.poststop()]
        .into_iter()
        .flatten()
        .any(|list| !list.is_empty())
}

/// Runs hooks one after the other, each with the container's state on its standard input. The first that fails ends it.
pub(crate) fn run(point: &str, hooks: Option<&Vec<Hook>>, state: &[u8]) -> Result<()> {
    for hook in hooks.into_iter().flatten() {
        let failed = |error: Error| error.within(format!("{point} hook {}", hook.path().display()));
        run_one(hook, state).map_err(failed)?;
    }
    Ok(())
}

fn run_one(hook: &Hook, state: &[u8]) -> Result<()> {
    let mut command = Command::new(hook.path());
    if let Some((name, rest)) = hook.args().as_deref().and_then(|args| args.split_first()) {
        command.arg0(name).args(rest);
    }
    command.env_clear();
    for variable in hook.env().iter().flatten() {
        if let Some((name, value)) = variable.split_once('=') {
            command.env(name, value);
        }
    }
    // What a hook prints is not what the container prints: it goes where errors go.
    let output = std::io::stderr();
    let output = std::os::fd::AsFd::as_fd(&output)
        .try_clone_to_owned()
        .map_or_else(|_| Stdio::null(), Stdio::from);
    command
        .stdin(Stdio::piped())
        .stdout(output)
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(Error::sys("execute", hook.path().display()))?;
    if let Some(mut input) = child.stdin.take() {
        // A hook that doesn't read may have closed it.
        let _ = input.write_all(state);
    }
    let status = match hook.timeout() {
        None => child
            .wait()
            .map_err(Error::sys("wait for", hook.path().display()))?,
        Some(seconds) => {
            let end = Instant::now() + Duration::from_secs(seconds.unsigned_abs());
            loop {
                match child
                    .try_wait()
                    .map_err(Error::sys("wait for", hook.path().display()))?
                {
                    Some(status) => break status,
                    None if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
                    None => {
                        // With whatever it has started.
                        let group = nix::unistd::Pid::from_raw(child.id() as i32);
                        match nix::sys::signal::killpg(group, nix::sys::signal::SIGKILL) {
                            Ok(()) | Err(Errno::ESRCH) => {}
                            Err(errno) => {
                                return Err(Error::sys("kill", hook.path().display())(errno));
                            }
                        }
                        let _ = child.wait();
                        return Err(Error::new(
                            ErrorKind::Io,
                            format!("it took longer than {seconds} s"),
                        ));
                    }
                }
            }
        }
    };
    if status.success() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Io,
        format!("it failed with {status}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_get_the_state_and_have_to_succeed() {
        let check = |json: serde_json::Value, refused: Option<&str>| {
            let hook: Hook = serde_json::from_value(json.clone()).unwrap();
            let done = run("test", Some(&vec![hook]), b"{\"id\": \"c1\"}");
            match (done, refused) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => {
                    assert!(error.chain().contains(part), "{json}: {}", error.chain())
                }
                (done, _) => panic!("{json}: {done:?}"),
            }
        };
        let shell = |script: &str| serde_json::json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["A=1"], "timeout": 20});
        check(shell("grep -q c1"), None);
        check(shell("test \"$A\" = 1 && test -z \"$HOME\""), None);
        check(shell("exit 3"), Some("3"));
        check(serde_json::json!({"path": "/no/such"}), Some("/no/such"));
        check(serde_json::json!({"path": "/bin/true"}), None);
        check(
            serde_json::json!({"path": "/bin/sh", "args": ["sh", "-c", "sleep 60"], "timeout": 1}),
            Some("longer than 1 s"),
        );
    }
}
