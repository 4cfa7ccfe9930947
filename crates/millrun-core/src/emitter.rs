//! What a source emits into: filtered, routed and committed here, on the source's own thread.
//!
//! One call of [`Emitter::emit`] is one transaction of the delivery contract: the batch goes
//! through all filters, labels and copies, is appended to every buffer it reaches, and then one
//! ledger record makes all of that true at once. Where anything fails, nothing of it is kept and
//! the source has the batch again.

use std::sync::Arc;
use std::time::Duration;

use millrun_buffer::{
    AppendError, Claim, Ledger, LedgerError, LossKey, Origin, OverflowAction, Seen, Shard,
    SourceState, StateDirectory, Timestamp,
};
use millrun_event::json::{self, FloatText};
use millrun_event::{Cursor, Entry, Events, Malformed};
use thiserror::Error;

use crate::alarm::Alarm;
use crate::buffered::BufferedNode;
use crate::graph::{Graph, HOPS_MAX, RouterId};
use crate::loss::Losses;
use crate::passage::{Failure, Passage, Workspace, is_shown};
use crate::stop::Stop;

/// How long a source that waits for room in a buffer sleeps before it looks whether it must end.
pub const BLOCK_POLL: Duration = Duration::from_millis(100);

/// How often a source looks whether another worker is done with a sender.
const CLAIM_POLL: Duration = Duration::from_millis(1);

