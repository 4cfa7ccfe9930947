//! Children that run: what they say, how they are told to leave, their end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::Signal as NixSignal;

use crate::core::{
    Command, Event, ExitReason, Generation, Mode, Monotonic, Order, SlotId, Urgency,
};
use crate::lifeline::frame::Frame;
use crate::lifeline::{Lifeline, Message};
use crate::listen::Claim;
use crate::log::Level;
use crate::sys::{self, PidFd};

use super::{Control, Role, Source, StopsBy};

/// How many frames of one child are read before others have their turn.
const FRAMES_AT_ONCE_MAX: usize = 64;

/// A child that runs, seen from its parent.
pub(super) struct Child {
    slot: SlotId,
    exit: PidFd,
    /// `None` after the child closed its end while it goes on living.
    lifeline: Option<Lifeline>,
    ready_since: Option<Monotonic>,
}

impl Child {
    pub(super) fn new(slot: SlotId, exit: PidFd, lifeline: Lifeline) -> Self {
        Self {
            slot,
            exit,
            lifeline: Some(lifeline),
            ready_since: None,
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.exit.pid()
    }

    /// Returns whether this child speaks for a slot.
    pub(super) fn claims_for(&self, slot: SlotId) -> bool {
        self.slot == slot
    }

    pub(super) fn ready_since(&self) -> Option<Monotonic> {
        self.ready_since
    }
}

impl<R: Role> Control<R> {
    pub(super) fn watch(&self, child: &Child, generation: Generation) -> io::Result<()> {
        self.poller
            .add(child.exit.as_fd(), Source::Exit(generation))?;
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
                }
                Ok(Message::Frame(Frame::Heartbeat, _)) => {
                    self.events.push_back(Event::Heartbeat { slot, generation });
                }
                Ok(Message::Frame(Frame::Listen { request, key }, _)) => {
                    self.answer_listen(Claim { slot, generation }, request, key);
                }
                Ok(Message::Frame(Frame::Release { key }, _)) => self.release_listener(&key),
                // What only parents say, or what a newer version would: not for us.
                Ok(
                    Message::Frame(
                        Frame::Listener { .. } | Frame::Refused { .. } | Frame::Order(_),
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

    /// The child has exited. Its last words come first, its process group goes with it.
    pub(super) fn child_exited(&mut self, generation: Generation) {
        let Some(child) = self.children.get(&generation) else {
            return;
        };
        let to_be_reaped = match child.exit.has_exited() {
            Ok(false) => return,
            Ok(true) => true,
            // Somebody else has reaped it.
            Err(_) => false,
        };
        self.read_lifeline(generation);
        let Some(child) = self.children.remove(&generation) else {
            return;
        };
        self.poller.remove(child.exit.as_fd());
        if let Some(lifeline) = &child.lifeline {
            self.poller.remove(lifeline.as_fd());
        }
        // Before it is reaped, while the number of the group cannot belong to anybody else.
        if to_be_reaped && let Err(error) = sys::kill_group(child.pid()) {
            let pid = child.pid();
            let text = format!("cannot kill what process {pid} left behind: {error}");
            self.log.log(Level::Warn, &text);
        }
        match child.exit.reap() {
            Ok(Some(reason)) => self.after_exit(child.slot, generation, reason),
            // User code in this process waits for any child.
            Ok(None) | Err(_) => {
                let text = "a child's exit status was taken by foreign code in the server process";
                self.log.log(Level::Warn, text);
                let reason = ExitReason::Code(UNKNOWN_STATUS);
                self.after_exit(child.slot, generation, reason);
            }
        }
    }

    pub(super) fn stop_child(&mut self, generation: Generation, urgency: Urgency) {
        let Some(child) = self.children.get(&generation) else {
            return;
        };
        let (signal, order) = match urgency {
            Urgency::Graceful => (NixSignal::SIGTERM, Some(Order::Stop(Mode::Graceful))),
            Urgency::Immediate => (NixSignal::SIGQUIT, Some(Order::Stop(Mode::Immediate))),
            Urgency::Kill => (NixSignal::SIGKILL, None),
        };
        if R::STOPS_BY == StopsBy::Orders
            && let Some(order) = order
            && let Some(lifeline) = &child.lifeline
            && lifeline.send(&Frame::Order(order), None).is_ok()
        {
            return;
        }
        // It fails for a child that is dead already, whose exit is about to be read.
        let _ = child.exit.signal(signal);
    }

    pub(super) fn order_child(&mut self, generation: Generation, order: Order) {
        let Some(child) = self.children.get(&generation) else {
            return;
        };
        let sent = child
            .lifeline
            .as_ref()
            .map_or(Err(io::ErrorKind::NotConnected.into()), |lifeline| {
                lifeline.send(&Frame::Order(order), None)
            });
        if let Err(error) = sent {
            let noun = self.state.policy.noun;
            let text = format!(
                "{noun} {} did not take the order {order:?}: {error}",
                child.slot
            );
            self.log.log(Level::Warn, &text);
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
            self.log.log(Level::Warn, &text);
        }
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = i32> {
        self.children.values().map(Child::pid)
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
            Order::Forward(signal) => Self::Forward(signal),
        }
    }
}
