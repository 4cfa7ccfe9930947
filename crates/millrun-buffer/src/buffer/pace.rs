//! How often files are made of what is flushed immediately.
//!
//! A chunk file can cost the file system a millisecond, mostly for the inode it takes and gives back, and at thousands of
//! blocks a second nothing else would be done. So `flush_mode immediate` makes a file of each commit while these are few;
//! when they come thick and fast a chunk stays open for [`PACE`], and takes what is committed meanwhile.

use std::time::Duration;

use crate::Timestamp;

/// How long a chunk file stays open while commits come faster than this.
pub(super) const PACE: Duration = Duration::from_millis(2);

/// A chunk of this size is flushed whatever the pace, in bytes.
pub(super) const PACED_BYTES_MAX: u64 = 4 << 20;

/// How many chunks may wait for a flush thread before the next one stays open.
pub(super) const PACED_CHUNKS_MAX: usize = 16;

/// How many commits in a row are a chunk each before the pace is looked at.
const BURST: u64 = 64;

/// A bucket that [`BURST`] chunks fit into, of which one goes each [`PACE`].
#[derive(Debug)]
pub(super) struct Pace {
    /// When the bucket would be empty.
    level: Timestamp,
    /// When it was asked last.
    asked: Timestamp,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            level: Timestamp::from_secs(0),
            asked: Timestamp::from_secs(0),
        }
    }
}

impl Pace {
    /// Whether one more chunk may be flushed at `now`.
    pub(super) fn passes(&mut self, now: Timestamp) -> bool {
        let level = self.level.max(now);
        let full = now + PACE * BURST as u32;
        // A clock that was set back would keep the bucket full for as long.
        let level = level.min(full + PACE);
        let passes = level < full;
        self.asked = now;
        self.level = if passes { level + PACE } else { level };
        passes
    }

    /// Whether chunks came so fast, when one came last, that the bucket was half full.
    pub(super) fn is_busy(&self) -> bool {
        self.level > self.asked + PACE * BURST as u32 / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_secs(1_000_000) + Duration::from_micros(micros)
    }

    fn passed(pace: &mut Pace, times: impl Iterator<Item = u64>) -> usize {
        times.filter(|micros| pace.passes(at(*micros))).count()
    }

    #[test]
    fn a_burst_passes_whole_and_then_one_in_each_interval() {
        let mut pace = Pace::default();
        assert_eq!(passed(&mut pace, (0..64).map(|_| 0)), 64);
        // A commit each 100 µs for a second: 500 of 10 000.
        assert_eq!(passed(&mut pace, (0..10_000).map(|n| n * 100)), 500);
    }

    #[test]
    fn slow_commits_always_pass() {
        let mut pace = Pace::default();
        assert_eq!(passed(&mut pace, (0..1000).map(|n| n * 2000)), 1000);
    }

    #[test]
    fn it_is_busy_while_more_come_than_go() {
        let mut pace = Pace::default();
        assert!(!pace.is_busy());
        passed(&mut pace, (0..30).map(|_| 0));
        assert!(!pace.is_busy());
        passed(&mut pace, (0..10).map(|_| 0));
        assert!(pace.is_busy());
        passed(&mut pace, [100_000].into_iter());
        assert!(!pace.is_busy());
    }

    #[test]
    fn a_clock_set_back_holds_nothing_up() {
        let mut pace = Pace::default();
        assert!(pace.passes(at(3_600_000_000)));
        assert!(!pace.passes(at(0)));
        assert!(pace.passes(at(4_000)));
    }
}
