//! The records of a ledger and their bytes.
//!
//! ```text
//! ledger   header record*
//! header   "MILLRUN\n"  u32 version = 2  u64 generation
//! record   u32 length of body   u32 CRC-32 of (u64 offset of the record in the file, body)   body
//! body     u8 kind, then the fields of the kind in the order of `Record`
//! ```
//!
//! All integers are little endian and of fixed width; `bytes` and `text` are a u32 length and the bytes; a list is a
//! u32 count and its items; an option is a u8 0 or 1 and the value. The checksum covers the record's own
//! place, so that the remains of an older, longer write after a torn tail never read as a record.
//!
//! A record that is damaged is skipped, and reading goes on at the next whole one: what it said is not known any more, so a
//! batch may be read or a chunk delivered again. Without a whole one behind it, it is the torn end of the file.
//!
//! A record whose kind is unknown is passed over in the same way, and is said to be damaged: the version tells formats apart
//! (1 had no hash of a chunk's bytes), so no program meets a kind that it does not know.

use super::dispatch::Dispatch;
use super::peers::Taken;
use super::reader::Reader;
use super::record::{Commit, CommitOrigin, Extent, Intent, Record};
use crate::{Fingerprint, Identity, LossKey, Metadata, Timestamp};

/// What stands at the start of each ledger.
pub(super) const MAGIC: &[u8; 8] = b"MILLRUN\n";
/// The version of the format described above.
pub(super) const VERSION: u32 = 2;
/// The bytes before the first record.
pub(super) const HEADER_LENGTH: usize = 20;
/// The bytes before a record's body.
pub(super) const FRAME_LENGTH: usize = 8;
/// No body is longer; what claims to be is damage.
pub(super) const BODY_LENGTH_MAX: usize = 16 << 20;

/// Writes the header of a ledger.
pub(super) fn encode_header(generation: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&generation.to_le_bytes());
}

/// Appends a framed record that will stand at `offset` of the file.
pub(super) fn encode(record: &Record, offset: u64, out: &mut Vec<u8>) {
    let frame = out.len();
    out.extend_from_slice(&[0; FRAME_LENGTH]);
    encode_body(record, out);
    let body_start = frame + FRAME_LENGTH;
    let body = out.get(body_start..).unwrap_or_default();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let checksum = checksum(offset, body);
    if let Some((head, _)) = out
        .get_mut(frame..)
        .and_then(|rest| rest.split_first_chunk_mut::<8>())
    {
        *head = (u64::from(length) | u64::from(checksum) << 32).to_le_bytes();
    }
}

/// Reads the generation from a header.
pub(super) fn decode_header(bytes: &[u8]) -> Option<u64> {
    let mut reader = Reader(bytes);
    let known = reader.array::<8>()? == *MAGIC && reader.u32()? == VERSION;
    known.then_some(())?;
    reader.u64()
}

/// Reads the record at the start of `bytes`, which stand at `offset` of the file, and tells its whole length.
///
/// Nothing is told of a torn, damaged or unknown one.
pub(super) fn decode(bytes: &[u8], offset: u64) -> Option<(Record, usize)> {
    let mut reader = Reader(bytes);
    let length = usize::try_from(reader.u32()?)
        .ok()
        .filter(|length| *length <= BODY_LENGTH_MAX)?;
    let expected = reader.u32()?;
    let body = reader.take(length)?;
    if checksum(offset, body) != expected {
        return None;
    }
    let mut body = Reader(body);
    let record = decode_body(&mut body)?;
    body.0.is_empty().then_some((record, FRAME_LENGTH + length))
}

/// Appends a body as a record that stands at `offset`, whatever it says.
#[cfg(feature = "fuzzing")]
pub(super) fn frame(body: &[u8], offset: u64, out: &mut Vec<u8>) {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(offset, body).to_le_bytes());
    out.extend_from_slice(body);
}

