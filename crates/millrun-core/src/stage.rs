//! Stages: filters that hold events back from one batch to another.
//!
//! ```text
//! batch ──▶ Holder::filter ──▶ what passes now         one holder for each shard
//!               │ keeps the rest
//!               ├──▶ checkpoint   what is held is part of the batch's commit record; a crash restores it
//!               └──▶ release      what waited long enough: a transaction of its own, without an origin
//! failure ──▶ roll_back            to the last checkpoint; the source repeats the batch
//! ```
//!
//! So an event that a stage holds is neither lost nor doubled where its buffers are files: the batch it came with is
//! committed together with the fact that the stage has it. A holder belongs to a shard, which means that two sources
//! never mix their events in one.

use millrun_event::{EventBuffer, EventTime, Events};

use crate::graph::RouterId;
use crate::report::{Batch, Report};

/// The most bytes a holder should keep, all streams together: they are written anew with every commit that changes
/// them. A holder that has more gives out the oldest.
pub const HELD_BYTES_MAX: usize = 1024 * 1024;

/// What a filter that holds events back shows of itself.
pub trait Stage: Send + Sync {
    /// What its checkpoints are called; the same after a restart.
    fn name(&self) -> &str;

    /// The holder of a shard; it holds nothing yet.
    fn holder(&self) -> Box<dyn Holder>;
}

/// What a stage holds of one shard's events.
pub trait Holder: Send {
    /// As [`Filter::filter`](crate::Filter::filter); what is neither passed on nor dropped is held.
    fn filter(&mut self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>);

    /// When there is something to release, if nothing comes before. Never, for one that only counts.
    fn due(&self) -> Option<EventTime> {
        None
    }

    /// Gives out what is due.
    fn release(&mut self, due: Due, out: &mut Emissions, report: &mut Report<'_>) {
        let _ = (due, out, report);
    }

    /// Appends what is held, so that [`roll_back`](Self::roll_back) can restore it. Nothing, for one that only counts.
    fn checkpoint(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// The transaction is committed.
    fn commit(&mut self) {}

    /// Holds what `checkpoint` says and nothing else; empty, it holds nothing. The bytes may be of an older version or
    /// another configuration: what cannot be understood is left out.
    fn roll_back(&mut self, checkpoint: &[u8]);
}

/// Which of the held events are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Those whose time has come.
    At(EventTime),
    /// All: the source has ended.
    Now(EventTime),
}

impl Due {
    /// The wall clock.
    pub fn now(self) -> EventTime {
        match self {
            Due::At(now) | Due::Now(now) => now,
        }
    }

    /// Whether what is due at `time` is to be given out.
    pub fn includes(self, time: EventTime) -> bool {
        match self {
            Due::At(now) => time <= now,
            Due::Now(_) => true,
        }
    }
}

/// How many groups are looked at for one of the tag. A flood of tags makes more groups, and no slower ones.
const TAGS_REMEMBERED_MAX: usize = 32;

/// Events on their way to tags and labels, in order within each. Cleared and used again, it keeps its memory.
#[derive(Debug, Default)]
pub struct Emissions {
    groups: Vec<Emission>,
    used: usize,
}

/// Events of one tag.
#[derive(Debug)]
pub struct Emission {
    /// The tag.
    pub tag: String,
    /// The label they go to; without one they go the usual way.
    pub label: Option<RouterId>,
    /// The events.
    pub events: EventBuffer,
}

impl Emissions {
    /// Forgets the events, keeps the room.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// The buffer that takes events of `tag` next, so that the events of a tag keep their order.
    pub fn buffer(&mut self, tag: &str, label: Option<RouterId>) -> &mut EventBuffer {
        let recent = self.used.saturating_sub(TAGS_REMEMBERED_MAX);
        let known = self
            .groups()
            .get(recent..)
            .unwrap_or_default()
            .iter()
            .rposition(|group| group.label == label && group.tag == tag);
        let at = match known {
            Some(at) => recent + at,
            None => self.begin(tag, label),
        };
        #[allow(
            clippy::indexing_slicing,
            reason = "a group of this number is there, or was made"
        )]
        &mut self.groups[at].events
    }

    fn begin(&mut self, tag: &str, label: Option<RouterId>) -> usize {
        if self.used == self.groups.len() {
            self.groups.push(Emission {
                tag: String::new(),
                label,
                events: EventBuffer::default(),
            });
        }
        if let Some(group) = self.groups.get_mut(self.used) {
            group.tag.clear();
            group.tag.push_str(tag);
            group.label = label;
            group.events.clear();
        }
        self.used += 1;
        self.used - 1
    }

    /// The groups, in the order in which they arose.
    pub fn groups(&self) -> &[Emission] {
        self.groups.get(..self.used).unwrap_or_default()
    }

    /// How many events there are.
    pub fn count(&self) -> u64 {
        self.groups()
            .iter()
            .map(|group| u64::from(group.events.count()))
            .sum()
    }
}

impl Emission {
    /// The events.
    pub fn as_events(&self) -> Events<'_> {
        self.events.as_events()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emissions_keep_their_order_and_their_memory() {
        let mut emissions = Emissions::default();
        for tag in ["a", "a", "b", "a"] {
            emissions.buffer(tag, None).extend(tag.as_bytes(), 1);
        }
        emissions.buffer("a", Some(RouterId(1))).extend(b"l", 1);
        let seen = |emissions: &Emissions| {
            let groups = emissions.groups().iter();
            groups
                .map(|group| format!("{}{}", group.tag, group.events.count()))
                .collect::<Vec<_>>()
        };
        assert_eq!(seen(&emissions), ["a3", "b1", "a1"]);
        assert_eq!(emissions.count(), 5);
        emissions.clear();
        emissions.buffer("c", None).extend(b"c", 1);
        assert_eq!(seen(&emissions), ["c1"]);
        assert_eq!(emissions.groups()[0].events.as_events().bytes, b"c");
    }

    #[test]
    fn all_is_due_at_the_end() {
        let (early, late) = (EventTime::new(1, 0), EventTime::new(2, 0));
        assert!(Due::At(late).includes(early) && !Due::At(early).includes(late));
        assert!(Due::Now(early).includes(late));
    }
}
