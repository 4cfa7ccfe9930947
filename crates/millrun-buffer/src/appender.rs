//! Chunks onto the ends of files, each exactly once.
//!
//! ```text
//! intent(path, device, inode, length before, hash)   recorded
//! append                                             may be cut short by a crash or a full disk
//! sync                                               of the file and its name, where power may fail
//! delivered                                          recorded by the buffer
//! ```
//!
//! Whoever finds an intent looks at what follows `length before`: where it is a prefix of the
//! bytes, the remainder is appended; where the whole of the bytes stands there, nothing is to be done, whatever
//! has come behind them. Where the path is another file by now, or foreign bytes
//! stand there, nothing is cut: the bytes are appended whole, which may double some of them, and
//! counted as `possible_double`. Until an append is known to be finished, no other chunk of the worker gets to the
//! same file. (The delivery contract, "Delivery out of a buffer".)
//!
//! After a loss of power, blocks of what was appended may never have reached the medium and read as
//! zeros. Where power may fail, zeros in the place of our bytes are therefore taken for ours.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::{DiskFile, Open, SharedDisk};
use crate::{Chunk, ChunkId, Durability, Intent, LedgerError, LossKey};

/// Bytes compared at once.
const COMPARE_BLOCK: usize = 64 * 1024;

/// How often another writer's lock on a file is tried, and the pause between: together longer than
/// any append takes.
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The word under which events are counted that may stand at their destination twice.
pub const POSSIBLE_DOUBLE: &str = "possible_double";

/// Appends the chunks of one output.
pub struct Appender {
    disk: SharedDisk,
    /// Appends of memory chunks that failed half way; those of file chunks stand in the ledger.
    unfinished: HashMap<ChunkId, Intent>,
}

/// What became of an append that was begun before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumption {
    /// None was begun.
    Fresh,
    /// All bytes stand in the file: the chunk is delivered.
    Complete,
    /// The file at this path is not what it was: the bytes must be appended whole, possibly a second
    /// time.
    Changed(Box<str>),
}

