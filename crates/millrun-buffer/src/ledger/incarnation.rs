use std::ops::Range;

use super::record::Record;
use crate::{Identity, SourceNumber};

/// One life of a file's content, as far as it is known to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Incarnation {
    /// Which file it is and how its content began.
    pub identity: Identity,
    /// Everything below is delivered or in file buffers: reading continues here.
    pub low_water: u64,
    /// What file buffers have above the low-water mark, in order and not touching. Reads are cut at both ends of each.
    pub marks: Vec<Range<u64>>,
}

impl Incarnation {
    /// Where a read that begins at `position` must end at the latest.
    pub fn cut(&self, position: u64) -> Option<u64> {
        self.marks
            .iter()
            .flat_map(|mark| [mark.start, mark.end])
            .find(|border| *border > position)
    }

    /// Whether file buffers have all of `range`.
    pub fn is_marked(&self, range: &Range<u64>) -> bool {
        self.marks
            .iter()
            .any(|mark| mark.start <= range.start && range.end <= mark.end)
    }

    /// Whether `range` lies partly inside and partly outside of a mark.
    pub(super) fn straddles(&self, range: &Range<u64>) -> bool {
        let overlaps = |mark: &Range<u64>| mark.start < range.end && range.start < mark.end;
        self.marks.iter().any(overlaps) && !self.is_marked(range)
    }

    /// Notes that file buffers have `range`.
    pub(super) fn mark(&mut self, range: Range<u64>) {
        if range.start >= range.end {
            return;
        }
        let mut merged = range;
        self.marks.retain(|mark| {
            let touches = mark.start <= merged.end && merged.start <= mark.end;
            if touches {
                merged = mark.start.min(merged.start)..mark.end.max(merged.end);
            }
            !touches
        });
        let place = self.marks.partition_point(|mark| mark.start < merged.start);
        self.marks.insert(place, merged);
        self.trim();
    }

    /// Raises the low-water mark, never lowers it.
    pub(super) fn raise(&mut self, position: u64) {
        self.low_water = self.low_water.max(position);
        self.trim();
    }

    /// Takes over what another ledger knows of the same life.
    pub(super) fn join(&mut self, other: &Self) {
        if other.identity.fingerprint.length >= self.identity.fingerprint.length {
            self.identity = other.identity;
        }
        for mark in &other.marks {
            self.mark(mark.clone());
        }
        self.raise(other.low_water);
    }

    /// What leads to this knowledge again.
    pub(super) fn record(&self, source: SourceNumber, incarnation: u32) -> Record {
        Record::Incarnation {
            source,
            incarnation,
            identity: self.identity,
            low_water: self.low_water,
            marks: self.marks.clone(),
        }
    }

    fn trim(&mut self) {
        let low_water = self.low_water;
        self.marks.retain_mut(|mark| {
            mark.start = mark.start.max(low_water);
            mark.start < mark.end
        });
    }
}
