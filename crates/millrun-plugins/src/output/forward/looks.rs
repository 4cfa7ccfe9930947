//! When to look whether answers are overdue (fluentd-live.md, out_forward).
//!
//! ```text
//! look        look        look          every interval while chunks are under way
//!   │ overdue?  │ overdue?  │
//!   └───────────┴─ whoever was overdue at a look is given up at the next one
//! ```
//!
//! An answer that comes a moment too late is worth more than a resend, so an overdue chunk has one interval more. The
//! pace goes on for one interval after nothing is under way any more, so that a server that never answers is sent to
//! at the same times as by Fluentd.

use std::time::{Duration, Instant};

/// The longest interval between two looks.
const INTERVAL_MAX: Duration = Duration::from_secs(1);

/// What Fluentd gives a chunk beyond its answer's time; a third of both together is the shortest interval.
const COMMIT_ALLOWANCE: Duration = Duration::from_secs(2);

/// The pace of looks.
#[derive(Debug)]
pub(super) struct Looks {
    interval: Duration,
    /// The look that judges next, unless none was due for long.
    last: Option<Instant>,
}

impl Looks {
    /// Looks for answers that may take so long.
    pub(super) fn new(ack_response_timeout: Duration) -> Self {
        let third = (ack_response_timeout + COMMIT_ALLOWANCE) / 3;
        Self {
            interval: third.min(INTERVAL_MAX),
            last: None,
        }
    }

    /// A chunk goes out. Without a pace that still runs, it begins here.
    pub(super) fn sent(&mut self, now: Instant) {
        let runs = self.next().is_some_and(|next| now < next);
        if !runs {
            self.last = Some(now);
        }
    }

    /// When to come back.
    pub(super) fn next(&self) -> Option<Instant> {
        self.last.map(|last| last + self.interval)
    }

    /// Once the time has come: the moment by which an answer had to be there.
    pub(super) fn judge(&mut self, now: Instant) -> Option<Instant> {
        let last = self.last?;
        if now < last + self.interval {
            return None;
        }
        self.last = Some(now);
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each of some chunks is given up, in milliseconds: the next is sent half a second after that.
    fn given_up(timeout_ms: u64, chunks: usize) -> Vec<u64> {
        let timeout = Duration::from_millis(timeout_ms);
        let mut looks = Looks::new(timeout);
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let (mut sent, mut ends) = (0, Vec::new());
        looks.sent(at(sent));
        for now in 0..100_000 {
            if now == sent {
                looks.sent(at(now));
            }
            let Some(judged) = looks.judge(at(now)) else {
                continue;
            };
            if now >= sent && judged >= at(sent) + timeout {
                ends.push(now);
                sent = now + 500;
                if ends.len() == chunks {
                    break;
                }
            }
        }
        ends
    }

    #[test]
    fn an_unanswered_chunk_is_given_up_at_the_second_look() {
        // Sent again at 2.5, 5.5 and 8.5 s, as recorded of Fluentd.
        assert_eq!(given_up(1000, 3), [2000, 5000, 8000]);
        assert_eq!(given_up(3000, 1), [4000]);
        assert_eq!(given_up(500, 2), [1668, 4170]);
    }
}
