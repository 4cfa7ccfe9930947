//! The log of a control process, and what it does for the logger process.
//!
//! Each control process holds the reading ends of its children's pipes, so that nothing is lost when the
//! logger dies: the topmost process starts another one, and all control processes announce their
//! children's pipes to it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::core::Monotonic;
use crate::dump::DumpRules;
use crate::lifeline::frame::Frame;
use crate::log::{Level, Log};
use crate::logger::{DaemonLogger, Voice};

use super::child::Child;
use super::{Control, Role, Source};

/// Least time between two starts of the logger process.
const START_INTERVAL: Duration = Duration::from_secs(1);

/// Where messages go, and the process that writes them.
pub(crate) struct Logging {
    pub(crate) log: Arc<dyn Log>,
    /// What children speak through.
    pub(crate) logger: Option<Arc<DaemonLogger>>,
    pub(crate) dump: DumpRules,
    /// In the topmost process: readable when the logger process has died.
    exit: Option<OwnedFd>,
    /// When the next one is to be started.
    restart_at: Option<Monotonic>,
    started: Monotonic,
}

impl Logging {
    /// `watches`: whether this is the topmost process.
    pub(crate) fn new(config: &Config, watches: bool) -> io::Result<Self> {
        let logger = config.logger.as_ref();
        let watched = logger.filter(|_| watches);
        Ok(Self {
            log: Arc::clone(&config.log),
            dump: DumpRules::of(config),
            logger: logger.cloned(),
            exit: watched.map(|it| it.exit_descriptor()).transpose()?,
            restart_at: None,
            started: Duration::ZERO,
        })
    }

    pub(super) fn restart_at(&self) -> Option<Monotonic> {
        self.restart_at
    }

    /// In a child that was just forked: what is this process's is not the child's.
    pub(super) fn let_go(&mut self) {
        self.exit = None;
    }

    /// In a child that was just forked.
    pub(super) fn take_voice(&self, voice: Option<Voice>, controls: bool) -> io::Result<()> {
        match (&self.logger, voice) {
            (Some(logger), Some(voice)) => logger.take_voice(voice, controls),
            (_, None) | (None, _) => Ok(()),
        }
    }
}

impl<R: Role> Control<R> {
    pub(super) fn watch_logger(&self) -> io::Result<()> {
        match &self.logging.exit {
            Some(exit) => self.poller.add(exit.as_fd(), Source::Logger),
            None => Ok(()),
        }
    }

    pub(super) fn logger_exited(&mut self) {
        let Some(logger) = &self.logging.logger else {
            return;
        };
        let Some(reason) = logger.reap() else { return };
        if let Some(exit) = self.logging.exit.take() {
            self.poller.remove(exit.as_fd());
        }
        // It is read when there is a logger again.
        let text = format!("the logger process ended with {reason}: starting another one");
        self.logging.log.log(Level::Error, &text);
        self.logging.restart_at = Some(self.logging.started.saturating_add(START_INTERVAL));
    }

    /// Starts the logger process again when it is time.
    pub(super) fn restart_logger(&mut self, now: Monotonic) {
        if self.logging.restart_at.is_none_or(|moment| now < moment) {
            return;
        }
        self.logging.restart_at = None;
        self.logging.started = now;
        let Some(logger) = self.logging.logger.clone() else {
            return;
        };
        let started = logger.start(false).and_then(|pid| {
            self.survivors.spare(pid);
            self.logging.exit = Some(logger.exit_descriptor()?);
            self.watch_logger()
        });
        match started {
            Ok(()) => self.announce_pipes(),
            Err(error) => {
                drop(logger.give_up());
                let text = format!("there is no logger process any more, logging here: {error}");
                self.logging.log.log(Level::Error, &text);
            }
        }
    }

    /// Tells a new logger process of the pipes of all children, and has theirs announced.
    pub(super) fn announce_pipes(&self) {
        for child in self.children.values() {
            self.announce(child);
            if R::CHILDREN_CONTROL {
                child.tell(&Frame::NewLogger);
            }
        }
    }

    /// Tells the logger process of a child's pipes.
    pub(super) fn announce(&self, child: &Child) {
        let (Some(logger), Some(pipes)) = (&self.logging.logger, child.pipes()) else {
            return;
        };
        let pid = child.pid().map_or(0, i32::unsigned_abs);
        if let Err(error) = logger.announce(pipes, pid) {
            let text = format!("what {} says is not logged: {error}", child.name());
            self.logging.log.log(Level::Error, &text);
        }
    }
}
