//! One chunk becomes two: how the event is found that a destination refuses.
//!
//! ```text
//! births of both parts      recorded; files that nothing refers to
//! bytes of both parts       written
//! commit (Local, parts)     one record: the whole is delivered, the parts hold what it held
//! files of the whole        removed
//! ```
//!
//! A crash before the commit leaves the whole, one behind it the parts; never both, never none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Buffer, lock};
use crate::chunk::{Body, ChunkStage, FileBody, Fresh, MemoryBody};
use crate::ledger::{ChunkExtent, ChunkState};
use crate::{Chunk, Durability, Packer, Timestamp};

/// Where a chunk is cut: behind so many bytes, as [`Chunk::read`] gives them, and so many events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of the first part.
    pub length: usize,
    /// Events of the first part.
    pub count: u64,
    /// Events of both.
    pub total: u64,
}

impl Buffer {
    /// Cuts a chunk that was taken from the queue in two.
    ///
    /// # Errors
    /// The chunk as it was, and why: its bytes cannot be read, or the parts not be written.
    pub fn split(
        &self,
        chunk: Chunk,
        cut: Cut,
        now: Timestamp,
    ) -> Result<(Chunk, Chunk), (Box<Chunk>, io::Error)> {
        match self.parts(&chunk, cut, now) {
            Ok(parts) => {
                self.queue_bytes.fetch_sub(chunk.len(), Ordering::Relaxed);
                for part in [&parts.0, &parts.1] {
                    self.queue_bytes.fetch_add(part.len(), Ordering::Relaxed);
                }
                let Chunk {
                    id, body, ledger, ..
                } = chunk;
                match body {
                    Body::Memory(body) => {
                        self.recycle(body);
                        ledger.withdraw(id);
                    }
                    Body::File(body) => self.remove_files(&ledger, id, body),
                }
                Ok(parts)
            }
            Err(error) => Err((Box::new(chunk), error)),
        }
    }

    fn parts(&self, chunk: &Chunk, cut: Cut, now: Timestamp) -> io::Result<(Chunk, Chunk)> {
        let mut scratch = Vec::new();
        let bytes = chunk.read(&mut scratch)?;
        let halves = bytes.split_at_checked(cut.length);
        let (first, second) = halves.ok_or_else(|| io::Error::other("the cut lies outside"))?;
        let first = self.part(chunk, first, cut.count, now)?;
        let second = self.part(chunk, second, cut.total.saturating_sub(cut.count), now);
        let second = match second {
            Ok(second) => second,
            Err(error) => {
                self.forget_part(first);
                return Err(error);
            }
        };
        let committed = match &chunk.body {
            Body::Memory(_) => {
                chunk.ledger.hold_again(&chunk.held());
                Ok(())
            }
            Body::File(_) => self.commit_parts(chunk, &first, &second),
        };
        if let Err(error) = committed {
            self.forget_part(first);
            self.forget_part(second);
            return Err(error);
        }
        Ok((first, second))
    }

    fn part(&self, whole: &Chunk, bytes: &[u8], count: u64, now: Timestamp) -> io::Result<Chunk> {
        let id = lock(&self.ids).next(now);
        let mut packer = Packer::default();
        let stored = packer.pack(whole.packing.compression, bytes)?;
        let extent = ChunkExtent {
            length: stored.len() as u64,
            count,
            modified: whole.extent.modified,
            hash: Some(crc32fast::hash(stored)),
        };
        let body = match (&whole.body, &self.paths) {
            (Body::File(_), Some(paths)) => {
                let born = ChunkState {
                    metadata: whole.metadata.as_ref().clone(),
                    created: whole.created,
                    extent: ChunkExtent::default(),
                    previous: ChunkExtent::default(),
                };
                let noted = whole.ledger.note_chunk(&paths.pattern(), id, &born);
                noted.map_err(io::Error::other)?;
                let path = paths.data(ChunkStage::Queued, id, &whole.metadata);
                let mut body = FileBody::create(self.disk.clone(), path, paths.has_meta())?;
                if let Err(error) = body.write(stored, 0) {
                    let _ = body.remove();
                    return Err(error);
                }
                Body::File(body)
            }
            _ => Body::Memory(MemoryBody::Own(stored.to_vec())),
        };
        let mut part = Chunk {
            id,
            metadata: Arc::clone(&whole.metadata),
            created: whole.created,
            modified: whole.modified,
            extent,
            committed: extent,
            body,
            fresh: Fresh::default(),
            origins: whole.origins.clone(),
            relayed: whole.relayed.clone(),
            ledger: Arc::clone(&whole.ledger),
            packing: whole.packing,
        };
        part.settle();
        Ok(part)
    }

    fn commit_parts(&self, whole: &Chunk, first: &Chunk, second: &Chunk) -> io::Result<()> {
        if whole.ledger.durability() == Durability::Power {
            for part in [first, second] {
                if let Body::File(body) = &part.body {
                    body.sync()?;
                }
            }
            if let Some(paths) = &self.paths {
                self.disk.sync_dir(paths.directory())?;
            }
        }
        let parts = vec![(first.id, first.extent), (second.id, second.extent)];
        let divided = whole.ledger.divide(whole.id, parts);
        divided.map_err(io::Error::other)
    }

    /// Removes a part that nothing refers to.
    fn forget_part(&self, part: Chunk) {
        let Chunk {
            id, body, ledger, ..
        } = part;
        match body {
            Body::Memory(body) => self.recycle(body),
            Body::File(body) => self.remove_files(&ledger, id, body),
        }
    }
}
