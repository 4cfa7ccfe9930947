//! A boolean that threads can wait for.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A boolean that one thread sets and others wait for: the usual way for
/// [`Worker::stop`](crate::Worker::stop) to end [`Worker::run`](crate::Worker::run).
///
/// A wait returns early only when the flag has the awaited value: there are no spurious returns.
#[derive(Debug, Default)]
pub struct BlockingFlag {
    value: Mutex<bool>,
    changed: Condvar,
}

impl BlockingFlag {
    /// Makes a flag that is not set.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            value: Mutex::new(false),
            changed: Condvar::new(),
        }
    }

    /// Sets the flag. Returns whether that changed it.
    pub fn set(&self) -> bool {
        self.change(true)
    }

    /// Resets the flag. Returns whether that changed it.
    pub fn reset(&self) -> bool {
        self.change(false)
    }

    /// Returns whether the flag is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.lock()
    }

    /// Waits until the flag is set, at most `timeout` (`None`: for ever). Returns whether it is.
    #[must_use = "the wait may have ended by its timeout"]
    pub fn wait_for_set(&self, timeout: impl Into<Option<Duration>>) -> bool {
        self.wait_for(true, timeout.into())
    }

    /// Waits until the flag is reset, at most `timeout` (`None`: for ever). Returns whether it is reset:
    /// other than Ruby's, which returns the value.
    #[must_use = "the wait may have ended by its timeout"]
    pub fn wait_for_reset(&self, timeout: impl Into<Option<Duration>>) -> bool {
        self.wait_for(false, timeout.into())
    }

    /// Another name of [`BlockingFlag::wait_for_set`].
    #[must_use = "the wait may have ended by its timeout"]
    pub fn wait(&self, timeout: impl Into<Option<Duration>>) -> bool {
        self.wait_for_set(timeout)
    }

    fn change(&self, value: bool) -> bool {
        let before = std::mem::replace(&mut *self.lock(), value);
        self.changed.notify_all();
        before != value
    }

    fn wait_for(&self, awaited: bool, timeout: Option<Duration>) -> bool {
        let timeout = timeout.unwrap_or(Duration::MAX);
        // A moment too far to be expressed is waited for in pieces no clock will ever see the end of.
        let deadline = Instant::now().checked_add(timeout);
        let mut value = self.lock();
        while *value != awaited {
            let left =
                deadline.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            value = self
                .changed
                .wait_timeout(value, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    // A boolean cannot be left half-changed by a panic, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_and_reset_say_whether_they_changed_the_flag() {
        let flag = BlockingFlag::new();
        assert!(!flag.reset());
        assert!(flag.set());
        assert!(!flag.set());
        assert!(flag.is_set());
        assert!(flag.reset());
        assert!(!flag.is_set());
    }

    #[test]
    fn a_wait_ends_by_its_timeout_or_by_the_value() {
        let flag = BlockingFlag::new();
        assert!(!flag.wait_for_set(Duration::from_millis(5)));
        assert!(flag.wait_for_reset(Duration::ZERO));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(5));
                flag.set();
            });
            assert!(flag.wait_for_set(Duration::MAX));
            assert!(flag.wait(None));
            scope.spawn(|| flag.reset());
            assert!(flag.wait_for_reset(None));
        });
    }
}
