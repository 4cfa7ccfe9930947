use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::found::{self, Found};
use super::{Buffer, lock};
use crate::chunk::{Body, ChunkStage, FileBody, Meta};
use crate::disk::{self, Open};
use crate::ledger::{ChunkExtent, ChunkState};
use crate::{
    BufferKind, Chunk, ChunkId, ChunkPaths, FlushMode, Ledger, Metadata, OpenError, Timestamp,
};

/// What resuming a buffer's files met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resumed {
    /// Chunks that go on being filled.
    pub staged: usize,
    /// Chunks that wait for delivery.
    pub queued: usize,
    /// Sentences for the log: what was cut, imported or put aside, and where.
    pub notes: Vec<String>,
}

/// What is to be done with a chunk that was found.
enum Verdict {
    Resume {
        state: ChunkState,
        stage: ChunkStage,
    },
    /// It holds nothing committed, or was delivered.
    Remove,
    /// It cannot be delivered as a chunk, for this reason.
    SetAside(&'static str),
}

impl Buffer {
    /// Takes over the chunk files of this buffer.
    ///
    /// What the ledger knows is cut to its committed length. What it does not know, or what another program changed since, is Fluentd's: it
    /// is taken as it is.
    pub(super) fn resume(&self, ledger: &Arc<Ledger>) -> Result<Resumed, OpenError> {
        let mut resumed = Resumed::default();
        let Some(paths) = &self.paths else {
            return Ok(resumed);
        };
        let directory = paths.directory();
        let failed = |what, path: &Path, source| OpenError::Io {
            buffer: self.name.clone(),
            what,
            path: path.to_owned(),
            source,
        };
        self.disk
            .create_dir_all(directory)
            .map_err(|source| failed("make the directory", directory, source))?;
        let files = self
            .disk
            .list(directory)
            .map_err(|source| failed("list", directory, source))?;
        let found = found::group(paths, files);
        self.forget_gone(ledger, paths, &found, &mut resumed);
        let mut chunks = Vec::new();
        for (id, found) in found {
            let Found {
                data: Some((stage, path)),
                meta,
            } = found
            else {
                if let Some((_, meta)) = found.meta.filter(|_| ledger.knows(id)) {
                    disk::remove_if_there(self.disk.as_ref(), &meta)
                        .map_err(|source| failed("remove", &meta, source))?;
                    ledger.purge(id);
                }
                continue;
            };
            let mut body = FileBody::found(self.disk.clone(), path.clone());
            let meta = meta.map(|(_, path)| path);
            let resume = |body: &mut FileBody, notes: &mut Vec<String>| {
                if let Some(meta) = &meta {
                    body.adopt_meta(meta)?;
                }
                self.judge(ledger, id, stage, body, meta.is_some(), notes)
            };
            let verdict = resume(&mut body, &mut resumed.notes)
                .map_err(|source| failed("resume", &path, source))?;
            match verdict {
                Verdict::Resume { state, stage } => {
                    ledger.note_chunk(&paths.pattern(), id, &state)?;
                    chunks.push((stage, resumed_chunk(id, state, body, ledger)));
                }
                Verdict::Remove => {
                    body.remove()
                        .map_err(|source| failed("remove", &path, source))?;
                    ledger.purge(id);
                }
                Verdict::SetAside(reason) => {
                    let note = self
                        .set_aside(id, &mut body, reason)
                        .map_err(|source| failed("put aside", &path, source))?;
                    resumed.notes.push(note);
                    ledger.purge(id);
                }
            }
        }
        self.place(chunks, &mut resumed);
        // The next generation of the ledger forgets what was removed here or before: it must not come back after that.
        self.disk
            .sync_dir(directory)
            .map_err(|source| failed("sync", directory, source))?;
        Ok(resumed)
    }

    /// Forgets chunks whose files are gone.
    fn forget_gone(
        &self,
        ledger: &Ledger,
        paths: &ChunkPaths,
        found: &BTreeMap<ChunkId, Found>,
        resumed: &mut Resumed,
    ) {
        for (id, length) in ledger.chunks_of(&paths.pattern()) {
            if found.get(&id).is_some_and(|found| found.data.is_some()) {
                continue;
            }
            if length > 0 {
                resumed.notes.push(format!(
                    "chunk {id} of buffer {} ({length} bytes) is gone: its delivery could not be recorded, or another program removed it",
                    self.name
                ));
            }
            if found.get(&id).is_none_or(|found| found.meta.is_none()) {
                ledger.purge(id);
            }
        }
    }

