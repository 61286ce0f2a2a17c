//! Staying with services until they are as they are wanted: what is asked for again and again, what is shown of it, and how it
//! ends. It only looks: who leaves, leaves it going on.

mod changes;
mod news;
mod picture;
mod subject;
mod tree;
mod verdict;

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::failure::{Failure, Outcome, complain, say};
use crate::progress::screen::Screen;
use crate::remote::Client;
use crate::terminal::signals::Signals;

use changes::Changes;
use picture::Picture;
pub(crate) use subject::Subject;
use verdict::Verdict;

/// The least time between two looks.
const SHORTEST: Duration = Duration::from_millis(60);
/// The longest: clocks go on where nothing changes.
const LONGEST: Duration = Duration::from_secs(1);
/// For how long nobody may answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one stays, and what is shown.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stay {
    /// No longer than this.
    pub(crate) limit: Option<Duration>,
    /// Nothing is shown on the way.
    pub(crate) quiet: bool,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ended {
    Converged,
    /// It will not become what was wanted by itself.
    Failed(Vec<String>),
    /// It has become what it was before.
    RolledBack(Vec<String>),
    TimedOut(Vec<String>),
    Interrupted,
}

/// Stays until it is decided.
///
/// # Errors
/// Nobody answers, or the subject is gone that should be there.
pub(crate) fn stay(client: &Client, subject: &Subject, how: Stay) -> Result<Ended, Failure> {
    client.run(async {
        let signals = Signals::watch()?;
        let mut arrivals = signals.arrivals()?;
        let mut view = View::new(how.quiet);
        let begun = Instant::now();
        let limit = how.limit.map(|limit| begun + limit);
        let mut changes = Changes::default();
        let mut silent_since = None;
        let mut last = Vec::new();
        let mut steady = None::<Steady>;
        loop {
            let looked = Instant::now();
            match subject.look(client).await {
                Ok(None) if subject.leaves() => {
                    view.end();
                    return Ok(Ended::Converged);
                }
                Ok(None) => {
                    view.end();
                    return Err(Failure::new(format!("{subject} is gone")));
                }
                Ok(Some(picture)) => {
                    silent_since = None;
                    view.show(&picture, begun.elapsed());
                    let verdict = verdict::of(&picture);
                    let converged = verdict.verdict == Verdict::Converged;
                    let known = steady.filter(|known| known.restarts == picture.restarts());
                    steady = converged.then(|| known.unwrap_or(Steady::of(&picture, looked)));
                    if !converged {
                        last = verdict.reasons;
                    }
                    match verdict.verdict {
                        _ if subject.leaves() => {}
                        Verdict::Open => {}
                        Verdict::Converged => {
                            let probation = subject.probation(&picture);
                            if steady.is_none_or(|steady| steady.since.elapsed() >= probation) {
                                view.end();
                                return Ok(Ended::Converged);
                            }
                        }
                        Verdict::Failed => {
                            view.end();
                            return Ok(Ended::Failed(last));
                        }
                        Verdict::RolledBack => {
                            view.end();
                            return Ok(Ended::RolledBack(last));
                        }
                    }
                }
                Err(status) if passes(&status) => {
                    let since = *silent_since.get_or_insert(looked);
                    if since.elapsed() > PATIENCE {
                        view.end();
                        return Err(client.failure(&status));
                    }
                    view.note(status.message());
                    changes = Changes::default();
                }
                Err(status) => {
                    view.end();
                    return Err(client.failure(&status));
                }
            }
            let next = async {
                tokio::time::sleep_until(looked + SHORTEST).await;
                let rest = (looked + LONGEST).saturating_duration_since(Instant::now());
                // Time passing is a reason to look too.
                let _ = tokio::time::timeout(rest, changes.next(client)).await;
            };
            let over = async {
                match limit {
                    Some(limit) => tokio::time::sleep_until(limit).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = next => {}
                () = over => {
                    view.end();
                    let well = steady.is_some_and(|steady| steady.restarts == 0);
                    return Ok(if well { Ended::Converged } else { Ended::TimedOut(last) });
                }
                signal = arrivals.next() => {
                    if leaves(signal?) {
                        view.end();
                        return Ok(Ended::Interrupted);
                    }
                }
            }
        }
    })
}

/// Since when everything is as it is wanted, without another restart.
#[derive(Debug, Clone, Copy)]
struct Steady {
    since: Instant,
    restarts: u64,
}

impl Steady {
    fn of(picture: &Picture, since: Instant) -> Steady {
        Steady {
            since,
            restarts: picture.restarts(),
        }
    }
}

/// Whether the signal means that the person has waited enough.
fn leaves(signal: Signal) -> bool {
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    matches!(signal, SIGINT | SIGTERM | SIGHUP | SIGQUIT)
}

/// Whether it may be otherwise in a moment.
fn passes(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::DeadlineExceeded | Code::Cancelled
    )
}

/// Tells how it ended and what it means; the exit code of services: 0 or 1.
pub(crate) fn tell(what: &str, ended: &Ended) -> Outcome {
    let because = |reasons: &[String]| reasons.iter().for_each(|reason| complain(reason));
    Ok(match ended {
        Ended::Converged => 0,
        Ended::Failed(reasons) => {
            because(reasons);
            complain(&format!("{what} failed"));
            1
        }
        Ended::RolledBack(reasons) => {
            because(reasons);
            complain(&format!("{what} was rolled back"));
            1
        }
        Ended::TimedOut(reasons) => {
            because(reasons);
            complain(&format!("{what} is not there yet; it goes on"));
            1
        }
        Ended::Interrupted => {
            complain(&format!("left; {what} goes on without us"));
            128 + Signal::SIGINT as i32
        }
    })
}

/// The exit code of a stack, which tells more.
pub(crate) fn tell_stack(what: &str, ended: &Ended) -> Outcome {
    let told = tell(what, ended)?;
    Ok(match ended {
        Ended::RolledBack(_) => 3,
        Ended::TimedOut(_) => 2,
        _ => told,
    })
}

/// What is shown on the way, on standard error.
#[derive(Debug)]
struct View {
    quiet: bool,
    live: bool,
    screen: Screen,
    before: Option<Picture>,
    /// Said last of what keeps us from looking.
    noted: String,
}

impl View {
    fn new(quiet: bool) -> Self {
        View {
            quiet,
            live: stderr().is_terminal(),
            screen: Screen::default(),
            before: None,
            noted: String::new(),
        }
    }

    fn show(&mut self, picture: &Picture, passed: Duration) {
        self.noted.clear();
        if self.quiet {
            return;
        }
        if self.live {
            let (rows, columns) = Screen::room();
            let lines = tree::lines(picture, passed, rows, columns);
            say(&self.screen.redraw(&lines, columns));
        } else {
            let lines = news::lines(self.before.as_ref(), picture);
            say(&lines
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>());
        }
        self.before = Some(picture.clone());
    }

    /// Something is in the way; told once.
    fn note(&mut self, what: &str) {
        if self.quiet || self.noted == what {
            return;
        }
        let erased = if self.live {
            self.screen.erase()
        } else {
            String::new()
        };
        say(&format!("{erased}the cluster does not answer: {what}\n"));
        self.noted = what.to_owned();
    }

    /// The last picture stays.
    fn end(&mut self) {
        self.screen = Screen::default();
    }
}
