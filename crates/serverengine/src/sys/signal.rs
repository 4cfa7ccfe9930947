//! Signals as data: blocked, and read from a descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::sys::signalfd::SfdFlags;

/// A descriptor from which blocked signals are read.
#[derive(Debug)]
pub(crate) struct SignalFd(nix::sys::signalfd::SignalFd);

impl SignalFd {
    /// Opens a non-blocking descriptor for signals that are blocked already.
    pub(crate) fn open(signals: &[Signal]) -> io::Result<Self> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(nix::sys::signalfd::SignalFd::with_flags(
            &set_of(signals),
            flags,
        )?))
    }

    /// Returns the next pending signal.
    pub(crate) fn next(&self) -> io::Result<Option<Signal>> {
        let Some(info) = self.0.read_signal()? else {
            return Ok(None);
        };
        Ok(i32::try_from(info.ssi_signo)
            .ok()
            .and_then(|number| Signal::try_from(number).ok()))
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Blocks exactly these signals in this thread (and in those it starts later), and gives them their
/// default dispositions back. Handlers that a parent installed are thereby gone in a forked child.
///
/// A signal that arrived while it was blocked before, and stays blocked, stays pending: nothing is lost
/// between the fork and the first look.
pub(crate) fn block_signals(signals: &[Signal]) -> io::Result<()> {
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&set_of(signals)), None)?;
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in signals {
        // SAFETY: The default disposition runs no code of ours, so nothing can be unsound about it.
        unsafe { sigaction(*signal, &default) }?;
    }
    Ok(())
}

/// Returns the name of a signal's number: `SIGKILL`, or the number itself.
pub(crate) fn signal_name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.to_string())
}

fn set_of(signals: &[Signal]) -> SigSet {
    signals.iter().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_signals_are_called_by_their_number() {
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(40), "40");
    }
}
