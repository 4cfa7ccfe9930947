//! The pid file: there with its content at once, locked while its process lives, removed at the end.
//!
//! It is prepared under another name, locked and filled, and then given its name, in place of one that
//! nobody has locked. Who finds it locked knows that the server runs already: a lock, unlike a number,
//! cannot be left behind.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How often another one may take the file from under our feet before we give up.
const ATTEMPTS_MAX: usize = 10;

/// A locked pid file. Removed when it is dropped by the process that made it; dropped by a forked child,
/// only the child's copy of the descriptor is closed.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
    file: File,
    owner: u32,
}

impl PidFile {
    /// Creates the file of this process.
    ///
    /// # Errors
    ///
    /// A sentence: the server runs already, or the file cannot be written.
    pub(crate) fn create(path: &Path) -> Result<Self, String> {
        let owner = std::process::id();
        let failed = |error: io::Error| format!("pid file {}: {error}", path.display());
        let mut name = path.to_owned().into_os_string();
        name.push(format!(".{owner}"));
        let prepared = PathBuf::from(name);
        // Left behind by a process of the same number that was killed just here.
        let _ = fs::remove_file(&prepared);
        let named = File::create_new(&prepared).and_then(|mut file| {
            file.lock()?;
            writeln!(file, "{owner}")?;
            Ok(file)
        });
        let result = named.map_err(failed).and_then(|file| {
            give_name(&prepared, path)?;
            Ok(Self {
                path: path.to_owned(),
                file,
                owner,
            })
        });
        let _ = fs::remove_file(&prepared);
        result
    }

    fn remove(&self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .and_then(|named| Ok((named, self.file.metadata()?)))
            .is_ok_and(|(named, ours)| named.ino() == ours.ino() && named.dev() == ours.dev());
        // A directory that only root may write to: then nobody is meant by the file.
        if is_ours && fs::remove_file(&self.path).is_err() {
            let _ = self.file.set_len(0);
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if std::process::id() == self.owner {
            self.remove();
        }
    }
}

fn give_name(prepared: &Path, path: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("pid file {}: {error}", path.display());
    for _ in 0..ATTEMPTS_MAX {
        match fs::hard_link(prepared, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            linked => return linked.map_err(failed),
        }
        let there = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(failed)?,
        };
        match there.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = io::read_to_string(&there).unwrap_or_default();
                return Err(format!(
                    "already running: pid file {} is locked by process {}",
                    path.display(),
                    pid.trim()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Locked by us, but is it still the one with the name?
        let same = fs::metadata(path)
            .and_then(|named| Ok(named.ino() == there.metadata()?.ino()))
            .unwrap_or(false);
        if same {
            return fs::rename(prepared, path).map_err(failed);
        }
    }
    Err(format!(
        "pid file {}: others keep replacing it",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b24_it_is_locked_while_it_is_held_and_removed_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        fs::write(&path, "99999999\n").unwrap();
        let file = PidFile::create(&path).unwrap();
        let own = std::process::id();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{own}\n"));
        assert_eq!(
            PidFile::create(&path).unwrap_err(),
            format!(
                "already running: pid file {} is locked by process {own}",
                path.display()
            )
        );
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_one_of_many_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        // Threads have one pid: each prepares in a folder of its own.
        let won = std::thread::scope(|scope| {
            let attempts: Vec<_> = (0..8)
                .map(|number| {
                    let (prepared, path) = (folder.path().join(format!("{number}")), &path);
                    scope.spawn(move || {
                        let file = File::create_new(&prepared).unwrap();
                        file.lock().unwrap();
                        let won = give_name(&prepared, path).is_ok();
                        won.then_some(file)
                    })
                })
                .collect();
            let files: Vec<_> = attempts.into_iter().map(|it| it.join().unwrap()).collect();
            files.iter().flatten().count()
        });
        assert_eq!(won, 1);
    }

    #[test]
    fn a_file_of_somebody_else_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let file = PidFile::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another");
    }
}
