use std::time::Duration;

use crate::{Random, Timestamp};

/// The power beyond which an exponential interval is capped anyway; keeps the arithmetic finite.
const EXPONENT_MAX: u32 = 1_000;

/// The share by which a randomised interval varies in both directions.
const JITTER: f64 = 0.125;

/// How an output tries again after a failure (specification 4.5); defaults are Fluentd's.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryConfig {
    /// Whether intervals grow.
    pub kind: RetryKind,
    /// The first interval, and every one of a periodic retry (`retry_wait`).
    pub wait: Duration,
    /// The factor by which intervals grow (`retry_exponential_backoff_base`).
    pub base: f64,
    /// No interval is longer (`retry_max_interval`).
    pub interval_max: Option<Duration>,
    /// Trying ends this long after the first failure (`retry_timeout`).
    pub timeout: Duration,
    /// Trying ends after this many retries (`retry_max_times`).
    pub times_max: Option<u32>,
    /// Trying never ends (`retry_forever`).
    pub forever: bool,
    /// Intervals vary by an eighth in both directions (`retry_randomize`).
    pub randomize: bool,
    /// The share of the time limit after which the secondary output is tried (`retry_secondary_threshold`);
    /// nothing when there is no secondary.
    pub secondary_threshold: Option<f64>,
}

/// How intervals between retries develop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryKind {
    /// Each interval is `base` times the one before.
    ExponentialBackoff,
    /// All intervals are equal.
    Periodic,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            kind: RetryKind::ExponentialBackoff,
            wait: Duration::from_secs(1),
            base: 2.0,
            interval_max: None,
            timeout: Duration::from_secs(72 * 3600),
            times_max: None,
            forever: false,
            randomize: true,
            secondary_threshold: None,
        }
    }
}

/// What one output knows about its failures since the last success.
///
/// The caller makes one at the first failure, asks it when to try again and drops it after a success.
#[derive(Debug, Clone)]
pub struct Retry {
    start: Timestamp,
    /// Retries that failed.
    times: u32,
    /// Retries that failed since the secondary took over.
    times_secondary: u32,
    next: Timestamp,
    timeout_at: Timestamp,
    secondary_at: Option<Timestamp>,
    secondary: bool,
    /// The next try is the last one: its time was to be later than the time limit.
    last_chance: bool,
    limit_reached: bool,
}

impl Retry {
    /// The state after the first failure, at `now`; it may have reached its limit already. The first interval is never
    /// randomised.
    pub fn first_failure(config: &RetryConfig, now: Timestamp) -> Self {
        let mut retry = Self {
            start: now,
            times: 0,
            times_secondary: 0,
            next: now,
            timeout_at: now + config.timeout,
            secondary_at: secondary_transition(config, now),
            secondary: false,
            last_chance: false,
            limit_reached: !config.forever && config.times_max == Some(0),
        };
        retry.plan(config, now + config.wait);
        retry
    }

    /// Notes a further failure at `now`.
    ///
    /// A failure before the planned time (of a concurrent flush) only plans the next time anew.
    pub fn failure(&mut self, config: &RetryConfig, now: Timestamp, random: &mut Random) {
        if now < self.next {
            let step = if self.secondary {
                self.times_secondary
            } else {
                self.times
            };
            return self.plan(config, now + interval(config, step, random));
        }
        self.times = self.times.saturating_add(1);
        let mut step = self.times;
        if self.secondary {
            self.times_secondary = self.times_secondary.saturating_add(1);
            step = self.times_secondary;
        } else if self.secondary_at.is_some_and(|at| now >= at) {
            self.secondary = true;
            step = 0;
        }
        let was_last = self.last_chance;
        self.plan(config, now + interval(config, step, random));
        let out_of_tries = config.times_max.is_some_and(|max| self.times >= max);
        self.limit_reached = !config.forever && (was_last || out_of_tries);
    }

    /// When to try again.
    pub fn next(&self) -> Timestamp {
        self.next
    }

    /// Whether the next try goes to the secondary output.
    pub fn uses_secondary(&self) -> bool {
        self.secondary
    }

    /// Whether a try at `now` goes to the secondary output: from the moment on at which that takes over, whoever failed
    /// last.
    pub fn uses_secondary_at(&self, now: Timestamp) -> bool {
        self.secondary || self.secondary_at.is_some_and(|at| now >= at)
    }

