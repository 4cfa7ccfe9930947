//! What a source emits into: filtered, routed and committed here, on the source's own thread.
//!
//! One call of [`Emitter::emit`] is one transaction of the delivery contract: the batch goes
//! through all filters, labels and copies, is appended to every buffer it reaches, and then one
//! ledger record makes all of that true at once. Where anything fails, nothing of it is kept and
//! the source has the batch again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millrun_buffer::{
    Claim, Ledger, LedgerError, Origin, OverflowAction, Seen, Shard, SourceState, StateDirectory,
};
use millrun_event::{Events, Malformed};
use thiserror::Error;

use crate::alarm::Alarm;
use crate::buffered::BufferedNode;
use crate::crew::Crew;
use crate::graph::{Graph, HOPS_MAX, RouterId};
use crate::loss::Losses;
use crate::passage::{Failure, is_told};
use crate::ring::Filled;
use crate::stop::Stop;
use crate::workplace::Workplace;

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

impl EmitError {
    pub(crate) fn neighbours(error: std::io::Error) -> Self {
        Self::Refused(format!(
            "cannot read the ledgers of the other workers: {error}"
        ))
    }
}

/// The way of one source's events into the graph. It belongs to the source's thread, which is
/// the shard of the delivery contract.
pub struct Emitter {
    /// Shared with whoever releases what stages hold back; nobody else wants it.
    place: Arc<Mutex<Workplace>>,
    ledger: Arc<Ledger>,
    shard: usize,
    state: Arc<StateDirectory>,
    entry: RouterId,
    buffers: Arc<[Arc<BufferedNode>]>,
    stop: Stop,
    alarm: Alarm,
    crew: Crew,
    /// Batches that were not taken since the last one that was.
    failures: u64,
    /// What the first batch waits for, where there is something.
    begun: Option<Stop>,
}

/// How long the first batch waits for the log lines of the start, at most.
const BEGIN_MAX: Duration = Duration::from_secs(1);

impl Emitter {
    #[allow(
        clippy::too_many_arguments,
        reason = "what a pipeline has, handed to each of its sources in one place"
    )]
    pub(crate) fn new(
        shard: Shard,
        state: Arc<StateDirectory>,
        graph: Arc<Graph>,
        entry: RouterId,
        buffers: Arc<[Arc<BufferedNode>]>,
        stop: Stop,
        alarm: Alarm,
        crew: Crew,
    ) -> Self {
        Self {
            ledger: Arc::clone(shard.ledger()),
            shard: shard.number(),
            place: Arc::new(Mutex::new(Workplace::new(
                shard,
                Arc::clone(&state),
                graph,
                crew.clone(),
            ))),
            state,
            entry,
            buffers,
            stop,
            alarm,
            crew,
            failures: 0,
            begun: None,
        }
    }

    /// Has the first batch wait until `begun` is set, [`BEGIN_MAX`] at most.
    pub(crate) fn behind(mut self, begun: Stop) -> Self {
        self.begun = Some(begun);
        self
    }

    /// The threads that may help to make a batch.
    pub fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Where this emitter's transactions are made.
    pub(crate) fn place(&self) -> &Arc<Mutex<Workplace>> {
        &self.place
    }

    /// The shard's ledger: where its sources stand.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Where a source of this key stands, which from now on is read by this shard.
    pub fn resume_source(&self, key: &str) -> Result<Option<SourceState>, LedgerError> {
        self.state.resume_source(key, self.shard)
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
        seen.map_err(EmitError::neighbours)
    }

    /// Keeps a claim until the worker ends, after [`LedgerError::Broken`]: whether the chunk was committed is unknown.
    pub fn keep(&self, claim: Claim) {
        self.state.keep(claim);
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

    /// Waits until [`has_room`](Self::has_room) may be true again, at most `timeout`.
    pub fn wait_for_room(&self, timeout: Duration) {
        let full = self.buffers.iter().find(|node| !node.has_room());
        if let Some((node, buffer)) = full.and_then(|node| Some((node, node.buffer()?))) {
            buffer.wait_until(timeout, |_| node.has_room());
        }
    }

    /// Takes one batch as one transaction.
    ///
    /// Where a buffer is full and its policy is to block, this waits for room, until the stop.
    pub fn emit(&mut self, tag: &str, events: Events<'_>, origin: Origin) -> Result<(), EmitError> {
        self.emit_with_losses(tag, events.into(), origin, &Losses::default())
    }

    /// As [`emit`](Self::emit), and counts in the same transaction what the source itself had to
    /// drop in making the batch. It may be empty: then only the origin moves on. Chunks may keep the memory of a batch of
    /// a [`BatchRing`](crate::BatchRing).
    pub fn emit_with_losses(
        &mut self,
        tag: &str,
        filled: Filled<'_>,
        origin: Origin,
        lost: &Losses,
    ) -> Result<(), EmitError> {
        if let Some(begun) = self.begun.take() {
            begun.wait(BEGIN_MAX);
        }
        loop {
            let outcome = self
                .place
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(self.entry, tag, filled, origin.clone(), lost);
            match outcome {
                Ok(()) => {
                    self.failures = 0;
                    return Ok(());
                }
                Err(Failure::Error(error)) => {
                    if let EmitError::Ledger(error) = &error {
                        self.alarm.check(error);
                    }
                    return Err(self.not_taken(tag, error));
                }
                Err(Failure::Overflow(node, message)) => {
                    let blocks = node.plan.config.overflow_action == OverflowAction::Block;
                    if blocks && self.stop.is_set() {
                        tracing::error!(
                            plugin_id = node.id.given(),
                            "breaking block behavior to shutdown Fluentd"
                        );
                    }
                    if !blocks || self.stop.is_set() {
                        return Err(self.not_taken(tag, EmitError::Full(message)));
                    }
                    if let Some(buffer) = node.buffer() {
                        buffer.wait_for_space(BLOCK_POLL);
                    }
                }
            }
        }
    }

    /// Says that a batch was not taken: ever more rarely, for its source tries again and again.
    fn not_taken(&mut self, tag: &str, error: EmitError) -> EmitError {
        self.failures += 1;
        if is_told(self.failures) {
            tracing::warn!(error = %error, tag, "emit transaction failed:");
        }
        error
    }
}
