//! The request to end, as every thread of a worker sees it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A one-way flag that threads poll, wait for, or are woken by.
///
/// Cheap to clone; all clones are one flag.
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_set: bool,
    wakers: Vec<Box<dyn FnOnce() + Send>>,
}

impl Stop {
    /// A flag not yet set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to end. The second call does nothing.
    pub fn set(&self) {
        let wakers = {
            let mut state = self.lock();
            state.is_set = true;
            std::mem::take(&mut state.wakers)
        };
        self.shared.changed.notify_all();
        for wake in wakers {
            wake();
        }
    }

    /// True once the end was asked for.
    pub fn is_set(&self) -> bool {
        self.lock().is_set
    }

    /// Sleeps for `timeout` at most; true when the end was asked for.
    pub fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        while !state.is_set {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Sleeps until the end is asked for.
    pub fn wait_until_set(&self) {
        let mut state = self.lock();
        while !state.is_set {
            state = self
                .shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Calls `wake` once when the end is asked for, at once if it already was: for threads that
    /// sleep in poll or in a runtime. It runs on the thread that calls [`Stop::set`] and must not
    /// block.
    pub fn on_set(&self, wake: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if state.is_set {
            drop(state);
            wake();
        } else {
            state.wakers.push(Box::new(wake));
        }
    }

    /// A waker that panicked leaves nothing half done here, so a poisoned lock is as good as new.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stop")
            .field("is_set", &self.is_set())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn wait_ends_when_another_thread_sets_it() {
        let stop = Stop::new();
        let other = stop.clone();
        let thread = std::thread::spawn(move || other.set());
        assert!(stop.wait(Duration::from_secs(30)));
        thread.join().unwrap();
    }

    #[test]
    fn wait_ends_at_its_timeout() {
        assert!(!Stop::new().wait(Duration::from_millis(5)));
    }

    #[test]
    fn wakers_run_once_also_when_they_come_late() {
        let stop = Stop::new();
        let calls = Arc::new(AtomicU32::new(0));
        for _ in 0..2 {
            let calls = Arc::clone(&calls);
            stop.on_set(move || {
                calls.fetch_add(1, Ordering::Relaxed);
            });
            stop.set();
        }
        stop.set();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}
