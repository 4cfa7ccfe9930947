//! Joining events that are parts of one: what `concat` and `detect_exceptions` share.
//!
//! Parts of one tag and identity are held, their texts joined, until the [`Kind`] says that they are whole, or nothing
//! came for too long. What is held is a stage's: part of the commit record, and restored by a crash.

mod kinds;
mod streams;
mod traces;

use std::sync::Arc;
use std::time::Duration;

use millrun_core::{Batch, Filter, Holder, Report, RouterId, Stage};
use millrun_event::EventBuffer;

pub(crate) use self::kinds::{Kind, MetadataNames};
use self::streams::Streams;
pub(crate) use self::traces::{LANGUAGES, Traces};

/// How events are joined.
pub(crate) struct Joining {
    /// What tells that they belong together.
    pub(crate) kind: Kind,
    /// The fields that may hold a part; the first that does counts.
    pub(crate) keys: Vec<Vec<u8>>,
    /// What stands between the parts.
    pub(crate) separator: Vec<u8>,
    /// A part that ends with the separator gets no other.
    pub(crate) has_own_breaks: bool,
    /// The field whose values tell streams of one tag apart.
    pub(crate) identity_key: Option<String>,
    /// How long parts wait for more; without it, for ever.
    pub(crate) wait: Option<Duration>,
    /// Where those go that waited so long; without it, behind the stage.
    pub(crate) timeout_label: Option<RouterId>,
    /// The joined event has the time of its first part, not of its last.
    pub(crate) use_first_timestamp: bool,
    /// Fields the joined event does not have.
    pub(crate) removed: Vec<Vec<u8>>,
    /// The most parts of one event.
    pub(crate) parts_max: u32,
    /// The longest joined text, in bytes.
    pub(crate) bytes_max: usize,
}

/// The stage of a joining plugin.
pub(crate) struct Join {
    id: Arc<str>,
    rules: Arc<Joining>,
}

impl Join {
    pub(crate) fn new(id: &Arc<str>, rules: Joining) -> Self {
        Self {
            id: Arc::clone(id),
            rules: Arc::new(rules),
        }
    }
}

impl Filter for Join {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, _: &mut Report<'_>) {
        // Its holders join; whoever asks it alone has every event back.
        out.extend(batch.events.bytes, batch.events.count);
    }

    fn stage(&self) -> Option<&dyn Stage> {
        Some(self)
    }
}

impl Stage for Join {
    fn name(&self) -> &str {
        &self.id
    }

    fn holder(&self) -> Box<dyn Holder> {
        Box::new(Streams::new(Arc::clone(&self.id), Arc::clone(&self.rules)))
    }
}
