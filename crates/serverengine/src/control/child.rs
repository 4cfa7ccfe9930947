//! Children that run: what they say, how they are told to leave, their end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal as NixSignal;

use crate::core::{
    Command, Event, ExitReason, Generation, Mode, Monotonic, Order, SlotId, Urgency,
};
use crate::heart::Heart;
use crate::lifeline::frame::Frame;
use crate::lifeline::{Lifeline, Message};
use crate::listen::Claim;
use crate::log::Level;
use crate::logger::PipeEnds;
use crate::sys::{self, PidFd};

use super::{Control, Role, Source, StopsBy};

use crate::words::WordPipe;

/// How many frames of one child are read before others have their turn.
const FRAMES_AT_ONCE_MAX: usize = 64;

/// A child that runs, seen from its parent.
pub(super) struct Child {
    slot: SlotId,
    being: Being,
    /// `None` after the child closed its end while it goes on living.
    lifeline: Option<Lifeline>,
    /// For a program that reads its commands.
    words: Option<WordPipe>,
    /// For a process that says by it that it is alive.
    heart: Option<Arc<Heart>>,
    /// For a logger process that takes over from a dead one.
    pipes: Option<PipeEnds>,
    /// The version of the configuration it works with.
    config_version: u32,
    ready_since: Option<Monotonic>,
}

/// What a child is.
pub(super) enum Being {
    Process(PidFd),
    /// Threads of this process; the life-line says when they end.
    Thread,
}

impl Child {
    pub(super) fn new(
        slot: SlotId,
        being: Being,
        lifeline: Lifeline,
        words: Option<WordPipe>,
        pipes: Option<PipeEnds>,
    ) -> Self {
        Self {
            slot,
            being,
            lifeline: Some(lifeline),
            words,
            heart: None,
            pipes,
            config_version: 0,
            ready_since: None,
        }
    }

    /// Returns its pid, if it is a process of its own.
    pub(super) fn pid(&self) -> Option<i32> {
        self.process().map(PidFd::pid)
    }

    fn process(&self) -> Option<&PidFd> {
        match &self.being {
            Being::Process(exit) => Some(exit),
            Being::Thread => None,
        }
    }

    pub(super) fn pipes(&self) -> Option<&PipeEnds> {
        self.pipes.as_ref()
    }

    /// Says what must not be lost silently, but may: the child is about to be gone.
    pub(super) fn tell(&self, frame: &Frame) {
        if let Some(lifeline) = &self.lifeline {
            let _ = lifeline.send(frame, None);
        }
    }

    /// Returns what a person finds it by.
    pub(super) fn name(&self) -> String {
        self.pid()
            .map_or_else(|| "thread".to_owned(), |pid| format!("pid {pid}"))
    }

    /// Tells a program what it can understand; the rest is not for programs.
    fn tell_program(&mut self, order: Order, reload_signal: Option<i32>) -> io::Result<()> {
        let signal = match (order, &mut self.words) {
            (Order::Forward(signal), _) => Some(signal),
            (_, Some(words)) => return words.send(order.into()),
            (Order::Reload, None) => reload_signal,
            (Order::Stop(_) | Order::Restart(_) | Order::Dump | Order::Detach, None) => None,
        };
        let signal = signal.and_then(|number| NixSignal::try_from(number).ok());
        match (signal, self.process()) {
            (Some(signal), Some(process)) => process.signal(signal),
            (None, _) | (_, None) => Ok(()),
        }
    }

    fn send(&self, order: Order) -> io::Result<()> {
        let lifeline = self.lifeline.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        lifeline.send(&Frame::Order(order), None)
    }

    /// Returns whether this child speaks for a slot.
    pub(super) fn claims_for(&self, slot: SlotId) -> bool {
        self.slot == slot
    }

    pub(super) fn with_config(mut self, version: u32) -> Self {
        self.config_version = version;
        self
    }

    pub(super) fn with_heart(mut self, heart: Arc<Heart>) -> Self {
        self.heart = Some(heart);
        self
    }

    /// Returns how long ago it said that it is alive. `None`: it never did.
    fn silence(&self) -> Option<Duration> {
        self.heart.as_ref()?.silence()
    }

    pub(super) fn config_version(&self) -> u32 {
        self.config_version
    }

    pub(super) fn ready_since(&self) -> Option<Monotonic> {
        self.ready_since
    }
}

impl<R: Role> Control<R> {
    pub(super) fn watch(&self, child: &Child, generation: Generation) -> io::Result<()> {
        if let Some(exit) = child.process() {
            self.poller.add(exit.as_fd(), Source::Exit(generation))?;
        }
        if let Some(lifeline) = &child.lifeline {
            self.poller
                .add(lifeline.as_fd(), Source::Lifeline(generation))?;
        }
        Ok(())
    }

