//! What a dead child left behind, found and killed before a successor starts.
//!
//! A supervisor is a subreaper: when its server dies, the server's descendants become the supervisor's
//! children, those in sessions of their own included. The core learns of the exit when the last of them
//! is reaped, so a new generation never meets an old one.

use std::io;
use std::time::Duration;

use crate::core::{Event, ExitReason, Generation, Monotonic, SlotId};
use crate::log::Level;
use crate::sys;

use super::{Control, Role};

/// Time between two looks while something is left. The death of a child wakes the loop before that.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Keeper of the exits that are not complete.
pub(super) struct Survivors {
    enabled: bool,
    /// Children that existed before the supervisor did: not ours to kill.
    spared: Vec<i32>,
    waiting: Vec<(SlotId, Generation, ExitReason)>,
}

impl Survivors {
    pub(super) fn new(enabled: bool) -> io::Result<Self> {
        let mut spared = Vec::new();
        if enabled {
            sys::set_child_subreaper()?;
            spared = sys::children_of_this_process()?;
        }
        Ok(Self {
            enabled,
            spared,
            waiting: Vec::new(),
        })
    }

    /// Takes a process out of the search.
    pub(super) fn spare(&mut self, pid: i32) {
        self.spared.push(pid);
    }

    /// Forgets one that was reaped: its number may be anybody's.
    pub(super) fn forget(&mut self, pid: i32) {
        self.spared.retain(|spared| *spared != pid);
    }

    pub(super) fn next_look(&self, now: Monotonic) -> Option<Monotonic> {
        (!self.waiting.is_empty()).then(|| now.saturating_add(LOOK_INTERVAL))
    }
}

impl<R: Role> Control<R> {
    pub(super) fn after_exit(&mut self, slot: SlotId, generation: Generation, reason: ExitReason) {
        if self.survivors.enabled {
            self.survivors.waiting.push((slot, generation, reason));
        } else {
            self.events.push_back(Event::ChildExited {
                slot,
                generation,
                reason,
            });
        }
    }

    /// Reaps adopted processes that ended by themselves while their server lives.
    pub(super) fn reap_adopted(&mut self) {
        if !self.survivors.enabled {
            return;
        }
        for pid in self.adopted().unwrap_or_default() {
            let _ = sys::reap(pid);
        }
    }

    fn adopted(&self) -> io::Result<Vec<i32>> {
        let own = self.pids().collect::<Vec<_>>();
        let mut children = sys::children_of_this_process()?;
        children.retain(|pid| !own.contains(pid) && !self.survivors.spared.contains(pid));
        Ok(children)
    }

    /// Kills and reaps what is left; tells the core of the exits when nothing is.
    pub(super) fn sweep(&mut self) {
        while !self.survivors.waiting.is_empty() {
            let survivors = match self.adopted() {
                Ok(survivors) => survivors,
                Err(error) => {
                    let text = format!("cannot look for survivors in /proc: {error}");
                    self.logging.log.log(Level::Error, &text);
                    return;
                }
            };
            if survivors.is_empty() {
                for (slot, generation, reason) in self.survivors.waiting.drain(..) {
                    self.events.push_back(Event::ChildExited {
                        slot,
                        generation,
                        reason,
                    });
                }
                return;
            }
            let mut reaped = false;
            for pid in survivors {
                // Both fail only for what is gone.
                let _ = sys::kill_child(pid);
                reaped |= sys::reap(pid).is_ok_and(|reason| reason.is_some());
            }
            // Look again at once only if there may be news: children of those that were reaped.
            if !reaped {
                return;
            }
        }
    }
}
