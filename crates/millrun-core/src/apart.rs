//! Costly filters at work on pieces of one batch.
//!
//! ```text
//! batch ─▶ pieces of whole entries ─▶ each through the filters, on a hand of the crew ─▶ out, losses, errors
//!                                                                                     put together in order
//! ```
//! Only filters that say so ([`Filter::is_costly`]): they treat each event alone, so a batch in pieces becomes what the
//! batch would have become.

use std::sync::Arc;

use millrun_event::{Cursor, EventBuffer, EventTime};

use crate::crew::Crew;
use crate::loss::Losses;
use crate::plugin::Filter;
use crate::report::{Batch, ErrorEvents, Report};

/// The crew, and memory for the pieces.
pub(crate) struct Apart {
    crew: Crew,
    pieces: Vec<Piece>,
    spare: Vec<Piece>,
}

/// Some entries of a batch, and what became of them.
#[derive(Default)]
struct Piece {
    filters: Vec<Arc<dyn Filter>>,
    tag: String,
    now: EventTime,
    events: EventBuffer,
    out: EventBuffer,
    losses: Losses,
    errors: ErrorEvents,
}

impl Default for Apart {
    fn default() -> Self {
        Self::new(Crew::alone())
    }
}

impl Apart {
    pub(crate) fn new(crew: Crew) -> Self {
        Self {
            crew,
            pieces: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Takes `batch` through the costly filters at the beginning of `filters`, if it is worth being taken apart. Answers
    /// with how many it passed; 0: nothing was done.
    pub(crate) fn filter(
        &mut self,
        filters: &[Arc<dyn Filter>],
        batch: Batch<'_>,
        out: &mut EventBuffer,
        losses: &mut Losses,
        errors: &mut ErrorEvents,
    ) -> usize {
        let is_costly = |filter: &&Arc<dyn Filter>| filter.is_costly() && filter.stage().is_none();
        let costly = filters.iter().take_while(is_costly).count();
        let pieces = self.crew.pieces(batch.events.bytes.len());
        if costly == 0 || pieces < 2 || !self.split(batch, pieces) {
            return 0;
        }
        for piece in &mut self.pieces {
            piece.filters.extend(filters.iter().take(costly).cloned());
            piece.tag.clear();
            piece.tag.push_str(batch.tag);
            piece.now = batch.now;
        }
        self.crew.each(&mut self.pieces, Piece::run);
        for mut piece in self.pieces.drain(..) {
            let done = piece.out.as_events();
            out.extend(done.bytes, done.count);
            for loss in piece.losses.entries() {
                losses.add(&loss.plugin, loss.reason, loss.count);
            }
            errors.append(&mut piece.errors);
            piece.losses.clear();
            self.spare.push(piece);
        }
        costly
    }

    /// Fills that many pieces or fewer with the entries of the batch; false where it is no stream, which the filters
    /// themselves had better see.
    fn split(&mut self, batch: Batch<'_>, pieces: usize) -> bool {
        let bytes = batch.events.bytes;
        let piece_bytes = bytes.len().div_ceil(pieces);
        let mut cursor = Cursor::new(bytes);
        let (mut start, mut count) = (0, 0);
        while !cursor.is_at_end() {
            if cursor.skip().is_err() {
                self.spare.append(&mut self.pieces);
                return false;
            }
            count += 1;
            if cursor.position() - start >= piece_bytes || cursor.is_at_end() {
                let mut piece = self.spare.pop().unwrap_or_default();
                piece.events.clear();
                piece.events.extend(cursor.since(start), count);
                self.pieces.push(piece);
                (start, count) = (cursor.position(), 0);
            }
        }
        true
    }
}

impl Piece {
    /// Takes the entries through the filters; they end in `out`.
    fn run(&mut self) {
        std::mem::swap(&mut self.events, &mut self.out);
        for filter in self.filters.drain(..) {
            std::mem::swap(&mut self.events, &mut self.out);
            self.out.clear();
            let batch = Batch {
                tag: &self.tag,
                events: self.events.as_events(),
                now: self.now,
            };
            let mut report = Report::new(&mut self.losses, &mut self.errors);
            filter.filter(batch, &mut self.out, &mut report);
        }
    }
}
