//! Where included files come from.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::glob;

/// The files an `@include` can name.
///
/// The parser asks nothing else of the world, so a test needs no disk.
pub trait Includes {
    /// The paths a pattern matches, sorted. A pattern without wildcards matches a file of exactly
    /// that name if it exists. No match is no error.
    ///
    /// # Errors
    /// If a directory cannot be read.
    fn expand(&mut self, pattern: &Path) -> io::Result<Vec<PathBuf>>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// If it cannot be read.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;
}

/// No file can be included: every `@include` matches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoIncludes;

impl Includes for NoIncludes {
    fn expand(&mut self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            path.display().to_string(),
        ))
    }
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Includes for Disk {
    fn expand(&mut self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        glob::expand(pattern)
    }

    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
}

/// Files by their paths, for tests and for editors with unsaved text.
impl Includes for BTreeMap<PathBuf, String> {
    fn expand(&mut self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self
            .keys()
            .filter(|path| glob::matches(pattern, path))
            .cloned()
            .collect())
    }

    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        match self.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