    /// Whether to give up.
    pub fn limit_reached(&self) -> bool {
        self.limit_reached
    }

    /// The number of retries that failed.
    pub fn times(&self) -> u32 {
        self.times
    }

    /// When the first failure happened.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Tries next at `naive`, but not after the secondary is to take over or the time is up.
    fn plan(&mut self, config: &RetryConfig, naive: Timestamp) {
        let switch = self.secondary_at.filter(|_| !self.secondary);
        self.next = switch.map_or(naive, |at| naive.min(at));
        self.last_chance = !config.forever && self.next >= self.timeout_at;
        if self.last_chance {
            self.next = self.timeout_at;
        }
    }
}

/// The interval after `step` failed retries, with jitter where it is wanted.
fn interval(config: &RetryConfig, step: u32, random: &mut Random) -> Duration {
    let jitter = if config.randomize {
        JITTER * (2.0 * random.unit() - 1.0)
    } else {
        0.0
    };
    duration(interval_seconds(config, step) * (1.0 + jitter))
}

/// The same without jitter, in seconds.
fn interval_seconds(config: &RetryConfig, step: u32) -> f64 {
    let wait = config.wait.as_secs_f64();
    let seconds = match config.kind {
        RetryKind::Periodic => return wait,
        RetryKind::ExponentialBackoff => {
            wait * config
                .base
                .powi(i32::try_from(step.min(EXPONENT_MAX)).unwrap_or(i32::MAX))
        }
    };
    config
        .interval_max
        .map_or(seconds, |max| seconds.min(max.as_secs_f64()))
}

/// When the secondary takes over: a share of the time until trying would end.
fn secondary_transition(config: &RetryConfig, start: Timestamp) -> Option<Timestamp> {
    let threshold = config.secondary_threshold.filter(|_| !config.forever)?;
    let timeout = config.timeout.as_secs_f64();
    let mut until_end = timeout;
    if let Some(max) = config.times_max {
        let mut sum = 0.0;
        for step in 0..max {
            sum += interval_seconds(config, step);
            // Limits of billions of tries are nobody's to add up.
            if sum >= timeout || sum <= 0.0 {
                break;
            }
        }
        until_end = timeout.min(sum);
    }
    Some(start + duration(until_end * threshold))
}

/// A duration of `seconds`, rounded to microseconds; absurd values become the longest one.
fn duration(seconds: f64) -> Duration {
    let micros = (seconds * 1e6).round();
    if micros < 0.0 {
        return Duration::ZERO;
    }
    // A float cast saturates, so what does not fit is the end of time.
    Duration::from_micros(micros as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_700_000_000);

    #[test]
    fn jitter_stays_within_an_eighth() {
        let config = RetryConfig::default();
        let mut random = Random::from_seed(3);
        let mut retry = Retry::first_failure(&config, START);
        assert_eq!(retry.next(), Timestamp::from_secs(1_700_000_001));
        let mut seen = Vec::new();
        for step in 1..12_i32 {
            let now = retry.next();
            retry.failure(&config, now, &mut random);
            let share = retry.next().since(now).as_secs_f64() / 2_f64.powi(step);
            assert!((0.875..=1.125).contains(&share), "step {step}: {share}");
            seen.push(share);
        }
        assert!(seen.iter().any(|share| *share < 0.98) && seen.iter().any(|share| *share > 1.02));
    }

    #[test]
    fn a_failure_before_its_time_counts_for_nothing() {
        let config = RetryConfig {
            times_max: Some(1),
            randomize: false,
            ..RetryConfig::default()
        };
        let mut random = Random::from_seed(3);
        let mut retry = Retry::first_failure(&config, START);
        retry.failure(&config, START, &mut random);
        assert_eq!((retry.times(), retry.limit_reached()), (0, false));
        let next = retry.next();
        retry.failure(&config, next, &mut random);
        assert_eq!((retry.times(), retry.limit_reached()), (1, true));
    }

    #[test]
    fn absurd_settings_end_in_the_far_future_and_not_in_a_panic() {
        let config = RetryConfig {
            wait: Duration::MAX,
            base: f64::MAX,
            timeout: Duration::MAX,
            ..RetryConfig::default()
        };
        let mut retry = Retry::first_failure(&config, START);
        for _ in 0..5 {
            let next = retry.next();
            retry.failure(&config, next, &mut Random::from_seed(1));
        }
        assert_eq!(retry.next().as_micros(), u64::MAX);
    }
}
