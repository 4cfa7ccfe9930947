//! Fluentd's position file.
//!
//! ```text
//! file      = entry*
//! entry     = path TAB position TAB inode LF
//! position  = 16 hexadecimal digits     all f: not followed any more
//! inode     = 16 hexadecimal digits
//! ```
//!
//! It is written for Fluentd and for people: our own positions are in the ledger. So it is
//! written lazily, after delivery, and in place as Fluentd does: 16 bytes for a position, 33 for a
//! position with its inode. When the file is opened it is rewritten without tombstones,
//! doubles and files that are not followed any more (fluentd.md section 3.1.5).

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tracing::warn;

/// The position of a file that is not followed any more.
pub(crate) const UNWATCHED: u64 = u64::MAX;

/// Larger files are not read: nobody has that many logs, so it is not a position file.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Permissions of a file and a directory that we make, before the umask.
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

const DIGITS: usize = 16;

/// One entry as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) path: PathBuf,
    pub(crate) position: u64,
    pub(crate) inode: u64,
}

/// What an entry is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyed {
    /// A path has one entry, whatever file stands there.
    ByPath,
    /// A file has one entry, under the path where it was first seen: `follow_inodes`.
    ByInode,
}

/// An open position file.
#[derive(Debug)]
pub(crate) struct PositionFile {
    file: File,
    path: PathBuf,
    keyed: Keyed,
    /// What the file holds.
    content: Vec<u8>,
    entries: HashMap<Vec<u8>, Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Where the digits of the position begin.
    at: usize,
    position: u64,
    inode: u64,
}

impl PositionFile {
    /// Opens or makes the file, with its directory, and reads it. It stays locked, since two
    /// writers would overwrite each other's entries.
    pub(crate) fn open(path: &Path, keyed: Keyed) -> io::Result<(Self, Vec<Stored>)> {
        if let Some(directory) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            DirBuilder::new()
                .recursive(true)
                .mode(DIRECTORY_MODE)
                .create(directory)?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::other("another source or process uses it; each needs one of its own")
            }
            TryLockError::Error(error) => error,
        })?;
        let mut content = Vec::new();
        (&file).take(FILE_BYTES_MAX + 1).read_to_end(&mut content)?;
        if content.len() as u64 > FILE_BYTES_MAX {
            let message = format!("it is larger than {FILE_BYTES_MAX} bytes, so it is none");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let (stored, unparsable) = parse(&content);
        for line in unparsable {
            let line = String::from_utf8_lossy(line);
            warn!(file = %path.display(), "Unparsable line in pos_file: {line}");
        }
        let path = path.to_owned();
        let opened = Self {
            file,
            path,
            keyed,
            content,
            entries: HashMap::new(),
        };
        Ok((opened, stored))
    }

    /// The CRC-32 of what the file holds: whether somebody else wrote it meanwhile.
    pub(crate) fn hash(&self) -> u32 {
        crc32fast::hash(&self.content)
    }

    /// Rewrites the file without the entries that are not followed any more
    /// (`pos_file_compaction_interval`).
    pub(crate) fn squeeze(&mut self) -> io::Result<()> {
        let content = std::mem::take(&mut self.content);
        let (stored, _) = parse(&content);
        self.content = content;
        if stored.iter().all(|entry| entry.position != UNWATCHED) {
            return Ok(());
        }
        self.compact(&stored, |_| true)
    }

    /// Rewrites the file with the entries of `stored` that are `wanted`: the last of doubles, in
    /// the place of the first, and no tombstones.
    pub(crate) fn compact(
        &mut self,
        stored: &[Stored],
        wanted: impl Fn(&Stored) -> bool,
    ) -> io::Result<()> {
        let mut order: Vec<Vec<u8>> = Vec::new();
        let mut newest: HashMap<Vec<u8>, &Stored> = HashMap::new();
        for entry in stored {
            let key = self.key(&entry.path, entry.inode);
            if newest.insert(key.clone(), entry).is_none() {
                order.push(key);
            } else {
                let path = entry.path.display();
                warn!(file = %self.path.display(), "{path} already exists. use latest one: deleted");
            }
        }
        let previous = std::mem::take(&mut self.content);
        self.entries.clear();
        for key in order {
            let kept = newest.get(&key).filter(|entry| entry.position != UNWATCHED);
            if let Some(entry) = kept.filter(|entry| wanted(entry)) {
                self.append(key, &entry.path, entry.position, entry.inode);
            }
        }
        if self.content != previous {
            self.file.write_all_at(&self.content, 0)?;
            self.file.set_len(self.content.len() as u64)?;
        }
        Ok(())
    }

    /// Sets a file's position; true when something was written.
    pub(crate) fn set(&mut self, path: &Path, inode: u64, position: u64) -> io::Result<bool> {
        let key = self.key(path, inode);
        let Some(slot) = self.entries.get_mut(&key) else {
            if position == UNWATCHED || !can_be_written(path) {
                return Ok(false);
            }
            let start = self.content.len();
            self.append(key, path, position, inode);
            let line = self.content.get(start..).unwrap_or_default();
            self.file.write_all_at(line, start as u64)?;
            return Ok(true);
        };
        let mut text = format!("{position:016x}");
        match (slot.position == position, slot.inode == inode) {
            (true, true) => return Ok(false),
            (_, true) => {}
            (_, false) => text = format!("{text}\t{inode:016x}"),
        }
        if let Some(bytes) = self.content.get_mut(slot.at..slot.at + text.len()) {
            bytes.copy_from_slice(text.as_bytes());
        }
        self.file.write_all_at(text.as_bytes(), slot.at as u64)?;
        (slot.position, slot.inode) = (position, inode);
        Ok(true)
    }

    fn append(&mut self, key: Vec<u8>, path: &Path, position: u64, inode: u64) {
        let at = write_line(&mut self.content, path, position, inode);
        self.entries.insert(
            key,
            Slot {
                at,
                position,
                inode,
            },
        );
    }

    fn key(&self, path: &Path, inode: u64) -> Vec<u8> {
        match self.keyed {
            Keyed::ByPath => path.as_os_str().as_bytes().to_vec(),
            Keyed::ByInode => inode.to_le_bytes().to_vec(),
        }
    }
}

