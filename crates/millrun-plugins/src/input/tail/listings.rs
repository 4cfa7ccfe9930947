//! Directories, listed once while nothing in them changes.
//!
//! Ten thousand files that lie side by side and are opened one after the other would else mean ten
//! thousand listings of ten thousand names each.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::files::{Entry, FileSystem};

/// A directory that changed less than this before it was listed may have changed again under the
/// same time: file systems count in ticks of up to 10 ms.
const SETTLED: Duration = Duration::from_millis(100);

/// Listings by directory.
#[derive(Debug, Default)]
pub(crate) struct Listings {
    known: HashMap<PathBuf, Listing>,
}

#[derive(Debug)]
struct Listing {
    modified: SystemTime,
    entries: Arc<[Entry]>,
}

impl Listings {
    /// The entries of `directory` whose name begins with that of `path`, sorted. `wall` is the
    /// time now. `None` where the directory cannot be listed.
    pub(crate) fn beside<S: FileSystem>(
        &mut self,
        files: &S,
        path: &Path,
        wall: SystemTime,
    ) -> Option<Vec<Entry>> {
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let name = name_of(path);
        let entries = self.entries(files, directory, wall)?;
        let start = entries.partition_point(|entry| name_of(&entry.path) < name);
        let beside = entries.get(start..)?.iter();
        let beside = beside.take_while(|entry| name_of(&entry.path).starts_with(name));
        Some(beside.cloned().collect())
    }

    /// Gives the memory back.
    pub(crate) fn clear(&mut self) {
        self.known = HashMap::new();
    }

    fn entries<S: FileSystem>(
        &mut self,
        files: &S,
        directory: &Path,
        wall: SystemTime,
    ) -> Option<Arc<[Entry]>> {
        // Looked at first: what changes between this and the listing makes the next look differ.
        let modified = files.stat(directory).ok().map(|stat| stat.modified);
        if let Some(known) = self.known.get(directory)
            && modified == Some(known.modified)
        {
            return Some(Arc::clone(&known.entries));
        }
        let mut entries = files.list(directory).ok()?;
        entries.sort_unstable_by(|a, b| name_of(&a.path).cmp(name_of(&b.path)));
        let entries: Arc<[Entry]> = entries.into();
        self.known.remove(directory);
        if let Some(modified) = modified.filter(|modified| *modified + SETTLED < wall) {
            let entries = Arc::clone(&entries);
            self.known
                .insert(directory.to_owned(), Listing { modified, entries });
        }
        Some(entries)
    }
}

fn name_of(path: &Path) -> &[u8] {
    path.file_name().map(OsStr::as_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::tail::files::System;

    #[test]
    fn a_change_is_seen_however_often_it_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        let mut listings = Listings::default();
        let mut count = |wall| {
            let beside = listings.beside(&System, &path, wall).unwrap();
            (beside.len(), listings.known.len())
        };
        let later = SystemTime::now() + Duration::from_secs(1);
        for name in ["0", "a", "a.1", "b"] {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(count(SystemTime::UNIX_EPOCH), (2, 0), "too fresh to keep");
        assert_eq!(count(later), (2, 1));
        assert_eq!(count(later), (2, 1));
        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(directory.path().join("a-x"), "").unwrap();
        assert_eq!(count(SystemTime::UNIX_EPOCH), (3, 0));
    }
}
