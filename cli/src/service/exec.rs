//! `minictl service exec`: a further process in a task's container, on whatever node that is.

use std::io::{self, Read, Write, stdin};
use std::os::fd::AsFd;
use std::thread;

use api::v1::{ExecInput, ExecOutput, ExecSpec, TerminalSize};
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::spec::variables;
use crate::container::foreground::require_terminal;
use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::remote::Client;
use crate::terminal::raw::{RawMode, stdin_is_terminal};
use crate::terminal::signals::{Arrivals, Signals};
use crate::terminal::size;

/// Messages on their way to the task: what is typed waits for a slow connection.
const QUEUE: usize = 8;
/// So many SIGINT or SIGTERM mean that the person wants to leave whatever the command does.
const PATIENCE: u32 = 3;

/// Run a command in a task of a service that runs, on whatever node
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "minictl service exec [OPTIONS] SERVICE|TASK COMMAND [ARG...]",
    after_help = "\
Examples:
  minictl service exec -it web sh
  minictl service exec web.2 cat /etc/hostname"
)]
pub(crate) struct Args {
    /// Keep standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,
    /// Environment variable: NAME=VALUE, or NAME to pass on our own
    #[arg(short, long = "env", value_name = "ENV")]
    env: Vec<String>,
    /// Read environment variables from a file, one a line
    #[arg(long = "env-file", value_name = "FILE")]
    env_files: Vec<std::path::PathBuf>,
    /// Working directory inside the container
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = "",
        hide_default_value = true
    )]
    workdir: String,
    /// User: name or uid, with :group or :gid
    #[arg(
        short,
        long,
        value_name = "USER[:GROUP]",
        default_value = "",
        hide_default_value = true
    )]
    user: String,
    /// All capabilities
    #[arg(long)]
    privileged: bool,
    /// Service (any task of it that runs) or task, then the command and its arguments
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, value_names = ["SERVICE|TASK", "COMMAND"], hide = true)]
    task_and_command: Vec<String>,
}

/// Runs it and stays with it; the exit code is the command's.
pub(crate) fn exec(mut args: Args, context: &Context) -> Outcome {
    if args.interactive && args.tty {
        require_terminal()?;
    }
    let command = args.task_and_command.split_off(1);
    let mut env = Vec::new();
    for path in &args.env_files {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("read {}: {error}", path.display())))?;
        env.extend(variables(&text));
    }
    env.extend(args.env);
    let spec = ExecSpec {
        task: args.task_and_command.remove(0),
        command,
        tty: args.tty,
        stdin: args.interactive,
        env: env.into_iter().filter_map(with_value).collect(),
        user: args.user,
        workdir: args.workdir,
        privileged: args.privileged,
        size: window().filter(|_| args.tty),
    };
    let client = Client::of(context)?;
    let raw = args.interactive && args.tty && stdin_is_terminal();
    converse(&client, spec, raw)
}

/// Our own value where none is given; what is set nowhere is left out.
fn with_value(entry: String) -> Option<String> {
    if entry.contains('=') {
        return Some(entry);
    }
    let value = std::env::var(&entry).ok()?;
    Some(format!("{entry}={value}"))
}

fn window() -> Option<TerminalSize> {
    let size = size::of(stdin().as_fd()).or_else(|| size::of(io::stdout().as_fd()))?;
    Some(TerminalSize {
        rows: size.rows.into(),
        columns: size.columns.into(),
    })
}

