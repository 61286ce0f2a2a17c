//! The size of the person's terminal.

use std::os::fd::{AsRawFd, BorrowedFd};

/// Rows and columns, in characters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Size {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
}

/// The size of the terminal behind `terminal`; `None` when it is none, or doesn't know its size.
pub(crate) fn of(terminal: BorrowedFd<'_>) -> Option<Size> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ writes one `winsize` to the pointer it is given, which is to a live, exclusively borrowed local
    // of that type; the descriptor is open as long as its borrow lives. ioctl_tty(2).
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    let known = result == 0 && size.ws_row > 0 && size.ws_col > 0;
    known.then_some(Size {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}
