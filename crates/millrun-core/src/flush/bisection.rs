//! Where a refused chunk is cut, and when cutting ends.
//!
//! Halving finds one bad event among a million in twenty refusals. A destination that refuses everything (a wrong
//! password, a wrong path) would be asked twice per event: after so many refusals in a row without one
//! acceptance, what is refused is given up whole.

use millrun_buffer::Cut;
use millrun_event::{Cursor, Entry};

use crate::plugin::Content;

/// How many refusals in a row end the cutting.
pub(crate) const REFUSALS_MAX: u32 = 32;

/// The refusals of one flush thread since the last acceptance.
#[derive(Debug, Default)]
pub(super) struct Bisection {
    refusals: u32,
}

impl Bisection {
    pub(super) fn accepted(&mut self) {
        self.refusals = 0;
    }

    /// Whether the chunk that was refused now may be cut.
    pub(super) fn refused(&mut self) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        self.refusals <= REFUSALS_MAX
    }
}

/// The cut that halves the events of a chunk; nothing where there is one event only, or none can be told.
pub(super) fn middle(content: &Content<'_>, bytes: &[u8]) -> Option<Cut> {
    let mut ends = Vec::new();
    let mut end = 0;
    while let Some(rest) = bytes.get(end..).filter(|rest| !rest.is_empty()) {
        let length = match content {
            Content::Events => Entry::read(&mut Cursor::new(rest)).ok()?.bytes.len(),
            Content::Formatted(formatter) => formatter.first_event(rest)?,
        };
        // A length that leads nowhere is no end of an event.
        end = end.checked_add(length.max(1))?;
        ends.push(end);
    }
    let count = ends.len() / 2;
    let length = *ends.get(count.checked_sub(1)?)?;
    Some(Cut {
        length,
        count: count as u64,
        total: ends.len() as u64,
    })
}

#[cfg(test)]
mod tests {
    use millrun_event::{EventBuffer, EventTime, write};

    use super::*;

    #[test]
    fn a_chunk_is_cut_between_two_events() {
        for (events, expected) in [(0, None), (1, None), (2, Some(1)), (5, Some(2))] {
            let mut stream = EventBuffer::default();
            let mut half = 0;
            for number in 0..events {
                if Some(number) == expected {
                    half = stream.as_events().bytes.len();
                }
                stream.push(EventTime::new(number, 0), |record| write::map(record, 0));
            }
            let cut = middle(&Content::Events, stream.as_events().bytes);
            let expected = expected.map(|count| Cut {
                length: half,
                count: u64::from(count),
                total: u64::from(events),
            });
            assert_eq!(cut, expected, "{events} events");
        }
        assert_eq!(middle(&Content::Events, &[0xc1, 0xc1]), None);
    }

    #[test]
    fn a_destination_that_refuses_everything_is_not_asked_for_each_event() {
        let mut bisection = Bisection::default();
        let mut cuts = 0;
        while bisection.refused() {
            cuts += 1;
        }
        assert_eq!(cuts, REFUSALS_MAX);
        bisection.accepted();
        assert!(bisection.refused());
    }
}
