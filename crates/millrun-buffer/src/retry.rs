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
    /// Failures after the first one; since the switch when the secondary is in use.
    steps: u32,
    /// All retries, for the log.
    times: u32,
    next: Timestamp,
    timeout_at: Timestamp,
    secondary_at: Option<Timestamp>,
    secondary: bool,
    /// A computed next time has reached the time limit once.
    last_chance: bool,
    limit_reached: bool,
}

impl Retry {
    /// The state after the first failure, at `now`.
    pub fn first_failure(config: &RetryConfig, now: Timestamp) -> Self {
        let timeout_at = now + config.timeout;
        let mut retry = Self {
            start: now,
            steps: 0,
            times: 0,
            next: now + config.wait,
            timeout_at,
            secondary_at: secondary_transition(config, now),
            secondary: false,
            last_chance: false,
            limit_reached: false,
        };
        if !config.forever && retry.next >= timeout_at {
            retry.next = timeout_at;
            retry.last_chance = true;
        }
        retry
    }

    /// Notes a further failure at `now`.
    ///
    /// A failure before the planned time (of a concurrent flush) only plans the next time anew.
    pub fn failure(&mut self, config: &RetryConfig, now: Timestamp, random: &mut Random) {
        if now < self.next {
            self.plan(config, now, random);
            return;
        }
        self.times = self.times.saturating_add(1);
        match self.secondary_at {
            Some(at) if !self.secondary && now >= at => {
                self.secondary = true;
                self.steps = 0;
            }
            _ => self.steps = self.steps.saturating_add(1),
        }
        if !config.forever {
            let out_of_time = self.last_chance && self.next >= self.timeout_at;
            let out_of_tries =
                !self.secondary && config.times_max.is_some_and(|max| self.times > max);
            self.limit_reached = out_of_time || out_of_tries;
        }
        self.plan(config, now, random);
    }

    /// When to try again.
    pub fn next(&self) -> Timestamp {
        self.next
    }

    /// Whether the next try goes to the secondary output.
    pub fn uses_secondary(&self) -> bool {
        self.secondary
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

    fn plan(&mut self, config: &RetryConfig, now: Timestamp, random: &mut Random) {
        let mut seconds = interval_seconds(config, self.steps);
        if config.randomize {
            seconds *= 1.0 + JITTER * (2.0 * random.unit() - 1.0);
        }
        let mut next = now + duration(seconds);
        if let Some(at) = self.secondary_at.filter(|_| !self.secondary) {
            next = next.min(at);
        }
        if !config.forever && next >= self.timeout_at {
            next = self.timeout_at;
            self.last_chance = true;
        }
        self.next = next;
    }
}

/// The interval after `steps` further failures, without jitter.
fn interval_seconds(config: &RetryConfig, steps: u32) -> f64 {
    let wait = config.wait.as_secs_f64();
    let seconds = match config.kind {
        RetryKind::Periodic => return wait,
        RetryKind::ExponentialBackoff => {
            wait * config
                .base
                .powi(i32::try_from(steps.min(EXPONENT_MAX)).unwrap_or(i32::MAX))
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
    let by_times = config.times_max.map_or(timeout, |max| {
        (0..=max)
            .map(|step| interval_seconds(config, step))
            .take_while(|s| s.is_finite())
            .sum()
    });
    Some(start + duration(timeout.min(by_times) * threshold))
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
