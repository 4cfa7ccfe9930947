//! The control process: one thread, one epoll loop around the pure core.
//!
//! ```text
//!            ┌───────────────────────────── epoll ─────────────────────────────┐
//!            │ signalfd   life-line above   pidfd per child   life-line per child │
//!            └──────┬──────────┬─────────────────┬───────────────────┬──────────┘
//!                   ▼          ▼                 ▼                   ▼
//!                          events ──► core::step ──► actions ──► fork, signal, order, log
//! ```
//!
//! There is no tick, no blocking sleep and no lock: the wait ends at the core's next deadline. Children
//! are forked from here only, that is from the process's one thread, so a fork is safe and the parent
//! death signal (which follows the forking thread) means the process.
//!
//! Who owns which descriptor (all are close-on-exec from birth):
//!
//! ```text
//!   descriptor                     owner             in a forked child
//!   epoll, signalfd                Control           closed; the child makes its own
//!   pidfd, our end of a life-line  Control.children  closed, those of its siblings as well as its own
//!   the same two of the reserve    Control.reserve   closed
//!   life-line to the level above   Control.upstream  closed
//!   listening sockets              Control.listeners closed; the child asks for duplicates
//!   socket manager, its peers      Control.sharing   closed
//!   command pipe, pid file         Control           closed
//!   pipe to the launcher           Control.readiness closed
//!   ends of the children's pipes    Control.children  closed
//!   socket to the logger process   DaemonLogger      kept by control processes only
//!   the child's end of a life-line Birth             the only engine descriptor it keeps
//!   what the user opened before    the user          inherited, on purpose
//! ```
//!
//! The same loop runs a server over its workers and a supervisor over its server; what differs is the
//! [`Role`].

mod birth;
mod child;
mod command_pipe;
mod config;
mod dumping;
mod helpers;
mod listeners;
mod logging;
mod poller;
mod reserve;
mod role;
mod sharing;
mod survivors;
mod upstream;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal as NixSignal;

use crate::belongings::Belongings;
use crate::core::{Action, Command, Event, Generation, Monotonic, Policy, State, step};
use crate::daemon::{self, Readiness};
use crate::dump::DumpRules;
use crate::heart::Hearts;
use crate::lifeline::frame::Frame;
use crate::listen::{ListenerTable, Origin};
use crate::log::Level;
use crate::pid_file::PidFile;
use crate::published::Published;
use crate::signals::{Signal, SignalMeanings, TAKEN};
use crate::sys;

pub(crate) use birth::Birth;
use child::Child;
use command_pipe::CommandPipe;
use config::Loads;
use dumping::Dumping;
use helpers::Helpers;
pub(crate) use logging::Logging;
use poller::{Poller, Source};
pub(crate) use reserve::Cradle;
use reserve::Reserve;
pub(crate) use role::{Kind, Load, Role, StopsBy, guarded, panicked};
use sharing::Sharing;
use survivors::Survivors;
pub(crate) use upstream::Upstream;

/// What a control process keeps to its very end. In this order: who waits for the server hears of its end when the
/// file is gone.
pub(crate) struct Last {
    _pid_file: Option<PidFile>,
    _readiness: Option<Readiness>,
}

/// One control process: the core's state and everything it acts on.
pub(crate) struct Control<R: Role> {
    role: R,
    state: State,
    started: Instant,
    signals: SignalMeanings,
    logging: Logging,
    poller: Poller,
    children: BTreeMap<Generation, Child>,
    reserve: Reserve,
    hearts: Hearts,
    listeners: ListenerTable,
    upstream: Option<Upstream>,
    commands: Option<CommandPipe>,
    /// The name under which others get listening sockets. The topmost process only.
    sharing: Option<Sharing>,
    /// Goes before the next one does: who waits for the server hears of its end when the file is gone.
    pid_file: Option<PidFile>,
    readiness: Option<Readiness>,
    /// Whether standard error is somebody else's until this process is ready.
    loud: bool,
    dump_rules: DumpRules,
    /// The dump that is being written.
    dumping: Option<Dumping>,
    helpers: Helpers,
    survivors: Survivors,
    /// What workers are to work with.
    config: Published,
    /// The same, where those that run can read it.
    shared_config: Option<OwnedFd>,
    /// Whether it was said that all have it.
    config_reported: bool,
    /// How long a ready child may take to ask for its listening sockets.
    release_after: Duration,
    next_release: Option<Monotonic>,
    /// The load of the configuration that is under way, and what comes after it.
    loads: Loads,
    events: VecDeque<Event>,
    exit_code: Option<i32>,
}

