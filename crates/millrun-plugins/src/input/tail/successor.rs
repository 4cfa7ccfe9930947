//! The rest of a life whose file is gone or holds other content: in a copy of it.
//!
//! ```text
//! in.log ──renamed──▶ in.log.1 ──gzip──▶ in.log.1.gz      compressed
//! in.log ──copied───▶ in.log.1, in.log truncated          copytruncate
//! ```
//!
//! A copy begins with the same bytes, so the fingerprint finds it, and what stood at a position
//! stands there in the copy, compressed or not. What is beside the path under a name of rotation,
//! fits and is longer than what was read, is read on as the life itself.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use millrun_buffer::Fingerprint;
use millrun_core::Filled;
use tracing::{info, warn};

use super::files::{Entry, FileSystem};
use super::follow::Follower;
use super::life::{Life, Reader};
use super::listings::Listings;
use super::packed::PACKED_SUFFIX;
use super::paths::tag_of;
use super::rotated::is_rotation_of;
use super::sink::{Lost, Piece, Sink};

impl<S: FileSystem> Follower<S> {
    /// Parts with a life whose file is gone or has other content: reads on in a copy, if there is
    /// one, else forgets it and gives false.
    pub(super) fn leave(&mut self, life: &Life, now: Instant, sink: &mut dyn Sink) -> bool {
        let Some((found, file)) = self.find_successor(life) else {
            self.forget(life, sink);
            return false;
        };
        let (plugin_id, path) = (&*self.settings.plugin_id, life.path.display());
        info!(
            plugin_id,
            "following the rest of {path} in its copy {}",
            found.display()
        );
        let mut reader = Reader::new(life.clone(), file);
        reader.is_copy = true;
        self.retire_found(reader, now);
        true
    }

    /// Ends a life that was read to the end of its copy, or as far as that can be read.
    pub(super) fn close_copy(&mut self, life: &Life, file: &S::File, sink: &mut dyn Sink) {
        let length = self.pump.files.stat_open(file).map(|stat| stat.size);
        if !length.is_ok_and(|length| length == life.position) {
            let (plugin_id, path) = (&*self.settings.plugin_id, life.path.display());
            let position = life.position;
            warn!(
                plugin_id,
                position,
                "what was {path} cannot be read to the end of its copy; what is behind this position is lost"
            );
            let lost = Lost {
                truncated: 1,
                ..Lost::default()
            };
            let piece = Piece {
                source: life.source,
                incarnation: life.incarnation,
                range: position..position,
            };
            let tag = tag_of(&self.settings.tag, &life.path);
            if let Err(refused) = sink.emit(&tag, Filled::default(), piece, lost) {
                self.pump.refused(life, &refused);
            }
        }
        self.forget(life, sink);
    }

    fn find_successor(&self, life: &Life) -> Option<(PathBuf, S::File)> {
        if life.identity.fingerprint.length == 0 || !self.may_read_on(life) {
            return None;
        }
        let files = &self.pump.files;
        let beside = Listings::default().beside(files, &life.path, SystemTime::UNIX_EPOCH)?;
        let mut successors = beside.into_iter().filter_map(|entry| {
            let file = self.open_successor(life, &entry)?;
            let mut head = vec![0; Fingerprint::LENGTH_MAX];
            let count = files.read_at(&file, 0, &mut head).ok()?;
            head.truncate(count);
            let fits = life.identity.fingerprint.fits(&head);
            fits.then_some((entry.path, file))
        });
        successors.next()
    }

    /// Opens what has a name of rotation, is nothing that is known and may hold more than was read.
    fn open_successor(&self, life: &Life, entry: &Entry) -> Option<S::File> {
        let files = &self.pump.files;
        let name = entry.path.to_str().unwrap_or_default();
        if let Some(name) = name.strip_suffix(PACKED_SUFFIX) {
            let (file, length_low) = is_rotation_of(Path::new(name), &life.path)
                .then(|| files.open_packed(&entry.path).ok())??;
            // The lowest bits suffice: nobody compresses 4 GiB more than were read.
            return (length_low != life.position as u32).then_some(file);
        }
        if !is_rotation_of(&entry.path, &life.path) || self.follows(&entry.path) {
            return None;
        }
        let file = files.open(&entry.path).ok()?;
        let stat = files.stat_open(&file).ok()?;
        let is_known = stat.id == life.id()
            || self.open.contains(&stat.id)
            || self.closed.iter().any(|life| life.id() == stat.id);
        (stat.is_regular && stat.size > life.position && !is_known).then_some(file)
    }
}
