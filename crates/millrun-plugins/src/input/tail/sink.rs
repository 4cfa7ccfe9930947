//! Where what is read goes, and who remembers how far it went.
//!
//! A tail decides nothing about durability. It tells the sink of each life of a file before it
//! reads from it, hands over batches with the range of bytes they were made of, and keeps a batch
//! for itself until the sink has taken it: a range that was refused is read again later.

use std::ops::Range;
use std::path::{Path, PathBuf};

use millrun_buffer::{Fingerprint, Identity, SourceNumber};
use millrun_core::Filled;
use thiserror::Error;

use super::life::Life;

/// A life of a file as an earlier process left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// The name under which it was followed.
    pub(crate) path: PathBuf,
    pub(crate) source: SourceNumber,
    pub(crate) incarnation: u32,
    pub(crate) identity: Identity,
    /// Everything before needs no more reading.
    pub(crate) position: u64,
    /// What else was committed, beyond the position.
    pub(crate) marks: Vec<Range<u64>>,
}

/// Why a batch was not taken. Nothing of it was; the same bytes are offered again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    /// The buffers are full. They empty by themselves, so nobody needs to be told.
    #[error("the buffers are full")]
    Full,
    /// The commit failed, and why.
    #[error("{0}")]
    Failed(String),
}

/// What lines were lost on purpose in one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Lines that the parser did not understand.
    pub(crate) unparsable: u64,
    /// Lines longer than the limit.
    pub(crate) oversized: u64,
    /// Truncations that took bytes known to exist and not read.
    pub(crate) truncated: u64,
}

/// A piece of a file, as the origin of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) source: SourceNumber,
    pub(crate) incarnation: u32,
    pub(crate) range: Range<u64>,
}

/// The receiver of batches and keeper of positions.
pub(crate) trait Sink {
    /// The lives an earlier process left unfinished, or finished with their file still there.
    fn recovered(&mut self) -> Vec<Recovered>;

    /// True when some life was followed as `path` before, also one that is forgotten: what stands
    /// there now is not seen for the first time, and is read from its head.
    fn knows(&self, path: &Path) -> bool;

    /// Records a new life of the file that is followed as `path`, read from `start` on, before
    /// anything is read of it. Gives it its number.
    fn first_sight(
        &mut self,
        path: &Path,
        identity: Identity,
        start: u64,
    ) -> Result<(SourceNumber, u32), Refused>;

    /// Records that more of a file's first bytes are known.
    fn identify(
        &mut self,
        source: SourceNumber,
        incarnation: u32,
        fingerprint: Fingerprint,
    ) -> Result<(), Refused>;

    /// Takes a batch, which may be empty: then only the position moves.
    fn emit(
        &mut self,
        tag: &str,
        events: Filled<'_>,
        piece: Piece,
        lost: Lost,
    ) -> Result<(), Refused>;

    /// Forgets a life: its file is gone, or its content was replaced.
    fn forget(&mut self, source: SourceNumber, incarnation: u32);

    /// Up to where a life's bytes are delivered or in file buffers.
    fn low_water(&self, life: &Life) -> u64;

    /// False while the buffers are full: then nothing is read.
    fn has_room(&self) -> bool;
}
