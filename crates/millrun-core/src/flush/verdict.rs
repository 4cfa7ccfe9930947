//! What becomes of a chunk that was not delivered.

use std::time::Instant;

use millrun_buffer::{Chunk, LossKey, Timestamp};

use super::{Flusher, HELD_MAX, UNCONFIRMED_PAUSE, Way, bisection};
use crate::loss::LossReason;
use crate::plugin::DeliveryError;

/// How a failure was met before: by nobody, or by the output itself in the log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Not,
    Already,
}

impl Flusher {
    pub(super) fn failed(&mut self, chunk: Chunk, way: Way, error: DeliveryError) {
        self.failed = self.stop.drain.is_set();
        self.node.counters.rolled_back();
        match error {
            DeliveryError::Retriable(text) => self.retry_later(chunk, way, &text, Told::Not, false),
            DeliveryError::Unreachable(text) => {
                self.retry_later(chunk, way, &text, Told::Not, way == Way::Primary);
            }
            DeliveryError::Reported(text) => {
                self.retry_later(chunk, way, &text, Told::Already, false);
            }
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
            DeliveryError::Held { reason, .. } => {
                self.retry_later(chunk, way, &reason, Told::Not, false);
            }
            DeliveryError::Refused(text) => self.refused(chunk, way, &text),
            DeliveryError::Discarded(_) => self.discard(chunk),
            DeliveryError::Unrecoverable(text) => self.unrecoverable(chunk, way, &text),
            DeliveryError::Damaged(text) => {
                tracing::error!(
                    plugin_id = self.node.id.given(), chunk_id = %chunk.id(), error = text,
                    "a chunk is damaged and not delivered"
                );
                // Others are not concerned.
                self.failed = false;
                self.back_up(chunk, LossReason::Damaged);
            }
        }
    }

    fn retry_later(
        &mut self,
        chunk: Chunk,
        way: Way,
        error: &str,
        told: Told,
        is_unreachable: bool,
    ) {
        if self.is_last_try {
            tracing::warn!(
                plugin_id = self.node.id.given(), chunk_id = %chunk.id(), error,
                "a last try before the end failed as well"
            );
            return self.buffer.give_back(chunk);
        }
        let now = Timestamp::now();
        let closed = self
            .node
            .gate()
            .failed(&self.node.plan.retry, now, is_unreachable);
        let plugin_id = self.node.id.given();
        let (retry_times, next_retry_in) = (closed.times, closed.wait);
        if closed.is_over {
            let records = chunk.count();
            match told {
                Told::Not => tracing::error!(
                    plugin_id,
                    retry_times,
                    records,
                    error,
                    "Hit limit for retries. giving up this chunk, the others are tried on."
                ),
                // Where an output has told of the failure itself, Fluentd gives up without a word.
                Told::Already => tracing::error!(
                    plugin_id, retry_times, records, error, chunk = %chunk.id(),
                    "a chunk was tried until the limit for retries and is given up; the others are tried on"
                ),
            }
            return self.give_up_trying(chunk);
        }
        match (told, way) {
            (Told::Already, _) => tracing::debug!(
                plugin_id, retry_times, ?next_retry_in, chunk = %chunk.id(), error,
                "the chunk is tried again"
            ),
            (Told::Not, Way::Primary) => tracing::warn!(
                plugin_id, retry_times, ?next_retry_in, chunk = %chunk.id(), error,
                "failed to flush the buffer."
            ),
            (Told::Not, Way::Secondary) => tracing::warn!(
                plugin_id, retry_times, ?next_retry_in, chunk = %chunk.id(), error,
                "failed to flush the buffer with secondary output."
            ),
        }
        self.buffer.give_back(chunk);
    }