    pub(super) fn read_lifeline(&mut self, generation: Generation) {
        let now = self.now();
        for _ in 0..FRAMES_AT_ONCE_MAX {
            let Some(child) = self.children.get_mut(&generation) else {
                return;
            };
            let Some(lifeline) = &child.lifeline else {
                return;
            };
            let slot = child.slot;
            match lifeline.receive() {
                Ok(Message::Frame(Frame::Ready, _)) => {
                    child.ready_since.get_or_insert(now);
                    self.events
                        .push_back(Event::ChildReady { slot, generation });
                    self.expect_release(now);
                    self.is_ready();
                }
                Ok(Message::Frame(Frame::Heartbeat, _)) => {
                    self.events.push_back(Event::Heartbeat {
                        slot,
                        generation,
                        ago: Duration::ZERO,
                    });
                }
                Ok(Message::Frame(Frame::Listen { request, key }, _)) => {
                    self.answer_listen(Claim { slot, generation }, request, key);
                }
                Ok(Message::Frame(Frame::Release { key }, _)) => self.release_listener(&key),
                Ok(Message::Frame(Frame::ConfigTaken { version }, _)) => {
                    child.config_version = version;
                    self.report_config();
                }
                Ok(Message::Frame(Frame::Free, _)) => {
                    if R::CHILDREN_CONTROL {
                        return self.child_is_free(generation);
                    }
                }
                Ok(Message::Frame(Frame::Exited { code }, _)) => {
                    if child.process().is_none() {
                        return self.thread_exited(generation, code);
                    }
                }
                // What only parents say, or what a newer version would: not for us.
                Ok(
                    Message::Frame(
                        Frame::Listener { .. }
                        | Frame::Refused { .. }
                        | Frame::Order(_)
                        | Frame::NewLogger
                        | Frame::SetFree
                        | Frame::Born { .. }
                        | Frame::Config { .. }
                        | Frame::TakeOver
                        | Frame::Socket { .. }
                        | Frame::Manager,
                        _,
                    )
                    | Message::Unknown,
                ) => {}
                Ok(Message::Nothing) => return,
                Ok(Message::Closed) | Err(_) => {
                    // Usually it is about to exit. If it lives on, its silence will be noticed, and all
                    // ways to stop it still work: they do not depend on the life-line.
                    self.poller.remove(lifeline.as_fd());
                    child.lifeline = None;
                    return;
                }
            }
        }
    }

    /// Looks at the hearts of all children, whose silence is about to be judged.
    pub(super) fn feel_hearts(&mut self) {
        let beats = self.children.iter().filter_map(|(generation, child)| {
            Some(Event::Heartbeat {
                slot: child.slot,
                generation: *generation,
                ago: child.silence()?,
            })
        });
        self.events.extend(beats);
    }

    /// The child has exited. Its last words come first, its process group goes with it.
    pub(super) fn child_exited(&mut self, generation: Generation) {
        let Some(child) = self.children.get(&generation) else {
            return;
        };
        let Some(exit) = child.process() else { return };
        let to_be_reaped = match exit.has_exited() {
            Ok(false) => return,
            Ok(true) => true,
            // Somebody else has reaped it.
            Err(_) => false,
        };
        self.read_lifeline(generation);
        let Some(child) = self.children.remove(&generation) else {
            return;
        };
        let Some(exit) = child.process() else { return };
        self.poller.remove(exit.as_fd());
        if let Some(lifeline) = &child.lifeline {
            self.poller.remove(lifeline.as_fd());
        }
        // Before it is reaped, while the number of the group cannot belong to anybody else.
        if to_be_reaped && let Err(error) = sys::kill_group(exit.pid()) {
            let pid = exit.pid();
            let text = format!("cannot kill what process {pid} left behind: {error}");
            self.logging.log.log(Level::Warn, &text);
        }
        match exit.reap() {
            Ok(Some(reason)) => self.after_exit(child.slot, generation, reason),
            // User code in this process waits for any child.
            Ok(None) | Err(_) => {
                let text = "a child's exit status was taken by foreign code in the server process";
                self.logging.log.log(Level::Warn, text);
                let reason = ExitReason::Code(UNKNOWN_STATUS);
                self.after_exit(child.slot, generation, reason);
            }
        }
    }

    /// A child lives on without this process, and so does the logger process, for it.
    fn child_is_free(&mut self, generation: Generation) {
        let Some(child) = self.children.get(&generation) else {
            return;
        };
        let slot = child.slot;
        if let Some(logger) = &self.logging.logger {
            logger.leave_behind();
        }
        self.events.push_back(Event::Released { slot, generation });
    }

