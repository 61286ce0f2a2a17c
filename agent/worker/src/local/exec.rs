//! A further process in a container, its streams in messages.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use api::v1::{ExecInput, ExecOutput, TerminalSize};
use bytes::Bytes;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::watch::registered;
use crate::failure::Failure;

/// Bytes of one message.
const PIECE: usize = 16 << 10;
/// How long the streams of a process that has ended are read on.
const LEFT_BEHIND: Duration = Duration::from_secs(5);

/// Runs the command with pipes, or with a terminal of this size, until it ends.
pub(super) async fn run(
    mut command: Command,
    terminal: Option<TerminalSize>,
    takes_input: bool,
    mut input: mpsc::Receiver<ExecInput>,
    output: mpsc::Sender<ExecOutput>,
) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    let failed = || Failure::io("start", "a process in the container");
    // What the daemon is sent by a terminal of its own is not for it.
    command.process_group(0);
    let master = match terminal {
        Some(size) => {
            let (master, other) = open_terminal(size).map_err(failed())?;
            for give in [Command::stdin, Command::stdout, Command::stderr] {
                give(&mut command, other.try_clone().map_err(failed())?);
            }
            Some(registered(master).map_err(failed())?)
        }
        None => {
            if takes_input {
                command.stdin(Stdio::piped());
            }
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            None
        }
    };
    let mut command = tokio::process::Command::from(command);
    let mut child = Running(command.spawn().map_err(failed())?);
    // With the command goes our copy of the terminal's other side: reading ends when the process has closed its own.
    drop(command);
    let pid = child.pid();
    let stdin = child.0.stdin.take();
    let (stdout, stderr) = (child.0.stdout.take(), child.0.stderr.take());
    let showing = async {
        match &master {
            Some(master) => show_terminal(master, &output).await,
            None => {
                tokio::join!(show(stdout, false, &output), show(stderr, true, &output));
            }
        }
    };
    let typing = async {
        type_in(&mut input, stdin, master.as_ref(), pid).await;
        std::future::pending::<()>().await;
    };
    let ended = async {
        tokio::pin!(showing);
        let status = tokio::select! {
            status = child.0.wait() => status,
            () = &mut showing => return child.0.wait().await,
        };
        // Whoever it has left behind may keep its streams open.
        let _ = timeout(LEFT_BEHIND, showing).await;
        status
    };
    let status: io::Result<ExitStatus> = tokio::select! {
        status = ended => status,
        () = typing => return Ok(()),
    };
    let status = status.map_err(Failure::io("wait for", "a process in the container"))?;
    let last = ExecOutput {
        exit_code: Some(exit_code(status)),
        ..ExecOutput::default()
    };
    // Who asked may have gone.
    let _ = output.send(last).await;
    Ok(())
}

/// As a shell would tell it.
fn exit_code(status: ExitStatus) -> i32 {
    let signalled = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(signalled).unwrap_or(1)
}

/// A process that is told to end when nobody waits for it any more.
struct Running(Child);

impl Running {
    fn pid(&self) -> Option<Pid> {
        let pid = self.0.id()?;
        i32::try_from(pid).ok().map(Pid::from_raw)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // None when it has ended and was waited for.
        if let Some(pid) = self.pid() {
            for signal in [Signal::SIGHUP, Signal::SIGTERM] {
                // Passed on to the process in the container; it may end meanwhile.
                let _ = kill(pid, signal);
            }
        }
    }
}

fn open_terminal(size: TerminalSize) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let other = ioctl_tiocgptpeer(&master, flags)?;
    if size.rows > 0 && size.columns > 0 {
        tcsetwinsize(&master, window(size))?;
    }
    rustix::io::ioctl_fionbio(&master, true)?;
    Ok((master, other))
}

fn window(size: TerminalSize) -> Winsize {
    let number = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    Winsize {
        ws_row: number(size.rows),
        ws_col: number(size.columns),
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Sends what a stream prints, until it is closed.
async fn show(
    stream: Option<impl AsyncRead + Unpin>,
    is_stderr: bool,
    output: &mpsc::Sender<ExecOutput>,
) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; PIECE];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let data = Bytes::copy_from_slice(&buffer[..length]);
        let message = match is_stderr {
            true => ExecOutput {
                stderr: data,
                ..ExecOutput::default()
            },
            false => ExecOutput {
                stdout: data,
                ..ExecOutput::default()
            },
        };
        if output.send(message).await.is_err() {
            return;
        }
    }
}

/// The same of a terminal, which is closed when the last process on it is gone.
async fn show_terminal(master: &AsyncFd<OwnedFd>, output: &mpsc::Sender<ExecOutput>) {
    let mut buffer = vec![0; PIECE];
    loop {
        let read = master
            .async_io(tokio::io::Interest::READABLE, |master| {
                Ok(rustix::io::read(master.as_fd(), &mut buffer)?)
            })
            .await;
        let Ok(length @ 1..) = read else { return };
        let message = ExecOutput {
            stdout: Bytes::copy_from_slice(&buffer[..length]),
            ..ExecOutput::default()
        };
        if output.send(message).await.is_err() {
            return;
        }
    }
}