    /// The destination does not want the content: the events it does not want are looked for.
    fn refused(&mut self, chunk: Chunk, way: Way, error: &str) {
        let may_cut = way == Way::Primary && self.bisection.refused();
        let mut scratch = Vec::new();
        let content = self.node.output.content();
        let cut = match chunk.read(&mut scratch).ok().filter(|_| may_cut) {
            Some(bytes) => bisection::middle(&content, bytes),
            None => None,
        };
        let Some(cut) = cut else {
            return self.unrecoverable(chunk, way, error);
        };
        drop(scratch);
        let (plugin_id, chunk_id) = (self.node.id.given(), chunk.id());
        match self.buffer.split(chunk, cut, Timestamp::now()) {
            Ok((first, second)) => {
                tracing::info!(
                    plugin_id, chunk = %chunk_id, records = cut.total, error,
                    "the destination refuses a chunk; it is cut in two to find what is refused"
                );
                // Not a failure of the destination: the end of a drain does not wait for it either.
                self.failed = false;
                self.buffer.give_back(second);
                self.buffer.give_back(first);
            }
            Err((chunk, split_error)) => {
                let text = format!("{error}; the chunk cannot be cut in two: {split_error}");
                self.retry_later(*chunk, way, &text, Told::Not, false);
            }
        }
    }

    /// The chunk is refused, and thrown away as configured.
    fn discard(&mut self, chunk: Chunk) {
        // The destination works: others are not concerned.
        self.failed = false;
        self.node.gate().succeeded();
        self.drop_counted(chunk, self.loss(LossReason::Refused));
    }

    fn drop_counted(&self, chunk: Chunk, key: LossKey) {
        if let Err(error) = self.buffer.drop_chunk(chunk, key) {
            self.alarm.check(&error);
            let plugin_id = self.node.id.given();
            tracing::error!(plugin_id, error = %error, "cannot record a loss");
        }
    }

    /// The chunk will never pass.
    fn unrecoverable(&mut self, chunk: Chunk, way: Way, error: &str) {
        let plugin_id = self.node.id.given();
        // Others are not concerned.
        self.failed = false;
        let takes_over = self.node.output.is_synchronous() && self.node.secondary_is_other;
        match way {
            Way::Primary if self.secondary.is_some() && takes_over => {
                tracing::warn!(
                    plugin_id,
                    error,
                    "got unrecoverable error in primary. Skip retry and flush chunk to secondary"
                );
                return self.begin_by(Way::Secondary, chunk);
            }
            Way::Primary if self.secondary.is_some() => tracing::warn!(
                plugin_id,
                error,
                "got unrecoverable error in primary and secondary type is same as primary"
            ),
            Way::Primary => tracing::warn!(
                plugin_id,
                error,
                "got unrecoverable error in primary and no secondary"
            ),
            Way::Secondary => {
                tracing::warn!(plugin_id, error, "got unrecoverable error in secondary");
            }
        }
        self.back_up(chunk, LossReason::Refused);
    }

    /// A chunk that was tried as long as it was to be: files are set aside as files that can be put back; memory is
    /// dropped, which is what the limit asks for. Either way it is counted.
    fn give_up_trying(&mut self, chunk: Chunk) {
        let key = self.loss(LossReason::RetryLimit);
        let directory = self.node.plan.evacuation.as_ref();
        let Some(directory) = directory.filter(|_| chunk.path().is_some()) else {
            return self.drop_counted(chunk, key);
        };
        let (plugin_id, chunk_id) = (self.node.id.given(), chunk.id());
        match self.buffer.evacuate(chunk, directory, key) {
            Ok(()) => tracing::warn!(
                plugin_id, chunk_id = %chunk_id,
                "chunk files are evacuated to {}.", directory.display()
            ),
            Err(error) => tracing::error!(
                plugin_id, chunk_id = %chunk_id, directory = %directory.display(), error = %error,
                "cannot set a chunk aside; it stays in the queue"
            ),
        }
    }

    /// Sets a chunk aside, or drops it; either way it is counted.
    fn back_up(&mut self, chunk: Chunk, reason: LossReason) {
        let key = self.loss(reason);
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
                Err(error) => {
                    self.paused_until = Some(Instant::now() + UNCONFIRMED_PAUSE);
                    tracing::error!(
                        plugin_id, chunk = %chunk_id, directory = %directory.display(), error = %error,
                        "cannot set a chunk aside; it stays in the queue"
                    );
                }
            },
            None => {
                self.drop_counted(chunk, key);
                tracing::warn!(
                    plugin_id,
                    records,
                    "disable_chunk_backup is true. {chunk_id} chunk is thrown away."
                );
            }
        }
    }

    fn loss(&self, reason: LossReason) -> LossKey {
        LossKey {
            plugin: self.node.id.text.as_ref().into(),
            reason: reason.word().into(),
        }
    }
}
