//! Batches whose memory chunks keep instead of a copy: filled by a source, lent, and filled again when nobody has them.
//!
//! ```text
//! source ──▶ [0] never lent   used when all others are out
//!            [1] ─┐
//!            [2] ─┼─▶ chunks ─▶ delivered: free again
//!            …   ─┘
//! ```
//! The first one that is free is taken, so that a steady flow goes round in as little memory as it can, and none is touched
//! anew.

use std::sync::Arc;

use millrun_buffer::{Lend, Lent};
use millrun_event::{EventBuffer, Events};

/// How many batches of one source may be out at once. Beyond, they are copied.
const LENT_MAX: usize = 64;

/// Memory of a new batch, in bytes: what usually becomes of a block of a file. A larger one takes more as it grows, in ever
/// larger steps of which half may be for nothing. Pages that nothing is written to are none.
const BATCH_BYTES: usize = 320 << 10;

/// A batch that is larger is not kept for the next one, in bytes of its memory.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// The batches of one source.
#[derive(Debug, Default)]
pub struct BatchRing {
    /// Never lent.
    last_resort: EventBuffer,
    /// Each has another owner only while it is out.
    batches: Vec<Arc<LentBatch>>,
    /// Which of `batches` is being filled; nothing where it is the last resort.
    current: Option<usize>,
}

/// A batch as its source emits it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filled<'a> {
    /// The events.
    pub events: Events<'a>,
    batch: Option<&'a Arc<LentBatch>>,
}

/// A batch that may be out.
#[derive(Debug)]
struct LentBatch(EventBuffer);

impl LentBatch {
    fn new() -> Self {
        Self(EventBuffer::with_capacity(BATCH_BYTES))
    }
}

impl Lend for LentBatch {
    fn bytes(&self) -> &[u8] {
        self.0.as_events().bytes
    }

    fn room(&self) -> usize {
        self.0.capacity()
    }
}

impl BatchRing {
    /// Begins a new batch, which is empty.
    pub fn begin(&mut self) -> &mut EventBuffer {
        let mut free = None;
        for (at, batch) in self.batches.iter_mut().enumerate() {
            if let Some(batch) = Arc::get_mut(batch) {
                if batch.0.capacity() > KEPT_BYTES_MAX {
                    *batch = LentBatch::new();
                }
                free = Some(at);
                break;
            }
        }
        if free.is_none() && self.batches.len() < LENT_MAX {
            free = Some(self.batches.len());
            self.batches.push(Arc::new(LentBatch::new()));
        }
        self.current = free;
        let events = self.events();
        events.clear();
        events
    }

    /// The batch that was begun last.
    pub fn events(&mut self) -> &mut EventBuffer {
        let lent = self.current.and_then(|at| self.batches.get_mut(at));
        match lent.and_then(Arc::get_mut) {
            Some(batch) => &mut batch.0,
            None => &mut self.last_resort,
        }
    }

    /// The batch as it is now, to be emitted.
    pub fn filled(&self) -> Filled<'_> {
        match self.current.and_then(|at| self.batches.get(at)) {
            Some(batch) => Filled {
                events: batch.0.as_events(),
                batch: Some(batch),
            },
            None => self.last_resort.as_events().into(),
        }
    }
}

impl<'a> From<Events<'a>> for Filled<'a> {
    /// Events that nobody may keep.
    fn from(events: Events<'a>) -> Self {
        Self {
            events,
            batch: None,
        }
    }
}

impl Filled<'_> {
    /// The memory they stand in.
    pub(crate) fn lent(&self) -> Option<Lent> {
        let batch: Arc<dyn Lend> = Arc::<LentBatch>::clone(self.batch?);
        Some(Lent::new(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(ring: &mut BatchRing, byte: u8) {
        ring.begin().extend(&[byte; 40], 1);
    }

    #[test]
    fn what_is_out_is_not_filled_again_until_it_is_back() {
        let mut ring = BatchRing::default();
        fill(&mut ring, 1);
        let out = ring.filled().lent();
        fill(&mut ring, 2);
        assert_eq!(ring.batches.len(), 2);
        drop(out);
        fill(&mut ring, 3);
        assert_eq!((ring.batches.len(), ring.current), (2, Some(0)));
    }

    proptest! {
        /// A copy of each batch is the slow way.
        #[test]
        fn nothing_that_is_out_changes(steps in prop::collection::vec((any::<u8>(), any::<bool>(), 0usize..80), 1..200)) {
            let mut ring = BatchRing::default();
            let mut out: Vec<(Arc<LentBatch>, u8)> = Vec::new();
            for (byte, is_lent, back) in steps {
                fill(&mut ring, byte);
                prop_assert_eq!(ring.filled().events.bytes, &[byte; 40]);
                if is_lent && let Some(batch) = ring.filled().batch {
                    out.push((Arc::clone(batch), byte));
                }
                if back < out.len() {
                    out.swap_remove(back);
                }
                for (batch, byte) in &out {
                    prop_assert_eq!(batch.bytes(), &[*byte; 40]);
                }
                prop_assert!(ring.batches.len() <= LENT_MAX);
            }
        }
    }
}