/// Does what is typed: data, the end of data, another size, a signal.
async fn type_in(
    input: &mut mpsc::Receiver<ExecInput>,
    mut stdin: Option<ChildStdin>,
    master: Option<&AsyncFd<OwnedFd>>,
    pid: Option<Pid>,
) {
    /// End of input as a terminal says it: control D.
    const END: &[u8] = &[4];
    while let Some(message) = input.recv().await {
        if !message.stdin.is_empty() {
            match (master, &mut stdin) {
                (Some(master), _) => write(master, &message.stdin).await,
                (None, Some(pipe)) => {
                    if pipe.write_all(&message.stdin).await.is_err() {
                        // It reads no more.
                        stdin = None;
                    }
                }
                (None, None) => {}
            }
        }
        if message.stdin_closed {
            stdin = None;
            if let Some(master) = master {
                write(master, END).await;
            }
        }
        if let (Some(size), Some(master)) = (message.size, master)
            && tcsetwinsize(master.get_ref(), window(size)).is_ok()
        {
            signal(pid, Signal::SIGWINCH);
        }
        if !message.signal.is_empty() {
            match named(&message.signal) {
                Some(named) => signal(pid, named),
                None => tracing::debug!(signal = message.signal, "there is no such signal"),
            }
        }
    }
    // Nothing more is typed; a terminal is not closed by that.
    drop(stdin);
}

async fn write(master: &AsyncFd<OwnedFd>, mut data: &[u8]) {
    while !data.is_empty() {
        let written = master
            .async_io(tokio::io::Interest::WRITABLE, |master| {
                Ok(rustix::io::write(master.as_fd(), data)?)
            })
            .await;
        match written {
            Ok(length) => data = &data[length..],
            // Nobody reads any more.
            Err(_) => return,
        }
    }
}

fn signal(pid: Option<Pid>, signal: Signal) {
    if let Some(pid) = pid {
        // Passed on to the process in the container; it may have ended.
        let _ = kill(pid, signal);
    }
}

/// `INT`, `SIGINT` or `2`.
fn named(text: &str) -> Option<Signal> {
    if let Ok(number) = text.parse::<i32>() {
        return Signal::try_from(number).ok();
    }
    let bare = text.to_ascii_uppercase();
    let bare = bare.strip_prefix("SIG").unwrap_or(&bare);
    format!("SIG{bare}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn outcome(
        command: Command,
        terminal: Option<TerminalSize>,
        typed: Vec<ExecInput>,
    ) -> (String, String, Option<i32>) {
        let (sends, input) = mpsc::channel(8);
        let (output, mut heard) = mpsc::channel(8);
        let running = tokio::spawn(run(command, terminal, true, input, output));
        for message in typed {
            sends.send(message).await.unwrap();
        }
        let (mut out, mut err, mut code) = (String::new(), String::new(), None);
        while let Some(message) = heard.recv().await {
            out += &String::from_utf8_lossy(&message.stdout);
            err += &String::from_utf8_lossy(&message.stderr);
            code = code.or(message.exit_code);
        }
        running.await.unwrap().unwrap();
        (out, err, code)
    }

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn data(text: &str) -> ExecInput {
        ExecInput {
            stdin: Bytes::copy_from_slice(text.as_bytes()),
            ..ExecInput::default()
        }
    }

    fn closed() -> ExecInput {
        ExecInput {
            stdin_closed: true,
            ..ExecInput::default()
        }
    }

    #[tokio::test]
    async fn streams_and_exit_code_are_told() {
        let (out, err, code) = outcome(
            sh("cat; echo bad >&2; exit 3"),
            None,
            vec![data("one\n"), data("two\n"), closed()],
        )
        .await;
        assert_eq!(
            (out.as_str(), err.as_str(), code),
            ("one\ntwo\n", "bad\n", Some(3))
        );
    }

    #[tokio::test]
    async fn a_signal_is_passed_on() {
        let interrupt = ExecInput {
            signal: "int".to_owned(),
            ..ExecInput::default()
        };
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        let (_, _, code) = outcome(sleep, None, vec![interrupt]).await;
        assert_eq!(code, Some(130));
        assert_eq!(named("SIGHUP"), named("1"));
        assert_eq!(named("nonsense"), None);
    }

    #[tokio::test]
    async fn a_terminal_has_a_size_and_ends_with_its_process() {
        let size = TerminalSize {
            rows: 24,
            columns: 77,
        };
        let (out, err, code) = outcome(
            sh("stty size; read line; echo got $line"),
            Some(size),
            vec![data("this\n")],
        )
        .await;
        assert!(out.contains("24 77") && out.contains("got this"), "{out}");
        assert_eq!((err.as_str(), code), ("", Some(0)));
    }
}
