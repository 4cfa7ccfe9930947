//! What a control process does for a server that a supervisor does not, and the other way round.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::Config;
use crate::core::{Change, Command, Policy, SlotId};
use crate::loading::Loader;
use crate::sys;

use super::{Birth, Cradle};

/// One of the two kinds of control process.
pub(crate) trait Role {
    /// What is built before the fork and used on both sides of it.
    type Body;

    /// Whether this process adopts and kills what a dead child left behind.
    const KILLS_SURVIVORS: bool;

    /// Whether children are control processes with children of their own.
    const CHILDREN_CONTROL: bool;

    /// What children are.
    fn kind(&self) -> Kind;

    /// How a child is told to stop.
    fn stops_by(&self) -> StopsBy;

    /// Whether a child takes orders over its life-line. Programs do not.
    fn takes_orders(&self) -> bool {
        true
    }

    /// The signal that makes a child reload, for those that take no other order.
    fn reload_signal(&self) -> Option<i32> {
        None
    }

    /// Whether a process is to be kept that becomes the next child.
    fn keeps_reserve(&self) -> bool {
        false
    }

    /// Is the process that is kept. Roles that keep none are never asked.
    fn be_reserve(&mut self, cradle: Cradle) -> ! {
        drop(cradle);
        sys::exit_now(0)
    }

    /// Builds the child's body, in this process.
    fn prepare(&mut self, slot: SlotId) -> Result<Self::Body, String>;

    /// Is the child. Every descriptor of the control process but the child's life-line is closed.
    fn be_child(&mut self, body: Self::Body, birth: Birth) -> !;

    /// Starts the child on threads of this process.
    fn start_thread(&mut self, body: &Self::Body, birth: Birth) -> io::Result<()>;

    /// Is told, in this process, that the child runs.
    fn after_start(&mut self, body: Self::Body, pid: i32);

    /// Returns the text that children are to work with.
    fn worker_config(&self) -> Option<String> {
        None
    }

    /// Returns what loads the configuration, if there is something to load.
    fn loader(&mut self) -> Option<&mut Loader> {
        None
    }

    /// Takes a configuration over that was loaded (`None`: there was none to load), and calls the user's
    /// hook. An error keeps everything as it is.
    fn load_config(&mut self, change: Change, loaded: Option<&str>) -> Result<Load, String>;

    /// Calls the user's hook for a command.
    fn hook(&mut self, command: Command) {
        let _ = command;
    }
}

/// What a load changes for a control process.
#[derive(Default)]
pub(crate) struct Load {
    /// The rules, if they may have changed.
    pub(crate) policy: Option<Box<Policy>>,
    /// The configuration, if it was loaded anew.
    pub(crate) config: Option<Config>,
    /// Keys that wait for the next start of the server.
    pub(crate) fixed: Vec<String>,
}

/// What children are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Process,
    Thread,
}

/// How a child is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopsBy {
    /// TERM and QUIT mean the same to every worker.
    Signals,
    /// What a signal means to a server can be configured; an order means one thing.
    Orders,
    /// A program reads words from a pipe, or else gets the same signals.
    Words,
}

/// Calls user code that must not take the control process down with it.
pub(crate) fn guarded<T>(
    what: &str,
    call: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(panicked(what, &*panic)))
}

/// Says that user code has panicked, and what it said.
pub(crate) fn panicked(what: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("{what} panicked: {}", text.unwrap_or("no message"))
}
