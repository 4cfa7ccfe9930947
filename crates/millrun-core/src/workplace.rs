//! Where the transactions of one shard are made: one at a time, by the thread of its source or by the one that releases
//! what stages hold back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrun_buffer::{
    AppendError, LossKey, Origin, Relayed, Seen, Shard, StateDirectory, Timestamp, Transaction,
};
use millrun_event::json::{self, FloatText};
use millrun_event::{Cursor, Entry, EventTime, Events};

use crate::apart::Apart;
use crate::crew::Crew;
use crate::emitter::EmitError;
use crate::graph::{Graph, RouterId};
use crate::held::Held;
use crate::loss::Losses;
use crate::passage::{Failure, Passage, Workspace, is_shown, is_told};
use crate::ring::Filled;
use crate::stage::Due;

/// The shard, the graph, and what a transaction needs besides.
pub(crate) struct Workplace {
    shard: Shard,
    state: Arc<StateDirectory>,
    graph: Arc<Graph>,
    work: Workspace,
    error_calls: u64,
}

impl Workplace {
    pub(crate) fn new(
        shard: Shard,
        state: Arc<StateDirectory>,
        graph: Arc<Graph>,
        crew: Crew,
    ) -> Self {
        let work = Workspace {
            apart: Apart::new(crew),
            held: Held::new(&graph, shard.ledger()),
            ..Workspace::default()
        };
        Self {
            shard,
            state,
            graph,
            work,
            error_calls: 0,
        }
    }

    /// Takes one batch as one transaction, in one try.
    pub(crate) fn take(
        &mut self,
        entry: RouterId,
        tag: &str,
        filled: Filled<'_>,
        origin: Origin,
        lost: &Losses,
    ) -> Result<(), Failure> {
        let outcome = self.try_take(entry, tag, filled, origin, lost);
        self.settle(outcome, tag)
    }

    /// Whether a chunk that is emitted again must be so here.
    pub(crate) fn knows(&self, relayed: &Relayed) -> bool {
        relayed.is_known_to(self.shard.ledger())
    }

    /// Emits a chunk of one of the worker's buffers again, as one transaction.
    pub(crate) fn relay(
        &mut self,
        entry: RouterId,
        tag: &str,
        events: Events<'_>,
        relayed: &Arc<Relayed>,
    ) -> Result<(), Failure> {
        let outcome = self.try_relay(entry, tag, events, relayed);
        self.settle(outcome, tag)
    }

    fn try_relay(
        &mut self,
        entry: RouterId,
        tag: &str,
        events: Events<'_>,
        relayed: &Arc<Relayed>,
    ) -> Result<bool, Failure> {
        let transaction = self.shard.begin_relay(relayed).map_err(EmitError::from)?;
        let lost = Losses::default();
        transact(&self.graph, &mut self.work, transaction, &lost, |passage| {
            passage.route(entry, tag, events, 0)
        })
    }

    /// When a stage has something to release.
    pub(crate) fn next_due(&self) -> Option<EventTime> {
        self.work.held.next_due()
    }

    /// Sends on what stages have held long enough, as a transaction of its own.
    pub(crate) fn release(&mut self, due: Due) -> Result<(), Failure> {
        let outcome = self.try_release(due);
        self.settle(outcome, "released events")
    }

    fn settle(&mut self, outcome: Result<bool, Failure>, tag: &str) -> Result<(), Failure> {
        match outcome {
            Ok(unmatched) => {
                self.work.held.commit();
                if unmatched {
                    self.warn_no_match(tag);
                }
                self.warn_errors();
                Ok(())
            }
            Err(failure) => {
                self.work.held.roll_back();
                Err(failure)
            }
        }
    }

    fn seen(&self, sender: &[u8; 16], sequence: u64, hash: u32) -> Result<Seen, EmitError> {
        let seen = self.state.seen(sender, sequence, hash);
        seen.map_err(EmitError::neighbours)
    }

