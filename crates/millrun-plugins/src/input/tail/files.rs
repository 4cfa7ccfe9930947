//! The file system as a tail sees it: few questions, each answered at one instant.
//!
//! Between two answers anything may have happened to the files. What reads through this trait is
//! therefore tested against a model whose files change between any two calls.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirEntryExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::packed::Packed;

/// Most entries of one directory that a search looks at. A directory larger than that is searched
/// in part; what is not found there counts as gone.
pub(crate) const DIRECTORY_ENTRIES_MAX: usize = 100_000;

/// Which file it is, as long as it exists: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// What is known about a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) id: FileId,
    /// In bytes.
    pub(crate) size: u64,
    /// When the content last changed.
    pub(crate) modified: SystemTime,
    /// When the file was made, where the file system keeps that.
    pub(crate) born: Option<SystemTime>,
    /// Names the file still has; an open file without one goes when it is closed.
    pub(crate) links: u64,
    /// False for directories, pipes, devices: these are never followed.
    pub(crate) is_regular: bool,
    pub(crate) is_directory: bool,
}

/// One name in a directory, links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) inode: u64,
}

/// Where files are looked at and read.
pub(crate) trait FileSystem {
    /// A file open for reading.
    type File;

    /// What a path leads to, links followed.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// Opens what a path leads to.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens a compressed file to be read as what it holds, whose length is known only at its end.
    /// Also the lowest 32 bits of that length as the file tells them.
    fn open_packed(&self, path: &Path) -> io::Result<(Self::File, u32)>;

    /// What an open file is, whatever its name is by now.
    fn stat_open(&self, file: &Self::File) -> io::Result<Stat>;

    /// Fills `buffer` from `offset` on, as far as the file goes; less only at its end.
    fn read_at(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// The names in a directory, in no order.
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>>;

    /// The directory that holds the file which a path leads to, behind all links.
    fn home(&self, path: &Path) -> io::Result<PathBuf>;
}

/// A file of the real file system.
#[derive(Debug)]
pub(crate) enum Opened {
    Plain(File),
    /// Reading moves on in it, so it is not shared between threads; a tail is one.
    Packed(Box<RefCell<Packed>>),
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct System;

impl FileSystem for System {
    type File = Opened;

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        std::fs::metadata(path).map(|metadata| stat_of(&metadata))
    }

    fn open(&self, path: &Path) -> io::Result<Opened> {
        open(path).map(Opened::Plain)
    }

    fn open_packed(&self, path: &Path) -> io::Result<(Opened, u32)> {
        let packed = Packed::open(open(path)?)?;
        let length_low = packed.length_low()?;
        Ok((Opened::Packed(Box::new(RefCell::new(packed))), length_low))
    }

    fn stat_open(&self, file: &Opened) -> io::Result<Stat> {
        match file {
            Opened::Plain(file) => file.metadata().map(|metadata| stat_of(&metadata)),
            Opened::Packed(packed) => {
                let packed = packed.borrow();
                let mut stat = stat_of(&packed.file().metadata()?);
                stat.size = packed.length();
                Ok(stat)
            }
        }
    }

    fn read_at(&self, file: &Opened, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let file = match file {
            Opened::Plain(file) => file,
            Opened::Packed(packed) => return packed.borrow_mut().read_at(offset, buffer),
        };
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(directory)?.take(DIRECTORY_ENTRIES_MAX) {
            let entry = entry?;
            entries.push(Entry {
                path: entry.path(),
                inode: entry.ino(),
            });
        }
        Ok(entries)
    }

    fn home(&self, path: &Path) -> io::Result<PathBuf> {
        let file = std::fs::canonicalize(path)?;
        Ok(file.parent().unwrap_or(Path::new("/")).to_owned())
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Between the look at a path and this, a pipe may have taken its place: opening it must not
    // wait for a writer.
    let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOCTTY;
    File::options()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

fn stat_of(metadata: &std::fs::Metadata) -> Stat {
    Stat {
        id: FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        },
        size: metadata.size(),
        modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        born: metadata.created().ok(),
        links: metadata.nlink(),
        is_regular: metadata.is_file(),
        is_directory: metadata.is_dir(),
    }
}
