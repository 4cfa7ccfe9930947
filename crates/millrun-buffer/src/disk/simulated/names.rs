use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::file::Content;

/// The names of files, by directory. They are compared as bytes: millions of simulated lives do little else than look
/// for names, and comparing paths component by component takes half of their time.
#[derive(Default)]
pub(super) struct Names(BTreeMap<OsString, Directory>);

type Directory = BTreeMap<OsString, Arc<Mutex<Content>>>;

impl Names {
    pub(super) fn get(&self, path: &Path) -> Option<&Arc<Mutex<Content>>> {
        let (directory, name) = split(path);
        self.0.get(directory)?.get(name)
    }

    pub(super) fn insert(&mut self, path: &Path, content: Arc<Mutex<Content>>) {
        let (directory, name) = split(path);
        if let Some(files) = self.0.get_mut(directory) {
            files.insert(name.to_owned(), content);
        } else {
            let files = [(name.to_owned(), content)].into();
            self.0.insert(directory.to_owned(), files);
        }
    }

    pub(super) fn remove(&mut self, path: &Path) -> Option<Arc<Mutex<Content>>> {
        let (directory, name) = split(path);
        self.0.get_mut(directory)?.remove(name)
    }

    /// The files of a directory, by name.
    pub(super) fn inside(
        &self,
        directory: &Path,
    ) -> impl Iterator<Item = (PathBuf, &Arc<Mutex<Content>>)> {
        let files = self.0.get(directory.as_os_str()).into_iter().flatten();
        files.map(|(name, file)| (directory.join(name), file))
    }

    /// All files.
    pub(super) fn all(&self) -> impl Iterator<Item = (PathBuf, &Arc<Mutex<Content>>)> {
        self.0
            .keys()
            .flat_map(|directory| self.inside(Path::new(directory)))
    }

    /// Gives a directory the names it has in `other`.
    pub(super) fn copy_directory(&mut self, directory: &Path, other: &Self) {
        let directory = directory.as_os_str();
        match other.0.get(directory) {
            Some(files) => self.0.insert(directory.to_owned(), files.clone()),
            None => self.0.remove(directory),
        };
    }
}

/// A path's directory and its last name.
fn split(path: &Path) -> (&OsStr, &OsStr) {
    let bytes = path.as_os_str().as_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/');
    let (directory, name) = slash.map_or((&[][..], bytes), |at| {
        let (directory, name) = bytes.split_at(at);
        (directory, name.get(1..).unwrap_or_default())
    });
    (OsStr::from_bytes(directory), OsStr::from_bytes(name))
}
