//! The life of a process in reserve, until it is told which worker it is.
//!
//! What takes time and needs no name is done before: the fork, the signals, the thread that is going to
//! listen to them. That thread waits with every signal blocked, and takes the main thread's mask over
//! when it starts: by then the worker's own handlers are installed.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use nix::sys::signal::{SigSet, SigmaskHow};

use crate::control::{Birth, Cradle};
use crate::core::{Generation, SlotId};
use crate::lifeline::Message;
use crate::lifeline::frame::Frame;
use crate::signals::{Signal, SignalMeanings, TAKEN, WorkerMeaning};
use crate::sys::{self, SignalFd};

use super::Worker;
use super::control_thread::ControlThread;
use super::process::{EXIT_ORPHANED, Settings, be_it, live_on};

/// Stands for the number of a worker in the name of a process in reserve.
const NAME: &str = "reserve";

/// A control thread that waits for what it is to control.
pub(super) struct Seat(SyncSender<(ControlThread, SigSet)>);

/// Is the process in reserve, and the worker it becomes.
pub(crate) fn be_reserve<W: Worker>(
    build: impl FnOnce(SlotId) -> Arc<W>,
    cradle: Cradle,
    settings: Settings,
) -> ! {
    let log = Arc::clone(&settings.log);
    be_it(&log, || live(build, cradle, settings))
}

fn live<W: Worker>(
    build: impl FnOnce(SlotId) -> Arc<W>,
    cradle: Cradle,
    settings: Settings,
) -> io::Result<i32> {
    sys::set_parent_death_signal()?;
    sys::block_signals(&TAKEN)?;
    let signals = SignalFd::open(&TAKEN)?;
    sys::own_process_group()?;
    if sys::parent_id() != cradle.parent {
        sys::exit_now(EXIT_ORPHANED);
    }
    settings.take_name(NAME)?;
    let seat = Seat::prepare()?;
    let Some((slot, generation)) = wait(&cradle, &signals, settings.signals)? else {
        return Ok(0);
    };
    let birth = Birth {
        slot,
        generation,
        parent: cradle.parent,
        lifeline: cradle.lifeline,
        heart: cradle.heart,
        commands: None,
        config: cradle.config,
    };
    let start = |control| seat.take(control);
    live_on(build(slot), birth, settings, signals, start)
}

/// Waits for a name. `None`: it is not needed any more.
fn wait(
    cradle: &Cradle,
    signals: &SignalFd,
    meanings: SignalMeanings,
) -> io::Result<Option<(SlotId, Generation)>> {
    loop {
        let both = [cradle.lifeline.as_fd(), signals.as_fd()];
        let [told, signalled] = sys::poll_readable(both, None)?;
        if told {
            match cradle.lifeline.receive()? {
                Message::Frame(Frame::Born { slot, generation }, _) => {
                    return Ok(Some((slot, generation)));
                }
                Message::Closed => return Ok(None),
                // A parent has nothing else to say to it.
                Message::Frame(..) | Message::Unknown | Message::Nothing => {}
            }
        } else if signalled && let Some(signal) = signals.next()? {
            let meaning = Signal::from_system(signal).map(|it| meanings.worker_meaning(it));
            if matches!(meaning, Some(WorkerMeaning::Stop | WorkerMeaning::EndNow)) {
                return Ok(None);
            }
        }
    }
}

impl Seat {
    fn prepare() -> io::Result<Self> {
        let (sender, receiver) = sync_channel::<(ControlThread, SigSet)>(1);
        let before = SigSet::thread_get_mask()?;
        // The thread inherits it, so there is no moment at which a signal could reach it.
        SigSet::all().thread_block()?;
        let spawned = thread::Builder::new()
            .name("serverengine-control".to_owned())
            .spawn(move || {
                let Ok((control, mask)) = receiver.recv() else {
                    return;
                };
                // It fails for masks that do not exist.
                let _ = mask.thread_set_mask();
                control.run();
            });
        before.thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        spawned.map(|_| Self(sender))
    }

    fn take(&self, control: ControlThread) -> io::Result<()> {
        let mask = SigSet::thread_get_mask()?;
        self.0
            .send((control, mask))
            .map_err(|_| io::Error::other("its control thread has ended"))
    }
}
