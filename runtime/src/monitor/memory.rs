//! Giving back what the start, or a probe, has used: from now on the monitor is there for as long as the container, and mostly sleeps.

/// How far below the present frames the stack may have reached.
const STACK: usize = 1 << 20;
/// What stays: the frames of this function and of those it calls.
const FRAMES: usize = 16 << 10;

/// Gives the heap's free pages, the unused part of the stack and all code back to the kernel. Code that is still needed comes back
/// from the page cache by itself.
pub(super) fn release() {
    #[cfg(target_env = "gnu")]
    // SAFETY: gives back only memory that the allocator itself holds free.
    unsafe {
        libc::malloc_trim(0);
    }
    release_stack();
    // SAFETY: the callback is called during this call alone, and takes no data.
    unsafe { libc::dl_iterate_phdr(Some(release_code), std::ptr::null_mut()) };
}

#[inline(never)]
fn release_stack() {
    let here = 0u8;
    let top = ((&raw const here) as usize).saturating_sub(FRAMES) & !4095;
    let bottom = top.saturating_sub(STACK);
    // SAFETY: what lies this far below the frame of the running function is used by nobody: stacks grow downwards, and
    // neither signal handlers nor threads are at work.
    unsafe {
        libc::madvise(
            bottom as *mut libc::c_void,
            top - bottom,
            libc::MADV_DONTNEED,
        )
    };
}

/// Drops the pages of each segment that can't be written.
///
/// # Safety
/// To be called by dl_iterate_phdr(3) alone.
unsafe extern "C" fn release_code(
    info: *mut libc::dl_phdr_info,
    _: usize,
    _: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: dl_iterate_phdr passes a valid pointer, and the program headers of a loaded object are mapped.
    let (base, headers) = unsafe {
        let info = &*info;
        if info.dlpi_phdr.is_null() {
            return 0;
        }
        (
            info.dlpi_addr as usize,
            std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)),
        )
    };
    for header in headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0)
    {
        let start = (base + header.p_vaddr as usize) & !4095;
        let end = base + (header.p_vaddr + header.p_memsz) as usize;
        // SAFETY: a private mapping of a file that was never written to reads the same again after it was dropped.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
    0
}
