//! What each signal means.
//!
//! ```text
//!   signal   to the server        directly to a worker
//!   TERM     graceful stop        Worker::stop
//!   INT      detach               Worker::stop
//!   QUIT     immediate stop       ends at once, status 1, no core file
//!   USR1     graceful restart     Worker::stop
//!   HUP      immediate restart    ends at once, status 1
//!   USR2     reload               Worker::reload
//!   CONT     dump                 Worker::dump
//! ```
//!
//! The left column is the default and can be changed. A signal that the server forwards calls
//! [`Worker::signal`](crate::Worker::signal) when it is sent to a worker directly, too.

use nix::sys::signal::Signal as NixSignal;

use crate::core::{Command, Mode};

/// A signal that can be given a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// `SIGTERM`.
    Term,
    /// `SIGINT`, the terminal's Ctrl-C.
    Int,
    /// `SIGQUIT`.
    Quit,
    /// `SIGUSR1`.
    Usr1,
    /// `SIGUSR2`.
    Usr2,
    /// `SIGHUP`.
    Hup,
    /// `SIGCONT`.
    Cont,
}

/// What a signal asks of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Meaning {
    /// Workers finish what they have in hand; then the server ends.
    GracefulStop,
    /// Workers leave at once; then the server ends.
    ImmediateStop,
    /// Workers are replaced, a few at a time, each finishing what it has in hand.
    GracefulRestart,
    /// Workers leave at once, all together, and are replaced.
    ImmediateRestart,
    /// The server's and the workers' reload hooks are called; nobody is replaced.
    Reload,
    /// Live restart, or leaving the server behind: see [`Config::enable_detach`](crate::Config::enable_detach). Without it a
    /// graceful stop.
    Detach,
    /// The server logs its state; the workers' dump hooks are called.
    Dump,
    /// The workers' `signal` hooks are called.
    Forward,
    /// Nothing.
    Ignore,
}

/// Meaning of each signal to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalMeanings {
    /// Default: [`Meaning::GracefulStop`].
    pub term: Meaning,
    /// Default: [`Meaning::Detach`].
    pub int: Meaning,
    /// Default: [`Meaning::ImmediateStop`].
    pub quit: Meaning,
    /// Default: [`Meaning::GracefulRestart`].
    pub usr1: Meaning,
    /// Default: [`Meaning::Reload`].
    pub usr2: Meaning,
    /// Default: [`Meaning::ImmediateRestart`].
    pub hup: Meaning,
    /// Default: [`Meaning::Dump`].
    pub cont: Meaning,
}

impl Default for SignalMeanings {
    fn default() -> Self {
        Self {
            term: Meaning::GracefulStop,
            int: Meaning::Detach,
            quit: Meaning::ImmediateStop,
            usr1: Meaning::GracefulRestart,
            usr2: Meaning::Reload,
            hup: Meaning::ImmediateRestart,
            cont: Meaning::Dump,
        }
    }
}

/// What a signal asks of a worker that receives it directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerMeaning {
    Stop,
    EndNow,
    Reload,
    Dump,
    Hook(Signal),
}

/// The signals that control processes and workers take over.
pub(crate) const TAKEN: [NixSignal; 7] = [
    NixSignal::SIGTERM,
    NixSignal::SIGINT,
    NixSignal::SIGQUIT,
    NixSignal::SIGUSR1,
    NixSignal::SIGUSR2,
    NixSignal::SIGHUP,
    NixSignal::SIGCONT,
];

impl SignalMeanings {
    /// Returns what a signal means to the server.
    #[must_use]
    pub fn meaning(&self, signal: Signal) -> Meaning {
        match signal {
            Signal::Term => self.term,
            Signal::Int => self.int,
            Signal::Quit => self.quit,
            Signal::Usr1 => self.usr1,
            Signal::Usr2 => self.usr2,
            Signal::Hup => self.hup,
            Signal::Cont => self.cont,
        }
    }

    /// Gives a signal another meaning.
    pub(crate) fn set(&mut self, signal: Signal, meaning: Meaning) {
        *self.place(signal) = meaning;
    }

    /// Gives those that have one meaning another one.
    pub(crate) fn replace(&mut self, before: Meaning, after: Meaning) {
        for signal in Signal::ALL {
            let place = self.place(signal);
            if *place == before {
                *place = after;
            }
        }
    }

    /// Returns the first signal of a meaning.
    pub(crate) fn signal(&self, meaning: Meaning) -> Option<Signal> {
        Signal::ALL
            .into_iter()
            .find(|signal| self.meaning(*signal) == meaning)
    }

