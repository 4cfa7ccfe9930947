//! The thread of a worker that listens to its life-line and, in a process of its own, to signals.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::core::{Mode, Order};
use crate::dump::DumpRules;
use crate::heart::Heart;
use crate::lifeline::Message;
use crate::lifeline::frame::Frame;
use crate::log::{Level, Log};
use crate::published::Published;
use crate::signals::{Signal, SignalMeanings, WorkerMeaning};
use crate::sys::{self, SignalFd};

use super::context::WorkerContext;
use super::hooks::{Hook, Hooks};
use super::process::{EXIT_IMMEDIATE_STOP, EXIT_ORPHANED};

/// How long a worker whose server is gone may take to finish. Without privileges changed since the fork
/// the kernel has killed it before that.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(10);

/// What the control thread works with.
pub(super) struct ControlThread {
    pub(super) context: Arc<WorkerContext>,
    pub(super) home: Home,
    pub(super) signals: SignalMeanings,
    pub(super) hooks: Hooks,
    pub(super) log: Arc<dyn Log>,
}

/// Where the worker lives.
pub(super) enum Home {
    /// In a process of its own.
    Process {
        signals: SignalFd,
        heart: Arc<Heart>,
        dump: DumpRules,
        heartbeat_interval: Duration,
    },
    /// On a thread of the server process, which gets the signals and knows that it is alive.
    Thread,
}

impl ControlThread {
    /// Listens for as long as the worker lives.
    pub(super) fn run(self) {
        let result = match &self.home {
            Home::Process {
                signals,
                heart,
                heartbeat_interval,
                ..
            } => self.listen(signals, heart, *heartbeat_interval),
            Home::Thread => self.listen_to_lifeline(),
        };
        if let Err(error) = result {
            // Deaf to every signal, it could only be killed: better to be replaced now.
            let text = format!("the worker can no longer be controlled, ending it: {error}");
            self.log.log(Level::Fatal, &text);
            sys::exit_now(EXIT_ORPHANED);
        }
    }

    /// Returns when the control loop has closed the life-line: the worker has ended.
    fn listen_to_lifeline(&self) -> io::Result<()> {
        loop {
            sys::poll_readable([self.context.lifeline().as_fd()], None)?;
            if self.read_lifeline()? == Line::Closed {
                return Ok(());
            }
        }
    }

