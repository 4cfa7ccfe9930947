//! The worker in reserve: a process forked in advance, which becomes whichever worker is due next.
//!
//! A fork and the first steps of the process that comes of it are most of the time between a worker's
//! death and its successor's first word. With a reserve they lie behind when the death is noticed: the
//! process waits at the other end of its life-line for its name, and goes on from there.
//!
//! ```text
//!   nobody is due ──► fork ──► waits ──► BORN slot, generation ──► a worker like any other
//!                      ▲         │
//!                      └─────────┴─ dead, or older than the configuration: another one
//! ```
//!
//! It is a copy of the server at its fork, like every worker; that fork is only earlier. The core knows
//! nothing of it: a worker that comes out of the reserve is one that was spawned fast.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use crate::core::{Generation, Monotonic, SlotId};
use crate::heart::Heart;
use crate::lifeline::Lifeline;
use crate::lifeline::frame::Frame;
use crate::log::Level;
use crate::logger::PipeEnds;
use crate::sys::{self, Fork, PidFd};

use super::birth::{EXIT_PANIC, parent_id};
use super::child::{Being, Child};
use super::{Control, Role, Source};

/// The server forks a reserve when no worker was started for this long: those that are missing come first.
const QUIET: Duration = Duration::from_millis(2);

/// Wait after a reserve could not be forked, or died.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a reserve is born with.
pub(crate) struct Cradle {
    pub(crate) parent: i32,
    pub(crate) lifeline: Lifeline,
    pub(crate) heart: Arc<Heart>,
    pub(crate) config: crate::published::Published,
}

/// The reserve, or when there is to be one.
#[derive(Default)]
pub(super) struct Reserve {
    waiting: Option<Waiting>,
    /// Not before this moment.
    due: Monotonic,
}

struct Waiting {
    process: PidFd,
    lifeline: Lifeline,
    heart: Arc<Heart>,
    pipes: Option<PipeEnds>,
    /// Of the configuration it was forked with.
    config_version: u32,
}

impl Reserve {
    /// Returns what a dump says of it.
    pub(super) fn describe(&self) -> Option<String> {
        let waiting = self.waiting.as_ref()?;
        Some(format!("in reserve: pid {}", waiting.process.pid()))
    }

    /// Lets go of it in a child that was just forked.
    pub(super) fn let_go(&mut self) {
        self.waiting = None;
    }
}

impl<R: Role> Control<R> {
    /// Returns when [`Control::keep_reserve`] has something to do. `None`: not before something happens.
    pub(super) fn reserve_due(&self) -> Option<Monotonic> {
        let missing = self.reserve.waiting.is_none() && self.wants_reserve();
        missing.then_some(self.reserve.due)
    }

    fn wants_reserve(&self) -> bool {
        self.role.keeps_reserve()
            && self.state.stopping.is_none()
            && self.state.detaching.is_none()
            && !self.state.ended
    }

    /// Workers that are due are started first, also by what the next one is about to need.
    pub(super) fn postpone_reserve(&mut self) {
        self.reserve.due = self.reserve.due.max(self.now().saturating_add(QUIET));
    }

    /// Makes a reserve if one is due, and ends one that is not wanted or knows too little.
    pub(super) fn keep_reserve(&mut self, now: Monotonic) {
        let version = self.config.version;
        let wanted = self.wants_reserve();
        let useless = |it: &Waiting| !wanted || it.config_version != version;
        if self.reserve.waiting.as_ref().is_some_and(useless) {
            self.end_reserve();
            self.postpone_reserve();
        }
        if self.reserve_due().is_some_and(|due| due <= now)
            && let Err(error) = self.fork_reserve()
        {
            self.reserve.due = now.saturating_add(RETRY_AFTER);
            let text =
                format!("no worker in reserve: {error}; the next attempt is in {RETRY_AFTER:?}");
            self.logging.log.log(Level::Warn, &text);
        }
    }

    fn fork_reserve(&mut self) -> Result<(), String> {
        let (ours, theirs) = Lifeline::pair().map_err(|error| format!("socketpair: {error}"))?;
        let heart = self.hearts.take();
        let cradle = Cradle {
            parent: parent_id()?,
            lifeline: theirs,
            heart: heart.map_err(|error| format!("shared memory: {error}"))?,
            config: self.config.clone(),
        };
        let heart = Arc::clone(&cradle.heart);
        let (voice, pipes) = self.new_voice()?;
        let pid = match sys::fork().map_err(|error| format!("fork: {error}"))? {
            Fork::Parent(pid) => pid,
            Fork::Child => {
                drop((ours, pipes));
                self.let_go_as_child(voice);
                let role = &mut self.role;
                super::birth::contain(|| role.be_reserve(cradle));
                sys::exit_now(EXIT_PANIC)
            }
        };
        drop((cradle, voice));
        let _ = sys::set_process_group(pid);
        let watched = PidFd::open(pid).and_then(|process| {
            self.poller.add(process.as_fd(), Source::Reserve)?;
            Ok(process)
        });
        match watched {
            Ok(process) => {
                self.reserve.waiting = Some(Waiting {
                    process,
                    lifeline: ours,
                    heart,
                    pipes,
                    config_version: self.config.version,
                });
                Ok(())
            }
            Err(error) => {
                let _ = sys::kill_child(pid);
                let _ = sys::reap_blocking(pid);
                Err(format!("cannot watch the new process: {error}"))
            }
        }
    }

    /// Makes the reserve the child of a slot. `None`: there is none that could be.
    pub(super) fn take_reserve(&mut self, slot: SlotId, generation: Generation) -> Option<Child> {
        let current = |it: &mut Waiting| it.config_version == self.config.version;
        let waiting = self.reserve.waiting.take_if(current)?;
        self.poller.remove(waiting.process.as_fd());
        let frame = Frame::Born { slot, generation };
        if waiting.lifeline.send(&frame, None).is_err() {
            // Dead, and about to be noticed.
            self.bury(&waiting);
            return None;
        }
        let process = Being::Process(waiting.process);
        let child = Child::new(slot, process, waiting.lifeline, None, waiting.pipes);
        Some(
            child
                .with_config(waiting.config_version)
                .with_heart(waiting.heart),
        )
    }

    /// The reserve has ended, and nobody told it to.
    pub(super) fn reserve_exited(&mut self) {
        let Some(waiting) = self.reserve.waiting.take() else {
            return;
        };
        self.poller.remove(waiting.process.as_fd());
        self.bury(&waiting);
        self.reserve.due = self.now().saturating_add(RETRY_AFTER);
        let text = format!(
            "the worker in reserve (pid {}) has ended; there is another one in {RETRY_AFTER:?}",
            waiting.process.pid()
        );
        self.logging.log.log(Level::Warn, &text);
    }

    /// Ends the reserve, if there is one.
    pub(super) fn end_reserve(&mut self) {
        if let Some(waiting) = self.reserve.waiting.take() {
            self.poller.remove(waiting.process.as_fd());
            self.bury(&waiting);
        }
    }

    /// Kills and reaps it. It runs none of the user's code: its death takes no time worth a wait.
    fn bury(&self, waiting: &Waiting) {
        let pid = waiting.process.pid();
        let _ = sys::kill_child(pid);
        let _ = sys::reap_blocking(pid);
    }
}
