use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::found::{self, Found};
use super::stage::key;
use super::{Buffer, lock};
use crate::chunk::{Body, ChunkStage, FileBody, Fresh, Meta, Packing, count_lines, count_values};
use crate::disk::{self, DiskFile, Open};
use crate::ledger::{ChunkExtent, ChunkState};
use crate::{
    BufferKind, Chunk, ChunkFormat, ChunkId, ChunkPaths, Compression, FlushMode, Ledger,
    LedgerError, LossKey, Metadata, OpenError, Timestamp,
};

/// The word under which events are counted whose bytes something else has changed.
pub const DAMAGED: &str = "damaged";

/// How an event begins: an array of two.
const EVENT: u8 = 0x92;

/// What resuming a buffer's files met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resumed {
    /// Chunks that go on being filled.
    pub staged: usize,
    /// Chunks that wait for delivery.
    pub queued: usize,
    /// Sentences for the log: what was cut, imported or taken over, and where.
    pub notes: Vec<String>,
    /// Chunks that cannot be delivered as chunks.
    pub broken: Vec<Broken>,
    /// The files of the chunks that were resumed.
    pub files: Vec<PathBuf>,
}

/// A chunk that was found and cannot be delivered as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Its id.
    pub id: ChunkId,
    /// Its data file, which is not there any more.
    pub path: PathBuf,
    /// `staged` or `queued`.
    pub mode: &'static str,
    /// What is wrong, in Fluentd's words.
    pub reason: String,
    /// Where its bytes are now; nowhere without a backup directory.
    pub backup: Option<PathBuf>,
}

/// What is to be done with a chunk that was found.
enum Verdict {
    Resume {
        state: ChunkState,
        stage: ChunkStage,
        compression: Compression,
    },
    /// It holds nothing committed, or was delivered.
    Remove,
    /// It cannot be delivered as a chunk, for this reason; so many events are known to be lost with it.
    SetAside { reason: String, lost: u64 },
}

