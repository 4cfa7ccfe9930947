//! How suspicious a silence is (fluentd.md section 5.6).
//!
//! ```text
//! mean := of the last gaps between two signs of life, the newer the heavier, in seconds
//! phi  := (silence - interval + 1) / (mean - interval + 1) / ln 10
//! ```
//!
//! So a server that is used to come late may come late, and phi grows with every second of silence.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many gaps are remembered.
const GAPS_MAX: usize = 1000;

/// How many gaps make a rhythm. Of fewer, nothing can be told: a server is suspected by
/// `hard_timeout` only.
const GAPS_MIN: usize = 10;

/// A phi accrual failure detector.
#[derive(Clone, Debug)]
pub(super) struct Detector {
    interval: Duration,
    gaps: VecDeque<Duration>,
    last: Instant,
}

impl Detector {
    /// One that takes `now` for the first sign of life.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            gaps: VecDeque::from([interval]),
            last: now,
        }
    }

    /// Takes note of a sign of life.
    pub(super) fn beat(&mut self, now: Instant) {
        let gap = match self.gaps.is_empty() {
            true => self.interval,
            false => self.silence(now),
        };
        if self.gaps.len() >= GAPS_MAX {
            self.gaps.pop_front();
        }
        self.gaps.push_back(gap);
        self.last = now;
    }

    /// Forgets the rhythm of before.
    pub(super) fn clear(&mut self) {
        self.gaps.clear();
    }

    /// How long there has been no sign of life.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last)
    }

    /// How suspicious that is.
    pub(super) fn phi(&self, now: Instant) -> f64 {
        if self.gaps.len() < GAPS_MIN {
            return 0.0;
        }
        let (mut sum, mut weights) = (0.0, 0.0);
        for (place, gap) in self.gaps.iter().enumerate() {
            let weight = place as f64 + 1.0;
            sum += gap.as_secs_f64() * weight;
            weights += weight;
        }
        let interval = self.interval.as_secs_f64();
        let silence = self.silence(now).as_secs_f64() - interval + 1.0;
        // Data are signs of life, too, and may make the mean much less than the interval.
        let mean = (sum / weights - interval + 1.0).max(MEAN_MIN);
        silence / mean / std::f64::consts::LN_10
    }
}

/// The least mean divided by: signs of life that come much closer than the interval say nothing of
/// a server that is idle for once.
const MEAN_MIN: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn phi_grows_by_the_second_and_slower_for_who_is_late_mostly() {
        let start = Instant::now();
        let mut punctual = Detector::new(SECOND, start);
        let mut late = Detector::new(SECOND, start);
        for beat in 1..=50 {
            punctual.beat(start + SECOND * beat);
            late.beat(start + SECOND * beat * 3);
        }
        let after = |detector: &Detector, beats: u32, seconds: u32| {
            detector.phi(start + SECOND * (beats + seconds))
        };
        // 16, the threshold, is reached after 16 · ln 10 seconds.
        assert!((after(&punctual, 50, 36) - 15.63).abs() < 0.01);
        assert!(after(&punctual, 50, 37) > 16.0);
        assert!(after(&late, 150, 37) < 6.0);
        assert!(after(&punctual, 50, 1) < 0.5);
    }

    #[test]
    fn a_burst_of_data_raises_no_suspicion_afterwards() {
        let start = Instant::now();
        let mut detector = Detector::new(SECOND, start);
        for beat in 1..=2000 {
            detector.beat(start + Duration::from_millis(beat));
        }
        assert!(detector.phi(start + SECOND * 10) < 5.0);
        assert!(detector.gaps.len() <= GAPS_MAX);
    }
}
