use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::pace::{PACED_BYTES_MAX, PACED_CHUNKS_MAX, PACED_LARGE_MAX, PACED_WAITING_BYTES};
use super::stage::{Stage, key};
use super::{Buffer, RESERVE_MAX, lock};
use crate::chunk::{Body, ChunkStage, FileBody, Fresh, MemoryBody};
use crate::ledger::{ChunkExtent, ChunkState, Outcome};
use crate::packing::pack_apart;
use crate::{
    AppendError, BufferKind, Chunk, ChunkId, Compression, Durability, FlushMode, Ledger, Lent,
    Metadata, Origin, Packer, Relayed, Shard, Timestamp,
};

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Appended {
    /// Entries that are larger than a whole chunk may be and were left out: index within the append, and bytes.
    pub oversized: Vec<(u64, u64)>,
    /// Chunks that were dropped to make room.
    pub dropped: Vec<ChunkId>,
}

impl Buffer {
    /// Appends entries for the open transaction of a shard. `split` tells the length of the first entry of what it is given.
    pub(crate) fn append(
        &self,
        shard: &Shard,
        metadata: &Metadata,
        batch: Batch<'_>,
        split: &mut dyn FnMut(&[u8]) -> Option<usize>,
    ) -> Result<Appended, AppendError> {
        let mut appended = Appended::default();
        if batch.bytes.is_empty() {
            return Ok(appended);
        }
        if !self.has_space() && !self.make_space(&mut appended.dropped)? {
            let (size, limit) = (self.size(), self.config.total_limit_size);
            return Err(AppendError::Overflow {
                buffer: self.name.clone(),
                size,
                limit,
            });
        }
        let Some(stage) = self.stages.get(shard.number()) else {
            return Ok(appended);
        };
        let stage = &mut *lock(stage);
        let mut packer = std::mem::take(&mut stage.packer);
        let written = self.append_to(
            stage,
            shard.ledger(),
            metadata,
            batch,
            split,
            &mut packer,
            &mut appended,
        );
        stage.packer = packer;
        written.map(|()| appended)
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the locked half of append, apart for its packer"
    )]
    fn append_to(
        &self,
        stage: &mut Stage,
        ledger: &Arc<Ledger>,
        metadata: &Metadata,
        batch: Batch<'_>,
        split: &mut dyn FnMut(&[u8]) -> Option<usize>,
        packer: &mut Packer,
        appended: &mut Appended,
    ) -> Result<(), AppendError> {
        let Batch {
            bytes, count, now, ..
        } = batch;
        let stored = self.pack(bytes, packer)?;
        // What is kept otherwise than it came, or may be kept for long, is no one else's memory.
        let keeps_lent = self.config.flush_mode == FlushMode::Immediate
            && self.config.compression == Compression::Text;
        let whole = Batch {
            bytes: stored,
            lent: batch.lent.filter(|_| keeps_lent),
            ..batch
        };
        // Most writes fit: then they are one copy.
        if let Some(chunk) = stage.open.get_mut(metadata) {
            if self.fits(&chunk.extent, stored.len() as u64, count) {
                stage.touched.push(key(chunk));
                return self.write(chunk, whole);
            }
            self.roll(stage, metadata);
        }
        if self.fits(&ChunkExtent::default(), stored.len() as u64, count) {
            return self.write_staged(stage, ledger, metadata, whole);
        }
        // More than a whole chunk: as many entries as fit into each.
        let mut metadata = metadata.clone();
        let mut rest = bytes;
        let mut index = 0;
        while !rest.is_empty() {
            let (length, entries) = self.run_that_fits(rest, split);
            let (run, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            rest = after;
            let stored = self.pack(run, packer)?;
            if entries == 1 && stored.len() as u64 > self.config.chunk_limit_size {
                appended.oversized.push((index, length as u64));
            } else {
                let seq = metadata.seq;
                metadata.seq = 0;
                self.roll(stage, &metadata);
                metadata.seq = seq;
                let batch = Batch {
                    bytes: stored,
                    count: entries,
                    now,
                    lent: None,
                };
                self.write_staged(stage, ledger, &metadata, batch)?;
                metadata.seq = seq.saturating_add(1);
            }
            index += entries;
        }
        Ok(())
    }

    fn pack<'a>(&self, bytes: &'a [u8], packer: &'a mut Packer) -> Result<&'a [u8], AppendError> {
        let helpers = self.helpers.get().map(|helpers| &**helpers);
        let stored = pack_apart(self.config.compression, bytes, helpers, packer);
        stored.map_err(|source| AppendError::Write {
            buffer: self.name.clone(),
            path: "memory".into(),
            source,
        })
    }

    /// Adds what the open transaction appended to its outcome; syncs it where the commit must survive a power loss.
    pub(crate) fn prepare(
        &self,
        shard: usize,
        durability: Durability,
        origin: &Origin,
        outcome: &mut Outcome,
    ) -> Result<(), AppendError> {
        let Some(stage) = self.stages.get(shard) else {
            return Ok(());
        };
        let mut names_changed = false;
        for chunk in lock(stage).dirty() {
            let Body::File(body) = &chunk.body else {
                outcome.in_memory = true;
                outcome.holds += u32::from(chunk.would_hold(origin));
                continue;
            };
            if durability == Durability::Power {
                body.sync()
                    .map_err(|source| self.write_error(chunk, source))?;
                names_changed |= chunk.committed.length == 0 || body.meta_was_removed();
            }
            outcome.appends.push((chunk.id, chunk.extent));
        }
        match &self.paths {
            Some(paths) if names_changed => {
                let path = paths.directory();
                self.disk
                    .sync_dir(path)
                    .map_err(|source| AppendError::Write {
                        buffer: self.name.clone(),
                        path: path.to_owned(),
                        source,
                    })
            }
            _ => Ok(()),
        }
    }

    /// The transaction is committed: full chunks are queued, the others can be.
    pub(crate) fn settle(&self, shard: usize, origin: &Origin, relayed: Option<&Arc<Relayed>>) {
        let Some(stage) = self.stages.get(shard) else {
            return;
        };
        let stage = &mut *lock(stage);
        for mut chunk in std::mem::take(&mut stage.full) {
            settle_chunk(&mut chunk, origin, relayed);
            if chunk.is_empty() {
                self.abandon(chunk);
            } else {
                self.enqueue_rolled(chunk);
            }
        }
        for mut chunk in stage.take_touched() {
            let is_new = chunk.committed.length == 0;
            settle_chunk(&mut chunk, origin, relayed);
            if chunk.is_empty() {
                self.abandon(chunk);
            } else if self.is_flushed(&chunk) || self.is_full(&chunk.extent) {
                self.enqueue(chunk);
            } else {
                stage.put_back(chunk);
                if is_new {
                    // A flush thread may sleep that knows of nothing that will be due.
                    self.queue.nudge();
                }
            }
        }
    }

    /// Whether a chunk is flushed by the commit that it got something from.
    fn is_flushed(&self, chunk: &Chunk) -> bool {
        if self.config.flush_mode != FlushMode::Immediate {
            return false;
        }
        !self.is_file()
            || chunk.len() >= PACED_BYTES_MAX
            || (self.has_few_waiting() && lock(&self.pace).passes(chunk.modified))
    }

    fn has_few_waiting(&self) -> bool {
        let is_much = self.queue.bytes() >= PACED_WAITING_BYTES;
        let most = if is_much {
            PACED_LARGE_MAX
        } else {
            PACED_CHUNKS_MAX
        };
        self.queue.len() < most
    }

    /// The transaction did not happen.
    pub(crate) fn roll_back(&self, shard: usize) {
        let Some(stage) = self.stages.get(shard) else {
            return;
        };
        let stage = &mut *lock(stage);
        for mut chunk in stage.take_touched() {
            self.stage_bytes
                .fetch_sub(chunk.roll_back(), Ordering::Relaxed);
            if chunk.is_empty() {
                self.abandon(chunk);
            } else {
                stage.put_back(chunk);
            }
        }
        for mut chunk in std::mem::take(&mut stage.full) {
            self.stage_bytes
                .fetch_sub(chunk.roll_back(), Ordering::Relaxed);
            if chunk.is_empty() {
                self.abandon(chunk);
            } else {
                self.enqueue_rolled(chunk);
            }
        }
    }

    fn fits(&self, extent: &ChunkExtent, bytes: u64, count: u64) -> bool {
        let bytes_fit = extent.length.saturating_add(bytes) <= self.config.chunk_limit_size;
        let count_after = extent.count.saturating_add(count);
        bytes_fit
            && self
                .config
                .chunk_limit_records
                .is_none_or(|max| count_after <= max)
    }

    pub(super) fn is_full(&self, extent: &ChunkExtent) -> bool {
        let threshold = self.config.chunk_full_threshold;
        let reached = |value: u64, limit: u64| value as f64 >= limit as f64 * threshold;
        reached(extent.length, self.config.chunk_limit_size)
            || self
                .config
                .chunk_limit_records
                .is_some_and(|max| reached(extent.count, max))
    }

    /// The longest run of entries that fits into an empty chunk, at least one entry: bytes and entries.
    fn run_that_fits(
        &self,
        bytes: &[u8],
        split: &mut dyn FnMut(&[u8]) -> Option<usize>,
    ) -> (usize, u64) {
        let (mut length, mut entries) = (0, 0);
        while let Some(rest) = bytes.get(length..).filter(|rest| !rest.is_empty()) {
            // What cannot be split is one entry.
            let entry = split(rest)
                .filter(|entry| *entry > 0)
                .unwrap_or(rest.len())
                .min(rest.len());
            let longer = (length + entry) as u64;
            if entries > 0 && !self.fits(&ChunkExtent::default(), longer, entries + 1) {
                break;
            }
            length += entry;
            entries += 1;
        }
        (length, entries)
    }

    /// Ends the filling of a staged chunk.
    fn roll(&self, stage: &mut Stage, metadata: &Metadata) {
        if let Some(chunk) = stage.open.remove(metadata) {
            stage.full.push(chunk);
        }
    }

    fn write_staged(
        &self,
        stage: &mut Stage,
        ledger: &Arc<Ledger>,
        metadata: &Metadata,
        batch: Batch<'_>,
    ) -> Result<(), AppendError> {
        let mut chunk = self.new_chunk(ledger, metadata, batch.now)?;
        let written = self.write(&mut chunk, batch);
        stage.touched.push(key(&chunk));
        stage.put_back(chunk);
        written
    }

    fn write(&self, chunk: &mut Chunk, batch: Batch<'_>) -> Result<(), AppendError> {
        let Batch {
            bytes,
            count,
            now,
            lent,
        } = batch;
        let part = lent.and_then(|lent| lent.part(bytes));
        if let Err(source) = chunk.append((bytes, part), count, now, &|| self.room()) {
            return Err(self.write_error(chunk, source));
        }
        self.stage_bytes
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Memory for a chunk's copies.
    fn room(&self) -> Vec<u8> {
        let reserve = self.config.chunk_limit_size.min(RESERVE_MAX) as usize;
        let recycled = lock(&self.pool).pop();
        recycled.unwrap_or_else(|| Vec::with_capacity(reserve))
    }

    fn write_error(&self, chunk: &Chunk, source: io::Error) -> AppendError {
        let path = match &chunk.body {
            Body::File(body) => body.data_path().to_owned(),
            Body::Memory(_) => "memory".into(),
        };
        AppendError::Write {
            buffer: self.name.clone(),
            path,
            source,
        }
    }

    /// Makes an empty chunk. The birth of a file is recorded before it exists: a file that no ledger knows is
    /// Fluentd's.
    fn new_chunk(
        &self,
        ledger: &Arc<Ledger>,
        metadata: &Metadata,
        now: Timestamp,
    ) -> Result<Chunk, AppendError> {
        let id = lock(&self.ids).next(now);
        let body = match (&self.config.kind, &self.paths) {
            (BufferKind::File { .. }, Some(paths)) => {
                let born = ChunkState {
                    metadata: metadata.clone(),
                    created: now,
                    extent: ChunkExtent::default(),
                    previous: ChunkExtent::default(),
                };
                ledger.note_chunk(&paths.pattern(), id, &born)?;
                lock(&self.pace).made(now);
                let path = paths.data(ChunkStage::Staged, id, metadata);
                let created = match self.spares.take(&path) {
                    Some(body) => Ok(body),
                    None => FileBody::create(self.disk.clone(), path.clone(), paths.has_meta()),
                };
                // If it fails, the ledger goes on knowing an empty chunk, whose remains the next start removes.
                let body = created.map_err(|source| AppendError::Write {
                    buffer: self.name.clone(),
                    path,
                    source,
                })?;
                if let Some(watcher) = self.watcher.get() {
                    watcher(metadata, id, body.data_path());
                }
                Body::File(body)
            }
            (BufferKind::Memory | BufferKind::File { .. }, _) => {
                Body::Memory(MemoryBody::default())
            }
        };
        Ok(Chunk {
            id,
            metadata: Arc::new(metadata.clone()),
            created: now,
            modified: now,
            extent: ChunkExtent::default(),
            committed: ChunkExtent::default(),
            body,
            fresh: Fresh::new(&self.fresh),
            origins: BTreeMap::new(),
            relayed: Vec::new(),
            ledger: ledger.clone(),
            packing: self.packing(),
        })
    }

    /// Removes a chunk that never held anything committed.
    fn abandon(&self, chunk: Chunk) {
        let Chunk {
            id, body, ledger, ..
        } = chunk;
        match body {
            Body::Memory(body) => self.recycle(body),
            Body::File(body) => self.remove_files(&ledger, id, body),
        }
    }
}

/// Entries on their way into one chunk.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) count: u64,
    pub(crate) now: Timestamp,
    /// The memory that they may be a part of, which may be kept.
    pub(crate) lent: Option<&'a Lent>,
}

/// Makes what the transaction appended part of a chunk, and the chunk remember where it came from.
fn settle_chunk(chunk: &mut Chunk, origin: &Origin, relayed: Option<&Arc<Relayed>>) {
    if !chunk.is_dirty() {
        return;
    }
    chunk.settle();
    if let (Body::Memory(_), Some(relayed)) = (&chunk.body, relayed) {
        chunk.relayed.push(Arc::clone(relayed));
    }
    if let (
        Body::Memory(_),
        Origin::File {
            source,
            incarnation,
            range,
        },
    ) = (&chunk.body, origin)
    {
        chunk
            .origins
            .entry((*source, *incarnation))
            .or_insert(range.start);
    }
}
