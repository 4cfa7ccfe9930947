//! Files of delivered chunks, kept for the next ones.
//!
//! A file system that has just given back an inode does not hand it out again for some seconds, and looks past each such
//! one when a file is made (ext4: the longer the more were removed). With a chunk file for each block that is read, this
//! search comes to cost several times the rest. So while chunks come and go fast (`flush_mode immediate`, [`super::pace`]) a few files are
//! set aside under a name that nobody takes for a chunk, `<data file>.spare` and `<meta file>.spare`, and renamed
//! when the next chunk is made.
//!
//! The data stays where it is: to write over pages that a file has costs a third of what new ones cost. So until it is queued,
//! a chunk that uses a file again may be shorter than its file. The ledger knows the chunk before the file has its name, as one of
//! no bytes, and a start cuts the file to what was committed, as it does with any chunk. Where the length of a file
//! means something to others, because no meta file tells it or because the file is shown to people, the data is cut first.
//!
//! They are gone when there is nothing to do for a moment, and at the end of the process; what a crash leaves of them the
//! next start removes. Where a commit must survive a loss of power nothing is set aside: there the sync costs far more, and an
//! old name could come back.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::lock;
use crate::chunk::{FileBody, Spare};

/// How many chunks' files are kept.
const SPARES_MAX: usize = 16;

/// How many bytes of data stay in them together; beyond, they are emptied.
const STALE_MAX: u64 = 32 << 20;

/// How long nothing comes until they are removed.
pub(super) const SPARES_IDLE_MAX: Duration = Duration::from_secs(1);

/// The files set aside.
#[derive(Default)]
pub(super) struct Spares(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    spares: Vec<Spare>,
    /// Nothing is kept any more.
    closed: bool,
}

impl Spares {
    /// Files for a chunk of this path, if there are any that can be had.
    pub(super) fn take(&self, data_path: &Path) -> Option<FileBody> {
        let spare = lock(&self.0).spares.pop()?;
        // What goes wrong here goes wrong, and is told, when files are made anew.
        FileBody::reuse(spare, data_path.to_owned()).ok()
    }

    /// Keeps the files of a chunk that has ended, with their data where that does no harm. Gives it back where they are
    /// to be removed instead.
    pub(super) fn keep(&self, body: FileBody, keeps_data: bool) -> Result<(), FileBody> {
        let mut shelf = lock(&self.0);
        if shelf.closed || shelf.spares.len() >= SPARES_MAX {
            return Err(body);
        }
        let stale: u64 = shelf.spares.iter().map(Spare::stale).sum();
        let stale_max = match keeps_data {
            true => STALE_MAX.saturating_sub(stale),
            false => 0,
        };
        let spare = body.set_aside(stale_max)?;
        shelf.spares.push(spare);
        Ok(())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).spares.is_empty()
    }

    /// Removes all files. What cannot be removed now, the next start removes.
    pub(super) fn remove_all(&self) {
        for spare in lock(&self.0).spares.drain(..) {
            let _ = spare.remove();
        }
    }

    /// Removes all files, and keeps none from now on.
    pub(super) fn close(&self) {
        lock(&self.0).closed = true;
        self.remove_all();
    }
}
