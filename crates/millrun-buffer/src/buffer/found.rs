use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::chunk::ChunkStage;
use crate::{ChunkId, ChunkPaths};

/// The files of one chunk, as a buffer directory shows them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) data: Option<(ChunkStage, PathBuf)>,
    pub(super) meta: Option<(ChunkStage, PathBuf)>,
}

/// Sorts the files of a directory by chunk; what is not ours is left alone.
///
/// Where a chunk has files of both letters, the queued one counts: it was renamed last.
pub(super) fn group(paths: &ChunkPaths, files: Vec<PathBuf>) -> BTreeMap<ChunkId, Found> {
    let mut chunks: BTreeMap<ChunkId, Found> = BTreeMap::new();
    for path in files {
        let Some(file) = paths.parse(&path) else {
            continue;
        };
        let found = chunks.entry(file.id).or_default();
        let slot = if file.is_meta {
            &mut found.meta
        } else {
            &mut found.data
        };
        if slot.as_ref().is_none_or(|(stage, _)| *stage <= file.stage) {
            *slot = Some((file.stage, path));
        }
    }
    chunks
}
