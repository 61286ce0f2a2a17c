//! The runtime's own program, out of the reach of containers (CVE-2019-5736).

use crate::error::Result;

/// Executes this program again from a read-only clone of itself, unless it already runs from one. For the start of
/// `main`, in a process that will enter a container.
///
/// # Errors
/// Neither a clone nor a copy in memory can be made.
pub fn protect() -> Result<()> {
    todo!()
}