/// Appends an entry; where the digits of its position begin.
fn write_line(content: &mut Vec<u8>, path: &Path, position: u64, inode: u64) -> usize {
    content.extend_from_slice(path.as_os_str().as_bytes());
    content.push(b'\t');
    let at = content.len();
    content.extend_from_slice(format!("{position:016x}\t{inode:016x}\n").as_bytes());
    at
}

/// A position file as it is written anew; nothing if a line of it is none.
pub(crate) fn rewritten(content: &[u8]) -> Option<Vec<u8>> {
    let (stored, unparsable) = parse(content);
    let mut written = Vec::new();
    for entry in &stored {
        write_line(&mut written, &entry.path, entry.position, entry.inode);
    }
    unparsable.is_empty().then_some(written)
}

/// The format has no way to write these.
fn can_be_written(path: &Path) -> bool {
    memchr::memchr2(b'\t', b'\n', path.as_os_str().as_bytes()).is_none()
}

/// Reads a position file: its entries, and the lines that are none. Any number of hexadecimal
/// digits is read, as Fluentd reads them.
pub(crate) fn parse(content: &[u8]) -> (Vec<Stored>, Vec<&[u8]>) {
    let mut stored = Vec::new();
    let mut unparsable = Vec::new();
    for line in content
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        match parse_line(line) {
            Some(entry) => stored.push(entry),
            None => unparsable.push(line),
        }
    }
    (stored, unparsable)
}

fn parse_line(line: &[u8]) -> Option<Stored> {
    let mut fields = line.splitn(3, |byte| *byte == b'\t');
    let path = fields.next().filter(|path| !path.is_empty())?;
    let (position, rest) = hexadecimal(fields.next()?)?;
    let (inode, _) = hexadecimal(fields.next()?)?;
    let path = PathBuf::from(std::ffi::OsStr::from_bytes(path));
    rest.is_empty().then_some(Stored {
        path,
        position,
        inode,
    })
}