    fn listen(
        &self,
        signals: &SignalFd,
        heart: &Heart,
        heartbeat_interval: Duration,
    ) -> io::Result<()> {
        // The first sign of life wakes the server, which feels the heart from then on.
        let _ = self.context.lifeline().send(&Frame::Heartbeat, None);
        let mut next_heartbeat = Instant::now();
        let mut orphaned: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if orphaned.is_none() && now >= next_heartbeat {
                next_heartbeat = now + heartbeat_interval;
                heart.beat();
            }
            if orphaned.is_some_and(|end| now >= end) {
                self.log.log(
                    Level::Fatal,
                    "the server is gone and the worker did not stop in time",
                );
                sys::exit_now(EXIT_ORPHANED);
            }
            let wake = orphaned
                .unwrap_or(next_heartbeat)
                .saturating_duration_since(now);
            let signal_descriptor = signals.as_fd();
            // The end of a life-line stays readable for ever: look at it once.
            let lifeline = match orphaned {
                None => self.context.lifeline().as_fd(),
                Some(_) => signal_descriptor,
            };
            let [signalled, frames] =
                sys::poll_readable([signal_descriptor, lifeline], Some(wake))?;
            if signalled {
                self.read_signals(signals)?;
            }
            if frames && orphaned.is_none() && self.read_lifeline()? == Line::Closed {
                self.log.log(Level::Fatal, "the server is gone: stopping");
                orphaned = Some(Instant::now() + ORPHAN_TIMEOUT);
                self.stop();
            }
        }
    }

    fn read_signals(&self, signals: &SignalFd) -> io::Result<()> {
        while let Some(signal) = signals.next()? {
            let Some(signal) = Signal::from_system(signal) else {
                continue;
            };
            match self.signals.worker_meaning(signal) {
                WorkerMeaning::Stop => self.stop(),
                WorkerMeaning::EndNow => sys::exit_now(EXIT_IMMEDIATE_STOP),
                WorkerMeaning::Reload => self.call(Hook::Reload),
                // systemd sends CONT to every process after each stop signal.
                WorkerMeaning::Dump if self.context.stopping().is_set() => {}
                WorkerMeaning::Dump => self.dump(),
                WorkerMeaning::Hook(signal) => self.call(Hook::Signal(signal)),
            }
        }
        Ok(())
    }

    fn read_lifeline(&self) -> io::Result<Line> {
        loop {
            match self.context.lifeline().receive()? {
                Message::Nothing => return Ok(Line::Open),
                Message::Closed => return Ok(Line::Closed),
                Message::Frame(Frame::Order(order), _) => self.obey(order),
                Message::Frame(Frame::Config { version, text }, shared) => {
                    let received = match shared {
                        Some(shared) => Published::receive(version, shared),
                        // The kernel dropped it, this process has no descriptor left.
                        None if text => Err(io::Error::from_raw_os_error(libc::EMFILE)),
                        None => Ok(Published {
                            version,
                            text: None,
                        }),
                    };
                    match received {
                        Ok(config) => self.context.take_config(config),
                        Err(error) => {
                            let text = format!("configuration {version} did not arrive: {error}");
                            self.log.log(Level::Error, &text);
                        }
                    }
                }
                Message::Frame(Frame::Listener { request }, socket) => {
                    // Without the socket: the kernel dropped it, this process has no descriptor left.
                    let answer = socket.ok_or((libc::EMFILE, String::new()));
                    self.context.answer(request, answer);
                }
                Message::Frame(
                    Frame::Refused {
                        request,
                        errno,
                        text,
                    },
                    _,
                ) => {
                    self.context.answer(request, Err((errno, text)));
                }
                Message::Frame(
                    Frame::Ready
                    | Frame::Heartbeat
                    | Frame::Exited { .. }
                    | Frame::NewLogger
                    | Frame::SetFree
                    | Frame::Free
                    | Frame::Born { .. }
                    | Frame::ConfigTaken { .. }
                    | Frame::TakeOver
                    | Frame::Socket { .. }
                    | Frame::Manager
                    | Frame::Listen { .. }
                    | Frame::Release { .. },
                    _,
                )
                | Message::Unknown => {}
            }
        }
    }

    fn obey(&self, order: Order) {
        match order {
            Order::Stop(Mode::Graceful) | Order::Restart(Mode::Graceful) | Order::Detach => {
                self.stop();
            }
            Order::Stop(Mode::Immediate) | Order::Restart(Mode::Immediate) => match self.home {
                Home::Process { .. } => sys::exit_now(EXIT_IMMEDIATE_STOP),
                // A thread cannot be ended from outside.
                Home::Thread => self.stop(),
            },
            Order::Reload => self.call(Hook::Reload),
            Order::Dump => self.dump(),
            Order::Forward(number) => {
                if let Some(signal) = Signal::from_number(number) {
                    self.call(Hook::Signal(signal));
                }
            }
        }
    }

    /// Writes the dump even if an earlier hook does not return: that is when it is asked for.
    fn dump(&self) {
        if let Home::Process { dump, .. } = &self.home {
            dump.write_aside(&self.log, vec![self.context.describe()]);
        }
        self.call(Hook::Dump);
    }

    fn stop(&self) {
        // `run` may return for the flag alone, before the hook is asked for.
        let _announced = self.hooks.announce();
        self.context.stopping().set();
        self.call(Hook::Stop);
    }

    fn call(&self, hook: Hook) {
        if let Err(why) = self.hooks.call(hook) {
            let text = format!("the hook for {hook:?} was not called: {why}");
            self.log.log(Level::Error, &text);
        }
    }
}

#[derive(PartialEq, Eq)]
enum Line {
    Open,
    Closed,
}
