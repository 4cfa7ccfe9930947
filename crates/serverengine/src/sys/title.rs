//! What `ps` shows as the command line of this process.
//!
//! The kernel reads it from the memory it put the arguments into, so a title is written over them, and
//! over the environment that follows. Both are copied elsewhere first and the pointers to them changed,
//! so that whoever reads arguments or environment later finds what was there.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::process::thread_count;

static ARGUMENTS: AtomicPtr<*mut c_char> = AtomicPtr::new(ptr::null_mut());
static ENVIRONMENT: AtomicPtr<*mut c_char> = AtomicPtr::new(ptr::null_mut());

/// The memory that can be written to: address and length.
static AREA: Mutex<Option<(usize, usize)>> = Mutex::new(None);

// SAFETY: glibc calls what is in this section with the arguments of `main`, before it; others call it
// with something else only on systems this crate does not run on.
#[used]
#[unsafe(link_section = ".init_array")]
static REMEMBER: extern "C" fn(c_int, *mut *mut c_char, *mut *mut c_char) = remember;

extern "C" fn remember(_count: c_int, arguments: *mut *mut c_char, environment: *mut *mut c_char) {
    if cfg!(target_env = "gnu") {
        ARGUMENTS.store(arguments, Ordering::Relaxed);
        ENVIRONMENT.store(environment, Ordering::Relaxed);
    }
}

/// Sets the title; what is too long is cut. Does nothing where the memory for it is not known. The first
/// title must be set while the process has one thread, or nothing is done: another one could be reading
/// arguments or environment.
pub(crate) fn set_title(title: &str) {
    let Ok(mut area) = AREA.lock() else { return };
    if area.is_none() {
        if !matches!(thread_count(), Ok(1)) {
            return;
        }
        // SAFETY: One thread, counted above.
        *area = unsafe { claim() };
    }
    let Some((address, length)) = *area else {
        return;
    };
    let start = ptr::with_exposed_provenance_mut::<u8>(address);
    let count = title.len().min(length.saturating_sub(1));
    // SAFETY: `claim` found these bytes to be the strings of arguments and environment, which nothing
    // points to any more; `count` is less than their length.
    unsafe {
        ptr::write_bytes(start, 0, length);
        ptr::copy_nonoverlapping(title.as_ptr(), start, count);
    }
}

/// Moves arguments and environment out of the way. Returns the memory they were in.
///
/// # Safety
///
/// No other thread may exist.
unsafe fn claim() -> Option<(usize, usize)> {
    let arguments = ARGUMENTS.load(Ordering::Relaxed);
    let environment = ENVIRONMENT.load(Ordering::Relaxed);
    if arguments.is_null() || environment.is_null() {
        return None;
    }
    // SAFETY: The kernel made this array, ended by a null pointer, and nobody shortens it.
    let first = unsafe { *arguments };
    if first.is_null() {
        return None;
    }
    let start = first.expose_provenance();
    let mut end = start;
    for array in [arguments, environment] {
        let mut place = array;
        // SAFETY: As above; each entry is a string that ends with a zero, or was replaced by one.
        while let text = unsafe { *place }
            && !text.is_null()
        {
            // A string that is not the next one was put there by somebody else.
            if text.addr() == end {
                // SAFETY: As above.
                let copy = unsafe { CStr::from_ptr(text) }.to_owned();
                end += copy.as_bytes_with_nul().len();
                // SAFETY: The array is writable, and nobody else looks at it now. The copy lives for ever.
                unsafe { *place = copy.into_raw() };
            }
            // SAFETY: Not beyond the null pointer that ends the array.
            place = unsafe { place.add(1) };
        }
    }
    Some((start, end - start))
}