fn checksum(offset: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&offset.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

fn encode_body(record: &Record, out: &mut Vec<u8>) {
    match record {
        Record::Source { source, key } => {
            out.push(1);
            put_u32(out, source.0);
            put_bytes(out, key.as_bytes());
        }
        Record::Incarnation {
            source,
            incarnation,
            identity,
            low_water,
            marks,
        } => {
            out.push(2);
            put_u32(out, source.0);
            put_u32(out, *incarnation);
            put_u64(out, identity.device);
            put_u64(out, identity.inode);
            put_u32(out, identity.fingerprint.length);
            put_u32(out, identity.fingerprint.hash);
            put_u64(out, *low_water);
            put_list(out, marks, |out, mark| {
                put_u64(out, mark.start);
                put_u64(out, mark.end);
            });
        }
        Record::Fingerprint {
            source,
            incarnation,
            fingerprint,
        } => {
            out.push(3);
            put_u32(out, source.0);
            put_u32(out, *incarnation);
            put_u32(out, fingerprint.length);
            put_u32(out, fingerprint.hash);
        }
        Record::IncarnationClosed {
            source,
            incarnation,
        } => {
            out.push(4);
            put_u32(out, source.0);
            put_u32(out, *incarnation);
        }
        Record::SourceForgotten { source } => {
            out.push(5);
            put_u32(out, source.0);
        }
        Record::LowWater {
            source,
            incarnation,
            position,
        } => {
            out.push(6);
            put_u32(out, source.0);
            put_u32(out, *incarnation);
            put_u64(out, *position);
        }
        Record::Chunk {
            buffer,
            chunk,
            metadata,
            created,
            extent,
            previous,
        } => {
            out.push(7);
            put_bytes(out, buffer.as_bytes());
            out.extend_from_slice(chunk.as_bytes());
            put_metadata(out, metadata);
            put_u64(out, created.as_micros());
            put_extent(out, extent);
            put_extent(out, previous);
        }
        Record::Commit(commit) => {
            out.push(8);
            put_origin(out, &commit.origin);
            put_list(out, &commit.appends, |out, (chunk, extent)| {
                out.extend_from_slice(chunk.as_bytes());
                put_extent(out, extent);
            });
            put_losses(out, &commit.losses);
            put_list(out, &commit.checkpoints, |out, (stage, bytes)| {
                put_bytes(out, stage.as_bytes());
                put_bytes(out, bytes);
            });
        }
        Record::Delivered { chunk, buffer } => {
            out.push(9);
            out.extend_from_slice(chunk.as_bytes());
            put_bytes(out, buffer.as_bytes());
        }
        Record::Losses { losses } => {
            out.push(10);
            put_losses(out, losses);
        }
        Record::Peer {
            sender,
            lowest,
            committed,
        } => {
            out.push(11);
            out.extend_from_slice(sender);
            put_u64(out, *lowest);
            put_list(out, committed, |out, (sequence, taken)| {
                put_u64(out, *sequence);
                put_taken(out, taken);
            });
        }
        Record::Checkpoint { stage, bytes } => {
            out.push(12);
            put_bytes(out, stage.as_bytes());
            put_bytes(out, bytes);
        }
        Record::Intent { chunk, intent } => {
            out.push(13);
            out.extend_from_slice(chunk.as_bytes());
            put_bytes(out, intent.path.as_bytes());
            put_u64(out, intent.device);
            put_u64(out, intent.inode);
            put_u64(out, intent.length_before);
            put_u32(out, intent.hash);
        }
        Record::PositionFile { path, hash } => {
            out.push(14);
            put_bytes(out, path.as_bytes());
            put_u32(out, *hash);
        }
        Record::Evacuated { chunk } => {
            out.push(16);
            out.extend_from_slice(chunk.as_bytes());
        }
        Record::Dispatch { chunk, dispatch } => {
            out.push(15);
            out.extend_from_slice(chunk.as_bytes());
            put_bytes(out, dispatch.receiver.as_bytes());
            out.extend_from_slice(&dispatch.sender);
            put_u64(out, dispatch.sequence);
            put_u64(out, dispatch.since.as_micros());
        }
    }
}

fn decode_body(body: &mut Reader<'_>) -> Option<Record> {
    Some(match body.u8()? {
        1 => Record::Source {
            source: body.source()?,
            key: body.text()?,
        },
        2 => Record::Incarnation {
            source: body.source()?,
            incarnation: body.u32()?,
            identity: Identity {
                device: body.u64()?,
                inode: body.u64()?,
                fingerprint: Fingerprint {
                    length: body.u32()?,
                    hash: body.u32()?,
                },
            },
            low_water: body.u64()?,
            marks: body.list(|body| Some(body.u64()?..body.u64()?))?,
        },
        3 => Record::Fingerprint {
            source: body.source()?,
            incarnation: body.u32()?,
            fingerprint: Fingerprint {
                length: body.u32()?,
                hash: body.u32()?,
            },
        },
        4 => Record::IncarnationClosed {
            source: body.source()?,
            incarnation: body.u32()?,
        },
        5 => Record::SourceForgotten {
            source: body.source()?,
        },
        6 => Record::LowWater {
            source: body.source()?,
            incarnation: body.u32()?,
            position: body.u64()?,
        },
        7 => Record::Chunk {
            buffer: body.text()?,
            chunk: body.chunk()?,
            metadata: body.metadata()?,
            created: Timestamp::from_micros(body.u64()?),
            extent: body.extent()?,
            previous: body.extent()?,
        },
        8 => Record::Commit(Commit {
            origin: body.origin()?,
            appends: body.list(|body| Some((body.chunk()?, body.extent()?)))?,
            losses: body.losses()?,
            checkpoints: body.list(|body| Some((body.text()?, body.bytes()?.into())))?,
        }),
        9 => Record::Delivered {
            chunk: body.chunk()?,
            buffer: body.text()?,
        },
        10 => Record::Losses {
            losses: body.losses()?,
        },
        11 => Record::Peer {
            sender: body.array()?,
            lowest: body.u64()?,
            committed: body.list(|body| Some((body.u64()?, body.taken()?)))?,
        },
        12 => Record::Checkpoint {
            stage: body.text()?,
            bytes: body.bytes()?.into(),
        },
        13 => Record::Intent {
            chunk: body.chunk()?,
            intent: Intent {
                path: body.text()?,
                device: body.u64()?,
                inode: body.u64()?,
                length_before: body.u64()?,
                hash: body.u32()?,
            },
        },
        14 => Record::PositionFile {
            path: body.text()?,
            hash: body.u32()?,
        },
        16 => Record::Evacuated {
            chunk: body.chunk()?,
        },
        15 => Record::Dispatch {
            chunk: body.chunk()?,
            dispatch: Dispatch {
                receiver: body.text()?,
                sender: body.array()?,
                sequence: body.u64()?,
                since: Timestamp::from_micros(body.u64()?),
            },
        },
        _ => return None,
    })
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    put_u32(out, u32::try_from(items.len()).unwrap_or(u32::MAX));
    for item in items {
        put(out, item);
    }
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

fn put_extent(out: &mut Vec<u8>, extent: &Extent) {
    put_u64(out, extent.length);
    put_u64(out, extent.count);
    put_u64(out, extent.modified);
    put_option(out, extent.hash, put_u32);
}

fn put_taken(out: &mut Vec<u8>, taken: &Taken) {
    put_u32(out, taken.hash);
    out.push(u8::from(taken.in_memory));
}

fn put_losses(out: &mut Vec<u8>, losses: &[(LossKey, u64)]) {
    put_list(out, losses, |out, (key, count)| {
        put_bytes(out, key.plugin.as_bytes());
        put_bytes(out, key.reason.as_bytes());
        put_u64(out, *count);
    });
}

fn put_metadata(out: &mut Vec<u8>, metadata: &Metadata) {
    put_option(out, metadata.timekey, |out, timekey| {
        put_u64(out, timekey.cast_unsigned());
    });
    put_option(out, metadata.tag.as_deref(), |out, tag| {
        put_bytes(out, tag.as_bytes());
    });
    put_option(out, metadata.variables.as_deref(), |out, variables| {
        put_list(out, variables, |out, (name, value)| {
            put_bytes(out, name.as_bytes());
            put_bytes(out, value);
        });
    });
    put_u32(out, metadata.seq);
}

fn put_origin(out: &mut Vec<u8>, origin: &CommitOrigin) {
    match origin {
        CommitOrigin::None => out.push(0),
        CommitOrigin::File {
            source,
            incarnation,
            range,
            in_memory,
        } => {
            out.push(1);
            put_u32(out, source.0);
            put_u32(out, *incarnation);
            put_u64(out, range.start);
            put_u64(out, range.end);
            out.push(u8::from(*in_memory));
        }
        CommitOrigin::Peer {
            sender,
            sequence,
            lowest,
            taken,
        } => {
            out.push(2);
            out.extend_from_slice(sender);
            put_u64(out, *sequence);
            put_u64(out, *lowest);
            put_taken(out, taken);
        }
        CommitOrigin::Local { chunk } => {
            out.push(3);
            out.extend_from_slice(chunk.as_bytes());
        }
    }
}