    fn place(&mut self, signal: Signal) -> &mut Meaning {
        match signal {
            Signal::Term => &mut self.term,
            Signal::Int => &mut self.int,
            Signal::Quit => &mut self.quit,
            Signal::Usr1 => &mut self.usr1,
            Signal::Usr2 => &mut self.usr2,
            Signal::Hup => &mut self.hup,
            Signal::Cont => &mut self.cont,
        }
    }

    pub(crate) fn command(&self, signal: Signal) -> Option<Command> {
        Some(match self.meaning(signal) {
            Meaning::GracefulStop => Command::Stop(Mode::Graceful),
            Meaning::ImmediateStop => Command::Stop(Mode::Immediate),
            Meaning::GracefulRestart => Command::Restart(Mode::Graceful),
            Meaning::ImmediateRestart => Command::Restart(Mode::Immediate),
            Meaning::Reload => Command::Reload,
            Meaning::Detach => Command::Detach,
            Meaning::Dump => Command::Dump,
            Meaning::Forward => Command::Forward(signal.number()),
            Meaning::Ignore => return None,
        })
    }

    /// Returns what a signal means to a worker. TERM, INT and QUIT always end it: the server relies on
    /// them.
    pub(crate) fn worker_meaning(&self, signal: Signal) -> WorkerMeaning {
        match signal {
            Signal::Term | Signal::Int => WorkerMeaning::Stop,
            Signal::Quit => WorkerMeaning::EndNow,
            other if self.meaning(other) == Meaning::Forward => WorkerMeaning::Hook(other),
            Signal::Usr1 => WorkerMeaning::Stop,
            Signal::Hup => WorkerMeaning::EndNow,
            Signal::Usr2 => WorkerMeaning::Reload,
            Signal::Cont => WorkerMeaning::Dump,
        }
    }
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Term,
        Self::Int,
        Self::Quit,
        Self::Usr1,
        Self::Usr2,
        Self::Hup,
        Self::Cont,
    ];

    /// Returns the name, without `SIG`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Hup => "HUP",
            Self::Cont => "CONT",
        }
    }

    /// Returns the signal of this name, with or without `SIG`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Returns the signal of this number, if it is one that can be given a meaning.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        NixSignal::try_from(number).ok().and_then(Self::from_system)
    }

    /// Returns the signal's number on this system.
    #[must_use]
    pub fn number(self) -> i32 {
        (match self {
            Self::Term => NixSignal::SIGTERM,
            Self::Int => NixSignal::SIGINT,
            Self::Quit => NixSignal::SIGQUIT,
            Self::Usr1 => NixSignal::SIGUSR1,
            Self::Usr2 => NixSignal::SIGUSR2,
            Self::Hup => NixSignal::SIGHUP,
            Self::Cont => NixSignal::SIGCONT,
        }) as i32
    }

    pub(crate) fn from_system(signal: NixSignal) -> Option<Self> {
        Some(match signal {
            NixSignal::SIGTERM => Self::Term,
            NixSignal::SIGINT => Self::Int,
            NixSignal::SIGQUIT => Self::Quit,
            NixSignal::SIGUSR1 => Self::Usr1,
            NixSignal::SIGUSR2 => Self::Usr2,
            NixSignal::SIGHUP => Self::Hup,
            NixSignal::SIGCONT => Self::Cont,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_taken_signal_has_a_name_and_back() {
        for signal in TAKEN {
            let ours = Signal::from_system(signal).unwrap();
            assert_eq!(ours.number(), signal as i32);
            assert_eq!(Signal::from_number(signal as i32), Some(ours));
        }
        assert_eq!(Signal::from_number(NixSignal::SIGKILL as i32), None);
    }

    #[test]
    fn a_forwarded_signal_reaches_the_hook_also_directly() {
        let meanings = SignalMeanings {
            usr1: Meaning::Forward,
            ..SignalMeanings::default()
        };
        assert_eq!(
            meanings.worker_meaning(Signal::Usr1),
            WorkerMeaning::Hook(Signal::Usr1)
        );
        assert_eq!(
            meanings.command(Signal::Usr1),
            Some(Command::Forward(Signal::Usr1.number()))
        );
        let meanings = SignalMeanings {
            term: Meaning::Forward,
            ..SignalMeanings::default()
        };
        assert_eq!(meanings.worker_meaning(Signal::Term), WorkerMeaning::Stop);
    }
}
