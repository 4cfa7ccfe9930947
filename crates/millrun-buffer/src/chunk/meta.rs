//! The meta file of a chunk, in Fluentd's format (specification 4.6).
//!
//! ```text
//! C1 00   u32 big endian length   msgpack map of 8, keys in this order:
//!   "timekey"    integer or nil
//!   "tag"        string or nil
//!   "variables"  map of string keys, or nil
//!   "seq"        integer
//!   "id"         binary of 16 bytes
//!   "s"          number of events
//!   "c" "m"      created, modified: integer seconds since the epoch
//! ```
//!
//! It is rewritten in place and never shortened, so bytes may follow the map. The old form, a bare map, is read too.

use super::msgpack::{Cursor, put_int, put_map_head, put_str, put_uint};
use crate::ledger::ChunkExtent;
use crate::{ChunkId, Metadata, Timestamp};

/// The first bytes of the form with a header.
const MAGIC: [u8; 2] = [0xc1, 0x00];

/// What a meta file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) metadata: Metadata,
    pub(crate) id: ChunkId,
    pub(crate) count: u64,
    pub(crate) created: u64,
    pub(crate) modified: u64,
}

impl Meta {
    pub(crate) fn of(
        metadata: &Metadata,
        id: ChunkId,
        created: Timestamp,
        extent: ChunkExtent,
    ) -> Self {
        Self {
            metadata: metadata.clone(),
            id,
            count: extent.count,
            created: created.as_secs(),
            modified: extent.modified,
        }
    }

    /// Whether a meta file is as we left it: of the last commit, of the one before, or torn while it went from one to
    /// the other.
    ///
    /// Fluentd writes a new count and time with each append, so what it touched is neither.
    pub(crate) fn is_ours(
        found: Option<&[u8]>,
        metadata: &Metadata,
        id: ChunkId,
        created: Timestamp,
        extent: ChunkExtent,
        previous: ChunkExtent,
    ) -> bool {
        // Fluentd never removes a meta file alone; we may not have come to write it.
        let Some(found) = found else { return true };
        let new = Self::of(metadata, id, created, extent).encode();
        let old = Self::of(metadata, id, created, previous).encode();
        let written = found
            .iter()
            .zip(&new)
            .take_while(|(found, new)| found == new)
            .count();
        let rest = found.get(written..).unwrap_or_default();
        // Torn where it replaced the old map, whatever stood behind that; or where the file was new.
        let torn = old
            .get(written..)
            .is_some_and(|old_rest| rest.starts_with(old_rest));
        written == new.len() || rest.is_empty() || (torn && previous.length > 0)
    }

    /// The bytes of the file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut map = vec![0x88];
        put_str(&mut map, "timekey");
        match self.metadata.timekey {
            Some(timekey) => put_int(&mut map, timekey),
            None => map.push(0xc0),
        }
        put_str(&mut map, "tag");
        match &self.metadata.tag {
            Some(tag) => put_str(&mut map, tag),
            None => map.push(0xc0),
        }
        put_str(&mut map, "variables");
        match &self.metadata.variables {
            Some(variables) => {
                put_map_head(&mut map, variables.len());
                for (name, value) in variables {
                    put_str(&mut map, name);
                    map.extend_from_slice(value);
                }
            }
            None => map.push(0xc0),
        }
        put_str(&mut map, "seq");
        put_uint(&mut map, self.metadata.seq.into());
        put_str(&mut map, "id");
        map.extend_from_slice(&[0xc4, 16]);
        map.extend_from_slice(self.id.as_bytes());
        for (key, value) in [("s", self.count), ("c", self.created), ("m", self.modified)] {
            put_str(&mut map, key);
            put_uint(&mut map, value);
        }
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&u32::try_from(map.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.append(&mut map);
        out
    }

    /// Reads a meta file of either form; nothing of one without `id`, `c` or `m`, as Fluentd judges it.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let map = match bytes.strip_prefix(&MAGIC) {
            // A length that says too much is accepted: the map tells its own end.
            Some(rest) => rest.get(4..)?,
            None => bytes,
        };
        let mut cursor = Cursor(map);
        let (mut id, mut created, mut modified, mut count) = (None, None, None, 0);
        let mut metadata = Metadata::default();
        for _ in 0..cursor.map_length()? {
            let key = cursor.str()?;
            let value = cursor.value()?;
            let mut inner = Cursor(value);
            match key {
                "timekey" => metadata.timekey = inner.int(),
                "tag" => metadata.tag = inner.str().map(Into::into),
                "variables" => metadata.variables = inner.variables(),
                "seq" => {
                    let seq = inner.uint().and_then(|seq| seq.try_into().ok());
                    metadata.seq = seq.unwrap_or(0);
                }
                "id" => {
                    let bytes = inner.bytes().and_then(|id| id.try_into().ok());
                    id = bytes.map(ChunkId::from_bytes);
                }
                "s" => count = inner.uint().unwrap_or(0),
                "c" => created = inner.uint(),
                "m" => modified = inner.uint(),
                _ => {}
            }
        }
        Some(Self {
            metadata,
            id: id?,
            count,
            created: created?,
            modified: modified?,
        })
    }
}
