//! A limit on warnings that may come with every line.

use std::sync::{Arc, Mutex, PoisonError};

use millrun_event::EventTime;

/// Most warnings of one kind per second.
const PER_SECOND: u32 = 10;

/// Lets so many warnings of an interval pass, [`PER_SECOND`] unless told otherwise, and counts the others.
#[derive(Clone, Debug)]
pub(crate) struct Repeats {
    passed_max: u32,
    /// In seconds.
    interval: u32,
    /// The number of the interval of the last one.
    last: u32,
    passed: u32,
    suppressed: u64,
}

impl Default for Repeats {
    fn default() -> Self {
        Self::each(1, PER_SECOND)
    }
}

impl Repeats {
    /// `passed_max` in each `interval` of so many seconds.
    pub(crate) fn each(interval: u32, passed_max: u32) -> Self {
        Self {
            passed_max,
            interval: interval.max(1),
            last: 0,
            passed: 0,
            suppressed: 0,
        }
    }

    /// What is over: the next one passes. Whether there was any.
    pub(crate) fn end(&mut self) -> bool {
        let had_any = self.passed > 0;
        *self = Self::each(self.interval, self.passed_max);
        had_any
    }

    /// Whether a warning may be given at `now`, and how many were not since the last one.
    pub(crate) fn pass(&mut self, now: EventTime) -> Option<u64> {
        let interval = now.seconds / self.interval;
        if interval != self.last {
            self.last = interval;
            self.passed = 0;
        }
        if self.passed >= self.passed_max {
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

    #[test]
    fn what_is_over_and_comes_again_is_told_at_once() {
        let mut repeats = Repeats::each(30, 1);
        let at = |second| EventTime::new(second, 0);
        assert!(!repeats.end());
        assert_eq!(repeats.pass(at(60)), Some(0));
        assert_eq!(repeats.pass(at(89)), None);
        assert_eq!(repeats.pass(at(90)), Some(1));
        assert!(repeats.end());
        assert_eq!(repeats.pass(at(91)), Some(0));
    }
}
