//! What was dropped on purpose, counted by reason (DELIVERY's loss account).

/// Why an event was not passed on. The word is what logs, metrics and the ledger call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LossReason {
    /// A parser did not understand the line and nothing asked to keep it.
    Unparsable,
    /// A line or record longer than its limit.
    Oversized,
    /// An entry that is not `[time, map]`.
    Invalid,
    /// No `<match>` takes the tag.
    NoMatch,
    /// A buffer was full and its policy says drop.
    Overflow,
    /// The retry limit was reached.
    RetryLimit,
    /// The destination refused the content, and no secondary takes it.
    Refused,
    /// A filter could not handle the event, and no `<label @ERROR>` takes it.
    Rejected,
    /// A filter was configured to let so many pass and no more.
    Throttled,
    /// It was given ever new tags that led it in a circle.
    Circle,
    /// The bytes of a chunk are not those that were committed.
    Damaged,
    /// Bytes of a file went away before they were read (truncation).
    Truncated,
}

impl LossReason {
    /// The reason in one lower-case word.
    pub const fn word(self) -> &'static str {
        match self {
            LossReason::Unparsable => "unparsable",
            LossReason::Oversized => "oversized",
            LossReason::Invalid => "invalid",
            LossReason::NoMatch => "no_match",
            LossReason::Overflow => "overflow",
            LossReason::RetryLimit => "retry_limit",
            LossReason::Refused => "refused",
            LossReason::Rejected => "rejected",
            LossReason::Throttled => "throttled",
            LossReason::Circle => "circle",
            LossReason::Damaged => millrun_buffer::DAMAGED,
            LossReason::Truncated => "truncated",
        }
    }
}

/// Losses of one transaction: few entries, added up per plugin and reason.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    entries: Vec<Loss>,
}

/// Events one plugin dropped for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The plugin's id, or its type where it has none.
    pub plugin: Box<str>,
    /// Why.
    pub reason: LossReason,
    /// How many events.
    pub count: u64,
}

impl Losses {
    /// Counts `count` events as dropped by `plugin`.
    pub fn add(&mut self, plugin: &str, reason: LossReason, count: u64) {
        if count == 0 {
            return;
        }
        let known = |loss: &&mut Loss| loss.reason == reason && *loss.plugin == *plugin;
        match self.entries.iter_mut().find(known) {
            Some(loss) => loss.count = loss.count.saturating_add(count),
            None => self.entries.push(Loss {
                plugin: plugin.into(),
                reason,
                count,
            }),
        }
    }

    /// The sums, in the order in which they first arose.
    pub fn entries(&self) -> &[Loss] {
        &self.entries
    }

    /// Starts the next transaction at nothing.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_per_plugin_and_reason() {
        let mut losses = Losses::default();
        losses.add("a", LossReason::Invalid, 2);
        losses.add("b", LossReason::Invalid, 1);
        losses.add("a", LossReason::Invalid, 3);
        losses.add("a", LossReason::Overflow, 0);
        let sums: Vec<_> = losses
            .entries()
            .iter()
            .map(|l| (&*l.plugin, l.count))
            .collect();
        assert_eq!(sums, [("a", 5), ("b", 1)]);
    }
}
