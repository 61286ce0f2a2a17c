//! Reading a container's log.
use crate::engine::{Engine, LogEntry};
use crate::error::Result;
use crate::request::LogOptions;
pub(crate) fn logs(
    _: &Engine,
    _: &str,
    _: &LogOptions,
    _: &mut dyn FnMut(LogEntry<'_>) -> bool,
) -> Result<()> {
    todo!()
}