    fn try_take(
        &mut self,
        entry: RouterId,
        tag: &str,
        filled: Filled<'_>,
        origin: Origin,
        lost: &Losses,
    ) -> Result<bool, Failure> {
        let events = filled.events;
        let in_files = match &origin {
            Origin::Peer {
                sender,
                sequence,
                hash,
                ..
            } => self.seen(sender, *sequence, *hash)? == Seen::InFiles,
            _ => false,
        };
        let begun = match in_files {
            true => self.shard.begin_replay(origin),
            false => self.shard.begin(origin),
        };
        let mut transaction = begun.map_err(EmitError::from)?;
        if let Some(lent) = filled.lent() {
            transaction.lend(lent);
        }
        transact(
            &self.graph,
            &mut self.work,
            transaction,
            lost,
            |passage| match events.is_empty() {
                true => Ok(()),
                false => passage.route(entry, tag, events, 0),
            },
        )
    }

    fn try_release(&mut self, due: Due) -> Result<bool, Failure> {
        let transaction = self.shard.begin(Origin::None).map_err(EmitError::from)?;
        let lost = Losses::default();
        transact(&self.graph, &mut self.work, transaction, &lost, |passage| {
            passage.release(due)
        })
    }

    /// Warns on calls 1, 2, 4 … 256 and then on every 512th, as Fluentd does, whichever source they
    /// come from.
    fn warn_no_match(&mut self, tag: &str) {
        let calls = self.graph.no_match_calls.fetch_add(1, Ordering::Relaxed);
        if is_shown(calls.saturating_add(1)) {
            tracing::warn!(tag, "no patterns matched");
        }
    }

    /// Warns of the error events of the transaction: of the first of a source each time, then ever more rarely.
    fn warn_errors(&mut self) {
        let goes_to_label = self.graph.error.is_some();
        let sent = self
            .work
            .errors
            .groups()
            .iter()
            .map(|group| (group, goes_to_label));
        let late = self.work.late_errors.groups().iter();
        for (group, is_sent) in sent.chain(late.map(|group| (group, false))) {
            self.error_calls += 1;
            if !is_told(self.error_calls) {
                continue;
            }
            let (plugin, tag, error) = (&*group.plugin, &*group.tag, &*group.error);
            let count = group.events.count();
            if is_sent {
                tracing::warn!(plugin, tag, error, count, "send an error event to @ERROR:");
            } else {
                let record = first_record(group.events.as_events());
                tracing::warn!(plugin, tag, error, count, record, "dump an error event:");
            }
        }
    }
}

/// One transaction: `passage` decides what goes where, then one record makes all of it true at once. Answers whether no
/// `<match>` took some of it.
fn transact(
    graph: &Graph,
    work: &mut Workspace,
    transaction: Transaction<'_>,
    lost: &Losses,
    pass: impl FnOnce(&mut Passage<'_>) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    work.losses.clear();
    work.errors.clear();
    work.late_errors.clear();
    let overflows = work.overflows;
    let mut passage = Passage {
        graph,
        transaction,
        work,
        unmatched: false,
        now: Timestamp::now(),
    };
    pass(&mut passage)?;
    passage.route_errors()?;
    let Passage {
        mut transaction,
        unmatched,
        work,
        ..
    } = passage;
    for loss in work.losses.entries().iter().chain(lost.entries()) {
        let key = LossKey {
            plugin: loss.plugin.clone(),
            reason: loss.reason.word().into(),
        };
        transaction.lose(key, loss.count);
    }
    work.held.checkpoint(&mut transaction);
    transaction.commit().map_err(|error| match error {
        AppendError::Ledger(error) => EmitError::Ledger(error),
        error => EmitError::Refused(error.to_string()),
    })?;
    if work.overflows == overflows {
        work.overflows = 0;
    }
    Ok(unmatched)
}

/// Most bytes of a record that a warning shows.
const SHOWN_BYTES_MAX: usize = 1024;

/// The first record of a stream, as JSON.
fn first_record(events: Events<'_>) -> String {
    let mut text = Vec::new();
    if let Ok(entry) = Entry::read(&mut Cursor::new(events.bytes)) {
        // What cannot be shown is shown as far as it goes.
        let _ = json::write_value(entry.record_bytes(), FloatText::Ruby, &mut text);
    }
    text.truncate(SHOWN_BYTES_MAX);
    String::from_utf8_lossy(&text).into_owned()
}
