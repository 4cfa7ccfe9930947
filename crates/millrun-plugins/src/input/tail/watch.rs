//! One path, and the lives of the files that stood there.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::files::{FileId, FileSystem};
use super::generations::Age;
use super::life::{Ending, Life, Reader};
use super::pump::{Pump, Step};
use super::sink::Sink;

/// Bytes that one path may have read before it is another's turn.
pub(crate) const TURN_BYTES: u64 = 1024 * 1024;

/// A followed path.
#[derive(Debug)]
pub(crate) struct Watch<F> {
    /// The file that stands at the path.
    pub(crate) current: Option<Reader<F>>,
    /// The file that stood at the path at the last look, where files are open for looks only.
    pub(crate) put_down: Option<FileId>,
    /// Files that stood there before, oldest first.
    pub(crate) retiring: VecDeque<Retiring<F>>,
    /// A file that is seen here for the first time is read from its head.
    pub(crate) is_new: bool,
    /// When its file was missed and nothing stood here, until a file is opened here again.
    pub(crate) vacant_since: Option<Instant>,
    /// The configuration names it. If not, it goes when its last file is read.
    pub(crate) is_listed: bool,
    /// A look failed and a warning said so.
    pub(crate) is_unreadable: bool,
    /// It stands in the queue of those that may have something to read.
    pub(crate) is_queued: bool,
    /// When the last line came that waits for others.
    pub(crate) held_since: Instant,
    /// The age of the newest file that was opened here.
    pub(crate) newest: Option<Age>,
    /// Younger files that were beside it already: no generation between it and the next one.
    pub(crate) strangers: Vec<(FileId, Option<SystemTime>)>,
}

/// A file that lost its path.
#[derive(Debug)]
pub(crate) struct Retiring<F> {
    pub(crate) reader: Reader<F>,
    /// When something was last read from it.
    pub(crate) quiet_since: Instant,
}

/// How long silence lasts until something is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    /// A file that lost its path.
    pub(crate) rotate: Duration,
    /// Lines to which others may belong; without it they wait as long as the file is read.
    pub(crate) group: Option<Duration>,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Everything there was is read.
    Idle,
    /// There may be more.
    More,
    /// The sink takes nothing now.
    Refused,
    /// There is more, which a limit keeps back until then.
    Resting(Instant),
}

impl<F> Watch<F> {
    pub(crate) fn new(is_new: bool, now: Instant) -> Self {
        Self {
            current: None,
            put_down: None,
            retiring: VecDeque::new(),
            is_new,
            vacant_since: None,
            is_listed: true,
            is_unreadable: false,
            is_queued: false,
            held_since: now,
            newest: None,
            strangers: Vec::new(),
        }
    }

    /// The file that stands at the path, as far as is known.
    pub(crate) fn file(&self) -> Option<FileId> {
        let current = self.current.as_ref().map(|reader| reader.life.id());
        current.or(self.put_down)
    }

    /// Moves the current file to those that lost the path.
    pub(crate) fn retire(&mut self, now: Instant) {
        if let Some(reader) = self.current.take() {
            self.retiring.push_back(Retiring {
                reader,
                quiet_since: now,
            });
        }
    }

    /// All its lives, oldest first.
    pub(crate) fn readers(&self) -> impl Iterator<Item = &Reader<F>> {
        self.retiring
            .iter()
            .map(|retiring| &retiring.reader)
            .chain(&self.current)
    }