    fn judge(
        &self,
        ledger: &Ledger,
        id: ChunkId,
        stage: ChunkStage,
        body: &mut FileBody,
        has_meta: bool,
        notes: &mut Vec<String>,
    ) -> io::Result<Verdict> {
        if ledger.is_delivered(id) {
            return Ok(Verdict::Remove);
        }
        let file = body.open()?;
        let length = file.length()?;
        let meta_bytes = if has_meta {
            disk::read_all(self.disk.as_ref(), body.meta_path())?
        } else {
            None
        };
        let path = body.data_path().display().to_string();
        if let Some(mut state) = ledger.chunk(id) {
            let bytes = meta_bytes.as_deref();
            if Meta::is_ours(
                bytes,
                &state.metadata,
                id,
                state.created,
                state.extent,
                state.previous,
            ) {
                let committed = state.extent.length;
                if committed == 0 {
                    return Ok(Verdict::Remove);
                }
                if length > committed {
                    file.truncate(committed)?;
                    notes.push(format!(
                        "{path} is cut from {length} to {committed} bytes: the rest was never committed"
                    ));
                }
                if length < committed {
                    notes.push(format!(
                        "{path} has {length} bytes where {committed} were committed: what is missing was lost outside of millrun"
                    ));
                    state.extent.length = length;
                }
                return Ok(Verdict::Resume { state, stage });
            }
            notes.push(format!(
                "{path} was changed by another program since, and is taken as it is"
            ));
        }
        if length == 0 {
            return Ok(Verdict::SetAside("it is empty"));
        }
        let Some(bytes) = meta_bytes else {
            // Fluentd delivers such a chunk too, under unknown metadata.
            let modified = file.modified()?;
            let extent = ChunkExtent {
                length,
                count: 0,
                modified: modified.as_secs(),
            };
            let metadata = Metadata::EMPTY;
            let state = ChunkState {
                metadata,
                created: modified,
                extent,
                previous: extent,
            };
            return Ok(Verdict::Resume {
                state,
                stage: ChunkStage::Queued,
            });
        };
        let Some(meta) = Meta::decode(&bytes) else {
            return Ok(Verdict::SetAside("its meta file cannot be read"));
        };
        let created = Timestamp::from_secs(meta.created);
        let extent = ChunkExtent {
            length,
            count: meta.count,
            modified: meta.modified,
        };
        let canonical = Meta { id, ..meta.clone() }.encode();
        if !bytes.starts_with(&canonical) {
            body.replace_meta(&canonical)?;
        }
        let state = ChunkState {
            metadata: meta.metadata,
            created,
            extent,
            previous: extent,
        };
        Ok(Verdict::Resume { state, stage })
    }

    /// Copies a broken chunk to the backup directory and removes its files.
    fn set_aside(&self, id: ChunkId, body: &mut FileBody, reason: &str) -> io::Result<String> {
        let data_path = body.data_path().to_owned();
        let bytes = disk::read_all(self.disk.as_ref(), &data_path)?.unwrap_or_default();
        let mut note = format!("{} is broken: {reason}", data_path.display());
        if let (BufferKind::File { backup, .. }, false) = (&self.config.kind, bytes.is_empty()) {
            self.disk.create_dir_all(backup)?;
            let backup = backup.join(format!("{id}.log"));
            let file = self.disk.open(&backup, Open::Truncated)?;
            file.write_at(&bytes, 0)?;
            file.sync_data()?;
            note += &format!(
                "; its {} bytes are now in {}",
                bytes.len(),
                backup.display()
            );
        }
        body.remove()?;
        Ok(note)
    }

    /// Puts chunks where they were: staged ones that can still grow into the first shard's stage, the others into the queue, the
    /// oldest first.
    fn place(&self, mut chunks: Vec<(ChunkStage, Chunk)>, resumed: &mut Resumed) {
        chunks.sort_by_key(|(_, chunk)| (chunk.modified, chunk.id));
        for (stage, mut chunk) in chunks {
            chunk.write_meta_if_behind();
            self.stage_bytes.fetch_add(chunk.len(), Ordering::Relaxed);
            let can_grow = stage == ChunkStage::Staged
                && self.config.flush_mode != FlushMode::Immediate
                && !self.is_full(&chunk.extent);
            let slot = self.stages.first().map(lock).filter(|_| can_grow);
            if let Some(mut open) = slot.filter(|stage| !stage.open.contains_key(&chunk.metadata)) {
                open.put_back(chunk);
                resumed.staged += 1;
            } else {
                self.enqueue(chunk);
                resumed.queued += 1;
            }
        }
    }
}

fn resumed_chunk(id: ChunkId, state: ChunkState, body: FileBody, ledger: &Arc<Ledger>) -> Chunk {
    Chunk {
        id,
        metadata: Arc::new(state.metadata),
        created: state.created,
        modified: Timestamp::from_secs(state.extent.modified),
        extent: state.extent,
        committed: state.extent,
        body: Body::File(body),
        origins: BTreeMap::new(),
        ledger: ledger.clone(),
    }
}
