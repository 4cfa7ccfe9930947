//! Chunks put where a person finds them: what can never be delivered, and what was tried long enough.

use std::io;
use std::path::{Path, PathBuf};

use super::Buffer;
use crate::chunk::{Body, ChunkStage, Meta, meta_path};
use crate::disk::Open;
use crate::{Chunk, LossKey};

impl Buffer {
    /// Writes the bytes of a chunk that cannot be delivered to `<directory>/<id>.log`, then drops it. Tells the file's name.
    ///
    /// When the file cannot be written, the chunk goes back to the head of the queue.
    pub fn back_up(&self, chunk: Chunk, directory: &Path, reason: LossKey) -> io::Result<PathBuf> {
        let path = directory.join(format!("{}.log", chunk.id));
        let written = self.write_aside(&chunk, directory, &path);
        self.finish_aside(chunk, reason, written).map(|()| path)
    }

    /// Copies the files of a chunk to `directory`, under the names of a queued chunk and as they would be resumed, then drops
    /// the chunk. Whoever puts them back into the buffer's directory has it delivered.
    ///
    /// When they cannot be written, the chunk goes back to the head of the queue.
    pub fn evacuate(&self, chunk: Chunk, directory: &Path, reason: LossKey) -> io::Result<()> {
        let Body::File(_) = &chunk.body else {
            let written = self.copy_files(&chunk, directory);
            return self.finish_aside(chunk, reason, written);
        };
        if let Err(error) = self.copy_files(&chunk, directory) {
            self.give_back(chunk);
            return Err(error);
        }
        self.finish_with(chunk, |chunk| {
            let lost = vec![(reason, chunk.count())];
            let Chunk {
                id, body, ledger, ..
            } = chunk;
            if let Body::File(body) = body {
                self.remove_files(&ledger, id, body);
            }
            ledger.evacuate(id, lost)
        })
        .map_err(io::Error::other)
    }

    fn copy_files(&self, chunk: &Chunk, directory: &Path) -> io::Result<()> {
        let name = match (&self.paths, &chunk.body) {
            (Some(paths), Body::File(_)) => {
                paths.data(ChunkStage::Queued, chunk.id, &chunk.metadata)
            }
            _ => format!("{}.log", chunk.id).into(),
        };
        let path = directory.join(name.file_name().unwrap_or_default());
        self.write_aside(chunk, directory, &path)?;
        if !matches!(&chunk.body, Body::File(body) if body.has_meta()) {
            return Ok(());
        }
        let meta = Meta::of(&chunk.metadata, chunk.id, chunk.created, chunk.committed);
        let file = self.disk.open(&meta_path(&path), Open::Truncated)?;
        file.write_at(&meta.encode(), 0)?;
        file.sync_data()
    }

    fn write_aside(&self, chunk: &Chunk, directory: &Path, path: &Path) -> io::Result<()> {
        let mut scratch = Vec::new();
        let bytes = chunk.read_as_found(&mut scratch)?;
        self.disk.create_dir_all(directory)?;
        let file = self.disk.open(path, Open::Truncated)?;
        file.write_at(bytes, 0)?;
        file.sync_data()
    }

    fn finish_aside(
        &self,
        chunk: Chunk,
        reason: LossKey,
        written: io::Result<()>,
    ) -> io::Result<()> {
        match written {
            Ok(()) => self.finish(chunk, Some(reason)).map_err(io::Error::other),
            Err(error) => {
                self.give_back(chunk);
                Err(error)
            }
        }
    }
}
