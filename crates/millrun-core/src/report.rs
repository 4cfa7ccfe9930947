//! What filters are given and what they tell beside the events they pass on: losses, and events
//! they could not handle.
//!
//! ```text
//! filter, buffer ── error event ──▶ Report ── with the rest of the transaction ──▶ <label @ERROR>
//!                                  └─ without such a label ──▶ the log, and the loss account
//! ```
//! An error event belongs to the transaction of the batch it was in: it is committed with it or
//! not at all. One that arises within `@ERROR` goes nowhere again (fluentd.md section 1.6).

use std::fmt::{Display, Write as _};

use millrun_event::{Entry, EventBuffer, EventTime, Events};

use crate::loss::{LossReason, Losses};

/// How much of an error's text is kept, in bytes.
pub const ERROR_TEXT_BYTES_MAX: usize = 1024;

/// A batch on its way through a filter.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The tag of all of its events.
    pub tag: &'a str,
    /// The events.
    pub events: Events<'a>,
    /// When the batch was taken.
    pub now: EventTime,
}

/// What a filter tells about a batch.
#[derive(Debug)]
pub struct Report<'r> {
    losses: &'r mut Losses,
    errors: &'r mut ErrorEvents,
}

/// What becomes of an event that a filter could not handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is no longer in the batch: lost, unless `@ERROR` takes it.
    Dropped,
    /// It is in the batch, too.
    Kept,
}

impl<'r> Report<'r> {
    /// A report that adds to these.
    pub fn new(losses: &'r mut Losses, errors: &'r mut ErrorEvents) -> Self {
        Self { losses, errors }
    }

    /// Counts `count` events as dropped by `plugin`.
    pub fn lose(&mut self, plugin: &str, reason: LossReason, count: u64) {
        self.losses.add(plugin, reason, count);
    }

    /// Sends `entry` to `@ERROR` with its tag, because of `error`.
    pub fn error_event(
        &mut self,
        plugin: &str,
        tag: &str,
        entry: &Entry<'_>,
        fate: Fate,
        error: impl Display,
    ) {
        let reason = LossReason::Rejected;
        self.errors.push(plugin, tag, entry, fate, reason, error);
    }

    /// Sends `entry` to `@ERROR`: the output `plugin` cannot keep it, because of `error`. Without such a label it is lost for
    /// this reason.
    pub(crate) fn refused_event(
        &mut self,
        plugin: &str,
        tag: &str,
        entry: &Entry<'_>,
        reason: LossReason,
        error: impl Display,
    ) {
        self.errors
            .push(plugin, tag, entry, Fate::Dropped, reason, error);
    }
}

/// The error events of one transaction, in groups of one plugin, tag and reason.
#[derive(Debug, Default)]
pub struct ErrorEvents {
    groups: Vec<ErrorGroup>,
}

/// Error events of one plugin and tag.
#[derive(Debug)]
pub struct ErrorGroup {
    /// The filter's or output's id.
    pub plugin: Box<str>,
    /// The tag of the batch.
    pub tag: Box<str>,
    /// The events as they were.
    pub events: EventBuffer,
    /// How many of them are no longer in the batch.
    pub dropped: u64,
    /// As what these count where nothing takes them.
    pub reason: LossReason,
    /// What was wrong with the first.
    pub error: String,
}

impl ErrorEvents {
    fn push(
        &mut self,
        plugin: &str,
        tag: &str,
        entry: &Entry<'_>,
        fate: Fate,
        reason: LossReason,
        error: impl Display,
    ) {
        let last = self.groups.last_mut();
        let is_its = |group: &&mut ErrorGroup| {
            *group.plugin == *plugin && *group.tag == *tag && group.reason == reason
        };
        let group = match last.filter(is_its) {
            Some(group) => group,
            None => {
                let mut text = Bounded(String::new());
                // It fails at the limit only.
                let _ = write!(text, "{error}");
                self.groups.push(ErrorGroup {
                    plugin: plugin.into(),
                    tag: tag.into(),
                    events: EventBuffer::default(),
                    dropped: 0,
                    reason,
                    error: text.0,
                });
                let Some(group) = self.groups.last_mut() else {
                    return;
                };
                group
            }
        };
        group.events.extend(entry.bytes, 1);
        group.dropped += u64::from(fate == Fate::Dropped);
    }

    /// Adds what stands in `others`, behind what is here.
    pub(crate) fn append(&mut self, others: &mut ErrorEvents) {
        for group in others.groups.drain(..) {
            let known = self.groups.last_mut();
            match known.filter(|known| known.plugin == group.plugin && known.tag == group.tag) {
                Some(known) => {
                    let events = group.events.as_events();
                    known.events.extend(events.bytes, events.count);
                    known.dropped += group.dropped;
                }
                None => self.groups.push(group),
            }
        }
    }

    /// The groups, in the order in which they arose.
    pub fn groups(&self) -> &[ErrorGroup] {
        &self.groups
    }

    /// Starts the next transaction at nothing.
    pub fn clear(&mut self) {
        self.groups.clear();
    }
}

/// A text that ends at its limit.
struct Bounded(String);

impl std::fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = ERROR_TEXT_BYTES_MAX.saturating_sub(self.0.len());
        let end = text.floor_char_boundary(room);
        self.0.push_str(text.get(..end).unwrap_or_default());
        if end < text.len() {
            return Err(std::fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use millrun_event::{Cursor, write};

    use super::*;

    fn stream() -> EventBuffer {
        let mut events = EventBuffer::default();
        events.push(EventTime::new(1, 0), |record| write::map(record, 0));
        events
    }

    #[test]
    fn error_events_of_one_plugin_and_tag_stay_together() {
        let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
        let mut report = Report::new(&mut losses, &mut errors);
        let stream = stream();
        let entry = Entry::read(&mut Cursor::new(stream.as_events().bytes)).unwrap();
        report.error_event("p", "a", &entry, Fate::Dropped, "first");
        report.error_event("p", "a", &entry, Fate::Kept, "second");
        report.error_event("p", "b", &entry, Fate::Kept, "third");
        let seen: Vec<_> = errors
            .groups()
            .iter()
            .map(|group| {
                (
                    &*group.tag,
                    group.events.count(),
                    group.dropped,
                    &*group.error,
                )
            })
            .collect();
        assert_eq!(seen, [("a", 2, 1, "first"), ("b", 1, 0, "third")]);
    }

    #[test]
    fn the_text_of_an_error_is_bounded() {
        let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
        let stream = stream();
        let entry = Entry::read(&mut Cursor::new(stream.as_events().bytes)).unwrap();
        let long = "é".repeat(ERROR_TEXT_BYTES_MAX);
        Report::new(&mut losses, &mut errors).error_event("p", "a", &entry, Fate::Kept, long);
        assert_eq!(errors.groups()[0].error.len(), ERROR_TEXT_BYTES_MAX);
    }
}
