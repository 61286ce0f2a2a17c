//! Signals: those that are meant for people's programs do nothing to the monitor, and none of that reaches the container.

use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask,
};

/// What a terminal, a session manager or a mistaken person sends. To end a container its own first process is signalled.
const UNHEEDED: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGPIPE,
    Signal::SIGTSTP,
];

extern "C" fn nothing(_: libc::c_int) {}

/// Makes them harmless. By handlers, since ignored signals would stay ignored in the container and in the exit command.
pub(super) fn unheed() {
    for signal in UNHEEDED {
        handle(signal, SigHandler::Handler(nothing));
    }
}

/// Wakes poll(2), and only that, when a child ends.
pub(super) fn notice_children() {
    handle(Signal::SIGCHLD, SigHandler::Handler(nothing));
    let children: SigSet = [Signal::SIGCHLD].into_iter().collect();
    // Blocking a signal that exists can't fail.
    let _ = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&children), None);
}

/// As a program expects to find them.
pub(super) fn restore() {
    for signal in UNHEEDED.into_iter().chain([Signal::SIGCHLD]) {
        handle(signal, SigHandler::SigDfl);
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

fn handle(signal: Signal, handler: SigHandler) {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing, which is safe at any moment.
    let _ = unsafe { sigaction(signal, &action) };
}
