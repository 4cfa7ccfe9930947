//! How often files are made of what is flushed immediately.
//!
//! A chunk file can cost the file system a millisecond, mostly for the inode it takes and gives back, and at thousands of
//! blocks a second nothing else would be done. So `flush_mode immediate` makes a file of each commit while these are few;
//! when they come thick and fast a chunk stays open for [`PACE`], and takes what is committed meanwhile.

use std::time::Duration;

use crate::Timestamp;

/// How long a chunk file stays open while commits come faster than this.
pub(super) const PACE: Duration = Duration::from_millis(4);

/// A chunk of this size is flushed whatever the pace, in bytes.
pub(super) const PACED_BYTES_MAX: u64 = 4 << 20;

/// How many chunks may wait for a flush thread before the next one stays open.
pub(super) const PACED_CHUNKS_MAX: usize = 16;

/// The same where these are so many bytes: another one would not be sent sooner, and one file of several commits costs
/// less than several files.
pub(super) const PACED_LARGE_MAX: usize = 2;
pub(super) const PACED_WAITING_BYTES: u64 = 256 << 10;

/// Files that are made more often than this for a while are used again ([`super::spares`]).
const BUSY_INTERVAL: Duration = Duration::from_millis(20);

/// How often chunks are flushed, and chunk files made.
#[derive(Debug)]
pub(super) struct Pace {
    burst: u32,
    flushed: Bucket,
    made: Bucket,
}

impl Pace {
    /// `burst` commits in a row are a chunk each before the pace is looked at; half as many files more than one in each
    /// [`BUSY_INTERVAL`] are many.
    pub(super) fn new(burst: u32) -> Self {
        Self {
            burst,
            flushed: Bucket::default(),
            made: Bucket::default(),
        }
    }

    /// Whether one more chunk may be flushed at `now`.
    pub(super) fn passes(&mut self, now: Timestamp) -> bool {
        self.flushed.add(now, PACE, self.burst)
    }

    /// Takes note of a chunk file that is made.
    pub(super) fn made(&mut self, now: Timestamp) {
        // Whether it fits means nothing: a full bucket is full.
        self.made.add(now, BUSY_INTERVAL, self.burst);
    }

    /// Whether files came so fast, when one came last, that it pays to use them again.
    pub(super) fn is_busy(&self) -> bool {
        self.made.level > self.made.asked + BUSY_INTERVAL * (self.burst / 2)
    }
}

/// A bucket that so many things fit into, of which one goes in each interval.
#[derive(Debug)]
struct Bucket {
    /// When the bucket would be empty.
    level: Timestamp,
    /// When something came last.
    asked: Timestamp,
}

impl Default for Bucket {
    fn default() -> Self {
        Self {
            level: Timestamp::from_secs(0),
            asked: Timestamp::from_secs(0),
        }
    }
}

impl Bucket {
    /// Puts one thing in at `now`, where it fits.
    fn add(&mut self, now: Timestamp, interval: Duration, burst: u32) -> bool {
        let level = self.level.max(now);
        let full = now + interval * burst;
        // A clock that was set back would keep the bucket full for as long.
        let level = level.min(full + interval);
        let fits = level < full;
        self.asked = now;
        self.level = if fits { level + interval } else { level };
        fits
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
        let mut pace = Pace::new(64);
        assert_eq!(passed(&mut pace, (0..64).map(|_| 0)), 64);
        // A commit each 100 µs for a second: 250 of 10 000.
        assert_eq!(passed(&mut pace, (0..10_000).map(|n| n * 100)), 250);
    }

    #[test]
    fn slow_commits_always_pass() {
        let mut pace = Pace::new(64);
        assert_eq!(passed(&mut pace, (0..1000).map(|n| n * 4000)), 1000);
    }

    fn made(pace: &mut Pace, times: impl Iterator<Item = u64>) {
        times.for_each(|micros| pace.made(at(micros)));
    }

    #[test]
    fn it_is_busy_while_more_files_are_made_than_a_slow_stream_needs() {
        let mut pace = Pace::new(64);
        assert!(!pace.is_busy());
        made(&mut pace, (0..30).map(|_| 0));
        assert!(!pace.is_busy());
        made(&mut pace, (0..10).map(|_| 0));
        assert!(pace.is_busy());
        made(&mut pace, [1_000_000].into_iter());
        assert!(!pace.is_busy());
    }

    /// As where the machine is slow: a file each 4 ms passes the pace, and costs as much.
    #[test]
    fn it_is_busy_with_a_file_each_four_milliseconds_and_not_with_one_each_thirty() {
        let mut pace = Pace::new(64);
        made(&mut pace, (0..100).map(|n| n * 4000));
        assert!(pace.is_busy());
        let mut pace = Pace::new(64);
        made(&mut pace, (0..1000).map(|n| n * 30_000));
        assert!(!pace.is_busy());
    }

    #[test]
    fn a_clock_set_back_holds_nothing_up() {
        let mut pace = Pace::new(64);
        assert!(pace.passes(at(3_600_000_000)));
        assert!(!pace.passes(at(0)));
        assert!(pace.passes(at(8_000)));
    }
}
