//! Helpers: processes that are forked for one thing that may take long, and end.
//!
//! One that takes too long is killed. What sleeps in the kernel, for a disk that does not answer, does not
//! die of that before the disk answers: it is remembered, and reaped when it has died. Nobody waits for it.

use std::io;

use crate::sys::{self, Fork};

use super::{Control, Role};

/// Most helpers that were killed and have not died yet. With so many no other one is started.
const LINGERING_MAX: usize = 8;

/// Exit code of a helper that could not begin.
const EXIT_ERROR: i32 = 1;

/// Keeper of the helpers that were killed and have not died yet.
#[derive(Default)]
pub(super) struct Helpers {
    lingering: Vec<i32>,
}

impl<R: Role> Control<R> {
    /// Forks a helper that calls `run`, without any descriptor of this control process. Returns its pid.
    ///
    /// # Errors
    ///
    /// The kernel refuses; there are threads; too many that were killed have not died.
    pub(super) fn fork_helper(&mut self, run: impl FnOnce()) -> io::Result<i32> {
        if self.helpers.lingering.len() >= LINGERING_MAX {
            return Err(io::Error::other(format!(
                "{LINGERING_MAX} processes that were forked for such work hang in the kernel: see what the \
                 disks do (`ps` shows them in state D)"
            )));
        }
        match sys::fork()? {
            Fork::Parent(pid) => {
                self.survivors.spare(pid);
                Ok(pid)
            }
            Fork::Child => {
                self.let_go();
                // What it starts goes with it, and it goes with this process.
                let begun = sys::own_process_group().and_then(|()| sys::set_parent_death_signal());
                let code = begun.map_or(EXIT_ERROR, |()| {
                    run();
                    0
                });
                sys::exit_now(code)
            }
        }
    }

    /// Ends a helper that has done its work, or takes too long for it.
    pub(super) fn end_helper(&mut self, pid: i32) {
        // Its group is killed before it is reaped: the number is its own until then. Of both it only matters
        // that nothing is left.
        let _ = sys::kill_group(pid);
        let _ = sys::kill_child(pid);
        self.helpers.lingering.push(pid);
        self.reap_helpers();
    }

    /// Reaps those that have died. The death of a child calls it.
    pub(super) fn reap_helpers(&mut self) {
        let survivors = &mut self.survivors;
        self.helpers.lingering.retain(|pid| {
            // An error means that it is no child any more.
            let lives = matches!(sys::reap(*pid), Ok(None));
            if !lives {
                survivors.forget(*pid);
            }
            lives
        });
    }
}
