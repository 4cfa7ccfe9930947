//! Whether a server can be used: by what was seen in use, and by its heartbeats.
//!
//! ```text
//!             failed in use                    pause over, or success
//! available ────────────────▶ left alone ────────────────────────────▶ available
//!     │  phi, or silent for hard_timeout            more beats than recover_wait has
//!     └────────────────▶ detached ─────────────────────────────────────▶ available
//! ```
//!
//! Both are independent of each other; a server can be used when it is neither.

use std::time::{Duration, Instant};

use super::detector::Detector;

/// When a silence is a failure.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Watch {
    /// The pause between two heartbeats.
    pub(in super::super) interval: Duration,
    /// How long a silence may be at most.
    pub(in super::super) hard_timeout: Duration,
    /// The greatest phi, where it is looked at.
    pub(in super::super) phi_max: Option<f64>,
    /// How long a server must answer before it is used again.
    pub(in super::super) recover_wait: Duration,
}

/// Why a server is not used any more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Reason {
    Silent,
    Suspicious { phi: f64 },
}

/// The state of one server.
#[derive(Clone, Debug)]
pub(super) struct Health {
    /// `None` where there are no heartbeats.
    watch: Option<(Watch, Detector)>,
    is_detached: bool,
    /// How many heartbeats came since it was detached.
    beats: u32,
    left_alone_until: Option<Instant>,
}

impl Health {
    pub(super) fn new(watch: Option<Watch>, now: Instant) -> Self {
        Self {
            watch: watch.map(|watch| (watch, Detector::new(watch.interval, now))),
            is_detached: false,
            beats: 0,
            left_alone_until: None,
        }
    }

    pub(super) fn is_available(&self, now: Instant) -> bool {
        !self.is_detached && self.left_alone_until(now).is_none()
    }

    /// Until when a server that failed in use is left alone, if it is.
    pub(super) fn left_alone_until(&self, now: Instant) -> Option<Instant> {
        self.left_alone_until.filter(|until| *until > now)
    }

    /// Leaves it alone for `pause`; true if it was sound before.
    pub(super) fn failed(&mut self, now: Instant, pause: Duration) -> bool {
        self.left_alone_until.replace(now + pause).is_none()
    }

    /// Takes note that it took data, which is a sign of life; true if it was left alone before.
    pub(super) fn succeeded(&mut self, now: Instant) -> bool {
        if let Some((_, detector)) = &mut self.watch
            && !self.is_detached
        {
            detector.beat(now);
        }
        self.left_alone_until.take().is_some()
    }

    /// Takes note of a heartbeat; true if it makes a detached server available.
    pub(super) fn beat(&mut self, now: Instant) -> bool {
        let Some((watch, detector)) = &mut self.watch else {
            return false;
        };
        detector.beat(now);
        if !self.is_detached {
            return false;
        }
        self.beats += 1;
        let enough = watch.recover_wait.as_secs_f64() / watch.interval.as_secs_f64();
        let is_back = f64::from(self.beats) > enough;
        self.is_detached = !is_back;
        is_back
    }

    /// Looks whether the silence is too long; the reason where it has just become so.
    pub(super) fn look(&mut self, now: Instant) -> Option<Reason> {
        let (watch, detector) = self.watch.as_mut()?;
        if self.is_detached {
            // Beats count in a row.
            if detector.silence(now) > watch.hard_timeout {
                self.beats = 0;
            }
            return None;
        }
        let phi = detector.phi(now);
        let reason = if detector.silence(now) > watch.hard_timeout {
            Reason::Silent
        } else if watch.phi_max.is_some_and(|greatest| phi > greatest) {
            Reason::Suspicious { phi }
        } else {
            return None;
        };
        self.is_detached = true;
        self.beats = 0;
        detector.clear();
        Some(reason)
    }

    /// Whether a sign of life has come within the last interval, so that none need be asked for.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.watch.as_ref().is_some_and(|(watch, detector)| {
            !self.is_detached && detector.silence(now) < watch.interval
        })
    }
}

#[cfg(test)]
mod tests {
    use millrun_buffer::Random;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn watch() -> Watch {
        Watch {
            interval: SECOND,
            hard_timeout: Duration::from_secs(60),
            phi_max: Some(16.0),
            recover_wait: Duration::from_secs(10),
        }
    }

    /// What happens to a server that answers as `answers` says, second by second.
    fn life(watch: Watch, answers: impl Iterator<Item = bool>) -> Vec<(u32, &'static str)> {
        let start = Instant::now();
        let mut health = Health::new(Some(watch), start);
        let mut story = Vec::new();
        for (second, answer) in (1..).zip(answers) {
            let now = start + SECOND * second;
            if answer && health.beat(now) {
                story.push((second, "recovered"));
            }
            match health.look(now) {
                Some(Reason::Silent) => story.push((second, "hard_timeout")),
                Some(Reason::Suspicious { .. }) => story.push((second, "phi")),
                None => {}
            }
        }
        story
    }

    #[test]
    fn a_silent_server_is_detached_and_must_answer_for_a_while() {
        let answers = (1..=200).map(|second| second <= 20 || second > 100);
        assert_eq!(
            life(watch(), answers.clone()),
            [(57, "phi"), (111, "recovered")]
        );
        let patient = Watch {
            phi_max: None,
            ..watch()
        };
        assert_eq!(
            life(patient, answers),
            [(81, "hard_timeout"), (111, "recovered")]
        );
        assert_eq!(life(watch(), (0..1000).map(|_| true)), []);
        // Every third answer gets lost.
        assert_eq!(life(watch(), (0..1000).map(|second| second % 3 != 0)), []);
    }

    #[test]
    fn no_rhythm_detaches_a_server_that_answers_in_time() {
        let mut random = Random::from_seed(3);
        for _ in 0..200 {
            // Never more than ten answers in a row are lost.
            let mut lost = 0;
            let answers: Vec<bool> = (0..500)
                .map(|_| {
                    let answers = lost >= 10 || random.below(2) == 0;
                    lost = if answers { 0 } else { lost + 1 };
                    answers
                })
                .collect();
            assert_eq!(life(watch(), answers.into_iter()), []);
        }
    }

    #[test]
    fn after_any_silence_a_server_that_answers_again_is_used_again() {
        let mut random = Random::from_seed(4);
        for _ in 0..500 {
            let silent = random.below(200) as u32;
            let answers = (0..silent + 40).map(|second| second >= silent);
            let story = life(watch(), answers);
            assert!(
                story.last().is_none_or(|(_, what)| *what == "recovered"),
                "silent for {silent} s: {story:?}"
            );
            // Without a rhythm only the time counts.
            assert_eq!(story.is_empty(), silent < 61, "silent for {silent} s");
        }
    }

    #[test]
    fn failures_in_use_pass_by_themselves_and_by_success() {
        let now = Instant::now();
        let mut health = Health::new(None, now);
        assert!(health.failed(now, SECOND * 10));
        assert!(!health.failed(now, SECOND * 10));
        assert!(!health.is_available(now + SECOND * 9));
        assert!(health.is_available(now + SECOND * 10));
        assert!(health.succeeded(now));
        assert!(!health.succeeded(now));
        assert!(health.is_available(now));
        assert!(health.look(now + SECOND * 1000).is_none());
    }
}
