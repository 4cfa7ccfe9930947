//! A worker in a box: a simulated disk, one shard, any buffers.

use std::path::Path;
use std::sync::Arc;

use millrun_buffer::disk::SimulatedDisk;
use millrun_buffer::{
    AppendError, Appended, Buffer, BufferConfig, Chunk, Durability, Identity, Metadata, Origin,
    Random, Resumed, Shard, SourceNumber, StateDirectory, Timestamp,
};

pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

pub(crate) struct Worker {
    pub(crate) disk: SimulatedDisk,
    pub(crate) state: StateDirectory,
    pub(crate) shard: Shard,
    pub(crate) buffers: Vec<Arc<Buffer>>,
    pub(crate) resumed: Vec<Resumed>,
}

impl Worker {
    pub(crate) fn start(disk: &SimulatedDisk, configs: &[BufferConfig]) -> Self {
        Self::start_with(disk, configs, Durability::Process)
    }

    pub(crate) fn start_with(
        disk: &SimulatedDisk,
        configs: &[BufferConfig],
        durability: Durability,
    ) -> Self {
        let shared = disk.shared();
        let mut state =
            StateDirectory::open(&shared, Path::new("/state"), 0, 1, durability).unwrap();
        let (mut buffers, mut all_resumed) = (Vec::new(), Vec::new());
        for (number, config) in configs.iter().enumerate() {
            let (name, random) = (format!("out{number}"), Random::from_seed(number as u64));
            let opened = Buffer::open(
                &name,
                config.clone(),
                shared.clone(),
                state.ledgers(),
                random,
            );
            let (buffer, resumed) = opened.unwrap();
            buffers.push(buffer);
            all_resumed.push(resumed);
        }
        state.start().unwrap();
        let shard = Shard::new(0, state.ledgers()[0].clone());
        Self {
            disk: disk.clone(),
            state,
            shard,
            buffers,
            resumed: all_resumed,
        }
    }

    /// Appends lines to one buffer in a transaction of its own.
    pub(crate) fn put(
        &mut self,
        buffer: usize,
        tag: &str,
        text: &str,
    ) -> Result<Appended, AppendError> {
        self.put_at(buffer, &Metadata::with_tag(tag), text, START)
    }

    pub(crate) fn put_at(
        &mut self,
        buffer: usize,
        metadata: &Metadata,
        text: &str,
        now: Timestamp,
    ) -> Result<Appended, AppendError> {
        let mut transaction = self.shard.begin(Origin::None)?;
        let count = text.lines().count() as u64;
        let bytes = text.as_bytes();
        let buffer = &self.buffers[buffer];
        let appended = transaction.append(buffer, metadata, bytes, count, &mut line, now)?;
        transaction.commit()?;
        Ok(appended)
    }

    pub(crate) fn source(&self) -> SourceNumber {
        self.shard
            .ledger()
            .first_sight("tail:/a", Identity::default(), 0)
            .unwrap()
    }
}

/// The length of the first line.
pub(crate) fn line(bytes: &[u8]) -> Option<usize> {
    bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .map(|at| at + 1)
}

pub(crate) fn text(chunk: &Chunk) -> String {
    String::from_utf8(chunk.read(&mut Vec::new()).unwrap().to_vec()).unwrap()
}

/// Takes and delivers all that is queued.
pub(crate) fn drain(buffer: &Buffer) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(chunk) = buffer.take() {
        texts.push(text(&chunk));
        buffer.delivered(chunk).unwrap();
    }
    texts
}
