use std::ops::Range;

use crate::ChunkId;

/// A source's number, unique within one worker's state directory as long as the process runs.
///
/// Numbers are handed out by [`Ledger::first_sight`](crate::Ledger::first_sight) and
/// [`StateDirectory::resume_source`](crate::StateDirectory::resume_source); the lasting name of a source is its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceNumber(pub u32);

/// Where the bytes of a batch can be had again (the delivery contract, "Words").
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Bytes `range` of one incarnation of a file.
    File {
        /// The source that read them.
        source: SourceNumber,
        /// The life of the file's content they belong to.
        incarnation: u32,
        /// Their place, in bytes from the start of the file.
        range: Range<u64>,
    },
    /// A chunk of another millrun, which sends it again until it is answered.
    Peer {
        /// The sending instance.
        sender: [u8; 16],
        /// The number that the sender gave to this chunk.
        sequence: u64,
        /// The sender's lowest unanswered number; what lies below is never sent again.
        lowest: u64,
        /// The CRC-32 of the chunk, which tells a resend from another chunk under the same number.
        hash: u32,
    },
    /// A chunk of one of our own buffers, emitted again. The commit also delivers it.
    Local {
        /// The chunk that is emitted again.
        chunk: ChunkId,
    },
    /// Nowhere: what is lost before the commit stays lost.
    None,
}

/// Which file a source reads, and how its content began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Identity {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// How its content began.
    pub fingerprint: Fingerprint,
}

/// The length and hash of a file's first bytes: as many as existed, extended as the file grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Fingerprint {
    /// The number of bytes hashed, at most [`Fingerprint::LENGTH_MAX`].
    pub length: u32,
    /// Their CRC-32.
    pub hash: u32,
}

impl Fingerprint {
    /// A fingerprint grows no further than this many bytes.
    pub const LENGTH_MAX: usize = 1024;

    /// The fingerprint of a file that begins with `head`.
    pub fn of(head: &[u8]) -> Self {
        let head = head.get(..Self::LENGTH_MAX).unwrap_or(head);
        Self {
            length: u32::try_from(head.len()).unwrap_or(u32::MAX),
            hash: crc32fast::hash(head),
        }
    }

    /// Whether a file that begins with `head` can be the one this fingerprint was taken of.
    ///
    /// A head shorter than the fingerprint never fits: the file was truncated.
    pub fn fits(&self, head: &[u8]) -> bool {
        usize::try_from(self.length)
            .ok()
            .and_then(|length| head.get(..length))
            .is_some_and(|head| crc32fast::hash(head) == self.hash)
    }
}

/// Something dropped on purpose, counted by who dropped it and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LossKey {
    /// The id of the plugin that dropped it.
    pub plugin: Box<str>,
    /// Why, in one word: `overflow`, `oversized`, `retry_limit`, `unparsable` …
    pub reason: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_fits_what_grew_and_nothing_else() {
        let print = Fingerprint::of(b"first line\n");
        assert!(print.fits(b"first line\nsecond"));
        assert!(!print.fits(b"first"));
        assert!(!print.fits(b"other line\nsecond"));
        assert!(Fingerprint::of(b"").fits(b"anything"));
    }
}
