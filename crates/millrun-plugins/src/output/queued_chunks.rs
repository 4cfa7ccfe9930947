//! Chunks for tests of senders.

use std::sync::Arc;

use millrun_buffer::disk::RealDisk;
use millrun_buffer::{
    Buffer, BufferConfig, Chunk, Compression, Metadata, Origin, Random, Shard, StateDirectory,
    Timestamp,
};

/// Two events.
pub(super) const EVENTS: &[u8] =
    b"\x92\xd7\x00\x01\x02\x03\x04\x00\x00\x00\x00\x81\xa1k\x01\x92\x07\x80";

/// Queued chunks of [`EVENTS`], one per tag.
pub(super) fn chunks(tags: &[&str]) -> Vec<Chunk> {
    chunks_kept(Compression::Text, 1, tags)
}

/// The same of several appends, kept so.
pub(super) fn chunks_kept(compression: Compression, appends: usize, tags: &[&str]) -> Vec<Chunk> {
    let now = Timestamp::from_secs(1_700_000_000);
    let mut state = StateDirectory::volatile(1);
    let disk = Arc::new(RealDisk);
    let random = Random::from_seed(7);
    let config = BufferConfig {
        compression,
        ..BufferConfig::memory()
    };
    let (buffer, _) = Buffer::open("out", config, disk, state.ledgers(), random).unwrap();
    state.start().unwrap();
    let mut shard = Shard::new(0, state.ledgers()[0].clone());
    let mut chunks = Vec::new();
    for tag in tags {
        let mut transaction = shard.begin(Origin::None).unwrap();
        let metadata = Metadata::with_tag(tag);
        let whole = &mut |bytes: &[u8]| Some(bytes.len());
        for _ in 0..appends {
            transaction
                .append(&buffer, &metadata, EVENTS, 2, whole, now)
                .unwrap();
        }
        transaction.commit().unwrap();
        buffer.enqueue_all();
        chunks.push(buffer.take().unwrap());
    }
    chunks
}
