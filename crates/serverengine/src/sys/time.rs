//! Local time, and a clock that all processes share and nobody sets.

use std::time::Duration;

/// Returns the time of the monotonic clock, which is the same in all processes.
pub(crate) fn monotonic() -> Duration {
    // SAFETY: `timespec` is plain data for which zero is a valid value.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: The pointer is valid for the duration of the call, which cannot fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Returns by how many seconds local time is ahead of UTC at this moment. 0 where nobody knows.
pub(crate) fn local_offset_seconds(since_epoch: u64) -> i32 {
    let Ok(seconds) = libc::time_t::try_from(since_epoch) else {
        return 0;
    };
    // SAFETY: `tm` is plain data for which zero is a valid value.
    let mut local: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: Both pointers are valid for the duration of the call; the result points to `local`.
    let result = unsafe { libc::localtime_r(&raw const seconds, &raw mut local) };
    if result.is_null() {
        return 0;
    }
    i32::try_from(local.tm_gmtoff).unwrap_or(0)
}
