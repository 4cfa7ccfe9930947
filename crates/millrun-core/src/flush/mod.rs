//! Flush threads: chunks out of a buffer to their destination.
//!
//! ```text
//! due chunks ──▶ queue ──▶ Sender::begin ──▶ delivered
//!                  ▲              │
//!                  │              ├─ retriable ──▶ back to the head; wait for the next try (gate)
//!                  ├──────────────┤
//!                  │              ├─ unconfirmed ▶ back to the head; again at once
//!                  │              ├─ held ───────▶ set aside; again when it is due, others go on
//!                  └─ two halves ─┼─ refused ────▶ cut in two (bisection)
//!                                 ├─ discarded ──▶ dropped as configured, and counted
//!                                 ├─ damaged ────▶ backup, and counted
//!                                 └─ unrecoverable ▶ secondary, backup, or dropped and counted
//! ```
//!
//! The retry state belongs to the output, not to a chunk: one failure closes the gate for all its
//! threads until the next try is due, or until a probe finds the destination there again. From a share of the
//! retry time on, tries go to the `<secondary>` output. When retrying ends, the chunk that failed is given up,
//! and only that one (Fluentd drops the whole queue).

mod bisection;
mod gate;
mod relay;
mod verdict;

pub(crate) use self::gate::Gate;
pub(crate) use self::relay::Places;

use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::{Buffer, Chunk, ChunkId, Timestamp};

use self::bisection::Bisection;
use self::relay::Relay;
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

/// How long a thread sleeps that knows of nothing to do, if nobody wakes it.
const IDLE_MAX: Duration = Duration::from_secs(60);

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
    primary: Box<dyn Sender>,
    /// What has its place, where chunks are emitted again.
    relay: Option<Relay>,
    /// The sender of the `<secondary>` output.
    secondary: Option<Box<dyn Sender>>,
    under_way: Vec<UnderWay>,
    /// Chunks that wait for a destination of their own, and until when.
    held: Vec<(Instant, Chunk)>,
    settled: Vec<Settled>,
    bisection: Bisection,
    stop: FlushStop,
    alarm: Alarm,
    /// After an unconfirmed chunk, or between two chunks where that is wanted: when to go on.
    paused_until: Option<Instant>,
    /// The end was asked for when the thread looked last: what is waited for is tried once more.
    draining: bool,
    /// What is tried now is so before its time.
    is_last_try: bool,
    /// Since the end was asked for something failed, or files wait for a retry: nothing is repeated.
    failed: bool,
}

/// A chunk on its way.
struct UnderWay {
    chunk: Chunk,
    way: Way,
    since: Instant,
}

/// Through which output a chunk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Primary,
    Secondary,
}

impl Flusher {
    pub(crate) fn new(
        node: Arc<BufferedNode>,
        buffer: Arc<Buffer>,
        stop: FlushStop,
        alarm: Alarm,
        places: &Places,
    ) -> Self {
        let relay = node
            .output
            .relay()
            .map(|router| Relay::new(router, Arc::clone(places), Arc::clone(&buffer)));
        Self {
            primary: node.output.sender(),
            relay,
            secondary: node.secondary.as_ref().map(|output| output.sender()),
            node,
            buffer,
            under_way: Vec::new(),
            held: Vec::new(),
            settled: Vec::new(),
            bisection: Bisection::default(),
            stop,
            alarm,
            paused_until: None,
            draining: false,
            is_last_try: false,
            failed: false,
        }
    }

    /// Delivers until the stop.
    pub(crate) fn run(mut self) {
        while !self.stop.end.is_set() {
            // Asked before the look: what is queued before the end is asked for, this look or a later one finds.
            if !self.draining && self.stop.drain.is_set() {
                // What failed before says little about now. Files can wait for the next start, memory cannot.
                let is_retrying = self.node.gate().retry().is_some();
                self.draining = true;
                self.failed |= is_retrying && self.buffer.is_file();
                self.is_last_try = is_retrying;
            }
            self.buffer.enqueue_due(Timestamp::now());
            match self.next_chunk() {
                Some(chunk) => self.begin(chunk),
                // Everything that could be delivered is.
                None if self.draining && self.under_way.is_empty() => break,
                None => {}
            }
            self.collect_answers();
        }
        let held = self.held.drain(..).map(|(_, chunk)| chunk);
        let under_way = self.under_way.drain(..).map(|under_way| under_way.chunk);
        for chunk in under_way.chain(held) {
            self.buffer.give_back(chunk);
        }
    }

