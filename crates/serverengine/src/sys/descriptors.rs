//! Descriptors: which of them a program keeps.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};

/// First descriptor that is no standard stream.
const FIRST: RawFd = 3;

/// Reads what is there, at most as much as the buffer holds. 0 is the end.
pub(crate) fn read(descriptor: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match nix::unistd::read(descriptor, buffer) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(length) => return Ok(length),
        }
    }
}

/// Returns the number that the kernel knows a pipe by.
pub(crate) fn inode(pipe: impl AsFd) -> io::Result<u64> {
    Ok(nix::sys::stat::fstat(pipe)?.st_ino)
}

/// Makes reads and writes through a descriptor return rather than wait.
pub(crate) fn set_nonblocking(descriptor: impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(&descriptor, FcntlArg::F_GETFL)?);
    fcntl(&descriptor, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Arranges for an exec that follows to keep the standard streams, each given descriptor under its given
/// number, and nothing else. Only for a process that does nothing more than that exec: what it has under
/// these numbers is replaced.
pub(crate) fn allow_only(allowed: &[(OwnedFd, RawFd)]) -> io::Result<()> {
    // First out of the way: one may have the number another one is to get.
    let above = allowed
        .iter()
        .map(|(_, number)| number + 1)
        .max()
        .unwrap_or(FIRST);
    let mut parked = Vec::with_capacity(allowed.len());
    for (descriptor, number) in allowed {
        parked.push((park(descriptor.as_fd(), above)?, *number));
    }
    close_range(FIRST, RawFd::MAX, libc::CLOSE_RANGE_CLOEXEC)?;
    for (descriptor, number) in &parked {
        // SAFETY: Both are plain integers to dup2; what had `number` before belongs to code that never
        // runs again in this process.
        Errno::result(unsafe { libc::dup2(descriptor.as_raw_fd(), *number) })?;
    }
    Ok(())
}

/// Takes a descriptor that whoever started this program has opened for it. It becomes close-on-exec.
pub(crate) fn adopt_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl on a plain integer; one that is not open is an error.
    Errno::result(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: It is open, and given to this program under this number; the caller asks for each number
    // once, before anything else is opened.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Removes variables from the environment. Refused in a process with threads: another one could read it.
pub(crate) fn remove_variables(names: &[&str]) -> io::Result<()> {
    let threads = super::process::thread_count()?;
    if threads != 1 {
        let text = format!("the environment cannot be changed in a process with {threads} threads");
        return Err(io::Error::other(text));
    }
    for name in names {
        // SAFETY: This is the process's one thread, counted above.
        unsafe { std::env::remove_var(name) };
    }
    Ok(())
}

/// Opens /dev/null, close-on-exec.
pub(crate) fn open_null() -> io::Result<OwnedFd> {
    let null = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    Ok(null.into())
}

/// Makes a standard stream of this process a duplicate of `descriptor`.
pub(crate) fn put_onto(descriptor: BorrowedFd<'_>, stream: RawFd) -> io::Result<()> {
    // SAFETY: Both are plain integers to dup2. Standard streams have no owner in a Rust program.
    Errno::result(unsafe { libc::dup2(descriptor.as_raw_fd(), stream) })?;
    Ok(())
}

/// Closes everything but the standard streams and one descriptor. Only for a process that was just forked
/// and runs none of the code that owns what is closed.
pub(crate) fn close_all_but(kept: BorrowedFd<'_>) -> io::Result<()> {
    let kept = kept.as_raw_fd();
    if kept > FIRST {
        close_range(FIRST, kept - 1, 0)?;
    }
    close_range(kept.max(FIRST - 1) + 1, RawFd::MAX, 0)
}

/// Closes all descriptors of a range, or makes them close-on-exec.
fn close_range(first: RawFd, last: RawFd, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: The call touches no memory. Whoever owned what it closes does not run in this process; the
    // callers promise that.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    match Errno::result(result) {
        Ok(_) => return Ok(()),
        // Before Linux 5.9, and 5.11 for the flag.
        Err(Errno::ENOSYS | Errno::EINVAL) => {}
        Err(error) => return Err(error.into()),
    }
    for number in open_descriptors()? {
        if (first..=last).contains(&number) {
            // One may be closed by now: the look into the directory needed one itself.
            let _ = if flags == 0 {
                // SAFETY: As above.
                unsafe { libc::close(number) }
            } else {
                // SAFETY: F_SETFD touches no memory.
                unsafe { libc::fcntl(number, libc::F_SETFD, FdFlag::FD_CLOEXEC.bits()) }
            };
        }
    }
    Ok(())
}

fn park(descriptor: BorrowedFd<'_>, above: RawFd) -> io::Result<OwnedFd> {
    let raw = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(above))?;
    // SAFETY: The kernel has just made this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

fn open_descriptors() -> io::Result<Vec<RawFd>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse::<RawFd>().ok());
        numbers.extend(number.filter(|number| *number >= FIRST));
    }
    Ok(numbers)
}
