//! Chunks onto the ends of files, one at a time and each exactly once (see `millrun_buffer::Appender`).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millrun_buffer::disk::RealDiskWithModes;
use millrun_buffer::{Appender, Chunk, DestinationError, Resumption};
use millrun_core::{DeliveryError, PluginId, Progress, SystemParameters};

/// How long a chunk waits for another one that stands in its file in part.
const UNFINISHED_WAIT: Duration = Duration::from_millis(500);

/// How many names `x_0`, `x_1` … are tried for a file that must be new.
const INDEX_MAX: u32 = 1_000_000;

/// What the flush threads of an output write files through.
pub(in super::super) struct FileWriter {
    id: Arc<str>,
    /// Its lock is held while a file is written: one writer at a time.
    appender: Mutex<Appender>,
}

/// The file a chunk belongs to.
pub(in super::super) enum Target<'a> {
    /// This one, whatever stands in it.
    Path(PathBuf),
    /// The first of the names for 0, 1 … that nothing has.
    FirstFree(&'a dyn Fn(u32) -> PathBuf),
}

impl FileWriter {
    pub(in super::super) fn new(id: &PluginId, system: &SystemParameters) -> Self {
        let disk = RealDiskWithModes {
            file: system.file_permission.map_or(0o644, |mode| mode.0),
            directory: system.dir_permission.map_or(0o755, |mode| mode.0),
        };
        Self {
            id: Arc::clone(&id.text),
            appender: Mutex::new(Appender::new(Arc::new(disk))),
        }
    }

    /// Appends `bytes`, what becomes of `chunk`, to the file that `target` tells, or goes on with an append that was begun.
    pub(in super::super) fn write(
        &self,
        chunk: &Chunk,
        bytes: &[u8],
        target: Target<'_>,
    ) -> Result<Progress, DeliveryError> {
        let mut appender = self.appender.lock().unwrap_or_else(PoisonError::into_inner);
        let is_doubled = match appender.resume(chunk, bytes).map_err(failure)? {
            Resumption::Complete => return Ok(Progress::Delivered),
            Resumption::Fresh => false,
            Resumption::Changed(path) => {
                tracing::warn!(
                    chunk = %chunk.id(), path = &*path,
                    "the file changed while a chunk was being appended; the chunk is appended whole \
                     and may stand there twice"
                );
                true
            }
        };
        let doubled_by = is_doubled.then_some(&*self.id);
        let name = match target {
            Target::FirstFree(name) => name,
            Target::Path(path) => {
                let appended = appender.append(chunk, bytes, &path, false, doubled_by);
                return appended.map(|()| Progress::Delivered).map_err(failure);
            }
        };
        for index in 0..INDEX_MAX {
            let path = name(index);
            match appender.append(chunk, bytes, &path, true, doubled_by) {
                Ok(()) => return Ok(Progress::Delivered),
                // A file in the place of a directory answers the same; no other name helps then.
                Err(DestinationError::Io { source, .. })
                    if source.kind() == io::ErrorKind::AlreadyExists
                        && path.symlink_metadata().is_ok() => {}
                Err(error) => return Err(failure(error)),
            }
        }
        let (first, last) = (name(0), name(INDEX_MAX));
        Err(DeliveryError::Retriable(format!(
            "{} to {} all exist: move some away, or set append true",
            first.display(),
            last.display()
        )))
    }
}

fn failure(error: DestinationError) -> DeliveryError {
    match error {
        DestinationError::Io { path, source } => retriable(&path, &source),
        // The other chunk is tried meanwhile.
        error @ DestinationError::Unfinished { .. } => DeliveryError::Held {
            reason: error.to_string(),
            until: Instant::now() + UNFINISHED_WAIT,
        },
        error => DeliveryError::Retriable(error.to_string()),
    }
}

fn retriable(path: &Path, error: &io::Error) -> DeliveryError {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull => {
            "the disk is full: make room, the chunk is kept and written then"
        }
        io::ErrorKind::PermissionDenied => "let this user write there",
        io::ErrorKind::ReadOnlyFilesystem => "mount it writable",
        _ => "the chunk is kept and tried again",
    };
    DeliveryError::Retriable(format!(
        "cannot write {}: {error} ({advice})",
        path.display()
    ))
}
