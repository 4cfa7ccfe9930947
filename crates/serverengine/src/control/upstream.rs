//! The life-line to the level above: a server's side of it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::core::{Command, Event, Mode, Monotonic};
use crate::heart::Heart;
use crate::lifeline::frame::Frame;
use crate::lifeline::{Lifeline, Message};
use crate::listen::{Claim, SocketKey};
use crate::log::Level;
use crate::published::Published;
use crate::sys;

use super::{Control, Role};

/// How many requests may wait for the level above.
const RELAYED_MAX: usize = 4096;

/// Connection to the level above.
pub(crate) struct Upstream {
    lifeline: Lifeline,
    heart: Arc<Heart>,
    heartbeat_interval: Duration,
    next_heartbeat: Monotonic,
    next_request: u32,
    relayed: BTreeMap<u32, Relayed>,
}

/// A child's request that the level above has not answered yet.
pub(super) struct Relayed {
    pub(super) claim: Claim,
    pub(super) request: u32,
    pub(super) key: SocketKey,
}

impl Upstream {
    pub(crate) fn new(lifeline: Lifeline, heart: Arc<Heart>, heartbeat_interval: Duration) -> Self {
        Self {
            lifeline,
            heart,
            heartbeat_interval,
            next_heartbeat: Duration::ZERO,
            next_request: 0,
            relayed: BTreeMap::new(),
        }
    }

    pub(super) fn say_ready(&self) {
        // If nobody listens, the end of the life-line says so next.
        self.heart.beat();
        let _ = self.lifeline.send(&Frame::Ready, None);
    }

    pub(super) fn say_release(&self, key: SocketKey) {
        let _ = self.lifeline.send(&Frame::Release { key }, None);
    }

    pub(super) fn next_heartbeat(&self) -> Monotonic {
        self.next_heartbeat
    }

    pub(super) fn heartbeat(&mut self, now: Monotonic) {
        if now >= self.next_heartbeat {
            self.next_heartbeat = now.saturating_add(self.heartbeat_interval);
            self.heart.beat();
        }
    }

    pub(super) fn relay(&mut self, claim: Claim, request: u32, key: SocketKey) -> io::Result<()> {
        if self.relayed.len() >= RELAYED_MAX {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        let own = self.next_request;
        self.next_request = own.wrapping_add(1);
        self.lifeline.send(
            &Frame::Listen {
                request: own,
                key: key.clone(),
            },
            None,
        )?;
        self.relayed.insert(
            own,
            Relayed {
                claim,
                request,
                key,
            },
        );
        Ok(())
    }

    pub(super) fn take_relayed(&mut self, request: u32) -> Option<Relayed> {
        self.relayed.remove(&request)
    }
}

impl AsFd for Upstream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lifeline.as_fd()
    }
}

impl<R: Role> Control<R> {
    /// The supervisor is about to leave: its end must not be the end of this process.
    fn go_free(&mut self) {
        let Some(upstream) = &self.upstream else {
            return;
        };
        if let Err(error) = sys::clear_parent_death_signal() {
            let text = format!("cannot live on without the supervisor: {error}");
            return self.logging.log.log(Level::Error, &text);
        }
        if upstream.lifeline.send(&Frame::Free, None).is_err() {
            return;
        }
        self.poller.remove(upstream.as_fd());
        self.upstream = None;
        let text = "released by the supervisor: finishing alone";
        self.logging.log.log(Level::Info, text);
    }

    pub(super) fn read_upstream(&mut self) {
        loop {
            let Some(upstream) = &self.upstream else {
                return;
            };
            match upstream.lifeline.receive() {
                Ok(Message::Frame(Frame::Order(order), _)) => {
                    self.events.push_back(Event::Command(order.into()));
                }
                Ok(Message::Frame(Frame::Listener { request }, Some(socket))) => {
                    self.listener_arrived(request, socket);
                }
                Ok(Message::Frame(Frame::Listener { request }, None)) => {
                    // The kernel dropped it: this process has no descriptor left.
                    self.listener_refused(request, libc::EMFILE, String::new());
                }
                Ok(Message::Frame(
                    Frame::Refused {
                        request,
                        errno,
                        text,
                    },
                    _,
                )) => {
                    self.listener_refused(request, errno, text);
                }
                Ok(Message::Frame(Frame::Config { version, .. }, Some(shared))) => {
                    match Published::receive(version, shared) {
                        Ok(config) => {
                            self.loads
                                .hand(config.text.as_deref().unwrap_or_default().to_owned());
                        }
                        Err(error) => {
                            let text = format!("the configuration did not arrive: {error}");
                            self.logging.log.log(Level::Error, &text);
                        }
                    }
                }
                Ok(Message::Frame(Frame::NewLogger, _)) => self.announce_pipes(),
                Ok(Message::Frame(Frame::SetFree, _)) => return self.go_free(),
                Ok(
                    Message::Frame(
                        Frame::Ready
                        | Frame::Heartbeat
                        | Frame::Exited { .. }
                        | Frame::Free
                        | Frame::Born { .. }
                        | Frame::Config { .. }
                        | Frame::ConfigTaken { .. }
                        | Frame::TakeOver
                        | Frame::Socket { .. }
                        | Frame::Manager
                        | Frame::Listen { .. }
                        | Frame::Release { .. },
                        _,
                    )
                    | Message::Unknown,
                ) => {}
                Ok(Message::Nothing) => return,
                Ok(Message::Closed) | Err(_) => {
                    self.poller.remove(upstream.as_fd());
                    self.upstream = None;
                    self.logging
                        .log
                        .log(Level::Error, "the supervisor is gone: stopping");
                    self.events
                        .push_back(Event::Command(Command::Stop(Mode::Graceful)));
                    return;
                }
            }
        }
    }
}
