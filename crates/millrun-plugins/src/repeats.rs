//! A limit on warnings that may come with every line.

use std::sync::{Arc, Mutex, PoisonError};

use millrun_event::EventTime;

/// Most warnings of one kind per second.
const PER_SECOND: u32 = 10;

/// Lets [`PER_SECOND`] warnings pass and counts the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repeats {
    second: u32,
    passed: u32,
    suppressed: u64,
}

impl Repeats {
    /// Whether a warning may be given at `now`, and how many were not since the last one.
    pub(crate) fn pass(&mut self, now: EventTime) -> Option<u64> {
        if now.seconds != self.second {
            self.second = now.seconds;
            self.passed = 0;
        }
        if self.passed >= PER_SECOND {
            self.suppressed += 1;
            return None;
        }
        self.passed += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

/// The same for several threads: clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedRepeats(Arc<Mutex<Repeats>>);

impl SharedRepeats {
    /// As [`Repeats::pass`].
    pub(crate) fn pass(&self, now: EventTime) -> Option<u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pass(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_holds_back() {
        let mut repeats = Repeats::default();
        let at = |second| EventTime::new(second, 0);
        let passed = (0..25).filter(|_| repeats.pass(at(5)) == Some(0)).count();
        assert_eq!(passed, 10);
        assert_eq!(repeats.pass(at(6)), Some(15));
        assert_eq!(repeats.pass(at(6)), Some(0));
    }
}
