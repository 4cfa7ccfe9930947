//! Flush threads: chunks out of a buffer to their destination.
//!
//! ```text
//! due chunks ──▶ queue ──▶ Sender::begin ──▶ delivered
//!                  ▲              │
//!                  │              ├─ retriable ──▶ back to the head; wait for the next try
//!                  └──────────────┤
//!                                 ├─ unconfirmed ▶ back to the head; again at once
//!                                 ├─ held ───────▶ set aside; again when it is due, others go on
//!                                 └─ unrecoverable ▶ backup, or dropped and counted
//! ```
//!
//! The retry state belongs to the output, not to a chunk: one failure closes the gate for all its
//! threads until the next try is due. When retrying ends, the chunk that failed is given up, and
//! only that one (Fluentd drops the whole queue).

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::{Buffer, Chunk, LossKey, Retry, Timestamp};

use crate::alarm::Alarm;
use crate::buffered::BufferedNode;
use crate::plugin::{DeliveryError, Progress, Sender, Settled};
use crate::stop::Stop;

/// How long a thread with room for more waits for answers before it looks for another chunk.
const ANSWER_SLICE: Duration = Duration::from_millis(5);
/// How long it waits for answers when it can do nothing else.
const ANSWER_WAIT: Duration = Duration::from_millis(200);
/// The pause after a chunk that was sent and not confirmed, so that a receiver that never
/// confirms is not flooded with the same chunk.
const UNCONFIRMED_PAUSE: Duration = Duration::from_millis(500);

/// How many chunks a thread sets aside for a destination of their own. Beyond, they keep the others
/// waiting as any failure does.
const HELD_MAX: usize = 64;

/// What ends flush threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlushStop {
    /// Deliver what is queued, repeat nothing, then end.
    pub(crate) drain: Stop,
    /// End now.
    pub(crate) end: Stop,
}

/// One flush thread of one output.
pub(crate) struct Flusher {
    node: Arc<BufferedNode>,
    buffer: Arc<Buffer>,
    sender: Box<dyn Sender>,
    under_way: Vec<Chunk>,
    /// Chunks that wait for a destination of their own, and until when.
    held: Vec<(Instant, Chunk)>,
    settled: Vec<Settled>,
    stop: FlushStop,
    alarm: Alarm,
    /// After an unconfirmed chunk, when to go on.
    paused_until: Option<Instant>,
    /// While draining: something failed, and nothing is repeated then.
    failed: bool,
}

impl Flusher {
    pub(crate) fn new(
        node: Arc<BufferedNode>,
        buffer: Arc<Buffer>,
        stop: FlushStop,
        alarm: Alarm,
    ) -> Self {
        let sender = node.output.sender();
        let (under_way, settled) = (Vec::new(), Vec::new());
        Self {
            node,
            buffer,
            sender,
            under_way,
            held: Vec::new(),
            settled,
            stop,
            alarm,
            paused_until: None,
            failed: false,
        }
    }

    /// Delivers until the stop.
    pub(crate) fn run(mut self) {
        while !self.stop.end.is_set() {
            self.buffer.enqueue_due(Timestamp::now());
            match self.next_chunk() {
                Some(chunk) => self.begin(chunk),
                None if self.is_done() => break,
                None => {}
            }
            self.collect_answers();
        }
        let held = self.held.drain(..).map(|(_, chunk)| chunk);
        for chunk in self.under_way.drain(..).chain(held) {
            self.buffer.give_back(chunk);
        }
    }

    /// Everything that could be delivered is, and the end was asked for.
    fn is_done(&self) -> bool {
        self.stop.drain.is_set() && self.under_way.is_empty()
    }

    /// A chunk to begin with; waits for one if there is nothing else to do.
    fn next_chunk(&mut self) -> Option<Chunk> {
        if self.under_way.len() >= self.sender.window() {
            return None;
        }
        let draining = self.stop.drain.is_set();
        if draining && self.failed {
            return None;
        }
        if let Some(chunk) = self.due_held() {
            return Some(chunk);
        }
        if let Some(closed_for) = self.gate_closed_for() {
            if !draining && self.under_way.is_empty() {
                self.stop
                    .drain
                    .wait(closed_for.min(self.node.plan.flush_thread_interval));
            }
            return None;
        }
        match self.buffer.take() {
            Some(chunk) => Some(chunk),
            None if draining || !self.under_way.is_empty() => None,
            None => self.buffer.take_within(self.idle_time()),
        }
    }

    /// A held chunk whose time has come. The gate is not asked: it is about other destinations.
    fn due_held(&mut self) -> Option<Chunk> {
        let now = Instant::now();
        let due = self.held.iter().position(|(until, _)| *until <= now)?;
        Some(self.held.swap_remove(due).1)
    }

