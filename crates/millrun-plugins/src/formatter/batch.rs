//! A formatter of events as a buffer asks for one: of batches, from any thread.

use std::sync::{Mutex, PoisonError};

use millrun_core::BatchFormatter;
use millrun_event::Events;

use super::{EventFormatter, Scratch, format_events};

/// Formats batches event by event. Its lock is held for one batch.
pub(crate) struct Batches {
    formatter: Box<dyn EventFormatter>,
    scratch: Mutex<Scratch>,
}

impl Batches {
    pub(crate) fn new(formatter: Box<dyn EventFormatter>) -> Self {
        Self {
            formatter,
            scratch: Mutex::default(),
        }
    }
}

impl BatchFormatter for Batches {
    fn format(
        &self,
        tag: &str,
        events: Events<'_>,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> u64 {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        format_events(&*self.formatter, tag, events, &mut scratch, out, ends)
    }
}
