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

/// What a meta file lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetaFault {
    Map,
    Id,
    Created,
    Modified,
}

impl MetaFault {
    /// In Fluentd's words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Map => "it is no msgpack map",
            Self::Id => "invalid unique_id",
            Self::Created => "invalid created_at",
            Self::Modified => "invalid modified_at",
        }
    }
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
        // After a loss of power a length can stand before its bytes: zeros at the end are none.
        let mut rest = found.get(written..).unwrap_or_default();
        while let Some((0, before)) = rest.split_last() {
            rest = before;
        }
        // Torn where it replaced the old map, whatever stood behind that; or where the file was new.
        let is_old = |old: &[u8]| rest.starts_with(old) || old.starts_with(rest);
        let is_torn = previous.length > 0 && old.get(written..).is_some_and(is_old);
        written == new.len() || rest.is_empty() || is_torn
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

    /// Reads a meta file of either form; not one without `id`, `c` or `m`, as Fluentd judges it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, MetaFault> {
        if bytes.is_empty() {
            return Err(MetaFault::Id);
        }
        let map = match bytes.strip_prefix(&MAGIC) {
            // A length that says too much is accepted: the map tells its own end.
            Some(rest) => rest.get(4..).ok_or(MetaFault::Map)?,
            None => bytes,
        };
        let mut cursor = Cursor(map);
        let (mut id, mut created, mut modified, mut count) = (None, None, None, 0);
        let mut metadata = Metadata::default();
        for _ in 0..cursor.map_length().ok_or(MetaFault::Map)? {
            let key = cursor.str().ok_or(MetaFault::Map)?;
            let value = cursor.value().ok_or(MetaFault::Map)?;
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
        Ok(Self {
            metadata,
            id: id.ok_or(MetaFault::Id)?,
            count,
            created: created.ok_or(MetaFault::Created)?,
            modified: modified.ok_or(MetaFault::Modified)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rmpv::Value;

    use super::*;

    fn meta() -> impl Strategy<Value = Meta> {
        let value = prop_oneof![
            any::<i64>().prop_map(Value::from),
            "[a-z]{0,40}".prop_map(Value::from),
            vec(any::<u8>(), 0..300).prop_map(Value::from),
            Just(Value::Nil),
            Just(Value::Array(vec![
                Value::from(1),
                Value::Map(vec![(Value::Nil, Value::from(2.5))])
            ])),
        ];
        let variable = ("[a-z]{1,9}", value).prop_map(|(name, value)| {
            let mut bytes = Vec::new();
            rmpv::encode::write_value(&mut bytes, &value).unwrap();
            (name.into(), bytes.into())
        });
        let metadata = (
            any::<Option<i64>>(),
            prop::option::of("[a-z.]{0,70}".prop_map(Into::into)),
            prop::option::of(vec(variable, 0..20)),
            any::<u32>(),
        );
        let metadata = metadata.prop_map(|(timekey, tag, variables, seq)| Metadata {
            timekey,
            tag,
            variables,
            seq,
        });
        let number = || 0..i64::MAX as u64;
        (metadata, any::<[u8; 16]>(), number(), number(), number()).prop_map(
            |(metadata, id, count, created, modified)| Meta {
                metadata,
                id: ChunkId::from_bytes(id),
                count,
                created,
                modified,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_by_us_and_by_others(meta in meta(), behind in vec(any::<u8>(), 0..9)) {
            let bytes = meta.encode();
            let (head, map) = bytes.split_at(6);
            prop_assert_eq!(&head[..2], &MAGIC);
            prop_assert_eq!(u32::from_be_bytes(head[2..].try_into().unwrap()) as usize, map.len());
            let value = rmpv::decode::read_value(&mut &*map).unwrap();
            let pairs = value.as_map().unwrap();
            let keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_str().unwrap()).collect();
            prop_assert_eq!(keys, ["timekey", "tag", "variables", "seq", "id", "s", "c", "m"]);
            prop_assert_eq!(pairs[0].1.as_i64(), meta.metadata.timekey);
            prop_assert_eq!(pairs[1].1.as_str(), meta.metadata.tag.as_deref());
            prop_assert_eq!(pairs[5].1.as_u64(), Some(meta.count));
            let mut again = Vec::new();
            rmpv::encode::write_value(&mut again, &value).unwrap();
            prop_assert_eq!(&again, map, "all integers and lengths take their shortest form");

            let followed = [&bytes, &*behind].concat();
            prop_assert_eq!(Meta::decode(&followed), Ok(meta.clone()));
            // The old form has no header.
            prop_assert_eq!(Meta::decode(map), Ok(meta));
        }

        #[test]
        fn arbitrary_bytes_are_no_panic(bytes in vec(any::<u8>(), 0..100), cut in 0..100_usize, meta in meta()) {
            let _ = Meta::decode(&bytes);
            let whole = meta.encode();
            prop_assert_eq!(Meta::decode(&whole[..whole.len().min(cut)]).is_ok(), cut >= whole.len());
        }

        #[test]
        fn every_torn_rewrite_is_recognised_as_ours(cut in 0..200_usize, counts in (1..300_u64, 0..300_u64), first in any::<bool>()) {
            let (metadata, id) = (Metadata::with_tag("a.b"), ChunkId::from_bytes([7; 16]));
            let created = Timestamp::from_secs(1_700_000_000);
            let extent = |count, modified| ChunkExtent { length: count, count, modified, hash: None };
            let previous = if first { ChunkExtent::default() } else { extent(counts.0, 1_700_000_000) };
            let latest = extent(counts.0 + counts.1, 1_700_000_077);
            let mut found = if first { Vec::new() } else { Meta::of(&metadata, id, created, previous).encode() };
            let new = Meta::of(&metadata, id, created, latest).encode();
            let written = &new[..cut.min(new.len())];
            if found.len() < written.len() {
                found.resize(written.len(), 0);
            }
            found[..written.len()].copy_from_slice(written);
            let is_ours = |found: Option<&[u8]>| Meta::is_ours(found, &metadata, id, created, latest, previous);
            prop_assert!(is_ours(Some(&found)), "{:x?}", found);
            prop_assert!(is_ours(None));
            // Fluentd appended: a new count and a new time.
            let theirs = Meta::of(&metadata, id, created, extent(latest.count + 1, 1_700_000_099)).encode();
            prop_assert!(!is_ours(Some(&theirs)));
        }
    }
}
