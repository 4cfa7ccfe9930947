//! Memory that a process shares with the children it forks.

use std::io::{self, IoSliceMut};
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// The kernel maps no less.
const LENGTH: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Makes a file that is only in memory, close-on-exec.
pub(crate) fn memory_file() -> io::Result<OwnedFd> {
    let name = c"serverengine";
    Ok(memfd_create(name, MFdFlags::MFD_CLOEXEC)?)
}

/// Reads memory of this process, at most as much as the buffer holds. What is not mapped is an error, or
/// the end.
pub(crate) fn read_own_memory(address: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let base = usize::try_from(address).map_err(io::Error::other)?;
    let remote = [RemoteIoVec {
        base,
        len: buffer.len(),
    }];
    let mut local = [IoSliceMut::new(buffer)];
    Ok(process_vm_readv(Pid::this(), &mut local, &remote)?)
}

/// Words that are the same in this process and all that are forked from it. Zero at first.
#[derive(Debug)]
pub(crate) struct SharedPage(NonNull<[AtomicU64; SharedPage::WORDS]>);

// SAFETY: The memory is mapped for as long as the value lives, and used as atomics only.
unsafe impl Send for SharedPage {}
// SAFETY: As above.
unsafe impl Sync for SharedPage {}

impl SharedPage {
    /// Number of words.
    pub(crate) const WORDS: usize = LENGTH.get() / size_of::<AtomicU64>();

    pub(crate) fn new() -> io::Result<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: A new anonymous mapping aliases nothing.
        let memory = unsafe { mmap_anonymous(None, LENGTH, access, MapFlags::MAP_SHARED) }?;
        Ok(Self(memory.cast()))
    }

    /// Returns a word; 0 for one that does not exist.
    pub(crate) fn load(&self, word: usize) -> u64 {
        let word = self.words().get(word);
        word.map_or(0, |it| it.load(Ordering::Relaxed))
    }

    pub(crate) fn store(&self, word: usize, value: u64) {
        if let Some(word) = self.words().get(word) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn words(&self) -> &[AtomicU64; Self::WORDS] {
        // SAFETY: Mapped, zeroed by the kernel, aligned to a page, as long as the array, and never
        // accessed other than atomically.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: Mapped by `new` with this length; no reference outlives the value.
        let _ = unsafe { munmap(self.0.cast(), LENGTH.get()) };
    }
}
