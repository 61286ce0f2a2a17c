//! Raw mode of the person's terminal, and its restoration on every way out: return, error and panic (signals are read
//! from a descriptor while raw mode is on, so they leave through a return as well).

use std::io::{self, IsTerminal, stdin};
use std::sync::{Mutex, Once};

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// What the terminal was like before raw mode; some exactly while raw mode is on.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// Raw mode, until this is dropped.
#[derive(Debug)]
pub(crate) struct RawMode(());

impl RawMode {
    /// Puts the terminal on standard input into raw mode.
    pub(crate) fn enter() -> io::Result<RawMode> {
        HOOK.call_once(restore_on_panic);
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(stdin(), SetArg::TCSADRAIN, &raw)?;
        *BEFORE
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(before);
        Ok(RawMode(()))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether standard input is a terminal.
pub(crate) fn stdin_is_terminal() -> bool {
    stdin().is_terminal()
}

fn restore() {
    let before = BEFORE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .take();
    if let Some(before) = before {
        // A terminal that has gone away needs no restoring.
        let _ = tcsetattr(stdin(), SetArg::TCSADRAIN, &before);
    }
}

/// A panic aborts in release builds, so no destructor would run: the hook restores before the message is printed.
fn restore_on_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        usual(info);
    }));
}