/// Why a chunk was not appended. It can be tried again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// The file cannot be read or written: the machine's fault.
    #[error("cannot write {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// Another writer of this instance has had the file for longer than an append takes.
    #[error("cannot write {}: another writer holds its lock", .path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Another chunk stands in the file in part and must be completed first.
    #[error("{} ends with a part of chunk {chunk}, which is completed first", .path.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// The chunk.
        chunk: ChunkId,
    },
    /// The intent cannot be recorded.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Appender {
    /// An appender to the files of `disk`.
    pub fn new(disk: SharedDisk) -> Self {
        Self {
            disk,
            unfinished: HashMap::new(),
        }
    }

    /// Ends an append of `bytes`, the content of `chunk`, that was begun and not finished.
    pub fn resume(&mut self, chunk: &Chunk, bytes: &[u8]) -> Result<Resumption, DestinationError> {
        let begun = match chunk.in_memory() {
            Some(_) => self.unfinished.get(&chunk.id()).cloned(),
            None => chunk.ledger().intent(chunk.id()),
        };
        let Some(intent) = begun else {
            return Ok(Resumption::Fresh);
        };
        let durability = chunk.ledger().durability();
        let is_complete = self
            .complete(&intent, bytes, durability)
            .map_err(|source| DestinationError::Io {
                path: PathBuf::from(&*intent.path),
                source,
            })?;
        if !is_complete {
            chunk.ledger().end_append(chunk.id());
            return Ok(Resumption::Changed(intent.path));
        }
        self.unfinished.remove(&chunk.id());
        chunk.ledger().end_append(chunk.id());
        Ok(Resumption::Complete)
    }

    /// Appends `bytes`, the content of `chunk`, to the file at `path`, which is made with its directories where it
    /// does not exist; with `must_be_new`, one that exists is an error of kind `AlreadyExists`.
    ///
    /// `doubled_by` is the plugin that is to count the chunk as a possible double.
    pub fn append(
        &mut self,
        chunk: &Chunk,
        bytes: &[u8],
        path: &Path,
        must_be_new: bool,
        doubled_by: Option<&str>,
    ) -> Result<(), DestinationError> {
        let failed = |source| DestinationError::Io {
            path: path.to_owned(),
            source,
        };
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        self.disk.create_dir_all(directory).map_err(failed)?;
        let open = Open::Append { must_be_new };
        let file = self.disk.open(path, open).map_err(failed)?;
        lock(&*file, path)?;
        let path_text: Box<str> = path.to_string_lossy().into();
        let unfinished = chunk.ledger().append_at(&path_text);
        if let Some(other) = unfinished.filter(|other| *other != chunk.id()) {
            return Err(DestinationError::Unfinished {
                path: path.to_owned(),
                chunk: other,
            });
        }
        let (device, inode) = file.identity().map_err(failed)?;
        let intent = Intent {
            path: path_text,
            device,
            inode,
            length_before: file.length().map_err(failed)?,
            hash: crc32fast::hash(bytes),
        };
        let is_new = intent.length_before == 0;
        let double = doubled_by.map(|plugin| {
            let (plugin, reason) = (plugin.into(), POSSIBLE_DOUBLE.into());
            (LossKey { plugin, reason }, chunk.count())
        });
        match chunk.in_memory() {
            Some(_) => {
                chunk.ledger().begin_append(&intent.path, chunk.id());
                self.unfinished.insert(chunk.id(), intent);
                if let Some((key, count)) = double {
                    chunk.ledger().lose(key, count)?;
                }
            }
            None => chunk.ledger().intend(chunk.id(), intent, double)?,
        }
        file.append(bytes).map_err(failed)?;
        if chunk.ledger().durability() == Durability::Power {
            file.sync_data().map_err(failed)?;
            if is_new {
                self.sync_names(directory).map_err(failed)?;
            }
        }
        self.unfinished.remove(&chunk.id());
        chunk.ledger().end_append(chunk.id());
        Ok(())
    }

    /// Makes the name of a new file survive, and those of the directories that may have been made
    /// for it.
    fn sync_names(&self, directory: &Path) -> io::Result<()> {
        for directory in directory.ancestors() {
            if !directory.as_os_str().is_empty() {
                self.disk.sync_dir(directory)?;
            }
        }
        Ok(())
    }

    /// Appends what is missing of `bytes`; false where the file is not what it was.
    fn complete(&self, intent: &Intent, bytes: &[u8], durability: Durability) -> io::Result<bool> {
        let path = Path::new(&*intent.path);
        let file = match self.disk.open(path, Open::Existing) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        if let Err(DestinationError::Io { source, .. }) = lock(&*file, path) {
            return Err(source);
        }
        let is_same = file.identity()? == (intent.device, intent.inode);
        if !is_same || crc32fast::hash(bytes) != intent.hash {
            return Ok(false);
        }
        let Some(written) = file.length()?.checked_sub(intent.length_before) else {
            return Ok(false);
        };
        // What stands behind a whole chunk came after it.
        let stands = usize::try_from(written).unwrap_or(usize::MAX);
        let (head, remainder) = bytes.split_at_checked(stands).unwrap_or((bytes, &[]));
        let has_holes = match stands_at(&*file, head, intent.length_before)? {
            Stands::Whole => false,
            Stands::WithHoles if durability == Durability::Power => true,
            Stands::WithHoles | Stands::Otherwise => return Ok(false),
        };
        if has_holes {
            file.write_at(bytes, intent.length_before)?;
        } else if !remainder.is_empty() {
            // At the end, whoever else may write there.
            let must_be_new = false;
            let end = self.disk.open(path, Open::Append { must_be_new })?;
            if end.identity()? != (intent.device, intent.inode) {
                return Ok(false);
            }
            end.append(remainder)?;
        }
        if durability == Durability::Power {
            file.sync_data()?;
            self.sync_names(path.parent().unwrap_or(Path::new(".")))?;
        }
        Ok(true)
    }
}

/// Waits until no other writer of this machine has the file.
fn lock(file: &dyn DiskFile, path: &Path) -> Result<(), DestinationError> {
    for _ in 0..LOCK_TRIES {
        let locked = file.try_lock().map_err(|source| DestinationError::Io {
            path: path.to_owned(),
            source,
        })?;
        if locked {
            return Ok(());
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    Err(DestinationError::Busy {
        path: path.to_owned(),
    })
}

/// What a file has where certain bytes are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Whole,
    /// The bytes, or zeros in the place of some.
    WithHoles,
    Otherwise,
}

/// Compares `bytes` with what the file has at `offset`, block by block.
fn stands_at(file: &dyn DiskFile, bytes: &[u8], offset: u64) -> io::Result<Stands> {
    let mut block = vec![0; COMPARE_BLOCK.min(bytes.len())];
    let mut at = offset;
    let mut stands = Stands::Whole;
    for expected in bytes.chunks(COMPARE_BLOCK) {
        let Some(found) = block.get_mut(..expected.len()) else {
            return Ok(Stands::Otherwise);
        };
        if file.read_at(found, at)? < expected.len() {
            return Ok(Stands::Otherwise);
        }
        if found != expected {
            let mut pairs = found.iter().zip(expected);
            if !pairs.all(|(found, expected)| found == expected || *found == 0) {
                return Ok(Stands::Otherwise);
            }
            stands = Stands::WithHoles;
        }
        at = at.saturating_add(expected.len() as u64);
    }
    Ok(stands)
}
