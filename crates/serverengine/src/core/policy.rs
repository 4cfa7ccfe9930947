//! What a control process was configured to do, in the core's own terms.

use std::time::Duration;

/// How many restarts are counted before the delay stops growing by itself (2^20 steps exceed any
/// maximum).
const BACKOFF_DOUBLINGS_MAX: u32 = 20;

/// Rules of one control process. Times are spans of the monotonic clock.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Policy {
    /// What a child is called in messages: "Worker" or "Server".
    pub(crate) noun: &'static str,
    pub(crate) slots: usize,
    /// Whether a reload may change that.
    pub(crate) may_scale: bool,
    /// Least distance between two starts of any children.
    pub(crate) start_delay: Duration,
    /// Part of `start_delay` that is random: `d·(1 ± rand/2)`.
    pub(crate) start_delay_rand: f64,
    /// Wait between an exit and the replacement.
    pub(crate) restart_interval: Duration,
    pub(crate) backoff: Backoff,
    /// A child that is not ready this long after its start is replaced.
    pub(crate) start_timeout: Option<Duration>,
    /// A child that is silent this long is replaced.
    pub(crate) heartbeat_timeout: Option<Duration>,
    /// Patience after a graceful stop, before the immediate one. `None`: for ever.
    pub(crate) graceful_timeout: Option<Duration>,
    /// Patience after an immediate stop, before the kill. `None`: for ever.
    pub(crate) immediate_timeout: Option<Duration>,
    /// How a graceful stop is repeated until then. `None`: it is not.
    pub(crate) graceful_repeat: Option<Repeat>,
    /// How an immediate stop is repeated; then the kill waits for its turn. `None`: it is not.
    pub(crate) immediate_repeat: Option<Repeat>,
    /// How many children a graceful restart replaces at the same time.
    pub(crate) restart_parallel: usize,
    pub(crate) unrecoverable_exit_codes: Vec<i32>,
    pub(crate) stop_at_unrecoverable_exit: bool,
    pub(crate) restart: Delegation,
    /// What a detach does. `None`: a graceful stop.
    pub(crate) detach: Option<Detachment>,
}

/// ServerEngine's schedule: the next signal is due `interval` after the first, and by `increment` more
/// after each further one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeat {
    pub(crate) interval: Duration,
    pub(crate) increment: Duration,
}

impl Repeat {
    /// `None` where there is no interval.
    pub(crate) fn every(interval: Option<Duration>, increment: Duration) -> Option<Self> {
        interval.map(|interval| Self {
            interval,
            increment,
        })
    }

    /// Returns the distance to the next signal when `sent` were sent before the one sent now.
    pub(crate) fn distance(self, sent: u32) -> Duration {
        self.interval
            .saturating_add(self.increment.saturating_mul(sent))
    }
}

/// How a child is left to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detachment {
    /// How long it may take to finish before something is done about it.
    pub(crate) wait: Duration,
    /// Whether this process then leaves it behind and ends. Otherwise a successor is started beside it.
    pub(crate) exit: bool,
}

/// Who performs a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delegation {
    /// This process replaces its children.
    Here,
    /// The children are told, and replace theirs.
    Children,
}

/// Delay before the replacement of a child that keeps dying young.
///
/// The first replacement is immediate; then `first`, doubled each time, up to `max`. A life of at least
/// `reset_after` clears the count. A clean exit (status 0) that lasted at least `first` is a wish to be
/// recycled and not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// Delay before the second replacement in a row.
    pub first: Duration,
    /// Upper bound of the delay.
    pub max: Duration,
    /// Random part of the delay: it lies within `delay · (1 ± jitter/2)`.
    pub jitter: f64,
    /// A life this long makes the next replacement immediate again.
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            max: Duration::from_secs(30),
            jitter: 0.2,
            reset_after: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// Returns the delay after `failures` early deaths in a row; `random` lies in 0..1.
    pub(crate) fn delay(&self, failures: u32, random: f64) -> Duration {
        if failures <= 1 {
            return Duration::ZERO;
        }
        let doublings = (failures - 2).min(BACKOFF_DOUBLINGS_MAX);
        let delay = self.first.saturating_mul(1 << doublings).min(self.max);
        spread(delay, self.jitter, random)
    }
}

/// Returns `delay · (1 ± ratio/2)`, where `random` in 0..1 chooses the place.
pub(crate) fn spread(delay: Duration, ratio: f64, random: f64) -> Duration {
    let factor = 1.0 + ratio.clamp(0.0, 2.0) * (random - 0.5);
    delay.mul_f64(factor.max(0.0))
}