/// Everything from the first message to the exit code.
fn converse(client: &Client, spec: ExecSpec, raw: bool) -> Outcome {
    let (tty, typing) = (spec.tty, spec.stdin);
    let (to, messages) = mpsc::channel::<ExecInput>(QUEUE);
    let signals = Signals::watch()?;
    let first = ExecInput {
        spec: Some(spec),
        ..ExecInput::default()
    };
    client.run(async {
        let mut arrivals = signals.arrivals()?;
        let closed = || Failure::new("the connection to the cluster was closed");
        to.send(first).await.map_err(|_| closed())?;
        if typing {
            read_stdin(to.clone());
        }
        let mut control = api::control(client.channel());
        let mut stream = tokio::select! {
            asked = control.exec(ReceiverStream::new(messages)) => {
                asked.map_err(|status| client.failure(&status))?.into_inner()
            }
            signal = leaving(&mut arrivals) => return Ok(128 + signal? as i32),
        };
        let mode = raw.then(RawMode::enter).transpose()?;
        let mut interrupts = 0;
        let mut code = None;
        loop {
            tokio::select! {
                message = stream.message() => {
                    let message = message.map_err(|status| client.failure(&status))?;
                    let Some(message) = message else {
                        drop(mode);
                        return code.ok_or_else(closed);
                    };
                    code = message.exit_code.or(code);
                    write(&message)?;
                }
                signal = arrivals.next() => {
                    let signal = signal?;
                    interrupts += u32::from(matches!(signal, Signal::SIGINT | Signal::SIGTERM));
                    if interrupts > PATIENCE {
                        return Ok(128 + signal as i32);
                    }
                    if let Some(message) = passed_on(signal, tty, raw) {
                        to.send(message).await.map_err(|_| closed())?;
                    }
                }
            }
        }
    })
}

/// A signal that ends what has not begun yet.
async fn leaving(arrivals: &mut Arrivals) -> io::Result<Signal> {
    loop {
        match arrivals.next().await? {
            Signal::SIGWINCH | Signal::SIGCONT => {}
            signal => return Ok(signal),
        }
    }
}

/// What a signal tells the command. What is typed into a raw terminal, the command's own terminal makes signals of.
fn passed_on(signal: Signal, tty: bool, raw: bool) -> Option<ExecInput> {
    match signal {
        Signal::SIGWINCH | Signal::SIGCONT if tty => Some(ExecInput {
            size: Some(window()?),
            ..ExecInput::default()
        }),
        Signal::SIGWINCH | Signal::SIGCONT => None,
        _ if raw && signal == Signal::SIGINT => None,
        signal => Some(ExecInput {
            signal: signal.as_str().to_owned(),
            ..ExecInput::default()
        }),
    }
}

/// Sends what is typed. Ends with us: nobody can be woken from reading a terminal.
fn read_stdin(to: mpsc::Sender<ExecInput>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let message = match stdin().lock().read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => ExecInput {
                    stdin_closed: true,
                    ..ExecInput::default()
                },
                Ok(count) => ExecInput {
                    stdin: buffer[..count].to_vec().into(),
                    ..ExecInput::default()
                },
            };
            let last = message.stdin_closed;
            if to.blocking_send(message).is_err() || last {
                return;
            }
        }
    });
}

fn write(message: &ExecOutput) -> io::Result<()> {
    if !message.stdout.is_empty() {
        let mut out = io::stdout().lock();
        out.write_all(&message.stdout)?;
        out.flush()?;
    }
    if !message.stderr.is_empty() {
        io::stderr().lock().write_all(&message.stderr)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_passed_on_as_they_are_meant() {
        fn check(signal: Signal, tty: bool, raw: bool, expected: Option<&str>) {
            let message = passed_on(signal, tty, raw);
            let told = message.as_ref().map(|message| message.signal.as_str());
            assert_eq!(told, expected, "{signal}");
        }
        check(Signal::SIGTERM, false, false, Some("SIGTERM"));
        check(Signal::SIGINT, false, false, Some("SIGINT"));
        check(Signal::SIGINT, true, true, None);
        check(Signal::SIGWINCH, false, false, None);
        check(Signal::SIGCONT, false, false, None);
    }

    #[test]
    fn variables_have_values() {
        assert_eq!(with_value("A=1".to_owned()).as_deref(), Some("A=1"));
        assert_eq!(with_value("MINI_SURELY_NOT_SET".to_owned()), None);
    }
}