/// Takes the signals over. From here on they wait until the loop reads them, so one that arrives during
/// the start is not lost. The death of children is among them for those who look after survivors.
pub(crate) fn take_signals() -> io::Result<()> {
    let mut signals = TAKEN.to_vec();
    signals.push(NixSignal::SIGCHLD);
    sys::block_signals(&signals)
}

impl<R: Role> Control<R> {
    pub(crate) fn new(
        role: R,
        policy: Policy,
        signals: SignalMeanings,
        logging: Logging,
        upstream: Option<Upstream>,
        release_after: Duration,
    ) -> io::Result<Self> {
        let poller = Poller::new()?;
        if let Some(upstream) = &upstream {
            poller.add(upstream.as_fd(), Source::Upstream)?;
        }
        let started = Instant::now();
        let seed = u64::from(std::process::id());
        Ok(Self {
            survivors: Survivors::new(R::KILLS_SURVIVORS)?,
            role,
            state: State::new(policy, seed, Duration::ZERO),
            started,
            signals,
            poller,
            children: BTreeMap::new(),
            reserve: Reserve::default(),
            hearts: Hearts::default(),
            listeners: ListenerTable::default(),
            upstream,
            commands: None,
            sharing: None,
            readiness: None,
            pid_file: None,
            loud: false,
            dump_rules: logging.dump.clone(),
            dumping: None,
            helpers: Helpers::default(),
            logging,
            config: Published::default(),
            shared_config: None,
            config_reported: true,
            release_after,
            next_release: None,
            loads: Loads::default(),
            events: VecDeque::new(),
            exit_code: None,
        })
    }

    /// Hands over what only the topmost process has. `daemon`: standard error is only borrowed until
    /// this process is ready.
    ///
    /// # Errors
    ///
    /// The command pipe cannot be waited for: it is a file.
    pub(crate) fn with_belongings(
        mut self,
        belongings: Belongings,
        daemon: bool,
    ) -> io::Result<Self> {
        let Belongings {
            commands,
            readiness,
            pid_file,
            sockets,
            manager,
            manager_users,
        } = belongings;
        for (key, socket) in sockets {
            self.listeners.adopt(key, socket, Origin::Activated);
        }
        if let Some(manager) = manager {
            self.share(manager, manager_users)?;
        }
        if let Some(pipe) = commands.map(CommandPipe::new) {
            self.poller
                .add(pipe.as_fd(), Source::Commands)
                .map_err(|error| io::Error::new(error.kind(), format!("command pipe: {error}")))?;
            self.commands = Some(pipe);
        }
        self.readiness = readiness;
        self.pid_file = pid_file;
        self.loud = daemon;
        Ok(self)
    }

    /// This process does its work now.
    fn is_ready(&mut self) {
        if std::mem::take(&mut self.loud) {
            match &self.logging.logger {
                Some(logger) => logger.fall_silent(),
                None => daemon::fall_silent(),
            }
        }
        if let Some(readiness) = self.readiness.take() {
            readiness.ready();
        }
    }