/// Why a batch was not taken. Nothing of it is kept: the source repeats it or tells its sender.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmitError {
    /// A buffer is full; the same batch may pass later.
    #[error("{0}")]
    Full(String),
    /// An output or the disk refused; the same batch may pass later.
    #[error("{0}")]
    Refused(String),
    /// The graph sends the event in a circle: the configuration's fault.
    #[error("the event passed {HOPS_MAX} labels and copies: the labels lead in a circle")]
    Circle,
    /// The batch is not what its source said: ours or the sender's fault.
    #[error("the batch is no event stream: {0}")]
    Malformed(#[from] Malformed),
    /// The source's place cannot be recorded.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The way of one source's events into the graph. It belongs to the source's thread, which is
/// the shard of the delivery contract.
pub struct Emitter {
    shard: Shard,
    state: Arc<StateDirectory>,
    graph: Arc<Graph>,
    entry: RouterId,
    buffers: Arc<[Arc<BufferedNode>]>,
    stop: Stop,
    alarm: Alarm,
    work: Workspace,
    no_match_calls: u64,
    error_calls: u64,
}

impl Emitter {
    pub(crate) fn new(
        shard: Shard,
        state: Arc<StateDirectory>,
        graph: Arc<Graph>,
        entry: RouterId,
        buffers: Arc<[Arc<BufferedNode>]>,
        stop: Stop,
        alarm: Alarm,
    ) -> Self {
        let work = Workspace::default();
        Self {
            shard,
            state,
            graph,
            entry,
            buffers,
            stop,
            alarm,
            work,
            no_match_calls: 0,
            error_calls: 0,
        }
    }

    /// The shard's ledger: where its sources stand.
    pub fn ledger(&self) -> &Arc<Ledger> {
        self.shard.ledger()
    }

    /// Where a source of this key stands, which from now on is read by this shard.
    pub fn resume_source(&self, key: &str) -> Result<Option<SourceState>, LedgerError> {
        self.state.resume_source(key, self.shard.number())
    }

    /// All sources the instance knows, of whichever shard.
    pub fn known_sources(&self) -> Vec<SourceState> {
        self.state.sources()
    }

    /// Whether a sender's chunk is committed already, by any shard. What is [`Seen::Stored`] is
    /// answered and not emitted again; anything else is emitted with its origin.
    ///
    /// Where several workers share a listening socket, the sender is to be claimed before.
    pub fn seen(&self, sender: &[u8; 16], sequence: u64, hash: u32) -> Result<Seen, EmitError> {
        let seen = self.state.seen(sender, sequence, hash);
        seen.map_err(|error| {
            EmitError::Refused(format!(
                "cannot read the ledgers of the other workers: {error}"
            ))
        })
    }

    /// Waits for the right to commit chunks of a sender, until the stop.
    pub fn claim(&self, sender: &[u8; 16]) -> Result<Claim, EmitError> {
        loop {
            match self.state.claim(sender) {
                Ok(Some(claim)) => return Ok(claim),
                Ok(None) if self.stop.is_set() => {
                    let text = "another worker takes a chunk of this sender";
                    return Err(EmitError::Full(text.into()));
                }
                Ok(None) => std::thread::sleep(CLAIM_POLL),
                Err(error) => {
                    let text = format!("cannot claim a sender in the state directory: {error}");
                    return Err(EmitError::Refused(text));
                }
            }
        }
    }

    /// False while a buffer has as much queued as it should: a source whose bytes stay where
    /// they are, like a file, better waits than fills memory.
    pub fn has_room(&self) -> bool {
        self.buffers.iter().all(|node| node.has_room())
    }

    /// Takes one batch as one transaction.
    ///
    /// Where a buffer is full and its policy is to block, this waits for room, until the stop.
    pub fn emit(&mut self, tag: &str, events: Events<'_>, origin: Origin) -> Result<(), EmitError> {
        self.emit_with_losses(tag, events, origin, &Losses::default())
    }

    /// As [`emit`](Self::emit), and counts in the same transaction what the source itself had to
    /// drop in making the batch. `events` may be empty: then only the origin moves on.
    pub fn emit_with_losses(
        &mut self,
        tag: &str,
        events: Events<'_>,
        origin: Origin,
        lost: &Losses,
    ) -> Result<(), EmitError> {
        loop {
            let overflows = self.work.overflows;
            match self.try_emit(tag, events, origin.clone(), lost) {
                Ok(unmatched) => {
                    if self.work.overflows == overflows {
                        self.work.overflows = 0;
                    }
                    if unmatched {
                        self.warn_no_match(tag);
                    }
                    self.warn_errors();
                    return Ok(());
                }
                Err(Failure::Error(error)) => {
                    if let EmitError::Ledger(error) = &error {
                        self.alarm.check(error);
                    }
                    return Err(error);
                }
                Err(Failure::Overflow(node, message)) => {
                    let blocks = node.plan.config.overflow_action == OverflowAction::Block;
                    if !blocks || self.stop.is_set() {
                        return Err(EmitError::Full(message));
                    }
                    if let Some(buffer) = node.buffer() {
                        buffer.wait_for_space(BLOCK_POLL);
                    }
                }
            }
        }
    }

    /// One try; answers whether no `<match>` took some of it.
    fn try_emit(
        &mut self,
        tag: &str,
        events: Events<'_>,
        origin: Origin,
        lost: &Losses,
    ) -> Result<bool, Failure> {
        self.work.losses.clear();
        self.work.errors.clear();
        self.work.late_errors.clear();
        let now = Timestamp::now();
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
        let transaction = begun.map_err(EmitError::from)?;
        let work = &mut self.work;
        let mut passage = Passage {
            graph: &self.graph,
            transaction,
            work,
            unmatched: false,
            now,
        };
        if !events.is_empty() {
            passage.route(self.entry, tag, events, 0)?;
        }
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
        transaction.commit().map_err(|error| match error {
            AppendError::Ledger(error) => EmitError::Ledger(error),
            error => EmitError::Refused(error.to_string()),
        })?;
        Ok(unmatched)
    }

    /// Warns on calls 1, 2, 4 … 256 and then on every 512th, as Fluentd does.
    fn warn_no_match(&mut self, tag: &str) {
        self.no_match_calls += 1;
        if is_shown(self.no_match_calls) {
            tracing::warn!(tag, "no patterns matched");
        }
    }

    /// Warns of the error events of the transaction, as seldom as of what no pattern matched.
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
            if !is_shown(self.error_calls) {
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
