//! Compressing an append with several threads.
//!
//! ```text
//! append  ──┬─ piece 0 ─ compressed by who appends ──┬──▶ member 0 │ member 1 │ member 2
//!           ├─ piece 1 ─ by a helper ────────────────┤    in the order of the pieces
//!           └─ piece 2 ─ by a helper ────────────────┘
//! ```
//!
//! To compress costs a hundred times what reading, encoding and appending cost together, and a source appends on the
//! thread that reads. What is kept of an append is known before its commit, so compressing cannot wait; but a chunk is
//! gzip members or zstd frames back to back, so an append may be several of them. Who appends works on pieces,
//! too, and waits for the last one: nothing queues up behind it.

use std::io;

use crate::{Compression, Packer};

/// The least bytes of a piece. The window of gzip is 32 KiB: smaller pieces would compress worse.
pub const PACKED_PIECE_BYTES_MIN: usize = 64 * 1024;

/// Threads that help a buffer to compress.
pub trait PackHelpers: Send + Sync {
    /// How many threads work on an append, with the one that has it.
    fn hands(&self) -> usize;

    /// Does [`Piece::pack`] to each; they are in their order again when it returns.
    fn pack(&self, pieces: &mut Vec<Piece>);
}

/// A part of an append.
#[derive(Debug)]
pub struct Piece {
    compression: Compression,
    bytes: Vec<u8>,
    packer: Packer,
    outcome: io::Result<()>,
}

impl Piece {
    /// Compresses it.
    pub fn pack(&mut self) {
        let packed = self.packer.pack(self.compression, &self.bytes);
        self.outcome = packed.map(drop);
    }
}

/// What is kept of `bytes`: where they are many, several hands compress them.
pub(crate) fn pack_apart<'a>(
    compression: Compression,
    bytes: &'a [u8],
    helpers: Option<&dyn PackHelpers>,
    packer: &'a mut Packer,
) -> io::Result<&'a [u8]> {
    let most = bytes.len() / PACKED_PIECE_BYTES_MIN;
    let count = match (compression, helpers) {
        (Compression::Gzip | Compression::Zstd, Some(helpers)) => helpers.hands().min(most),
        (Compression::Text, _) | (_, None) => 1,
    };
    let (Some(helpers), true) = (helpers, count > 1) else {
        return packer.pack(compression, bytes);
    };
    let piece = |bytes: &[u8]| Piece {
        compression,
        bytes: bytes.to_vec(),
        packer: Packer::default(),
        outcome: Ok(()),
    };
    let mut pieces: Vec<Piece> = bytes
        .chunks(bytes.len().div_ceil(count))
        .map(piece)
        .collect();
    helpers.pack(&mut pieces);
    for piece in &mut pieces {
        std::mem::replace(&mut piece.outcome, Ok(()))?;
    }
    Ok(packer.join(pieces.iter().map(|piece| &piece.packer)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A thread for each piece.
    struct Threads {
        hands: usize,
        pieces: AtomicUsize,
    }

    impl PackHelpers for Threads {
        fn hands(&self) -> usize {
            self.hands
        }

        fn pack(&self, pieces: &mut Vec<Piece>) {
            self.pieces.fetch_add(pieces.len(), Ordering::Relaxed);
            std::thread::scope(|scope| {
                for piece in pieces {
                    scope.spawn(|| piece.pack());
                }
            });
        }
    }

    #[test]
    fn an_append_that_several_hands_compress_is_the_same_one() {
        let bytes: Vec<u8> = (0..100_000_u32)
            .flat_map(|n| (n / 3).to_le_bytes())
            .collect();
        let unit = PACKED_PIECE_BYTES_MIN;
        for compression in [Compression::Text, Compression::Gzip, Compression::Zstd] {
            for (length, hands, pieces) in [
                (0, 4, 0),
                (2 * unit - 1, 4, 0),
                (2 * unit, 4, 2),
                (3 * unit + 5, 4, 3),
                (6 * unit + 7, 4, 4),
                (3 * unit, 1, 0),
            ] {
                let threads = Threads {
                    hands,
                    pieces: AtomicUsize::new(0),
                };
                let (mut packer, mut out) = (Packer::default(), Vec::new());
                let bytes = &bytes[..length];
                let stored = pack_apart(compression, bytes, Some(&threads), &mut packer).unwrap();
                compression.unpack(stored, 1 << 30, &mut out).unwrap();
                assert!(out == bytes, "{compression:?}, {length} bytes");
                let expected = if compression == Compression::Text {
                    0
                } else {
                    pieces
                };
                assert_eq!(threads.pieces.load(Ordering::Relaxed), expected);
                // The slow way is the oracle of what is kept where nobody helps.
                let mut alone = Packer::default();
                let whole = alone.pack(compression, bytes).unwrap();
                let mut unhelped = Packer::default();
                assert!(pack_apart(compression, bytes, None, &mut unhelped).unwrap() == whole);
            }
        }
    }
}