/// The file of a chunk, while it is judged.
struct Candidate<'a> {
    id: ChunkId,
    stage: ChunkStage,
    body: &'a FileBody,
    has_meta_file: bool,
    named: Option<Metadata>,
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
        self.fetch_left_behind(ledger, paths, &mut resumed)?;
        let files = self
            .disk
            .list(directory)
            .map_err(|source| failed("list", directory, source))?;
        self.remove_unfinished(paths, &files)
            .map_err(|source| failed("clear", directory, source))?;
        let found = found::group(paths, files);
        self.forget_gone(ledger, paths, &found, &mut resumed);
        let mut chunks = Vec::new();
        for (id, found) in found {
            let Found {
                data: Some((stage, path)),
                meta,
            } = found
            else {
                // What another program left alone stays, as with Fluentd.
                if let Some((_, meta)) = found.meta.filter(|_| ledger.has_ended(id)) {
                    disk::remove_if_there(self.disk.as_ref(), &meta)
                        .map_err(|source| failed("remove", &meta, source))?;
                }
                ledger.purge(id);
                continue;
            };
            let mut body = FileBody::found(self.disk.clone(), path.clone(), paths.has_meta());
            let meta = meta.map(|(_, path)| path);
            let resume = |body: &mut FileBody, notes: &mut Vec<String>| {
                if let Some(meta) = &meta {
                    body.adopt_meta(meta)?;
                }
                let candidate = Candidate {
                    id,
                    stage,
                    body,
                    has_meta_file: meta.is_some(),
                    named: paths.metadata_in_name(&path),
                };
                self.judge(ledger, candidate, notes)
            };
            let verdict = resume(&mut body, &mut resumed.notes)
                .map_err(|source| failed("resume", &path, source))?;
            match verdict {
                Verdict::Resume {
                    state,
                    stage,
                    compression,
                } => {
                    let meta = Meta::of(&state.metadata, id, state.created, state.extent);
                    body.replace_meta_unless(&meta.encode())
                        .map_err(|source| failed("write the meta file of", &path, source))?;
                    ledger.note_chunk(&paths.pattern(), id, &state)?;
                    resumed.files.push(path);
                    let chunk = self.resumed_chunk(id, state, (body, compression), ledger);
                    chunks.push((stage, chunk));
                }
                Verdict::Remove => {
                    body.remove()
                        .map_err(|source| failed("remove", &path, source))?;
                    ledger.purge(id);
                }
                Verdict::SetAside { reason, lost } => {
                    let backup = self
                        .set_aside(id, &mut body)
                        .map_err(|source| failed("put aside", &path, source))?;
                    let key = LossKey {
                        plugin: self.name.clone(),
                        reason: DAMAGED.into(),
                    };
                    ledger.count_losses(
                        vec![(key, lost)]
                            .into_iter()
                            .filter(|(_, lost)| *lost > 0)
                            .collect(),
                    )?;
                    resumed.broken.push(Broken {
                        id,
                        path,
                        mode: mode(stage),
                        reason,
                        backup,
                    });
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

    /// Removes what crashes left of replacements of meta files; the chunks of some of them have long been delivered.
    fn remove_unfinished(&self, paths: &ChunkPaths, files: &[PathBuf]) -> io::Result<()> {
        let mut unfinished = files.iter().filter(|path| paths.is_unfinished(path));
        unfinished.try_for_each(|path| disk::remove_if_there(self.disk.as_ref(), path))
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
            // A meta file alone is removed first.
            if found.get(&id).is_none_or(|found| found.meta.is_none()) {
                ledger.purge(id);
            }
        }
    }

    fn judge(
        &self,
        ledger: &Ledger,
        candidate: Candidate<'_>,
        notes: &mut Vec<String>,
    ) -> io::Result<Verdict> {
        let Candidate {
            id,
            stage,
            body,
            has_meta_file,
            named,
        } = candidate;
        if ledger.is_delivered(id) {
            return Ok(Verdict::Remove);
        }
        let file = body.open()?;
        let length = file.length()?;
        let meta_bytes = if has_meta_file {
            body.read_meta()?
        } else {
            None
        };
        let path = body.data_path().display().to_string();
        let is_known = ledger.chunk(id).filter(|state| {
            if !body.has_meta() {
                // Without a meta file only a length tells that another program was here; after a stop that was not in order it
                // may be our own.
                return !state.is_handed_over() || length == state.extent.length;
            }
            let bytes = meta_bytes.as_deref();
            Meta::is_ours(
                bytes,
                &state.metadata,
                id,
                state.created,
                state.extent,
                state.previous,
            )
        });
        if let Some(mut state) = is_known {
            let committed = state.extent.length;
            if committed == 0 {
                return Ok(Verdict::Remove);
            }
            if length < committed {
                return Ok(Verdict::SetAside {
                    reason: format!(
                        "it has {length} bytes where {committed} were committed: what is missing was lost outside of millrun"
                    ),
                    lost: state.extent.count,
                });
            }
            if length > committed {
                file.truncate(committed)?;
                notes.push(format!(
                    "{path} is cut from {length} to {committed} bytes: the rest was never committed"
                ));
            }
            if !body.has_meta() {
                state.previous = ChunkExtent::default();
            }
            let compression = self.compression_of(file.as_ref(), state.extent)?;
            return Ok(Verdict::Resume {
                state,
                stage,
                compression,
            });
        } else if ledger.chunk(id).is_some() {
            notes.push(format!(
                "{path} was changed by another program since, and is taken as it is"
            ));
        }
        let word = match stage {
            ChunkStage::Staged => "staged",
            ChunkStage::Queued => "enqueued",
        };
        if length == 0 {
            return Ok(Verdict::SetAside {
                reason: format!("{word} file chunk is empty"),
                lost: 0,
            });
        }
        let Some(bytes) = meta_bytes else {
            // Without a meta file Fluentd delivers a chunk too: under unknown metadata, or under what its name says.
            let stage = match named {
                Some(_) => stage,
                None => ChunkStage::Queued,
            };
            let state = self.state_by_file(file.as_ref(), length, named)?;
            let compression = self.compression_of(file.as_ref(), state.extent)?;
            return Ok(Verdict::Resume {
                state,
                stage,
                compression,
            });
        };
        let meta = match Meta::decode(&bytes) {
            Ok(meta) => meta,
            Err(fault) => {
                let reason = format!("{word} meta file is broken. {}", fault.words());
                return Ok(Verdict::SetAside { reason, lost: 0 });
            }
        };
        let extent = ChunkExtent {
            length,
            count: meta.count,
            modified: meta.modified,
            hash: None,
        };
        let state = ChunkState {
            metadata: meta.metadata,
            created: Timestamp::from_secs(meta.created),
            extent,
            previous: extent,
        };
        let compression = self.compression_of(file.as_ref(), extent)?;
        Ok(Verdict::Resume {
            state,
            stage,
            compression,
        })
    }

    /// What can be known of a chunk that nobody described.
    fn state_by_file(
        &self,
        file: &dyn DiskFile,
        length: u64,
        named: Option<Metadata>,
    ) -> io::Result<ChunkState> {
        let modified = file.modified()?;
        let count = match named {
            Some(_) => self.count_of(file, length)?,
            None => 0,
        };
        let extent = ChunkExtent {
            length,
            count,
            modified: modified.as_secs(),
            hash: None,
        };
        Ok(ChunkState {
            metadata: named.unwrap_or_default(),
            created: modified,
            extent,
            previous: if self.has_meta() {
                extent
            } else {
                ChunkExtent::default()
            },
        })
    }

    /// How many events a file holds; 0 where its bytes do not say.
    fn count_of(&self, file: &dyn DiskFile, length: u64) -> io::Result<u64> {
        if self.config.compression != Compression::Text {
            return Ok(0);
        }
        let count = match self.config.format {
            ChunkFormat::Values => count_values,
            ChunkFormat::Lines => count_lines,
            ChunkFormat::Opaque => return Ok(0),
        };
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let read = file.read_at(&mut bytes, 0)?;
        Ok(count(bytes.get(..read).unwrap_or_default()))
    }

    /// Copies a broken chunk to the backup directory, if there is one, and removes its files. Tells where it is now.
    fn set_aside(&self, id: ChunkId, body: &mut FileBody) -> io::Result<Option<PathBuf>> {
        let BufferKind::File {
            backup: Some(directory),
            ..
        } = &self.config.kind
        else {
            body.remove()?;
            return Ok(None);
        };
        let bytes = disk::read_all(self.disk.as_ref(), body.data_path())?.unwrap_or_default();
        self.disk.create_dir_all(directory)?;
        let path = directory.join(format!("{id}.log"));
        let file = self.disk.open(&path, Open::Truncated)?;
        file.write_at(&bytes, 0)?;
        file.sync_data()?;
        body.remove()?;
        Ok(Some(path))
    }

    fn has_meta(&self) -> bool {
        self.paths.as_ref().is_none_or(ChunkPaths::has_meta)
    }

    /// Says, at a stop in order, that the files of file_single are left as they are: what another program adds to them is then
    /// known to be its own.
    pub fn hand_over(&self) -> Result<(), LedgerError> {
        let Some(paths) = self.paths.as_ref().filter(|paths| !paths.has_meta()) else {
            return Ok(());
        };
        let hand_over = |chunk: &Chunk| {
            let state = ChunkState {
                metadata: chunk.metadata.as_ref().clone(),
                created: chunk.created,
                extent: chunk.committed,
                previous: chunk.committed,
            };
            chunk.ledger.note_chunk(&paths.pattern(), chunk.id, &state)
        };
        for stage in &self.stages {
            lock(stage).open.values().try_for_each(hand_over)?;
        }
        self.queue
            .inspect(|chunks| chunks.iter().try_for_each(hand_over))
    }

    /// Fetches the chunk files of workers that there are no more.
    fn fetch_left_behind(
        &self,
        ledger: &Ledger,
        paths: &ChunkPaths,
        resumed: &mut Resumed,
    ) -> Result<(), OpenError> {
        let BufferKind::File { left_behind, .. } = &self.config.kind else {
            return Ok(());
        };
        for directory in left_behind {
            let theirs = paths.in_directory(directory.clone());
            let failed = |what, path: &Path, source| OpenError::Io {
                buffer: self.name.clone(),
                what,
                path: path.to_owned(),
                source,
            };
            let files = self.disk.list(directory);
            let files = files.map_err(|source| failed("list", directory, source))?;
            self.remove_unfinished(&theirs, &files)
                .map_err(|source| failed("clear", directory, source))?;
            let is_theirs = |path: &&PathBuf| theirs.parse(path).is_some();
            let moved: Vec<&PathBuf> = files.iter().filter(is_theirs).collect();
            if !moved.is_empty() {
                // First, or a name that one of them had before could come back after a loss of power.
                self.disk
                    .sync_dir(directory)
                    .map_err(|source| failed("sync", directory, source))?;
            }
            for path in &moved {
                self.take_name_from(path, paths.directory())
                    .map_err(|source| failed("take over", path, source))?;
            }
            ledger.rename_buffer(&theirs.pattern(), &paths.pattern());
            if moved.is_empty() {
                continue;
            }
            // A name that went from one directory to another can be in neither after a loss of power: the new one first.
            self.disk
                .sync_dir(paths.directory())
                .map_err(|source| failed("sync", paths.directory(), source))?;
            for path in &moved {
                if self.disk.exists(path) {
                    self.disk
                        .remove(path)
                        .map_err(|source| failed("take over", path, source))?;
                }
            }
            self.disk
                .sync_dir(directory)
                .map_err(|source| failed("sync", directory, source))?;
            resumed.notes.push(format!(
                "{} chunk files of a worker that there is no more are taken over from {}",
                moved.len(),
                directory.display()
            ));
        }
        Ok(())
    }

    /// Gives a file a name in `directory`, and leaves it the old one where the file system can do both.
    fn take_name_from(&self, path: &Path, directory: &Path) -> io::Result<()> {
        let Some(name) = path.file_name() else {
            return Ok(());
        };
        let target = directory.join(name);
        match self.disk.link(path, &target) {
            Ok(()) => Ok(()),
            // An earlier start came as far as this.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(_) => self.disk.rename(path, &target),
        }
    }

    fn resumed_chunk(
        &self,
        id: ChunkId,
        state: ChunkState,
        (body, compression): (FileBody, Compression),
        ledger: &Arc<Ledger>,
    ) -> Chunk {
        Chunk {
            id,
            metadata: Arc::new(state.metadata),
            created: state.created,
            modified: Timestamp::from_secs(state.extent.modified),
            extent: state.extent,
            committed: state.extent,
            body: Body::File(body),
            fresh: Fresh::default(),
            origins: BTreeMap::new(),
            relayed: Vec::new(),
            ledger: ledger.clone(),
            packing: Packing {
                compression,
                ..self.packing()
            },
        }
    }

    /// How a file is kept: `compress` may have been another when it was written.
    fn compression_of(&self, file: &dyn DiskFile, extent: ChunkExtent) -> io::Result<Compression> {
        let configured = self.config.compression;
        let mut head = [0; 4];
        let read = file.read_at(&mut head, 0)?;
        let head = head.get(..read).unwrap_or_default();
        let are_events = self.config.format == ChunkFormat::Values;
        Ok(match Compression::told_by(head) {
            Some(told) if are_events || configured != Compression::Text => told,
            // Lines may begin as they like.
            Some(_) => configured,
            // What a checksum guards, or begins like an event, is no damaged member.
            None if extent.hash.is_some() || (are_events && head.first() == Some(&EVENT)) => {
                Compression::Text
            }
            None => configured,
        })
    }

    /// Puts chunks where they were: staged ones that can still grow into the first shard's stage, the others into the queue, the
    /// oldest first, but before all those that stand at their destination in part: nothing else may go there meanwhile.
    fn place(&self, mut chunks: Vec<(ChunkStage, Chunk)>, resumed: &mut Resumed) {
        chunks.sort_by_key(|(_, chunk)| {
            let is_begun = chunk.ledger.intent(chunk.id).is_some();
            (!is_begun, chunk.modified, chunk.id)
        });
        for (stage, mut chunk) in chunks {
            chunk.write_meta_if_behind();
            self.stage_bytes.fetch_add(chunk.len(), Ordering::Relaxed);
            let can_grow = stage == ChunkStage::Staged
                && self.config.flush_mode != FlushMode::Immediate
                && chunk.packing == self.packing()
                && !self.is_full(&chunk.extent);
            let slot = self.stages.first().map(lock).filter(|_| can_grow);
            if let Some(mut open) = slot.filter(|stage| !stage.open.contains_key(&key(&chunk))) {
                open.put_back(chunk);
                resumed.staged += 1;
            } else {
                self.enqueue(chunk);
                resumed.queued += 1;
            }
        }
    }
}

fn mode(stage: ChunkStage) -> &'static str {
    match stage {
        ChunkStage::Staged => "staged",
        ChunkStage::Queued => "queued",
    }
}
