use std::collections::HashMap;
use std::sync::Arc;

use crate::{Chunk, Metadata, Packer};

/// The chunks that one shard fills, and what its open transaction did to them.
#[derive(Default)]
pub(super) struct Stage {
    /// At most one per metadata.
    pub(super) open: HashMap<Arc<Metadata>, Chunk>,
    /// Filled up by the open transaction; queued when it ends.
    pub(super) full: Vec<Chunk>,
    /// Keys of the open chunks that the open transaction appended to; a key may stand here twice.
    pub(super) touched: Vec<Arc<Metadata>>,
    /// Compresses appends.
    pub(super) packer: Packer,
}

/// Under which key a chunk is open: the number within one write does not tell chunks apart.
pub(super) fn key(chunk: &Chunk) -> Arc<Metadata> {
    match chunk.metadata.seq {
        0 => Arc::clone(&chunk.metadata),
        _ => Arc::new(Metadata {
            seq: 0,
            ..chunk.metadata.as_ref().clone()
        }),
    }
}

impl Stage {
    /// The chunks that the open transaction appended to, in no order that means anything.
    pub(super) fn dirty(&self) -> impl Iterator<Item = &Chunk> {
        let mut seen: Vec<&Arc<Metadata>> = self.touched.iter().collect();
        seen.sort_unstable();
        seen.dedup();
        let open = seen.into_iter().filter_map(|key| self.open.get(key));
        self.full
            .iter()
            .chain(open)
            .filter(|chunk| chunk.is_dirty())
    }

    /// Takes the open chunks that the open transaction touched.
    pub(super) fn take_touched(&mut self) -> Vec<Chunk> {
        let touched = std::mem::take(&mut self.touched);
        touched
            .iter()
            .filter_map(|key| self.open.remove(key))
            .collect()
    }

    /// The keys of the open chunks for which this is true, in the order in which they were made.
    pub(super) fn oldest_first(&self, is_wanted: impl Fn(&Chunk) -> bool) -> Vec<Arc<Metadata>> {
        let open = self.open.values();
        let mut wanted: Vec<&Chunk> = open.filter(|chunk| is_wanted(chunk)).collect();
        wanted.sort_unstable_by_key(|chunk| chunk.id);
        wanted.into_iter().map(key).collect()
    }

    pub(super) fn put_back(&mut self, chunk: Chunk) {
        self.open.insert(key(&chunk), chunk);
    }
}