    /// A chunk to begin with; waits for one if there is nothing else to do.
    fn next_chunk(&mut self) -> Option<Chunk> {
        if self.under_way.len() >= self.primary.window() {
            return None;
        }
        if self.draining && self.failed {
            return None;
        }
        if let Some(chunk) = self.due_held() {
            return Some(chunk);
        }
        if let Some(closed_for) = self.gate_closed_for() {
            if self.under_way.is_empty() {
                self.stop
                    .drain
                    .wait(closed_for.min(self.node.plan.flush_thread_interval));
            }
            return None;
        }
        match self.buffer.take() {
            Some(chunk) => Some(chunk),
            None if self.draining || !self.under_way.is_empty() => None,
            None => self.buffer.take_within(self.idle_time()),
        }
    }

    /// A held chunk whose time has come. The gate is not asked: it is about other destinations.
    fn due_held(&mut self) -> Option<Chunk> {
        let now = Instant::now();
        let due = self.held.iter().position(|(until, _)| *until <= now)?;
        Some(self.held.swap_remove(due).1)
    }

    /// How long until the next try or the next look at the destination, if neither is due yet.
    fn gate_closed_for(&mut self) -> Option<Duration> {
        if self.draining {
            return None;
        }
        if let Some(until) = self.paused_until {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Some(left);
            }
            self.paused_until = None;
        }
        let now = Timestamp::now();
        let mut gate = self.node.gate();
        let closed_for = gate.closed_for(now)?;
        if !gate.take_probe(now) {
            let probe_in = gate.probe_in(now).filter(|left| !left.is_zero());
            return Some(probe_in.map_or(closed_for, |left| left.min(closed_for)));
        }
        // The look may take a while, and other threads need the gate.
        drop(gate);
        let is_there = self.primary.probe(Instant::now());
        let mut gate = self.node.gate();
        match is_there {
            Some(true) => {
                gate.open_early();
                tracing::info!(
                    plugin_id = self.node.id.given(),
                    "the destination can be reached again; trying before the next retry is due"
                );
            }
            Some(false) => {}
            None => gate.forget_probe(),
        }
        gate.closed_for(Timestamp::now())
    }

    /// Until a staged chunk is due, but never longer than the configured interval, or a held one. Where there is neither
    /// there is nothing to look for: the first one that is staged wakes the thread.
    fn idle_time(&self) -> Duration {
        let longest = self
            .node
            .plan
            .flush_thread_interval
            .min(self.node.plan.config.flush_interval);
        let longest = longest.max(Duration::from_millis(1));
        let until_due = self.buffer.next_due().map(|due| {
            let left = due.since(Timestamp::now());
            left.clamp(Duration::from_millis(1), longest)
        });
        let held_until = self.held.iter().map(|(until, _)| *until).min();
        let until_held = held_until.map(|until| until.saturating_duration_since(Instant::now()));
        [until_due, until_held]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(IDLE_MAX)
            .min(IDLE_MAX)
    }

    fn begin(&mut self, chunk: Chunk) {
        let uses_secondary = self.node.gate().uses_secondary(Timestamp::now());
        match uses_secondary && self.secondary.is_some() {
            true => self.begin_by(Way::Secondary, chunk),
            false => self.begin_by(Way::Primary, chunk),
        }
    }

    fn begin_by(&mut self, way: Way, chunk: Chunk) {
        let since = Instant::now();
        if let (Way::Primary, Some(relay)) = (way, &mut self.relay) {
            self.node.counters.tried(false);
            let chunk_id = chunk.id();
            return match relay.emit(chunk) {
                Ok(()) => {
                    self.succeeded(way, chunk_id, since);
                    self.pause();
                }
                Err(failed) => self.failed(failed.0, way, failed.1),
            };
        }
        let sender = match (way, &mut self.secondary) {
            (Way::Secondary, Some(secondary)) => secondary,
            _ => &mut self.primary,
        };
        self.node.counters.tried(way == Way::Secondary);
        match sender.begin(&chunk, since) {
            Ok(Progress::UnderWay) => {
                self.under_way.push(UnderWay { chunk, way, since });
                self.pause();
            }
            Ok(Progress::Delivered) => {
                self.delivered(UnderWay { chunk, way, since });
                self.pause();
            }
            Err(error) => self.failed(chunk, way, error),
        }
    }

    fn collect_answers(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let has_room = self.under_way.len() < self.primary.window();
        let timeout = if has_room { ANSWER_SLICE } else { ANSWER_WAIT };
        let mut settled = std::mem::take(&mut self.settled);
        for way in [Way::Primary, Way::Secondary] {
            if !self.under_way.iter().any(|chunk| chunk.way == way) {
                continue;
            }
            match (way, &mut self.secondary) {
                (Way::Secondary, Some(secondary)) => secondary.wait(timeout, &mut settled),
                _ => self.primary.wait(timeout, &mut settled),
            }
        }
        for Settled { chunk, outcome } in settled.drain(..) {
            let at = self
                .under_way
                .iter()
                .position(|under_way| under_way.chunk.id() == chunk);
            let Some(under_way) = at.map(|at| self.under_way.swap_remove(at)) else {
                continue;
            };
            match outcome {
                Ok(()) => self.delivered(under_way),
                Err(error) => self.failed(under_way.chunk, under_way.way, error),
            }
        }
        self.settled = settled;
        self.take_back_late();
    }

    /// Takes back the chunks whose end was waited for long enough.
    fn take_back_late(&mut self) {
        let configured = self.node.plan.delayed_commit_timeout;
        let timeout = self.primary.commit_timeout(configured);
        let now = Instant::now();
        let is_late =
            |under_way: &mut UnderWay| now.saturating_duration_since(under_way.since) >= timeout;
        let late: Vec<UnderWay> = self.under_way.extract_if(.., is_late).collect();
        for UnderWay { chunk, way, since } in late {
            tracing::warn!(
                plugin_id = self.node.id.given(), chunk_id = %chunk.id(),
                waited = ?now.saturating_duration_since(since),
                "failed to flush the buffer chunk, timeout to commit."
            );
            let text = "it was not committed in time".to_owned();
            self.failed(chunk, way, DeliveryError::Reported(text));
        }
    }

    fn delivered(&mut self, delivered: UnderWay) {
        let UnderWay { chunk, way, since } = delivered;
        self.succeeded(way, chunk.id(), since);
        if let Err(error) = self.buffer.delivered(chunk) {
            self.alarm.check(&error);
            // It has arrived; only a crash before the next record could send it again.
            let plugin_id = self.node.id.given();
            tracing::error!(plugin_id, error = %error, "cannot record a delivery");
        }
    }

    /// Says and counts that a chunk arrived.
    fn succeeded(&mut self, way: Way, chunk_id: ChunkId, since: Instant) {
        let plugin_id = self.node.id.given();
        self.bisection.accepted();
        if self.node.gate().succeeded() {
            match way {
                Way::Primary => {
                    tracing::warn!(plugin_id, %chunk_id, "retry succeeded.");
                }
                Way::Secondary => {
                    tracing::warn!(plugin_id, %chunk_id, "retry succeeded by secondary.");
                }
            }
        }
        let elapsed = since.elapsed();
        let threshold = self.node.plan.slow_flush_log_threshold;
        let is_slow = elapsed > threshold;
        self.node.counters.delivered(elapsed, is_slow);
        if is_slow {
            tracing::warn!(
                plugin_id,
                elapsed_time = elapsed.as_secs_f64(),
                slow_flush_log_threshold = threshold.as_secs_f64(),
                "buffer flush took longer time than slow_flush_log_threshold:"
            );
        }
    }

    /// Begins no other chunk for a while, where that is configured: chunks that wait are not made to wait longer.
    fn pause(&mut self) {
        if let Some(pause) = self.node.plan.flush_thread_burst_interval
            && self.buffer.statistics().queue_length > 0
        {
            self.paused_until = Some(Instant::now() + pause);
        }
    }
}
