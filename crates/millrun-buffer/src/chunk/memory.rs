//! What a chunk has in memory: bytes of its own, or a batch that was lent to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::lent::Part;

/// The bytes of a memory chunk.
pub(crate) enum MemoryBody {
    /// Copies, back to back.
    Own(Vec<u8>),
    /// One batch, where its source left it.
    Lent(Part),
}

impl MemoryBody {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Lent(part) => part.bytes(),
        }
    }

    /// Appends `bytes`, which are kept as they are where they are lent and the first. Otherwise they are copied, to
    /// memory that `room` finds where there is none.
    pub(crate) fn append(&mut self, bytes: &[u8], lent: Option<Part>, room: &dyn Fn() -> Vec<u8>) {
        let is_first = self.bytes().is_empty();
        match (&mut *self, lent.filter(|_| is_first)) {
            (_, Some(part)) => *self = Self::Lent(part),
            (Self::Own(own), None) => {
                if own.capacity() == 0 {
                    *own = room();
                }
                own.extend_from_slice(bytes);
            }
            (Self::Lent(part), None) => {
                let mut own = room();
                own.extend_from_slice(part.bytes());
                own.extend_from_slice(bytes);
                *self = Self::Own(own);
            }
        }
    }

    /// Cuts the bytes to what a transaction found that is taken back: all that was lent, or nothing of it.
    pub(crate) fn truncate(&mut self, length: usize) {
        match self {
            Self::Own(own) => own.truncate(length),
            Self::Lent(part) if length < part.bytes().len() => {
                let kept = part.bytes().get(..length).unwrap_or_default().to_vec();
                *self = Self::Own(kept);
            }
            Self::Lent(_) => {}
        }
    }
}

impl Default for MemoryBody {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

/// Batches that a file chunk was made of, while they are in memory still: all of them, or none.
#[derive(Default)]
pub(crate) struct Fresh {
    parts: Vec<Part>,
    length: u64,
    /// What all chunks of the buffer may keep; nothing is kept without.
    allowance: Option<Arc<Allowance>>,
}

/// How much memory chunks keep, and how much they may.
pub(crate) struct Allowance {
    kept: AtomicU64,
    limit: u64,
}

impl Allowance {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        let kept = AtomicU64::new(0);
        Arc::new(Self { kept, limit })
    }

    /// Takes `room` bytes of it; false where so much is not left.
    fn take(&self, room: u64) -> bool {
        let more = |kept: u64| kept.checked_add(room).filter(|kept| *kept <= self.limit);
        self.kept
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    fn give_back(&self, room: u64) {
        self.kept.fetch_sub(room, Ordering::Relaxed);
    }
}

impl Fresh {
    /// Keeps nothing yet.
    pub(crate) fn new(allowance: &Arc<Allowance>) -> Self {
        Self {
            parts: Vec::new(),
            length: 0,
            allowance: Some(Arc::clone(allowance)),
        }
    }

    /// Takes note of what was written behind the first `before` bytes of the chunk.
    pub(crate) fn append(&mut self, before: u64, part: Option<Part>) {
        let part = part.filter(|_| self.length == before);
        match (part, &self.allowance) {
            (Some(part), Some(allowance)) if allowance.take(part.room()) => {
                self.length = self.length.saturating_add(part.bytes().len() as u64);
                self.parts.push(part);
            }
            _ => self.clear(),
        }
    }

    /// Forgets what stands behind `length`.
    pub(crate) fn truncate(&mut self, length: u64) {
        while self.length > length
            && let Some(part) = self.parts.pop()
        {
            self.length = self.length.saturating_sub(part.bytes().len() as u64);
            self.give_back(&part);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.truncate(0);
    }

    /// The bytes of a chunk of this length, piece by piece, where all of them are there.
    pub(crate) fn pieces(&self, length: u64) -> Option<impl Iterator<Item = &[u8]>> {
        let is_whole = self.length == length && length > 0;
        is_whole.then(|| self.parts.iter().map(Part::bytes))
    }

    fn give_back(&self, part: &Part) {
        if let Some(allowance) = &self.allowance {
            allowance.give_back(part.room());
        }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lent::{Lend, Lent};
    use proptest::prelude::*;

    struct Memory(Vec<u8>);

    impl Lend for Memory {
        fn bytes(&self) -> &[u8] {
            &self.0
        }

        fn room(&self) -> usize {
            self.0.len()
        }
    }

    /// A batch, and the part of it that is lent where it is.
    fn batch(length: usize, seed: u8, is_lent: bool) -> (Vec<u8>, Option<Part>) {
        let bytes: Vec<u8> = (0..length).map(|at| (at % 241) as u8 ^ seed).collect();
        let memory = Arc::new(Memory(bytes.clone()));
        let part = Lent::new(memory.clone()).part(&memory.0);
        (bytes, part.filter(|_| is_lent))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Copies into one vector are the slow way.
        #[test]
        fn a_body_holds_what_copies_would_hold(
            steps in prop::collection::vec((16_384usize..40_000, any::<u8>(), any::<bool>(), any::<bool>()), 1..8),
        ) {
            let (mut body, mut expected) = (MemoryBody::default(), Vec::new());
            for (length, seed, is_lent, is_taken_back) in steps {
                let (bytes, part) = batch(length, seed, is_lent);
                let before = expected.len();
                body.append(&bytes, part, &|| Vec::with_capacity(64));
                expected.extend_from_slice(&bytes);
                prop_assert_eq!(body.bytes(), &expected);
                if is_taken_back {
                    body.truncate(before);
                    expected.truncate(before);
                    prop_assert_eq!(body.bytes(), &expected);
                }
            }
        }

        #[test]
        fn fresh_pieces_are_all_bytes_or_none_and_within_the_allowance(
            steps in prop::collection::vec((16_384usize..40_000, any::<u8>(), 0u8..8, any::<bool>()), 1..12),
        ) {
            let allowance = Allowance::new(200_000);
            let (mut fresh, mut expected) = (Fresh::new(&allowance), Vec::new());
            let mut are_lent = true;
            for (length, seed, lent, is_taken_back) in steps {
                let (bytes, part) = batch(length, seed, lent > 0);
                let before = expected.len();
                fresh.append(before as u64, part);
                expected.extend_from_slice(&bytes);
                are_lent &= lent > 0 && expected.len() <= 200_000;
                if is_taken_back {
                    fresh.truncate(before as u64);
                    expected.truncate(before);
                    are_lent |= before == 0;
                }
                let pieces = fresh.pieces(expected.len() as u64);
                let pieces = pieces.map(|pieces| pieces.collect::<Vec<_>>().concat());
                prop_assert!(pieces.as_ref().is_none_or(|pieces| *pieces == expected));
                let fits = are_lent && !expected.is_empty();
                prop_assert!(pieces.is_some() || !fits, "kept where it may be");
                prop_assert!(allowance.kept.load(Ordering::Relaxed) <= 200_000);
            }
            drop(fresh);
            prop_assert_eq!(allowance.kept.load(Ordering::Relaxed), 0);
        }
    }
}