    /// Runs until everything has ended. Returns the role, the exit code, and what is to go last.
    pub(crate) fn run(mut self) -> io::Result<(R, i32, Last)> {
        if let Some(upstream) = &self.upstream {
            upstream.say_ready();
        }
        if !R::CHILDREN_CONTROL {
            self.is_ready();
        }
        self.watch_logger()?;
        let config = role::guarded("worker_config", || Ok(self.role.worker_config()));
        config
            .and_then(|text| self.config.publish(text))
            .map_err(io::Error::other)?;
        let mut sources = Vec::new();
        let mut actions = Vec::new();
        loop {
            let complete = self.poller.wait(self.timeout(), &mut sources)?;
            for source in sources.drain(..) {
                self.look_at(source)?;
            }
            self.sweep();
            self.release_listeners(self.now());
            self.restart_logger(self.now());
            self.give_up_loading(self.now());
            self.give_up_dumping(self.now());
            if let Some(upstream) = &mut self.upstream {
                upstream.heartbeat(self.started.elapsed());
            }
            // Deadlines last: what children said in the meantime may have moved them.
            if complete {
                if self.state.deadline().is_some_and(|it| it <= self.now()) {
                    self.feel_hearts();
                }
                self.events.push_back(Event::Timer);
            }
            while let Some(event) = self.events.pop_front() {
                let now = self.now();
                step(&mut self.state, event, now, &mut actions);
                for action in actions.drain(..) {
                    self.perform(action);
                }
            }
            self.keep_reserve(self.now());
            if let Some(code) = self.exit_code {
                self.end_reserve();
                if self.end_sharing() && self.upstream.is_none() {
                    self.listeners.close();
                }
                self.listeners.leave();
                let last = Last {
                    _pid_file: self.pid_file,
                    _readiness: self.readiness,
                };
                return Ok((self.role, code, last));
            }
        }
    }

    fn look_at(&mut self, source: Source) -> io::Result<()> {
        match source {
            Source::Signals => self.read_signals()?,
            Source::Upstream => self.read_upstream(),
            Source::Commands => self.read_commands(),
            Source::Logger => self.logger_exited(),
            Source::Loading => self.config_arrived(),
            Source::Dump => self.dump_was_written(),
            Source::Peer(id) => self.read_peer(id),
            Source::Lifeline(generation) => self.read_lifeline(generation),
            Source::Exit(generation) => self.child_exited(generation),
            Source::Reserve => self.reserve_exited(),
        }
        Ok(())
    }

    fn read_signals(&mut self) -> io::Result<()> {
        while let Some(signal) = self.poller.next_signal()? {
            if signal == NixSignal::SIGCHLD {
                self.reap_adopted();
                self.reap_helpers();
            }
            let command = Signal::from_system(signal).and_then(|it| self.signals.command(it));
            self.events.extend(command.map(Event::Command));
        }
        Ok(())
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Spawn { slot, generation } => self.spawn(slot, generation),
            Action::Stop {
                generation,
                urgency,
                ..
            } => self.stop_child(generation, urgency),
            Action::Order {
                generation, order, ..
            } => self.order_child(generation, order),
            Action::Release { generation, .. } => {
                if let Some(child) = self.children.get(&generation) {
                    child.tell(&Frame::SetFree);
                }
            }
            Action::LoadConfig(change) => self.load_config(change),
            Action::ReopenLog => self.logging.log.reopen(),
            Action::Dump => self.dump(),
            Action::Log(message) => {
                let text = message.text(self.state.policy.noun);
                self.logging.log.log(message.level(), &text);
            }
            Action::Hook(command) => self.call_hook(command),
            Action::Exit(code) => self.exit_code = Some(code),
        }
    }

    fn call_hook(&mut self, command: Command) {
        let role = &mut self.role;
        let called = role::guarded("the server's hook", || {
            role.hook(command);
            Ok(())
        });
        if let Err(text) = called {
            self.logging.log.log(Level::Error, &text);
        }
    }

    /// Closes every descriptor of this control process, in a child that was just forked.
    fn let_go(&mut self) {
        self.poller.close();
        self.children.clear();
        self.reserve.let_go();
        self.hearts = Hearts::default();
        self.listeners = ListenerTable::default();
        self.upstream = None;
        self.commands = None;
        self.sharing = None;
        self.readiness = None;
        self.pid_file = None;
        self.loads = Loads::default();
        self.dumping = None;
        self.logging.let_go();
    }

    fn timeout(&self) -> Option<Duration> {
        let now = self.now();
        let heartbeat = self.upstream.as_ref().map(Upstream::next_heartbeat);
        let sweep = self.survivors.next_look(now);
        [
            self.state.deadline(),
            heartbeat,
            sweep,
            self.next_release,
            self.reserve_due(),
            self.logging.restart_at(),
            self.loads.deadline(),
            self.dumping.as_ref().map(Dumping::deadline),
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|moment| moment.saturating_sub(now))
    }

    fn now(&self) -> Monotonic {
        self.started.elapsed()
    }
}
