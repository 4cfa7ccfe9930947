//! Lines on their way to the disk: a bounded queue between the thread that reads pipes and the one that
//! writes files. When the disk stalls and the queue is full, lines are dropped and counted; the readers,
//! and so everybody who logs, go on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Most bytes that wait for the disk.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most bytes that are written at once.
const BATCH_MAX: usize = 64 * 1024;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: std::collections::VecDeque<Vec<u8>>,
    bytes: usize,
    dropped: u64,
    reopen: bool,
    closed: bool,
}

/// What the writer is to do next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) reopen: bool,
    /// Whole lines.
    pub(super) lines: Vec<Vec<u8>>,
    /// Lines that were dropped after these.
    pub(super) dropped: u64,
}

impl Queue {
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut state = self.lock();
        // Once some were dropped, their count has its place before all that follow.
        if state.dropped > 0 || state.bytes.saturating_add(line.len()) > BYTES_MAX {
            state.dropped += 1;
        } else {
            state.bytes += line.len();
            state.lines.push_back(line);
        }
        self.changed.notify_one();
    }

    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
        self.changed.notify_one();
    }

    /// Lets the writer end when it has written everything.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits for something to do. `None`: all is done.
    pub(super) fn pop(&self) -> Option<Batch> {
        let mut state = self.lock();
        while state.lines.is_empty() && state.dropped == 0 && !state.reopen {
            if state.closed {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let mut batch = Batch {
            reopen: std::mem::take(&mut state.reopen),
            ..Batch::default()
        };
        let mut bytes = 0;
        while bytes < BATCH_MAX
            && let Some(line) = state.lines.pop_front()
        {
            bytes += line.len();
            batch.lines.push(line);
        }
        state.bytes -= bytes;
        if state.lines.is_empty() {
            batch.dropped = std::mem::take(&mut state.dropped);
        }
        Some(batch)
    }

    // No code that could panic runs under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts_and_then_goes_on() {
        let queue = Queue::default();
        let line = vec![b'x'; BYTES_MAX / 4];
        for _ in 0..7 {
            queue.push(line.clone());
        }
        queue.push(b"small".to_vec());
        let mut kept = 0;
        let dropped = loop {
            let batch = queue.pop().unwrap();
            kept += batch.lines.len();
            if batch.dropped > 0 {
                break batch.dropped;
            }
        };
        assert_eq!((kept, dropped), (4, 4));
        queue.push(b"after".to_vec());
        queue.close();
        assert_eq!(queue.pop().unwrap().lines, [b"after"]);
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn lines_come_out_in_order_while_others_go_in() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..10_000_u32 {
                    queue.push(number.to_le_bytes().to_vec());
                }
                queue.close();
            });
            let mut next = 0_u32;
            while let Some(batch) = queue.pop() {
                for line in batch.lines {
                    assert_eq!(line, next.to_le_bytes());
                    next += 1;
                }
            }
            assert_eq!(next, 10_000);
        });
    }
}
