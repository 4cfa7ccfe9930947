//! Memory that a process shares with the children it forks.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// The kernel maps no less.
const LENGTH: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Makes a file that is only in memory, close-on-exec.
pub(crate) fn memory_file() -> io::Result<OwnedFd> {
    let name = c"serverengine";
    Ok(memfd_create(name, MFdFlags::MFD_CLOEXEC)?)
}

/// One byte that is the same in this process and all that are forked from it.
#[derive(Debug)]
pub(crate) struct SharedBytes(NonNull<AtomicU8>);

// SAFETY: The memory is mapped for as long as the value lives, and used as an atomic only.
unsafe impl Send for SharedBytes {}
// SAFETY: As above.
unsafe impl Sync for SharedBytes {}

impl SharedBytes {
    pub(crate) fn new() -> io::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new anonymous mapping aliases nothing.
        let memory = unsafe { mmap_anonymous(None, LENGTH, access, MapFlags::MAP_SHARED) }?;
        Ok(Self(memory.cast()))
    }

    pub(crate) fn load(&self) -> u8 {
        self.byte().load(Ordering::Relaxed)
    }

    pub(crate) fn store(&self, value: u8) {
        self.byte().store(value, Ordering::Relaxed);
    }

    fn byte(&self) -> &AtomicU8 {
        // SAFETY: Mapped, zeroed by the kernel, aligned for any type, and never accessed other than
        // atomically.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for SharedBytes {
    fn drop(&mut self) {
        // SAFETY: Mapped by `new` with this length; no reference outlives the value.
        let _ = unsafe { munmap(self.0.cast(), LENGTH.get()) };
    }
}
