mod file;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod memory;
mod meta;
mod msgpack;
mod paths;
mod single;

pub(crate) use self::file::{FileBody, Spare, meta_path};
pub(crate) use self::memory::{Allowance, Fresh, MemoryBody};
pub(crate) use self::meta::Meta;
pub(crate) use self::msgpack::{count_lines, count_values};
pub use self::paths::ChunkPaths;
pub(crate) use self::paths::ChunkStage;
pub use self::single::SingleKey;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::disk::DiskFile;
use crate::ledger::ChunkExtent;
use crate::lent::Part;
use crate::{
    ChunkId, Compression, Dispatch, Ledger, LedgerError, Metadata, Origin, Relayed, SourceNumber,
    Ticket, Timestamp,
};

/// A run of events on their way to one output: in memory or in a file.
///
/// Its bytes are what the output's format made, back to back: for the standard format, msgpack entries. A buffer may keep them
/// compressed.
pub struct Chunk {
    pub(crate) id: ChunkId,
    pub(crate) metadata: Arc<Metadata>,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    /// With what the open transaction appended.
    pub(crate) extent: ChunkExtent,
    /// What a rollback goes back to.
    pub(crate) committed: ChunkExtent,
    pub(crate) body: Body,
    /// Of a file chunk.
    pub(crate) fresh: Fresh,
    /// Memory chunks remember where their bytes can be had again: per incarnation, the start of the first transaction.
    pub(crate) origins: BTreeMap<(SourceNumber, u32), u64>,
    /// Of a memory chunk: chunks of other buffers whose events it took, which stay until it is delivered.
    pub(crate) relayed: Vec<Arc<Relayed>>,
    /// Knows what the chunk holds.
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) packing: Packing,
}

/// How the bytes of a chunk are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packing {
    pub(crate) compression: Compression,
    /// More is not unpacked, in bytes.
    pub(crate) limit: u64,
}

pub(crate) enum Body {
    Memory(MemoryBody),
    File(FileBody),
}

impl Chunk {
    /// The chunk's name on disk, on the wire and in the ledger.
    pub fn id(&self) -> ChunkId {
        self.id
    }

    /// What its events have in common.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The number of bytes that are kept: compressed ones, where the buffer compresses.
    pub fn len(&self) -> u64 {
        self.extent.length
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.extent.length == 0
    }

    /// The number of events; 0 for a resumed chunk whose meta file was lost.
    pub fn count(&self) -> u64 {
        self.extent.count
    }

    /// When its first event came.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// When its last event came.
    pub fn modified(&self) -> Timestamp {
        self.modified
    }

    /// The ledger of the shard that filled it: the place for an [`Intent`](crate::Intent).
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Where the chunk was sent: the receiver may have it.
    pub fn dispatch(&self) -> Option<Dispatch> {
        self.ledger.dispatch(self.id)
    }

    /// Records that the chunk is about to be sent to `receiver`, on the way of the output named `output`, and tells the
    /// number it has there. One that another receiver may have is counted as a possible double.
    pub fn address(
        &self,
        output: &str,
        receiver: &str,
        now: Timestamp,
    ) -> Result<Ticket, LedgerError> {
        self.ledger.address(self, output, receiver, now)
    }

    /// Takes the last [`address`](Self::address) back: it was the first one there, and the chunk did not leave.
    pub fn withdraw(&self) {
        self.ledger.withdraw(self.id);
    }

