//! Panics in a member's tasks, which end that member and are told by the judge instead of being printed.

use std::cell::{Cell, RefCell};
use std::sync::Once;

thread_local! {
    static COLLECTS: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// While it lives, panics on this thread are collected.
pub(crate) struct Collecting;

impl Drop for Collecting {
    fn drop(&mut self) {
        COLLECTS.set(false);
    }
}

/// Collects panics on this thread, instead of printing them if `instead`.
pub(crate) fn collect(instead: bool) -> Collecting {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            LAST.set(Some(panic.to_string()));
            if !COLLECTS.get() {
                before(panic);
            }
        }));
    });
    LAST.set(None);
    COLLECTS.set(instead);
    Collecting
}

/// The last panic on this thread since collecting began.
pub(crate) fn last() -> Option<String> {
    LAST.take()
}
