//! The files of a dump: private, and nobody else's.
//!
//! `sigdump-<pid>.log` in the folder of the configuration, or else in the service's or the user's runtime
//! folder, or the folder for temporary files. It is made by its writer and nobody before (`O_EXCL`), and
//! appended to by later dumps of the process, or of a later one with its number, if it is a file of the
//! same user that nobody else can read or write. A link, anything that is no file, a file with a second name
//! or of somebody else in its place is refused.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How much a dump file may grow to. What is asked for beyond that is refused.
const FILE_LEN_MAX: u64 = 64 * 1024 * 1024;

/// Where folders for dumps are named, the best one first.
const FOLDER_VARIABLES: [&str; 2] = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"];

/// Returns the folder that dumps go to.
pub(super) fn folder(chosen: Option<&Path>) -> PathBuf {
    if let Some(folder) = chosen {
        return folder.to_owned();
    }
    let named = FOLDER_VARIABLES.iter().filter_map(std::env::var_os);
    let mut usable = named.map(PathBuf::from).filter(|it| it.is_dir());
    usable.next().unwrap_or_else(std::env::temp_dir)
}

/// Opens a file to append to.
pub(super) fn open(path: &Path) -> io::Result<File> {
    match options().append(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let file = options().append(true).open(path)?;
    let found = file.metadata()?;
    let refuse = |what: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    if !found.is_file() || found.nlink() != 1 {
        return refuse("there is something else in the place of the dump file");
    }
    if found.uid() != crate::sys::user_ids()?[1] || found.mode() & 0o077 != 0 {
        return refuse("the dump file is not private");
    }
    if found.len() > FILE_LEN_MAX {
        return refuse("the dump file is full; remove it");
    }
    Ok(file)
}

/// Makes a file in place of an earlier one of the same name, whatever that was.
pub(super) fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    options().read(true).write(true).create_new(true).open(path)
}

fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn links_and_files_of_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        let attempt = || open(&path).unwrap_err();
        for target in ["/etc/passwd", "/no/such/file"] {
            symlink(target, &path).unwrap();
            assert_eq!(attempt().raw_os_error(), Some(libc::ELOOP));
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert_eq!(attempt().to_string(), "the dump file is not private");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        fs::hard_link(&path, folder.path().join("other")).unwrap();
        let text = "there is something else in the place of the dump file";
        assert_eq!(attempt().to_string(), text);
        fs::remove_file(&path).unwrap();
        open(&path).unwrap().set_len(FILE_LEN_MAX + 1).unwrap();
        assert_eq!(attempt().to_string(), "the dump file is full; remove it");
    }

    #[test]
    fn what_is_made_anew_takes_the_place_of_a_link_and_not_of_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("heap"), folder.path().join("target"));
        fs::write(&target, "kept").unwrap();
        symlink(&target, &path).unwrap();
        assert_eq!(
            create(&path).unwrap().metadata().unwrap().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read(&target).unwrap(), b"kept");
    }
}
