//! When an output may be tried: its retry state, and the probe that ends a wait early.
//!
//! ```text
//! open ──failure──▶ closed until the next try ──time──▶ open
//!                     │ nobody was there: looked at every PROBE_INTERVAL
//!                     └─ somebody is there again ──▶ open early
//! a success, of whichever thread: no retry state any more
//! ```
//!
//! Opened early, a try that fails all the same costs nothing of the retry limits and changes no plan; the
//! gate is closed until the time that was planned before, without another probe: a destination that takes
//! connections and no chunks is not asked more often than it is told to be.

use std::time::Duration;

use millrun_buffer::{Random, Retry, RetryConfig, Timestamp};

/// How often a destination that could not be reached is looked for.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// The failures of one output since its last success.
pub(crate) struct Gate {
    retry: Option<Retry>,
    random: Random,
    /// When to look for the destination again; nothing where only time helps.
    probe_at: Option<Timestamp>,
    /// The destination was seen; one try is free.
    is_early: bool,
}

/// What a failure came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    /// Retries that failed so far.
    pub(crate) times: u32,
    /// How long until the next try.
    pub(crate) wait: Duration,
    /// Trying is over; the retry state is gone.
    pub(crate) is_over: bool,
}

impl Gate {
    /// An open gate; `random` gives the jitter of the waits.
    pub(crate) fn new(random: Random) -> Self {
        Self {
            retry: None,
            random,
            probe_at: None,
            is_early: false,
        }
    }

    /// How long until the next try; nothing while the gate is open.
    pub(crate) fn closed_for(&self, now: Timestamp) -> Option<Duration> {
        let next = self.retry.as_ref().filter(|_| !self.is_early)?.next();
        let left = next.since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Whether the destination is to be looked for now, by the one that asks.
    pub(crate) fn take_probe(&mut self, now: Timestamp) -> bool {
        let is_due = self.probe_at.is_some_and(|at| at <= now) && self.closed_for(now).is_some();
        if is_due {
            self.probe_at = Some(now + PROBE_INTERVAL);
        }
        is_due
    }

    /// How long until the next probe, where there is one.
    pub(crate) fn probe_in(&self, now: Timestamp) -> Option<Duration> {
        self.probe_at.map(|at| at.since(now))
    }

    /// The destination is there again.
    pub(crate) fn open_early(&mut self) {
        self.is_early = true;
        self.probe_at = None;
    }

    /// Nobody can look for this destination.
    pub(crate) fn forget_probe(&mut self) {
        self.probe_at = None;
    }

    /// Notes a failure; `is_unreachable` when nobody was there to answer.
    pub(crate) fn failed(
        &mut self,
        config: &RetryConfig,
        now: Timestamp,
        is_unreachable: bool,
    ) -> Closed {
        let was_early = std::mem::take(&mut self.is_early);
        let retry = match &mut self.retry {
            Some(retry) if was_early && retry.next() > now => {
                self.probe_at = None;
                return Closed {
                    times: retry.times(),
                    wait: retry.next().since(now),
                    is_over: false,
                };
            }
            Some(retry) => {
                retry.failure(config, now, &mut self.random);
                retry
            }
            none => none.insert(Retry::first_failure(config, now)),
        };
        let closed = Closed {
            times: retry.times(),
            wait: retry.next().since(now),
            is_over: retry.limit_reached(),
        };
        self.probe_at = is_unreachable.then(|| now + PROBE_INTERVAL);
        if closed.is_over {
            self.retry = None;
            self.probe_at = None;
        }
        closed
    }

    /// Notes a success; true when there were failures before it.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.probe_at = None;
        self.is_early = false;
        self.retry.take().is_some()
    }

    /// Whether a try at `now` goes to the secondary output.
    pub(crate) fn uses_secondary(&self, now: Timestamp) -> bool {
        let retry = self.retry.as_ref();
        retry.is_some_and(|retry| retry.uses_secondary_at(now))
    }

    /// The failures since the last success.
    pub(crate) fn retry(&self) -> Option<&Retry> {
        self.retry.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(Random::from_seed(1))
    }

    fn config() -> RetryConfig {
        RetryConfig {
            wait: Duration::from_secs(60),
            times_max: Some(1),
            randomize: false,
            ..RetryConfig::default()
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + seconds)
    }

    #[test]
    fn a_failure_closes_until_the_next_try_and_a_success_forgets_it() {
        let mut gate = gate();
        assert_eq!(gate.closed_for(at(0)), None);
        let closed = gate.failed(&config(), at(0), false);
        assert_eq!((closed.times, closed.is_over), (0, false));
        assert_eq!(gate.closed_for(at(10)), Some(Duration::from_secs(50)));
        assert_eq!(gate.closed_for(at(60)), None);
        assert!(gate.succeeded());
        assert!(!gate.succeeded());
    }

    #[test]
    fn only_what_could_not_be_reached_is_probed_and_by_one_at_a_time() {
        let mut gate = gate();
        gate.failed(&config(), at(0), false);
        assert!(!gate.take_probe(at(30)));
        gate.succeeded();
        gate.failed(&config(), at(0), true);
        assert!(!gate.take_probe(at(0)));
        assert!(gate.take_probe(at(1)));
        assert!(!gate.take_probe(at(1)));
        assert!(gate.take_probe(at(2)));
        gate.open_early();
        assert_eq!(gate.closed_for(at(2)), None);
    }

    #[test]
    fn a_try_opened_early_that_fails_changes_no_plan_and_is_not_probed_again() {
        let mut gate = gate();
        gate.failed(&config(), at(0), true);
        gate.open_early();
        let closed = gate.failed(&config(), at(5), true);
        assert_eq!(
            (closed.times, closed.wait, closed.is_over),
            (0, Duration::from_secs(55), false)
        );
        assert!(!gate.take_probe(at(30)));
        assert!(gate.failed(&config(), at(60), true).is_over);
    }
}