    /// How long until the next try, if it is not due yet.
    fn gate_closed_for(&mut self) -> Option<Duration> {
        if let Some(until) = self.paused_until {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Some(left);
            }
            self.paused_until = None;
        }
        if self.stop.drain.is_set() {
            return None;
        }
        let next = self.node.retry().retry.as_ref().map(Retry::next)?;
        let left = next.since(Timestamp::now());
        (!left.is_zero()).then_some(left)
    }

    /// Until a staged chunk is due, but never longer than the configured interval.
    fn idle_time(&self) -> Duration {
        let longest = self
            .node
            .plan
            .flush_thread_interval
            .min(self.node.plan.config.flush_interval);
        let longest = longest.max(Duration::from_millis(1));
        match self.buffer.next_due() {
            Some(due) => due
                .since(Timestamp::now())
                .clamp(Duration::from_millis(1), longest),
            None => longest,
        }
    }

    fn begin(&mut self, chunk: Chunk) {
        match self.sender.begin(&chunk, Instant::now()) {
            Ok(Progress::UnderWay) => self.under_way.push(chunk),
            Ok(Progress::Delivered) => self.delivered(chunk),
            Err(error) => self.failed(chunk, error),
        }
    }

    fn collect_answers(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let has_room = self.under_way.len() < self.sender.window();
        let timeout = if has_room { ANSWER_SLICE } else { ANSWER_WAIT };
        let mut settled = std::mem::take(&mut self.settled);
        self.sender.wait(timeout, &mut settled);
        for answer in settled.drain(..) {
            let Some(at) = self
                .under_way
                .iter()
                .position(|chunk| chunk.id() == answer.chunk)
            else {
                continue;
            };
            let chunk = self.under_way.swap_remove(at);
            match answer.outcome {
                Ok(()) => self.delivered(chunk),
                Err(error) => self.failed(chunk, error),
            }
        }
        self.settled = settled;
    }

    fn delivered(&mut self, chunk: Chunk) {
        if self.node.retry().retry.take().is_some() {
            tracing::warn!(plugin_id = self.node.id.given(), chunk_id = %chunk.id(), "retry succeeded.");
        }
        if let Err(error) = self.buffer.delivered(chunk) {
            self.alarm.check(&error);
            // It has arrived; only a crash before the next record could send it again.
            tracing::error!(plugin_id = self.node.id.given(), error = %error, "cannot record a delivery");
        }
    }

    fn failed(&mut self, chunk: Chunk, error: DeliveryError) {
        self.failed = true;
        match error {
            DeliveryError::Retriable(text) => self.retry_later(chunk, &text),
            DeliveryError::Unconfirmed(text) => {
                tracing::warn!(
                    plugin_id = self.node.id.given(), chunk_id = %chunk.id(), error = text,
                    "no confirmation of a chunk; it is sent again"
                );
                self.paused_until = Some(Instant::now() + UNCONFIRMED_PAUSE);
                self.buffer.give_back(chunk);
            }
            DeliveryError::Held { reason, until } if self.held.len() < HELD_MAX => {
                tracing::debug!(
                    plugin_id = self.node.id.given(), chunk_id = %chunk.id(), reason,
                    "a chunk is held"
                );
                self.held.push((until, chunk));
            }
            DeliveryError::Held { reason, .. } => self.retry_later(chunk, &reason),
            DeliveryError::Unrecoverable(text) => {
                tracing::warn!(
                    plugin_id = self.node.id.given(),
                    error = text,
                    "got unrecoverable error in primary and no secondary"
                );
                self.give_up(chunk, "refused");
            }
        }
    }

    fn retry_later(&mut self, chunk: Chunk, error: &str) {
        let now = Timestamp::now();
        let config = &self.node.plan.retry;
        let mut guard = self.node.retry();
        let state = &mut *guard;
        let retry = match &mut state.retry {
            Some(retry) => {
                retry.failure(config, now, &mut state.random);
                retry
            }
            none => none.insert(Retry::first_failure(config, now)),
        };
        let (times, wait) = (retry.times(), retry.next().since(now));
        if retry.limit_reached() {
            state.retry = None;
            drop(guard);
            tracing::error!(
                plugin_id = self.node.id.given(),
                retry_times = times,
                records = chunk.count(),
                error,
                "Hit limit for retries. giving up this chunk, the others are tried on."
            );
            return self.give_up(chunk, "retry_limit");
        }
        drop(guard);
        tracing::warn!(
            plugin_id = self.node.id.given(), retry_times = times,
            next_retry_in = ?wait, chunk = %chunk.id(), error,
            "failed to flush the buffer."
        );
        self.buffer.give_back(chunk);
    }

    /// Sets a chunk aside, or drops it; either way it is counted.
    fn give_up(&self, chunk: Chunk, reason: &str) {
        let key = LossKey {
            plugin: self.node.id.text.as_ref().into(),
            reason: reason.into(),
        };
        let plugin_id = self.node.id.given();
        let (chunk_id, records) = (chunk.id(), chunk.count());
        match &self.node.plan.backup {
            Some(directory) => match self.buffer.back_up(chunk, directory, key) {
                Ok(path) => tracing::warn!(
                    plugin_id,
                    records,
                    "bad chunk is moved to {}",
                    path.display()
                ),
                Err(error) => tracing::error!(
                    plugin_id, chunk = %chunk_id, directory = %directory.display(), error = %error,
                    "cannot set a chunk aside; it stays in the queue"
                ),
            },
            None => {
                if let Err(error) = self.buffer.drop_chunk(chunk, key) {
                    self.alarm.check(&error);
                    tracing::error!(plugin_id, error = %error, "cannot record a loss");
                }
                tracing::warn!(plugin_id, chunk = %chunk_id, records, "bad chunk is thrown away");
            }
        }
    }
}
