use std::collections::BTreeMap;

/// Which transactions of one incarnation still lie in memory chunks.
///
/// A chunk holds the start of the first transaction it took from the incarnation until it is delivered. Since
/// transactions are committed in source order, the lowest held start is the low-water mark: everything
/// below it has arrived. One entry per chunk, not per transaction, is all that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LowWater {
    held: BTreeMap<u64, u32>,
    end: u64,
}

impl LowWater {
    /// An incarnation of which everything below `position` has arrived.
    pub(super) fn new(position: u64) -> Self {
        Self {
            held: BTreeMap::new(),
            end: position,
        }
    }

    /// Where the next transaction begins.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Notes a transaction up to `end`.
    pub(super) fn advance(&mut self, end: u64) {
        self.end = self.end.max(end);
    }

    /// So many chunks took their first bytes of this incarnation from the transaction that begins at `start`.
    pub(super) fn hold(&mut self, start: u64, chunks: u32) {
        if chunks > 0 {
            let held = self.held.entry(start).or_default();
            *held = held.saturating_add(chunks);
        }
    }

    /// The chunk is delivered.
    pub(super) fn release(&mut self, start: u64) {
        if let Some(chunks) = self.held.get_mut(&start) {
            *chunks = chunks.saturating_sub(1);
            if *chunks == 0 {
                self.held.remove(&start);
            }
        }
    }

    /// Everything below has arrived.
    pub(super) fn position(&self) -> u64 {
        self.held
            .first_key_value()
            .map_or(self.end, |(start, _)| *start)
    }
}
