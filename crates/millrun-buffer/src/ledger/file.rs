use std::io;
use std::path::{Path, PathBuf};

use super::codec;
use super::record::Record;
use super::state::State;
use crate::Durability;
use crate::disk::{DiskFile, Open, SharedDisk};

/// A ledger is not compacted before it is this long, in bytes.
pub(super) const COMPACT_LENGTH_MIN: u64 = 1 << 20;

/// It is compacted when it is this many times longer than after the last compaction.
const COMPACT_GROWTH: u64 = 2;

/// A new ledger is written in pieces of about this length, in bytes.
const PIECE_LENGTH: usize = 1 << 20;

/// A ledger file open for writing.
pub(super) struct LedgerFile {
    disk: SharedDisk,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    generation: u64,
    durability: Durability,
    length: u64,
    compact_at: u64,
    scratch: Vec<u8>,
}

impl LedgerFile {
    /// Writes a new ledger that holds `state`, in one step: the old file is there until the new one is complete.
    pub(super) fn create(
        disk: SharedDisk,
        path: PathBuf,
        generation: u64,
        durability: Durability,
        state: &State,
    ) -> io::Result<Self> {
        let mut scratch = Vec::new();
        let (file, length) =
            write_beside(&disk, &path, generation, durability, state, &mut scratch)?;
        disk.rename(&temporary(&path), &path)?;
        sync_name(&disk, &path, durability)?;
        let compact_at = compact_at(length);
        Ok(Self {
            disk,
            path,
            file,
            generation,
            durability,
            length,
            compact_at,
            scratch,
        })
    }

    /// Appends records. After an error none of them is in the file, unless the outer error says that even this is unknown.
    pub(super) fn append(
        &mut self,
        records: &[Record],
        sync: bool,
    ) -> Result<io::Result<()>, io::Error> {
        self.scratch.clear();
        for record in records {
            let before = self.scratch.len();
            codec::encode(record, self.length + before as u64, &mut self.scratch);
            if self.scratch.len() - before > codec::FRAME_LENGTH + codec::BODY_LENGTH_MAX {
                return Ok(Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "a ledger record is longer than {} bytes",
                        codec::BODY_LENGTH_MAX
                    ),
                )));
            }
        }
        if let Err(error) = self.file.write_at(&self.scratch, self.length) {
            // What stands there now could be the whole record: it must go before anything else is decided.
            self.file.truncate(self.length)?;
            return Ok(Err(error));
        }
        if sync && self.durability == Durability::Power {
            // After a failed sync nobody knows what a power loss would leave.
            self.file.sync_data()?;
        }
        self.length += self.scratch.len() as u64;
        Ok(Ok(()))
    }

    /// Replaces the file by a shorter one with the same meaning, when it has grown enough.
    ///
    /// When the shorter one cannot be written, the long one stays in use. An error says that nobody knows which of both
    /// a power loss would leave.
    pub(super) fn compact_if_long(&mut self, state: &State) -> io::Result<()> {
        if self.length < self.compact_at {
            return Ok(());
        }
        let written = write_beside(
            &self.disk,
            &self.path,
            self.generation,
            self.durability,
            state,
            &mut self.scratch,
        )
        .and_then(|(file, length)| {
            self.disk
                .rename(&temporary(&self.path), &self.path)
                .map(|()| (file, length))
        });
        let Ok((file, length)) = written else {
            self.compact_at = self.length.saturating_mul(COMPACT_GROWTH);
            return Ok(());
        };
        self.file = file;
        self.length = length;
        self.compact_at = compact_at(self.length);
        sync_name(&self.disk, &self.path, self.durability)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn durability(&self) -> Durability {
        self.durability
    }
}

fn compact_at(length: u64) -> u64 {
    length
        .saturating_mul(COMPACT_GROWTH)
        .max(COMPACT_LENGTH_MIN)
}

fn temporary(path: &Path) -> PathBuf {
    path.with_extension("ledger.tmp")
}

/// Writes a complete ledger under its temporary name, piece by piece: the memory of a large one would have to be found, and
/// touched, for one write. Tells its length.
fn write_beside(
    disk: &SharedDisk,
    path: &Path,
    generation: u64,
    durability: Durability,
    state: &State,
    scratch: &mut Vec<u8>,
) -> io::Result<(Box<dyn DiskFile>, u64)> {
    let file = disk.open(&temporary(path), Open::Truncated)?;
    let mut written = Ok(0);
    scratch.clear();
    codec::encode_header(generation, scratch);
    state.each_record(|record| {
        let Ok(length) = &mut written else { return };
        codec::encode(record, *length + scratch.len() as u64, scratch);
        if scratch.len() < PIECE_LENGTH {
            return;
        }
        match file.write_at(scratch, *length) {
            Ok(()) => *length += scratch.len() as u64,
            Err(error) => written = Err(error),
        }
        scratch.clear();
    });
    let length = written?;
    file.write_at(scratch, length)?;
    if durability == Durability::Power {
        file.sync_data()?;
    }
    Ok((file, length + scratch.len() as u64))
}

fn sync_name(disk: &SharedDisk, path: &Path, durability: Durability) -> io::Result<()> {
    match (durability, path.parent()) {
        (Durability::Power, Some(directory)) => disk.sync_dir(directory),
        _ => Ok(()),
    }
}

/// What was read of a ledger file.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) generation: u64,
    pub(super) state: State,
    /// Bytes after the last whole record.
    pub(super) torn: usize,
    /// Bytes between whole records that are none.
    pub(super) damaged: usize,
}

/// How far behind a damaged record the next whole one is looked for, in bytes.
const SCAN_MAX: usize = 1 << 20;

/// Reads a ledger; nothing of a file that does not begin as one.
pub(super) fn read(bytes: &[u8]) -> Option<Read> {
    let generation = codec::decode_header(bytes)?;
    let mut state = State::default();
    let mut offset = codec::HEADER_LENGTH;
    let mut damaged = 0;
    loop {
        let rest = bytes.get(offset..).unwrap_or_default();
        if let Some((record, length)) = codec::decode(rest, offset as u64) {
            state.take(record);
            offset += length;
            continue;
        }
        let Some(skipped) = next_whole(bytes, offset) else {
            break;
        };
        damaged += skipped;
        offset += skipped;
    }
    Some(Read {
        generation,
        state,
        torn: bytes.len() - offset,
        damaged,
    })
}

/// How many bytes lie before the next whole record. A record's checksum covers its place, so nothing else passes for one.
fn next_whole(bytes: &[u8], offset: usize) -> Option<usize> {
    let left = bytes.len().saturating_sub(offset);
    (1..left.min(SCAN_MAX)).find_map(|skipped| {
        let at = offset.checked_add(skipped)?;
        let rest = bytes.get(at..)?;
        codec::decode(rest, at as u64).map(|_| skipped)
    })
}
