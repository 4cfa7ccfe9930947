//! Births: from a slot that is due to a child that is watched.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::core::{Event, Generation, SlotId};
use crate::lifeline::Lifeline;
use crate::log::Level;
use crate::sys::{self, Fork, PidFd};

use super::child::Child;
use super::role::guarded;
use super::{Control, Role};

/// Status of a child that panicked outside user code: a bug of the engine.
const EXIT_PANIC: i32 = 101;

/// What a child is born with.
pub(crate) struct Birth {
    pub(crate) slot: SlotId,
    pub(crate) generation: Generation,
    pub(crate) parent: i32,
    pub(crate) lifeline: Lifeline,
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
        let (ours, theirs) = Lifeline::pair().map_err(|error| format!("socketpair: {error}"))?;
        // What is buffered here would be written by both.
        let _ = io::stdout().flush();
        let parent = i32::try_from(std::process::id()).map_err(|error| error.to_string())?;
        let pid = match sys::fork().map_err(|error| format!("fork: {error}"))? {
            Fork::Parent(pid) => pid,
            Fork::Child => {
                drop(ours);
                self.let_go();
                let birth = Birth {
                    slot,
                    generation,
                    parent,
                    lifeline: theirs,
                };
                self.be_child(body, birth)
            }
        };
        drop(theirs);
        // The child does it, too; whoever comes first closes the gap in which Ctrl-C could reach it.
        let _ = sys::set_process_group(pid);
        let child = PidFd::open(pid).and_then(|exit| {
            let child = Child::new(slot, exit, ours);
            self.watch(&child, generation)?;
            Ok(child)
        });
        match child {
            Ok(child) => self.children.insert(generation, child),
            Err(error) => {
                // A child that cannot be watched must not live. Its death takes no time worth a wait.
                let _ = sys::kill_child(pid);
                let _ = sys::reap_blocking(pid);
                return Err(format!("cannot watch the new process: {error}"));
            }
        };
        let _ = guarded("the after_start hook", || {
            self.role.after_start(body, pid);
            Ok(())
        })
        .inspect_err(|message| self.log.log(Level::Error, message));
        Ok(())
    }

    /// Is the child. Nothing, not even a panic, leads back into the parent's code.
    fn be_child(&mut self, body: R::Body, birth: Birth) -> ! {
        let role = &mut self.role;
        let _ = catch_unwind(AssertUnwindSafe(|| role.be_child(body, birth)));
        sys::exit_now(EXIT_PANIC)
    }
}