/// The number that `text` begins with, and what follows it.
fn hexadecimal(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let (digits, rest) = text.split_at_checked(length)?;
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    let significant = digits.get(zeros..)?;
    if length == 0 || significant.len() > DIGITS {
        return None;
    }
    let digits = std::str::from_utf8(significant).ok()?;
    let number = if digits.is_empty() {
        0
    } else {
        u64::from_str_radix(digits, 16).ok()?
    };
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXAMPLE: &str = "2f746d702f6f7261636c652f6532652f612e6c6f67093030303030303030303030303030306309303030303030303030303966303136330a";

    fn bytes_of(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    fn opened(content: &[u8], keyed: Keyed) -> (tempfile::TempDir, PositionFile, Vec<Stored>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/a.pos");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        let (file, stored) = PositionFile::open(&path, keyed).unwrap();
        (directory, file, stored)
    }

    fn text(file: &PositionFile) -> String {
        let content = std::fs::read(&file.path).unwrap();
        assert_eq!(content, file.content);
        String::from_utf8(content).unwrap()
    }

    #[test]
    fn has_the_recorded_bytes() {
        let example = bytes_of(EXAMPLE);
        let (_directory, mut file, stored) = opened(&example, Keyed::ByPath);
        let path = PathBuf::from("/tmp/oracle/e2e/a.log");
        assert_eq!(
            stored,
            [Stored {
                path: path.clone(),
                position: 12,
                inode: 0x9f0163
            }]
        );
        file.compact(&stored, |_| false).unwrap();
        assert_eq!(text(&file), "");
        assert!(file.set(&path, 0x9f0163, 12).unwrap());
        assert_eq!(text(&file).as_bytes(), example);
    }

    #[test]
    fn updates_in_place_and_marks_the_unwatched() {
        let (_directory, mut file, _) = opened(b"", Keyed::ByPath);
        let (a, b) = (Path::new("/a"), Path::new("/b"));
        assert!(!file.set(a, 1, UNWATCHED).unwrap(), "nothing to mark");
        file.set(a, 1, 2).unwrap();
        file.set(b, 0xff, 0).unwrap();
        assert!(!file.set(b, 0xff, 0).unwrap(), "nothing new");
        file.set(a, 0x10, 3).unwrap();
        file.set(b, 0xff, UNWATCHED).unwrap();
        assert_eq!(
            text(&file),
            "/a\t0000000000000003\t0000000000000010\n/b\tffffffffffffffff\t00000000000000ff\n"
        );
        assert!(!file.set(Path::new("/tab\there"), 1, 1).unwrap());
    }

    #[test]
    fn two_cannot_use_one_file() {
        let (_directory, file, _) = opened(b"", Keyed::ByPath);
        let error = PositionFile::open(&file.path, Keyed::ByPath).unwrap_err();
        assert_eq!(
            error.to_string(),
            "another source or process uses it; each needs one of its own"
        );
    }

    #[test]
    fn by_inode_one_path_may_have_several_entries() {
        let (_directory, mut file, _) = opened(b"", Keyed::ByInode);
        let path = Path::new("/a");
        file.set(path, 1, 5).unwrap();
        file.set(path, 2, 6).unwrap();
        file.set(Path::new("/a.1"), 1, 7).unwrap();
        assert_eq!(
            text(&file),
            "/a\t0000000000000007\t0000000000000001\n/a\t0000000000000006\t0000000000000002\n"
        );
    }

    #[test]
    fn compaction_keeps_the_last_of_doubles_and_no_tombstones() {
        let content = "/a\t01\t1\n/gone\tffffffffffffffff\t2\nnonsense\n/b\tA\t3\n/a\t0000000000000009\t4 \n/c\t1\t5\n";
        let (_directory, mut file, stored) = opened(content.as_bytes(), Keyed::ByPath);
        assert_eq!(stored.len(), 5);
        file.compact(&stored, |entry| entry.path != Path::new("/c"))
            .unwrap();
        assert_eq!(
            text(&file),
            "/a\t0000000000000009\t0000000000000004\n/b\t000000000000000a\t0000000000000003\n"
        );
    }

    #[test]
    fn lines_of_another_shape_are_told() {
        let content =
            b"\t1\t2\n/a\t1\n/a\tx\t1\n/a\t11112222333344445\t1\n/a\t00000000000000001\t1\n";
        let (stored, unparsable) = parse(content);
        assert_eq!(
            stored,
            [Stored {
                path: "/a".into(),
                position: 1,
                inode: 1
            }]
        );
        assert_eq!(unparsable.len(), 4);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content in prop::collection::vec(prop_oneof![Just(b'\t'), Just(b'\n'), Just(b'f'), any::<u8>()], 0..200)) {
            parse(&content);
        }
    }
}
