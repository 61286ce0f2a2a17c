//! Running a program to its end, or beside the test, with its output caught and a limit on its time.

use std::fmt;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a program may run before the test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A program that has ended.
#[derive(Debug, Clone)]
pub struct Done {
    /// What was typed, for messages.
    pub command: String,
    /// Exit code, or 128 plus the signal that ended it, as a shell says it.
    pub code: i32,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
}

impl Done {
    /// Asserts that it succeeded.
    #[track_caller]
    pub fn ok(self) -> Done {
        assert!(self.code == 0, "should succeed: {self}");
        self
    }

    /// Asserts that it ended with `code`.
    #[track_caller]
    pub fn code(self, code: i32) -> Done {
        assert!(self.code == code, "should end with {code}: {self}");
        self
    }

    /// Asserts that it failed with `code` and a message for a person: something on standard error, no panic, every one of `words`
    /// in it whatever their case.
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) -> Done {
        assert!(self.code == code, "should be refused with {code}: {self}");
        assert!(!self.stderr.trim().is_empty(), "should say why: {self}");
        assert!(
            !self.stderr.contains("panicked at"),
            "should not panic: {self}"
        );
        let said = self.stderr.to_lowercase();
        for word in words {
            assert!(
                said.contains(&word.to_lowercase()),
                "should say {word:?}: {self}"
            );
        }
        self
    }

    /// Its standard output without the white space around it.
    pub fn text(&self) -> String {
        self.stdout.trim().to_owned()
    }

    /// The lines of its standard output.
    pub fn lines(&self) -> Vec<String> {
        self.stdout.lines().map(str::to_owned).collect()
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("should be JSON ({error}): {self}"))
    }

    /// Asserts that standard output is `expected`, but for white space around it.
    #[track_caller]
    pub fn prints(self, expected: &str) -> Done {
        assert!(self.text() == expected, "should print {expected:?}: {self}");
        self
    }

    /// Asserts that standard output contains `expected`.
    #[track_caller]
    pub fn has(self, expected: &str) -> Done {
        assert!(
            self.stdout.contains(expected),
            "should print {expected:?} somewhere: {self}"
        );
        self
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` ended with {} after {:.1?}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.command,
            self.code,
            self.took,
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )
    }
}

/// A program that runs beside the test. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    command: String,
    started: Instant,
    stdin: Option<ChildStdin>,
    stdout: Reader,
    stderr: Reader,
    ended: bool,
}

impl Running {
    /// Starts `command` with its three streams held by the test.
    #[track_caller]
    pub fn start(mut command: Command) -> Running {
        let typed = spell(&command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("start `{typed}`: {error}"));
        let stdin = child.stdin.take();
        let stdout = Reader::of(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Reader::of(child.stderr.take().expect("stderr is a pipe"));
        Running {
            child,
            command: typed,
            started: Instant::now(),
            stdin,
            stdout,
            stderr,
            ended: false,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id is positive and small")
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// What it has said on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// Writes to its standard input.
    #[track_caller]
    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("standard input is still open");
        stdin
            .write_all(text.as_bytes())
            .and_then(|()| stdin.flush())
            .expect("write to its standard input");
    }

    /// Closes its standard input.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: kill has no memory effects; the child is ours and not yet reaped, so the id is its own.
        unsafe { libc::kill(self.pid(), signal) };
    }

    /// Ends it as `kill -9` does, and reaps it. Its pipes may stay open in processes it started: they are not waited for.
    pub fn kill9(mut self) -> Done {
        self.signal(libc::SIGKILL);
        let status = self.child.wait().expect("reap the killed program");
        self.ended = true;
        self.describe(status)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits until it ends and its output is closed.
    #[track_caller]
    pub fn wait(self) -> Done {
        self.wait_for(PATIENCE)
    }

    /// Waits until it ends and its output is closed, for at most `patience`.
    #[track_caller]
    pub fn wait_for(mut self, patience: Duration) -> Done {
        self.stdin = None;
        let Some(status) = self.reap(patience) else {
            self.signal(libc::SIGKILL);
            let status = self.child.wait().expect("reap the killed program");
            self.ended = true;
            panic!(
                "still ran after {patience:?} and was killed: {}",
                self.describe(status)
            );
        };
        self.ended = true;
        let closed = crate::wait::within(Duration::from_secs(5), || {
            (self.stdout.is_closed() && self.stderr.is_closed()).then_some(())
        });
        let done = self.describe(status);
        assert!(
            closed.is_some(),
            "ended, but something it started holds its output open: {done}"
        );
        done
    }

    fn reap(&mut self, patience: Duration) -> Option<ExitStatus> {
        // Already reaped where `has_ended` has seen it.
        if let Some(status) = self.child.try_wait().expect("ask for the program") {
            return Some(status);
        }
        // SAFETY: pidfd_open takes two integers; the child is ours and not yet reaped.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, self.pid(), 0) };
        let pidfd = i32::try_from(pidfd).expect("a descriptor fits");
        assert!(
            pidfd >= 0,
            "pidfd_open: {}",
            std::io::Error::last_os_error()
        );
        // SAFETY: the descriptor was just made and nothing else owns it.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut poll = libc::pollfd {
                fd: pidfd.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            let millis = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
            // SAFETY: one initialised pollfd that outlives the call.
            let ready = unsafe { libc::poll(&raw mut poll, 1, millis) };
            if ready > 0 {
                return Some(self.child.wait().expect("reap the program"));
            }
            if ready == 0 {
                return None;
            }
        }
    }

    fn describe(&self, status: ExitStatus) -> Done {
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Done {
            command: self.command.clone(),
            code,
            stdout: self.stdout(),
            stderr: self.stderr(),
            took: self.started.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Runs `command` to its end with nothing on its standard input.
#[track_caller]
pub fn run(command: Command) -> Done {
    Running::start(command).wait()
}

fn spell(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut typed = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        typed.push(' ');
        typed.push_str(&argument.to_string_lossy());
    }
    typed
}

#[derive(Debug)]
struct Reader {
    seen: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn of(mut source: impl Read + Send + 'static) -> Reader {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(count) = source.read(&mut chunk) {
                if count == 0 {
                    break;
                }
                sink.lock()
                    .expect("the reader's buffer")
                    .extend_from_slice(&chunk[..count]);
            }
        });
        Reader { seen, thread }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("the reader's buffer")).into_owned()
    }

    fn is_closed(&self) -> bool {
        self.thread.is_finished()
    }
}
