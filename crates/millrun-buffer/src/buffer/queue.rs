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
    closed: bool,
}

impl Queue {
    pub(super) fn push(&self, chunk: Chunk) {
        self.waiting().chunks.push_back(chunk);
        self.filled.notify_one();
    }

    pub(super) fn push_front(&self, chunk: Chunk) {
        self.waiting().chunks.push_front(chunk);
        self.filled.notify_one();
    }

    /// Puts a chunk back that cannot be handed out yet, and lets time pass before the next try.
    pub(super) fn push_front_and_wait(&self, chunk: Chunk, timeout: Duration) {
        let mut waiting = self.waiting();
        waiting.chunks.push_front(chunk);
        if !waiting.closed {
            drop(self.filled.wait_timeout(waiting, timeout));
        }
    }

    pub(super) fn pop(&self) -> Option<Chunk> {
        self.waiting().chunks.pop_front()
    }

    /// Waits until there is a chunk, the queue is closed or `timeout` has passed.
    pub(super) fn pop_within(&self, timeout: Duration) -> Option<Chunk> {
        let deadline = Instant::now().checked_add(timeout);
        let mut waiting = self.waiting();
        loop {
            if let Some(chunk) = waiting.chunks.pop_front() {
                return Some(chunk);
            }
            let left = deadline.map_or(timeout, |at| at.saturating_duration_since(Instant::now()));
            if waiting.closed || left.is_zero() {
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

    /// Looks at all waiting chunks, the next one first.
    pub(super) fn inspect<T>(&self, look: impl FnOnce(&VecDeque<Chunk>) -> T) -> T {
        look(&self.waiting().chunks)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
