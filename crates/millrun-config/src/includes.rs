//! Where included files come from.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::glob;

/// Deepest directory below an include directory.
const MAX_DIRECTORY_DEPTH: usize = 64;

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

    /// All files below a directory, in the order of their names, a directory's before those of
    /// the next name.
    ///
    /// # Errors
    /// If a directory cannot be read.
    fn files_below(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>>;

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

    fn files_below(&mut self, _: &Path) -> io::Result<Vec<PathBuf>> {
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

    fn files_below(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        walk(directory, 0, &mut files)?;
        Ok(files)
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

    fn files_below(&mut self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let below = |path: &&PathBuf| path.starts_with(directory);
        let files: Vec<PathBuf> = self.keys().filter(below).cloned().collect();
        match files.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(files),
        }
    }

    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        match self.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Collects the files below a directory; symbolic links are not followed into directories.
fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if depth > MAX_DIRECTORY_DEPTH {
        return Err(io::Error::other(format!(
            "'{}' is deeper than {MAX_DIRECTORY_DEPTH} directories",
            directory.display()
        )));
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        paths.push((entry.path(), entry.file_type()?.is_dir()));
    }
    paths.sort();
    for (path, is_directory) in paths {
        if is_directory {
            walk(&path, depth + 1, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
