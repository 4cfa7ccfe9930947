use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Chunk;

/// Chunks that wait for a flush thread.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Default)]
struct Waiting {
    chunks: VecDeque<Chunk>,
    /// The sum of their lengths.
    bytes: u64,
    closed: bool,
    /// Whoever waits next is to look at once what else is due.
    nudged: bool,
}

impl Waiting {
    fn push_back(&mut self, chunk: Chunk) {
        self.bytes = self.bytes.saturating_add(chunk.len());
        self.chunks.push_back(chunk);
    }

    fn push_front(&mut self, chunk: Chunk) {
        self.bytes = self.bytes.saturating_add(chunk.len());
        self.chunks.push_front(chunk);
    }

    fn pop_front(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        self.bytes = self.bytes.saturating_sub(chunk.len());
        Some(chunk)
    }
}

impl Queue {
    pub(super) fn push(&self, chunk: Chunk) {
        self.waiting().push_back(chunk);
        self.filled.notify_one();
    }

    pub(super) fn push_front(&self, chunk: Chunk) {
        self.waiting().push_front(chunk);
        self.filled.notify_one();
    }

    /// Puts a chunk back that cannot be handed out yet, and lets time pass before the next try.
    pub(super) fn push_front_and_wait(&self, chunk: Chunk, timeout: Duration) {
        let mut waiting = self.waiting();
        waiting.push_front(chunk);
        if !waiting.closed {
            drop(self.filled.wait_timeout(waiting, timeout));
        }
    }

    pub(super) fn pop(&self) -> Option<Chunk> {
        self.waiting().pop_front()
    }

    /// Ends one wait of [`pop_within`](Self::pop_within), this or the next: how long it is was found out too early.
    pub(super) fn nudge(&self) {
        self.waiting().nudged = true;
        self.filled.notify_one();
    }

    /// Waits until there is a chunk, somebody is nudged, the queue is closed or `timeout` has passed.
    pub(super) fn pop_within(&self, timeout: Duration) -> Option<Chunk> {
        let deadline = Instant::now().checked_add(timeout);
        let mut waiting = self.waiting();
        loop {
            if let Some(chunk) = waiting.pop_front() {
                return Some(chunk);
            }
            let left = deadline.map_or(timeout, |at| at.saturating_duration_since(Instant::now()));
            if std::mem::take(&mut waiting.nudged) || waiting.closed || left.is_zero() {
                return None;
            }
            let woken = self.filled.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Makes every wait end at once, now and later.
    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.filled.notify_all();
    }

    pub(super) fn len(&self) -> usize {
        self.waiting().chunks.len()
    }

    /// The bytes of all waiting chunks.
    pub(super) fn bytes(&self) -> u64 {
        self.waiting().bytes
    }

    /// Looks at all waiting chunks, the next one first.
    pub(super) fn inspect<T>(&self, look: impl FnOnce(&VecDeque<Chunk>) -> T) -> T {
        look(&self.waiting().chunks)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
