//! Bytes onto the end of a file, exactly once.
//!
//! ```text
//! intent(path, device, inode, length before, hash)   recorded
//! append                                             may be cut short by a crash or a full disk
//! delivered                                          recorded by the buffer
//! ```
//!
//! Whoever finds an intent looks at what follows `length before`: where it is a prefix of the
//! bytes, the remainder is appended. Where the path is another file by now, or foreign bytes
//! stand there, nothing is cut: the bytes are appended whole, which may double some of them.
//! (DELIVERY, "Delivery out of a buffer".)

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use millrun_buffer::Intent;

/// Permissions of the files and directories made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permissions {
    pub(super) file: u32,
    pub(super) directory: u32,
}

/// A file that bytes are about to be appended to.
pub(super) struct Target {
    file: File,
    intent: Intent,
}

/// How an unfinished append ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resumed {
    /// All bytes stand in the file.
    Complete,
    /// The file is not what it was: the bytes must be appended whole, possibly a second time.
    Changed,
}

impl Target {
    /// Opens `path` for appending `bytes`, with its directories; `must_be_new` fails with
    /// `AlreadyExists` where the name is taken.
    pub(super) fn open(
        path: &Path,
        bytes: &[u8],
        must_be_new: bool,
        permissions: Permissions,
    ) -> io::Result<Self> {
        if let Some(directory) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            DirBuilder::new()
                .recursive(true)
                .mode(permissions.directory)
                .create(directory)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(permissions.file);
        let file = if must_be_new {
            options.create_new(true).open(path)?
        } else {
            options.create(true).open(path)?
        };
        let metadata = file.metadata()?;
        let intent = Intent {
            path: path.to_string_lossy().into(),
            device: metadata.dev(),
            inode: metadata.ino(),
            length_before: metadata.len(),
            hash: crc32fast::hash(bytes),
        };
        Ok(Self { file, intent })
    }

    /// What is about to be done, to be recorded before it is.
    pub(super) fn intent(&self) -> &Intent {
        &self.intent
    }

    /// Appends the bytes. After an error any part of them may stand in the file.
    pub(super) fn append(mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }
}

/// Ends an append of `bytes` that was begun and not finished.
pub(super) fn resume(intent: &Intent, bytes: &[u8]) -> io::Result<Resumed> {
    let opened = OpenOptions::new()
        .read(true)
        .append(true)
        .open(&*intent.path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Resumed::Changed),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let is_same = metadata.dev() == intent.device && metadata.ino() == intent.inode;
    if !is_same || crc32fast::hash(bytes) != intent.hash {
        return Ok(Resumed::Changed);
    }
    let Some(written) = metadata.len().checked_sub(intent.length_before) else {
        return Ok(Resumed::Changed);
    };
    let Some((head, remainder)) = usize::try_from(written)
        .ok()
        .and_then(|written| bytes.split_at_checked(written))
    else {
        return Ok(Resumed::Changed);
    };
    if !stands_at(&file, head, intent.length_before)? {
        return Ok(Resumed::Changed);
    }
    file.write_all(remainder)?;
    Ok(Resumed::Complete)
}

/// True when the file has exactly `bytes` at `offset`; reads block by block.
fn stands_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<bool> {
    let mut block = vec![0; COMPARE_BLOCK];
    let mut at = offset;
    for expected in bytes.chunks(COMPARE_BLOCK) {
        let Some(found) = block.get_mut(..expected.len()) else {
            return Ok(false);
        };
        match file.read_exact_at(found, at) {
            Ok(()) if found == expected => at += expected.len() as u64,
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Bytes compared at once.
const COMPARE_BLOCK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const MODES: Permissions = Permissions {
        file: 0o644,
        directory: 0o755,
    };

    fn begun(path: &Path, bytes: &[u8]) -> Intent {
        Target::open(path, bytes, false, MODES)
            .unwrap()
            .intent()
            .clone()
    }

    #[test]
    fn an_append_cut_short_at_any_byte_is_completed_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/x.log");
        for cut in 0..=5 {
            let _ = fs::remove_file(&path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "before\n").unwrap();
            let intent = begun(&path, b"line\n");
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(&b"line\n"[..cut]).unwrap();
            assert_eq!(resume(&intent, b"line\n").unwrap(), Resumed::Complete);
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                "before\nline\n",
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_file_that_is_another_one_by_now_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        let intent = begun(&path, b"line\n");
        fs::rename(&path, directory.path().join("x.log.1")).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(resume(&intent, b"line\n").unwrap(), Resumed::Changed);
        fs::remove_file(&path).unwrap();
        assert_eq!(resume(&intent, b"line\n").unwrap(), Resumed::Changed);
    }

    #[test]
    fn foreign_bytes_are_never_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        for foreign in ["lXne\n", "line\nand more\n"] {
            fs::write(&path, "").unwrap();
            let intent = begun(&path, b"line\n");
            fs::write(&path, foreign).unwrap();
            assert_eq!(resume(&intent, b"line\n").unwrap(), Resumed::Changed);
            assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
        }
    }

    #[test]
    fn a_shorter_file_was_truncated_by_somebody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        fs::write(&path, "before\n").unwrap();
        let intent = begun(&path, b"line\n");
        fs::write(&path, "").unwrap();
        assert_eq!(resume(&intent, b"line\n").unwrap(), Resumed::Changed);
    }
}
