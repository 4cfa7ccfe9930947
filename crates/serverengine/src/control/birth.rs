//! Births: from a slot that is due to a child that is watched.

use std::io::{self, PipeReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::core::{Event, Generation, SlotId};
use crate::heart::Heart;
use crate::lifeline::Lifeline;
use crate::log::Level;
use crate::logger::{DaemonLogger, PipeEnds, Voice};
use crate::published::Published;
use crate::sys::{self, Fork, PidFd};
use crate::words::WordPipe;

use super::child::{Being, Child};
use super::role::{Kind, StopsBy, guarded};
use super::{Control, Role};

/// Status of a child that panicked outside user code: a bug of the engine.
pub(super) const EXIT_PANIC: i32 = 101;

/// What a child is born with.
pub(crate) struct Birth {
    pub(crate) slot: SlotId,
    pub(crate) generation: Generation,
    pub(crate) parent: i32,
    pub(crate) lifeline: Lifeline,
    pub(crate) heart: Arc<Heart>,
    /// Where its commands come from, if it is a program that reads them.
    pub(crate) commands: Option<PipeReader>,
    pub(crate) config: Published,
}

impl<R: Role> Control<R> {
    pub(super) fn spawn(&mut self, slot: SlotId, generation: Generation) {
        if let Err(message) = self.try_spawn(slot, generation) {
            self.events.push_back(Event::SpawnFailed {
                slot,
                generation,
                message,
            });
        }
    }

    fn try_spawn(&mut self, slot: SlotId, generation: Generation) -> Result<(), String> {
        let body = guarded("building it", || self.role.prepare(slot))?;
        if let Some(child) = self.take_reserve(slot, generation) {
            return self.accept_child(body, child, generation);
        }
        let (ours, theirs) = Lifeline::pair().map_err(|error| format!("socketpair: {error}"))?;
        let heart = self.hearts.take();
        let heart = heart.map_err(|error| format!("shared memory: {error}"))?;
        let parent = parent_id()?;
        let (commands, words) = match self.role.stops_by() {
            StopsBy::Words => {
                let (reader, words) = WordPipe::pair().map_err(|error| format!("pipe: {error}"))?;
                (Some(reader), Some(words))
            }
            StopsBy::Signals | StopsBy::Orders => (None, None),
        };
        let birth = Birth {
            slot,
            generation,
            parent,
            lifeline: theirs,
            heart,
            commands,
            config: self.config.clone(),
        };
        match self.role.kind() {
            Kind::Process => self.fork_child(body, birth, ours, words),
            Kind::Thread => self.start_thread(body, birth, ours),
        }
    }

    fn fork_child(
        &mut self,
        body: R::Body,
        birth: Birth,
        ours: Lifeline,
        words: Option<WordPipe>,
    ) -> Result<(), String> {
        let (slot, generation) = (birth.slot, birth.generation);
        // What is buffered here would be written by both.
        let _ = io::stdout().flush();
        let (voice, pipes) = self.new_voice()?;
        let pid = match sys::fork().map_err(|error| format!("fork: {error}"))? {
            Fork::Parent(pid) => pid,
            Fork::Child => {
                drop((ours, words));
                drop(pipes);
                self.let_go_as_child(voice);
                // Nothing, not even a panic, leads back into the parent's code.
                contain(|| self.role.be_child(body, birth));
                sys::exit_now(EXIT_PANIC)
            }
        };
        let heart = Arc::clone(&birth.heart);
        drop((birth, voice));
        // The child does it, too; whoever comes first closes the gap in which Ctrl-C could reach it.
        let _ = sys::set_process_group(pid);
        match PidFd::open(pid) {
            Ok(exit) => {
                let child = Child::new(slot, Being::Process(exit), ours, words, pipes)
                    .with_config(self.config.version)
                    .with_heart(heart);
                self.accept_child(body, child, generation)
            }
            Err(error) => Err(disown(pid, &error)),
        }
    }

    /// A process is the child of a slot from now on.
    fn accept_child(
        &mut self,
        body: R::Body,
        child: Child,
        generation: Generation,
    ) -> Result<(), String> {
        let pid = child.pid().unwrap_or_default();
        if let Err(error) = self.watch(&child, generation) {
            return Err(disown(pid, &error));
        }
        self.announce(&child);
        self.children.insert(generation, child);
        self.report_config();
        self.after_start(body, pid);
        self.postpone_reserve();
        Ok(())
    }

    /// Makes the pipes between a process that is about to be forked and the logger process.
    pub(super) fn new_voice(&self) -> Result<(Option<Voice>, Option<PipeEnds>), String> {
        let logger = self.logging.logger.as_ref();
        let voice = logger.map(|_| DaemonLogger::new_voice()).transpose();
        Ok(voice
            .map_err(|error| format!("pipes to the logger process: {error}"))?
            .unzip())
    }

    /// In a child that was just forked: closes what is the control process's own, and logs as a child.
    pub(super) fn let_go_as_child(&mut self, voice: Option<Voice>) {
        self.let_go();
        if let Err(error) = self.logging.take_voice(voice, R::CHILDREN_CONTROL) {
            let text = format!("cannot log through the logger process: {error}");
            self.logging.log.log(Level::Error, &text);
        }
    }

    fn start_thread(&mut self, body: R::Body, birth: Birth, ours: Lifeline) -> Result<(), String> {
        let (generation, parent) = (birth.generation, birth.parent);
        let child = Child::new(birth.slot, Being::Thread, ours, None, None)
            .with_config(self.config.version);
        self.watch(&child, generation)
            .map_err(|error| format!("cannot watch the new thread: {error}"))?;
        // If not all of its threads can be started, the end of the life-line ends those that were.
        self.role
            .start_thread(&body, birth)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        self.children.insert(generation, child);
        self.report_config();
        self.after_start(body, parent);
        Ok(())
    }

    fn after_start(&mut self, body: R::Body, pid: i32) {
        let _ = guarded("the after_start hook", || {
            self.role.after_start(body, pid);
            Ok(())
        })
        .inspect_err(|message| self.logging.log.log(Level::Error, message));
    }
}

/// Runs a child. A panic outside user code ends here.
pub(super) fn contain<Never>(child: impl FnOnce() -> Never) {
    let _ = catch_unwind(AssertUnwindSafe(child));
}

/// Returns the number by which children know this process.
pub(super) fn parent_id() -> Result<i32, String> {
    i32::try_from(std::process::id()).map_err(|error| error.to_string())
}

/// A child that cannot be watched must not live. Its death takes no time worth a wait.
fn disown(pid: i32, why: &io::Error) -> String {
    let _ = sys::kill_child(pid);
    let _ = sys::reap_blocking(pid);
    format!("cannot watch the new process: {why}")
}
