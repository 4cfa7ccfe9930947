//! What this crate asks of a file system.

mod real;
mod simulated;

pub use real::{RealDisk, RealDiskWithModes};
pub use simulated::{Crash, Lie, SimulatedDisk};

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Timestamp;

/// A file system: the real one, or one in memory that tears writes and crashes.
pub trait Disk: Send + Sync {
    /// Makes a directory and its parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The files (not directories) of a directory, sorted; none when the directory does not exist.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// The directories of a directory, sorted; none when it does not exist.
    fn list_directories(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// Whether `path` is a directory.
    fn is_dir(&self, path: &Path) -> bool;

    /// Whether anything has this name.
    fn exists(&self, path: &Path) -> bool;

    /// Opens a file for reading and writing.
    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a further name, which nothing may have.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes names created, renamed and removed in `directory` survive a power loss.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// Locks a file for this process alone, as long as the answer lives; nothing when another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>>;
}

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It must exist.
    Existing,
    /// It must not exist.
    New,
    /// It is emptied if it exists.
    Truncated,
    /// For [`DiskFile::append`]; it is made where it does not exist.
    Append {
        /// It must not exist.
        must_be_new: bool,
    },
}

/// An open file with positioned reads and writes.
pub trait DiskFile: Send + Sync {
    /// Writes all of `bytes` at `offset`. After an error any part of them may stand there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at the end, wherever that is by now; of a file opened with [`Open::Append`]. After an error
    /// any part of them may stand there.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Fills `bytes` from `offset`; fewer are read only at the end of the file.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Cuts or extends the file.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes the content survive a power loss.
    fn sync_data(&self) -> io::Result<()>;

    /// The length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Its device and inode numbers.
    fn identity(&self) -> io::Result<(u64, u64)>;

    /// Locks the file against others who do the same, until it is closed; false while another has it.
    fn try_lock(&self) -> io::Result<bool>;

    /// When the content changed last.
    fn modified(&self) -> io::Result<Timestamp>;

    /// The same file as a standard file, for `sendfile` and the like; nothing on a simulated disk.
    fn as_std(&self) -> Option<&std::fs::File>;
}

/// A disk shared by everything that writes to it.
pub type SharedDisk = Arc<dyn Disk>;

/// Reads a whole file, or nothing when there is none.
pub(crate) fn read_all(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, Open::Existing) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = usize::try_from(file.length()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Removes a file that may be gone already.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
