//! What the loop waits for: epoll and signalfd, and the names of what became readable.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::Signal as NixSignal;

use crate::core::Generation;
use crate::signals::TAKEN;
use crate::sys::SignalFd;

/// How many readable descriptors one wait reports; the others are reported by the next.
const SOURCES_MAX: usize = 64;

/// A descriptor the loop waits for. Children are named by generation, so that news of a past child can
/// never be taken for the present one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Signals,
    Upstream,
    Commands,
    Logger,
    Loading,
    Dump,
    /// The socket manager's own socket (0), or a connection to it.
    Peer(u64),
    Reserve,
    Exit(Generation),
    Lifeline(Generation),
}

/// Epoll and signalfd of one control process.
pub(crate) struct Poller {
    /// `None` only in a forked child that let go of it. A shared epoll must never be changed there: it
    /// is the parent's.
    epoll: Option<Epoll>,
    signals: Option<SignalFd>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut taken = TAKEN.to_vec();
        taken.push(NixSignal::SIGCHLD);
        let signals = SignalFd::open(&taken)?;
        epoll.add(&signals, event(Source::Signals))?;
        Ok(Self {
            epoll: Some(epoll),
            signals: Some(signals),
        })
    }

    pub(crate) fn add(&self, descriptor: BorrowedFd<'_>, source: Source) -> io::Result<()> {
        let epoll = self.epoll.as_ref().ok_or(Errno::EBADF)?;
        Ok(epoll.add(descriptor, event(source))?)
    }

    /// Must be called before a descriptor is closed: a child that was forked meanwhile may hold a
    /// duplicate, and epoll would go on reporting it.
    pub(crate) fn remove(&self, descriptor: BorrowedFd<'_>) {
        if let Some(epoll) = &self.epoll {
            // It can only fail for a descriptor that was never added.
            let _ = epoll.delete(descriptor);
        }
    }

    /// Waits until something is readable, at most `timeout`. Returns whether all that was readable has
    /// been reported.
    pub(crate) fn wait(
        &self,
        timeout: Option<Duration>,
        sources: &mut Vec<Source>,
    ) -> io::Result<bool> {
        let epoll = self.epoll.as_ref().ok_or(Errno::EBADF)?;
        let mut events = [EpollEvent::empty(); SOURCES_MAX];
        let count = match epoll.wait(&mut events, round_up_to_millis(timeout)) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        sources.extend(events.iter().take(count).map(|event| decode(event.data())));
        Ok(count < SOURCES_MAX)
    }

    pub(crate) fn next_signal(&self) -> io::Result<Option<NixSignal>> {
        self.signals.as_ref().map_or(Ok(None), SignalFd::next)
    }

    pub(crate) fn close(&mut self) {
        self.epoll = None;
        self.signals = None;
    }
}

// Four bits of kind, 60 of generation or peer.
const KIND_SHIFT: u32 = 60;

fn event(source: Source) -> EpollEvent {
    let data = match source {
        Source::Signals => 0,
        Source::Upstream => 1 << KIND_SHIFT,
        Source::Commands => 4 << KIND_SHIFT,
        Source::Logger => 5 << KIND_SHIFT,
        Source::Loading => 6 << KIND_SHIFT,
        Source::Dump => 8 << KIND_SHIFT,
        Source::Reserve => 9 << KIND_SHIFT,
        Source::Peer(id) => 7 << KIND_SHIFT | id,
        Source::Exit(generation) => 2 << KIND_SHIFT | generation.0,
        Source::Lifeline(generation) => 3 << KIND_SHIFT | generation.0,
    };
    EpollEvent::new(EpollFlags::EPOLLIN, data)
}

fn decode(data: u64) -> Source {
    let generation = Generation(data & ((1 << KIND_SHIFT) - 1));
    match data >> KIND_SHIFT {
        0 => Source::Signals,
        1 => Source::Upstream,
        2 => Source::Exit(generation),
        4 => Source::Commands,
        5 => Source::Logger,
        6 => Source::Loading,
        7 => Source::Peer(generation.0),
        8 => Source::Dump,
        9 => Source::Reserve,
        _ => Source::Lifeline(generation),
    }
}

/// A wait must not end before the deadline, or the loop would spin for the rest of the millisecond.
fn round_up_to_millis(timeout: Option<Duration>) -> EpollTimeout {
    let Some(timeout) = timeout else {
        return EpollTimeout::NONE;
    };
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    i32::try_from(millis)
        .ok()
        .and_then(|millis| EpollTimeout::try_from(millis).ok())
        .unwrap_or(EpollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_comes_back_as_it_went() {
        for source in [
            Source::Signals,
            Source::Upstream,
            Source::Commands,
            Source::Logger,
            Source::Loading,
            Source::Dump,
            Source::Reserve,
            Source::Peer(7),
            Source::Exit(Generation(1)),
            Source::Lifeline(Generation((1 << 60) - 1)),
        ] {
            assert_eq!(decode(event(source).data()), source);
        }
    }

    #[test]
    fn waits_are_never_too_short() {
        let millis = |timeout| i32::from(round_up_to_millis(timeout));
        assert_eq!(millis(Some(Duration::ZERO)), 0);
        assert_eq!(millis(Some(Duration::from_nanos(1))), 1);
        assert_eq!(millis(Some(Duration::from_millis(7))), 7);
        assert_eq!(millis(Some(Duration::MAX)), i32::MAX);
        assert_eq!(millis(None), -1);
    }
}