    /// A thread has said its last word. The end of the life-line ends its helpers.
    fn thread_exited(&mut self, generation: Generation, code: i32) {
        let Some(child) = self.children.remove(&generation) else {
            return;
        };
        if let Some(lifeline) = &child.lifeline {
            self.poller.remove(lifeline.as_fd());
        }
        self.after_exit(child.slot, generation, ExitReason::Code(code));
    }

    /// A thread did not end in time, and nothing can end it but the end of the process.
    fn give_thread_up(&mut self, slot: SlotId) {
        let noun = self.state.policy.noun;
        let stopping = self.state.stopping.is_some();
        if stopping || self.upstream.is_some() {
            let text = format!("{noun} {slot} is a thread that did not stop: ending the process");
            self.logging.log.log(Level::Fatal, &text);
            self.exit_code = Some(if stopping { self.state.exit_code } else { 1 });
        } else {
            let text = format!("{noun} {slot} is a thread that did not stop: waiting on");
            self.logging.log.log(Level::Error, &text);
        }
    }

    pub(super) fn stop_child(&mut self, generation: Generation, urgency: Urgency) {
        let stops_by = self.role.stops_by();
        let Some(child) = self.children.get_mut(&generation) else {
            return;
        };
        let (signal, order) = match urgency {
            Urgency::Graceful => (NixSignal::SIGTERM, Some(Order::Stop(Mode::Graceful))),
            Urgency::Immediate => (NixSignal::SIGQUIT, Some(Order::Stop(Mode::Immediate))),
            Urgency::Kill => (NixSignal::SIGKILL, None),
        };
        let told = order.is_some_and(|order| match stops_by {
            StopsBy::Signals => false,
            StopsBy::Orders => child.send(order).is_ok(),
            StopsBy::Words => {
                let words = child.words.as_mut();
                words.is_some_and(|words| words.send(order.into()).is_ok())
            }
        });
        match (child.process(), urgency) {
            // It fails for a child that is dead already, whose exit is about to be read.
            (Some(process), _) if !told => drop(process.signal(signal)),
            (None, Urgency::Kill) => {
                let slot = child.slot;
                self.give_thread_up(slot);
            }
            (Some(_), _) | (None, Urgency::Graceful | Urgency::Immediate) => {}
        }
    }

    pub(super) fn order_child(&mut self, generation: Generation, order: Order) {
        let takes_orders = self.role.takes_orders();
        let reload_signal = self.role.reload_signal();
        let Some(child) = self.children.get_mut(&generation) else {
            return;
        };
        let sent = if takes_orders {
            if matches!(order, Order::Reload | Order::Restart(_))
                && let Some(lifeline) = &child.lifeline
                // A server is handed what was loaded here, if anything was.
                && !(R::CHILDREN_CONTROL && self.shared_config.is_none())
            {
                let shared = self.shared_config.as_ref();
                let (version, text) = (self.config.version, shared.is_some());
                // If it does not arrive, neither does the order, and that is reported.
                let frame = Frame::Config { version, text };
                let _ = lifeline.send(&frame, shared.map(AsFd::as_fd));
            }
            child.send(order)
        } else {
            child.tell_program(order, reload_signal)
        };
        if let Err(error) = sent {
            let noun = self.state.policy.noun;
            let text = format!(
                "{noun} {} did not take the order {order:?}: {error}",
                child.slot
            );
            self.logging.log.log(Level::Warn, &text);
        }
    }

    pub(super) fn reply(
        &self,
        generation: Generation,
        frame: &Frame,
        passed: Option<BorrowedFd<'_>>,
    ) {
        let Some(child) = self.children.get(&generation) else {
            return;
        };
        let Some(lifeline) = &child.lifeline else {
            return;
        };
        if let Err(error) = lifeline.send(frame, passed) {
            let noun = self.state.policy.noun;
            let text = format!("{noun} {} did not take an answer: {error}", child.slot);
            self.logging.log.log(Level::Warn, &text);
        }
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = i32> {
        self.children.values().filter_map(Child::pid)
    }
}

/// Stands for an exit status that is not known.
const UNKNOWN_STATUS: i32 = 255;

impl From<Order> for Command {
    fn from(order: Order) -> Self {
        match order {
            Order::Stop(mode) => Self::Stop(mode),
            Order::Restart(mode) => Self::Restart(mode),
            Order::Reload => Self::Reload,
            Order::Dump => Self::Dump,
            Order::Detach => Self::Detach,
            Order::Forward(signal) => Self::Forward(signal),
        }
    }
}