    /// The bytes as they are kept, if they are in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Memory(body) => Some(body.bytes()),
            Body::File(_) => None,
        }
    }

    /// The file that holds the chunk as it is kept, if one does.
    pub fn path(&self) -> Option<&Path> {
        match &self.body {
            Body::Memory(_) => None,
            Body::File(body) => Some(body.data_path()),
        }
    }

    /// How the bytes are kept.
    pub fn compression(&self) -> Compression {
        self.packing.compression
    }

    /// The bytes, read into `scratch` if they are in a file or compressed; what lies plainly in memory is not copied. What was
    /// just written to a file is not read back.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where they are not those that were committed, or cannot be decompressed: no later
    /// try will go better.
    pub fn read<'a>(&'a self, scratch: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        let Packing { compression, limit } = self.packing;
        if compression == Compression::Text {
            return self.read_stored(scratch);
        }
        let mut packed = Vec::new();
        let stored = self.read_stored(&mut packed)?;
        scratch.clear();
        compression.unpack(stored, limit, scratch)?;
        Ok(scratch)
    }

    /// The bytes as they are kept, read into `scratch` if they are in a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where they are not those that were committed.
    pub fn read_stored<'a>(&'a self, scratch: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        if let Body::Memory(body) = &self.body {
            return Ok(body.bytes());
        }
        if let Some(pieces) = self.fresh.pieces(self.extent.length) {
            scratch.clear();
            pieces.for_each(|piece| scratch.extend_from_slice(piece));
            return Ok(scratch);
        }
        let expected = self.extent;
        let bytes = self.read_as_found(scratch)?;
        let damaged = |text| Err(io::Error::new(io::ErrorKind::InvalidData, text));
        if (bytes.len() as u64) < expected.length {
            return damaged(format!(
                "the chunk file has {} bytes where {} were committed; something else has cut it",
                bytes.len(),
                expected.length
            ));
        }
        match expected.hash {
            Some(hash) if hash != crc32fast::hash(bytes) => damaged(
                "the chunk file is damaged: its checksum is not that of the bytes that were committed".into(),
            ),
            _ => Ok(bytes),
        }
    }

    /// As many of the bytes as there are, whether or not they are those that were committed.
    pub(crate) fn read_as_found<'a>(&'a self, scratch: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        let file = match &self.body {
            Body::Memory(body) => return Ok(body.bytes()),
            Body::File(body) => body.open()?,
        };
        let length = usize::try_from(self.extent.length).map_err(io::Error::other)?;
        // What the scratch holds already is written over, not cleared before.
        scratch.resize(length, 0);
        let read = file.read_at(scratch, 0)?;
        scratch.truncate(read);
        Ok(scratch)
    }

    /// The file that holds [`len`](Self::len) bytes of the chunk; nothing of a memory chunk.
    pub fn open(&self) -> io::Result<Option<Box<dyn DiskFile>>> {
        match &self.body {
            Body::Memory(_) => Ok(None),
            Body::File(body) => body.open().map(Some),
        }
    }

    /// Appends bytes that are part of the open transaction, and may be kept where they are lent. Memory for copies comes
    /// from `room`.
    pub(crate) fn append(
        &mut self,
        (bytes, lent): (&[u8], Option<Part>),
        count: u64,
        now: Timestamp,
        room: &dyn Fn() -> Vec<u8>,
    ) -> io::Result<()> {
        match &mut self.body {
            Body::Memory(body) => body.append(bytes, lent, room),
            Body::File(body) => {
                body.write(bytes, self.extent.length)?;
                self.extent.hash = self.extent.hash_with(bytes);
                self.fresh.append(self.extent.length, lent);
            }
        }
        self.extent.length += bytes.len() as u64;
        self.extent.count += count;
        self.extent.modified = now.as_secs();
        self.modified = now;
        Ok(())
    }

    /// Whether the open transaction appended something.
    pub(crate) fn is_dirty(&self) -> bool {
        self.extent.length != self.committed.length || self.extent.count != self.committed.count
    }

    /// Takes back what the open transaction appended and tells how many bytes that was.
    pub(crate) fn roll_back(&mut self) -> u64 {
        let length = self.committed.length;
        match &mut self.body {
            Body::Memory(body) => body.truncate(usize::try_from(length).unwrap_or(usize::MAX)),
            Body::File(body) => {
                body.truncate(length);
                self.fresh.truncate(length);
            }
        }
        let taken = self.extent.length.saturating_sub(length);
        self.extent = self.committed;
        taken
    }

    /// Cuts what an earlier chunk left in the file.
    pub(crate) fn trim(&mut self) -> io::Result<()> {
        match &mut self.body {
            Body::Memory(_) => Ok(()),
            Body::File(body) => body.trim(self.extent.length),
        }
    }

    /// Makes what was appended part of the chunk. The ledger knows it already; the meta file is for others to read.
    pub(crate) fn settle(&mut self) {
        self.committed = self.extent;
        self.write_meta();
    }

    /// Writes the meta file, if there is one. A failure is not one of the chunk: recovery does not need the file.
    fn write_meta(&mut self) {
        let Body::File(body) = &mut self.body else {
            return;
        };
        if !body.has_meta() {
            return;
        }
        let meta = Meta::of(&self.metadata, self.id, self.created, self.committed);
        body.write_meta(&meta.encode());
    }

    /// Brings the meta file of a resumed chunk up to its last commit.
    pub(crate) fn write_meta_if_behind(&mut self) {
        let Body::File(body) = &self.body else { return };
        let meta = Meta::of(&self.metadata, self.id, self.created, self.committed).encode();
        let found = body.read_meta().ok().flatten();
        if found.is_some_and(|bytes| !bytes.starts_with(&meta)) {
            self.write_meta();
        }
    }

    /// Whether the open transaction is the first of its incarnation to reach this memory chunk.
    pub(crate) fn would_hold(&self, origin: &Origin) -> bool {
        let Origin::File {
            source,
            incarnation,
            ..
        } = origin
        else {
            return false;
        };
        !self.origins.contains_key(&(*source, *incarnation))
    }

    /// What the ledger is told to release at delivery.
    pub(crate) fn held(&self) -> Vec<(SourceNumber, u32, u64)> {
        self.origins
            .iter()
            .map(|((source, life), start)| (*source, *life, *start))
            .collect()
    }
}