    /// Reads on, the oldest file first, so that lines come in the order in which they were
    /// written. Files that are done with after their wait go to `done`.
    pub(crate) fn turn<S: FileSystem<File = F>>(
        &mut self,
        pump: &mut Pump<S>,
        tags: &mut dyn FnMut(&Path) -> Arc<str>,
        now: Instant,
        waits: Waits,
        sink: &mut dyn Sink,
        done: &mut Vec<Reader<F>>,
    ) -> Turn {
        let mut budget = TURN_BYTES;
        let mut index = 0;
        while let Some(retiring) = self.retiring.get_mut(index) {
            let tag = tags(&retiring.reader.life.path);
            let reader = &mut retiring.reader;
            let seen = reader.seen();
            let mut turn = drain(pump, reader, &tag, Ending::Newline, &mut budget, sink);
            let waited = now.saturating_duration_since(retiring.quiet_since);
            if turn == Turn::Idle && reader.seen() == seen && waited >= waits.rotate {
                // Nobody writes to it any more: its last line ends as it does.
                reader.look_again();
                turn = drain(pump, reader, &tag, Ending::AsItIs, &mut budget, sink);
                if turn == Turn::Idle && reader.seen() == seen {
                    done.extend(self.retiring.remove(index).map(|retiring| retiring.reader));
                    continue;
                }
            }
            if reader.seen() != seen {
                retiring.quiet_since = now;
            }
            match turn {
                Turn::Idle => index += 1,
                Turn::More | Turn::Refused | Turn::Resting(_) => return turn,
            }
        }
        let Some(reader) = &mut self.current else {
            return Turn::Idle;
        };
        let tag = tags(&reader.life.path);
        let seen = reader.seen();
        let turn = drain(pump, reader, &tag, Ending::Newline, &mut budget, sink);
        if turn != Turn::Idle || !reader.is_holding() {
            return turn;
        }
        if reader.seen() != seen {
            self.held_since = now;
        }
        let waited = now.saturating_duration_since(self.held_since);
        if waits.group.is_none_or(|wait| waited < wait) {
            return turn;
        }
        reader.look_again();
        drain(pump, reader, &tag, Ending::Group, &mut budget, sink)
    }
}

/// Takes what still waits for further lines, at the end of all.
pub(super) fn finish<S: FileSystem>(
    pump: &mut Pump<S>,
    reader: &mut Reader<S::File>,
    tag: &str,
    sink: &mut dyn Sink,
) {
    if reader.is_holding() {
        reader.look_again();
        let mut budget = TURN_BYTES;
        // What is refused is read again by the next process.
        let _ = drain(pump, reader, tag, Ending::Group, &mut budget, sink);
    }
}

/// Steps until the file's end or that of the budget.
fn drain<S: FileSystem>(
    pump: &mut Pump<S>,
    reader: &mut Reader<S::File>,
    tag: &str,
    ending: Ending,
    budget: &mut u64,
    sink: &mut dyn Sink,
) -> Turn {
    loop {
        match pump.step(reader, tag, ending, sink) {
            Step::Moved(bytes) => *budget = budget.saturating_sub(bytes),
            Step::AtEnd => return Turn::Idle,
            Step::Refused => return Turn::Refused,
            Step::Resting(until) => return Turn::Resting(until),
            Step::Replaced => match begin_again(pump, reader, sink) {
                // A file that is replaced all the time must not hold up the others.
                Turn::Idle => *budget = budget.saturating_sub(pump.block.size() as u64),
                turn => return turn,
            },
        }
        if *budget == 0 {
            return Turn::More;
        }
    }
}

/// The content was truncated or replaced in place: a new life of the same file begins at 0.
fn begin_again<S: FileSystem>(
    pump: &mut Pump<S>,
    reader: &mut Reader<S::File>,
    sink: &mut dyn Sink,
) -> Turn {
    let Life {
        path,
        source,
        incarnation,
        identity,
        ..
    } = &reader.life;
    let identity = millrun_buffer::Identity {
        fingerprint: Default::default(),
        ..*identity
    };
    match sink.first_sight(path, identity, 0) {
        Ok((new_source, new_incarnation)) => {
            let (plugin_id, path) = (&*pump.plugin_id, path.display());
            tracing::info!(plugin_id, "detected rotation of {path}");
            tracing::info!(plugin_id, "following tail of {path}");
            sink.forget(*source, *incarnation);
            reader.begin_again(new_source, new_incarnation);
            Turn::Idle
        }
        Err(refused) => {
            pump.refused(&reader.life, &refused);
            Turn::Refused
        }
    }
}
