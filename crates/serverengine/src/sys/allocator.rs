//! What glibc's allocator says of itself. Looked up when asked for: other C libraries have nothing of it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

/// Bytes, as glibc counts them over all its arenas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllocatorTotals {
    /// Taken from the system, other than for single large blocks.
    pub(crate) arenas: usize,
    /// Taken from the system for single large blocks.
    pub(crate) mapped: usize,
    /// In use, large blocks not included.
    pub(crate) used: usize,
    /// Free, and kept.
    pub(crate) free: usize,
    /// Free, at the end of the heap, and could be given back.
    pub(crate) releasable: usize,
}

/// Returns the totals. `None`: this C library does not know them.
pub(crate) fn allocator_totals() -> Option<AllocatorTotals> {
    let function = function(c"mallinfo2")?;
    // SAFETY: glibc has had this function under this name and with this type since 2.33.
    let function = unsafe {
        std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> libc::mallinfo2>(function)
    };
    // SAFETY: It takes nothing, and its locks those of the allocator, as any allocation does.
    let totals = unsafe { function() };
    Some(AllocatorTotals {
        arenas: totals.arena,
        mapped: totals.hblkhd,
        used: totals.uordblks,
        free: totals.fordblks,
        releasable: totals.keepcost,
    })
}

/// Returns glibc's own report, XML: for each arena the free blocks by size. `None`: there is none.
pub(crate) fn allocator_classes() -> Option<String> {
    let function = function(c"malloc_info")?;
    // SAFETY: glibc has had this function under this name and with this type since 2.10.
    let function = unsafe {
        std::mem::transmute::<*mut c_void, unsafe extern "C" fn(c_int, *mut libc::FILE) -> c_int>(
            function,
        )
    };
    let mut text: *mut c_char = ptr::null_mut();
    let mut length = 0;
    // SAFETY: Both are written to by the stream, which is closed before they are read or go out of scope.
    let stream = unsafe { libc::open_memstream(&raw mut text, &raw mut length) };
    if stream.is_null() {
        return None;
    }
    // SAFETY: The stream is open.
    let told = unsafe { function(0, stream) };
    // SAFETY: It was opened above, and is not used again.
    let closed = unsafe { libc::fclose(stream) };
    if text.is_null() {
        return None;
    }
    let answer = (told == 0 && closed == 0).then(|| {
        // SAFETY: After the close it is a string that ends with a zero.
        let text = unsafe { CStr::from_ptr(text) };
        text.to_string_lossy().into_owned()
    });
    // SAFETY: The stream allocated it, and leaves it to us.
    unsafe { libc::free(text.cast()) };
    answer
}

fn function(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: The name is a string that ends with a zero; the lookup changes nothing.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn glibc_knows_what_is_in_use() {
        let before = allocator_totals().unwrap();
        let kept: Vec<Vec<u8>> = (0..2_000).map(|_| vec![1; 1_000]).collect();
        let after = allocator_totals().unwrap();
        let grown = (after.used + after.mapped).saturating_sub(before.used + before.mapped);
        // Other tests allocate and free meanwhile.
        assert!(grown > 1_000_000, "{before:?} {after:?}");
        assert!(allocator_classes().unwrap().contains("<sizes>"));
        drop(kept);
    }
}
