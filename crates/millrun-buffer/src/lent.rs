//! Memory that a batch stands in, kept by chunks instead of a copy.
//!
//! ```text
//! source ──fills──▶ memory ◀──keeps── chunk ──▶ flush thread ──▶ wire
//!    ▲                 │
//!    └── again, when nobody else has it ──┘
//! ```
//! A memory chunk of one batch *is* that memory. A file chunk has its bytes in the file, and beside it this memory as long
//! as little is under way, so that what is delivered at once is not read back.

use std::ops::Range;
use std::sync::Arc;

/// Memory that does not change while somebody else has it.
pub trait Lend: Send + Sync {
    /// What stands in it.
    fn bytes(&self) -> &[u8];

    /// How much memory it takes, in bytes: at least the length of what stands in it.
    fn room(&self) -> usize;
}

/// A handle on such memory.
#[derive(Clone)]
pub struct Lent(Arc<dyn Lend>);

/// Less is copied, in bytes: to keep a batch in mind costs as much.
const LENT_BYTES_MIN: usize = 16 << 10;

/// How many times the bytes that are kept the memory may be that they keep from its owner.
const ROOM_FACTOR_MAX: usize = 4;

impl Lent {
    /// A handle on `memory`.
    pub fn new(memory: Arc<dyn Lend>) -> Self {
        Self(memory)
    }

    /// The part of the memory that `bytes` are, where they are a part of it and worth to be kept.
    pub(crate) fn part(&self, bytes: &[u8]) -> Option<Part> {
        let is_worth = bytes.len() >= LENT_BYTES_MIN
            && self.0.room() <= bytes.len().saturating_mul(ROOM_FACTOR_MAX);
        if !is_worth {
            return None;
        }
        // The same bytes at the same place, not only equal ones.
        let start = bytes
            .as_ptr()
            .addr()
            .checked_sub(self.0.bytes().as_ptr().addr())?;
        let range = start..start.checked_add(bytes.len())?;
        let found = self.0.bytes().get(range.clone())?;
        std::ptr::eq(found, bytes).then(|| Part {
            memory: Arc::clone(&self.0),
            range,
        })
    }
}

impl std::fmt::Debug for Lent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Lent of {} bytes", self.0.bytes().len())
    }
}

/// A part of lent memory.
pub(crate) struct Part {
    memory: Arc<dyn Lend>,
    range: Range<usize>,
}

impl Part {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory
            .bytes()
            .get(self.range.clone())
            .unwrap_or_default()
    }

    /// How much memory is kept for it, in bytes.
    pub(crate) fn room(&self) -> u64 {
        self.memory.room() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Memory(Vec<u8>);

    impl Lend for Memory {
        fn bytes(&self) -> &[u8] {
            &self.0
        }

        fn room(&self) -> usize {
            self.0.capacity()
        }
    }

    #[test]
    fn equal_bytes_elsewhere_are_no_part() {
        let memory = Arc::new(Memory(vec![7; 100_000]));
        let lent = Lent::new(memory.clone());
        assert!(lent.part(&[7; 100_000]).is_none());
        assert!(lent.part(&memory.0).is_some());
    }

    proptest! {
        #[test]
        fn a_part_has_the_bytes_it_was_made_of(start in 0usize..90_000, length in 0usize..90_000) {
            let memory = Arc::new(Memory((0..100_000u32).map(|at| (at % 251) as u8).collect()));
            let lent = Lent::new(memory.clone());
            let bytes = memory.0.get(start..).unwrap_or_default();
            let bytes = bytes.get(..length).unwrap_or(bytes);
            let part = lent.part(bytes);
            let is_worth = bytes.len() >= LENT_BYTES_MIN && bytes.len() * ROOM_FACTOR_MAX >= memory.0.capacity();
            prop_assert_eq!(part.is_some(), is_worth);
            if let Some(part) = part {
                prop_assert!(std::ptr::eq(part.bytes(), bytes));
            }
        }
    }
}
