//! Something is broken that only a new process can mend.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millrun_buffer::LedgerError;

use crate::stop::Stop;

/// Ends the worker as failed, so that the control process replaces it. Rung by a thread that
/// panicked, an input that ended by itself, and a ledger whose file is in an unknown state.
///
/// Cheap to clone; all clones are one alarm.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    is_rung: Arc<AtomicBool>,
    wake: Stop,
}

impl Alarm {
    /// An alarm that sets `wake`, for whoever waits for the end of the worker.
    pub(crate) fn new(wake: Stop) -> Self {
        Self {
            is_rung: Arc::default(),
            wake,
        }
    }

    pub(crate) fn ring(&self) {
        self.is_rung.store(true, Ordering::Release);
        self.wake.set();
    }

    pub(crate) fn is_rung(&self) -> bool {
        self.is_rung.load(Ordering::Acquire)
    }

    /// Rings where `error` is one after which only a restart reads what is true. The log says it
    /// once.
    pub(crate) fn check(&self, error: &LedgerError) {
        if matches!(error, LedgerError::Broken { .. }) && !self.is_rung() {
            tracing::error!(error = %error, "restarting the worker");
            self.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_broken_ledger_rings() {
        let wake = Stop::new();
        let alarm = Alarm::new(wake.clone());
        alarm.check(&LedgerError::NotStarted);
        assert!(!alarm.is_rung() && !wake.is_set());
        let path = "0.ledger".into();
        alarm.check(&LedgerError::Broken {
            path,
            reason: "input/output error".into(),
        });
        assert!(alarm.is_rung() && wake.is_set());
    }
}
