//! `symlink_path`: a link to the newest chunk, so that somebody may follow what is not written to its file yet.
//!
//! It is set when a chunk file is made whose time slice is not older than that of the chunk it leads to. A chunk that is queued
//! or delivered leaves it dangling until the next one is made, as in Fluentd.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use millrun_buffer::{ChunkId, Metadata};
use millrun_core::expand;
use millrun_pattern::{TimeFormat, Zone};

/// The link of an output.
pub(super) struct NewestLink {
    template: String,
    is_relative: bool,
    zone: Zone,
    /// The time slice it leads to, once there is one.
    newest: Mutex<Option<Option<i64>>>,
}

impl NewestLink {
    pub(super) fn new(template: String, is_relative: bool, zone: Zone) -> Self {
        Self {
            template,
            is_relative,
            zone,
            newest: Mutex::new(None),
        }
    }

    /// Lets the link lead to a chunk that was made just now, unless it leads to one of a later slice.
    pub(super) fn follow(&self, metadata: &Metadata, id: ChunkId, file: &Path) {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.is_some_and(|newest| newest > metadata.timekey) {
            return;
        }
        let set = self
            .path(metadata, id)
            .and_then(|link| self.set(&link, file));
        match set {
            Ok(()) => *newest = Some(metadata.timekey),
            Err(error) => tracing::warn!(
                symlink_path = self.template, error = %error,
                "cannot let the link lead to the newest chunk"
            ),
        }
    }

    fn path(&self, metadata: &Metadata, id: ChunkId) -> io::Result<PathBuf> {
        let strftime = |template: &str, slice: i64| match TimeFormat::compile(template) {
            Ok(format) => format.to_string(slice, 0, &self.zone),
            Err(_) => template.to_owned(),
        };
        let expansion = expand(&self.template, metadata, Some(id), strftime);
        expansion
            .map(|expansion| expansion.text.into())
            .map_err(io::Error::other)
    }

    /// Replaces what stands there in one step.
    fn set(&self, link: &Path, file: &Path) -> io::Result<()> {
        let directory = link.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(directory)?;
        let target = match self.is_relative {
            true => relative(
                &std::path::absolute(directory)?,
                &std::path::absolute(file)?,
            ),
            false => file.to_owned(),
        };
        let mut beside = link.as_os_str().to_owned();
        beside.push(format!(".{}.tmp", std::process::id()));
        let beside = Path::new(&beside);
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(target, beside)?;
        fs::rename(beside, link).inspect_err(|_| {
            let _ = fs::remove_file(beside);
        })
    }
}

/// The way from a directory to a file; both absolute.
fn relative(directory: &Path, file: &Path) -> PathBuf {
    let mut from = directory.components().peekable();
    let mut to = file.components().peekable();
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    let up = from.map(|_| Path::new(".."));
    up.chain(to.map(|part| Path::new(part.as_os_str())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_link_goes_up_and_down() {
        let way = |directory: &str, file: &str| {
            relative(Path::new(directory), Path::new(file))
                .display()
                .to_string()
        };
        assert_eq!(way("/a/b", "/a/b/c"), "c");
        assert_eq!(way("/a/b", "/a/x/c"), "../x/c");
        assert_eq!(way("/", "/x"), "x");
    }

    #[test]
    fn it_leads_to_the_newest_slice_whatever_stood_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sub/now");
        fs::create_dir_all(directory.path().join("sub")).unwrap();
        fs::write(&path, "a file").unwrap();
        let link = NewestLink::new(path.to_str().unwrap().to_owned(), true, Zone::UTC);
        let leads_to = |slice, file: &str| {
            let metadata = Metadata {
                timekey: Some(slice),
                ..Metadata::default()
            };
            let id = ChunkId::from_bytes([0; 16]);
            link.follow(&metadata, id, &directory.path().join(file));
            fs::read_link(&path).unwrap().display().to_string()
        };
        assert_eq!(leads_to(10, "b1"), "../b1");
        assert_eq!(leads_to(20, "b2"), "../b2");
        assert_eq!(leads_to(10, "b3"), "../b2");
        assert_eq!(leads_to(20, "b4"), "../b4");
    }
}
