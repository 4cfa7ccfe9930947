//! What a plugin is: the traits that inputs, filters and outputs implement.
//!
//! ```text
//! Input ──(tag, events, origin)──▶ Emitter ──▶ Filter … ──▶ DirectOutput     prints, at once
//!                                                     └──▶ BufferedOutput   into a chunk;
//!                                                          a flush thread's Sender delivers it
//! ```
//!
//! Everything works on whole batches: a virtual call per batch, a plain loop inside.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::{Chunk, ChunkId, Metadata};
use millrun_event::{EventBuffer, Events};
use thiserror::Error;

use crate::emitter::Emitter;
use crate::graph::RouterId;
use crate::listeners::Listeners;
use crate::report::{Batch, Report};
use crate::stage::{Emissions, Stage};
use crate::stop::Stop;

/// Anything an input, output or filter may fail with at start: the message says what, where and
/// what to do, and ends the worker with the exit status for "do not try again".
#[derive(Debug, Error)]
#[error("{message}")]
pub struct StartError {
    /// What happened, to what, and what the operator can do.
    pub message: String,
}

impl StartError {
    /// A failure described by `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// What a plugin is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PluginId {
    /// Its `@id`; without one, its type and its place among the plugins of that type.
    pub text: Arc<str>,
    /// True for an `@id`: only such a name is shown in log lines and lasts when the file changes.
    pub is_given: bool,
}

impl PluginId {
    /// The `@id`, which is what log lines show.
    pub fn given(&self) -> Option<&str> {
        self.is_given.then_some(&*self.text)
    }
}

/// A source of events.
pub trait Input: Send {
    /// Takes what must be had before the worker says it runs: sockets, a first look at the
    /// files. Runs on the main thread, for one input after the other.
    fn prepare(&mut self, listeners: &dyn Listeners) -> Result<(), StartError>;

    /// Reads until `stop` is set, on a thread of its own. That thread is the shard: what it
    /// emits is committed in its order.
    fn run(self: Box<Self>, emitter: Emitter, stop: Stop);

    /// What is to be done when `run` has returned and the outputs have delivered what they could:
    /// only then does the source know how far its data came. Asked for once, before `run`.
    fn at_end(&self) -> Option<AtEnd> {
        None
    }
}

/// The last act of an input.
pub type AtEnd = Box<dyn FnOnce() + Send>;

/// A stage between a source and the outputs.
pub trait Filter: Send + Sync {
    /// Appends to `out` what becomes of the events of `batch`. What is dropped on purpose is no
    /// loss; what cannot be handled is told in `report`.
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>);

    /// Whether an event costs it so much that a large batch is worth being taken apart. Then several threads filter
    /// pieces of one batch at once; what becomes of an event must not hang on those before it.
    fn is_costly(&self) -> bool {
        false
    }

    /// Its stage, where it holds events back from one batch to another. Then the holders of the stage filter, and
    /// [`filter`](Self::filter) is not called.
    fn stage(&self) -> Option<&dyn Stage> {
        None
    }
}

/// What gives events other tags, in an output that emits them again.
pub trait Rewriter: Send + Sync {
    /// Gives out what becomes of the events of `batch`. What is dropped on purpose is no loss; what cannot be handled is
    /// told in `report`.
    fn rewrite(&self, batch: Batch<'_>, out: &mut Emissions, report: &mut Report<'_>);
}

/// An output that finishes with a batch before it returns.
pub trait DirectOutput: Send + Sync {
    /// Delivers `events`. An error is the source's to repeat.
    fn emit(&self, tag: &str, events: Events<'_>) -> Result<(), DeliveryError>;
}

/// An output whose events wait in chunks.
pub trait BufferedOutput: Send + Sync {
    /// What its chunks hold.
    fn content(&self) -> Content<'_>;

    /// Takes what must be had before the worker says it runs. Runs on the main thread, before anything is delivered.
    ///
    /// # Errors
    ///
    /// Why the worker must not run.
    fn prepare(&self) -> Result<(), StartError> {
        Ok(())
    }

    /// The deliverer of one flush thread; it owns its connections and open files.
    fn sender(&self) -> Box<dyn Sender>;

    /// What looks after its destinations, on a thread of its own from the output's start to its end.
    fn companion(&self) -> Option<Companion> {
        None
    }

    /// Whether people look at its chunk files while these are filled. Only then it is told of them.
    fn shows_chunks(&self) -> bool {
        false
    }

    /// Told when the file of a chunk was made, on the thread that fills it.
    fn chunk_made(&self, _: &Metadata, _: ChunkId, _: &Path) {}

    /// Where its chunks are emitted again, for an output that sends nothing away. Then its sender is not used.
    fn relay(&self) -> Option<RouterId> {
        None
    }

    /// Whether each of its deliveries is over when [`Sender::begin`] returns. Only such an output hands a chunk that it
    /// can never deliver on to its secondary one, as in Fluentd.
    fn is_synchronous(&self) -> bool {
        true
    }
}

/// Work that goes on until the flag is set, and then ends soon.
pub type Companion = Box<dyn FnOnce(Stop) + Send>;

/// What the bytes of a chunk are (fluentd.md section 4.1).
pub enum Content<'a> {
    /// Entries `[time, record]`, as they travel.
    Events,
    /// Whatever the formatter makes of each batch.
    Formatted(&'a dyn BatchFormatter),
}

/// Turns a batch into the bytes an output keeps.
pub trait BatchFormatter: Sync {
    /// Appends the text of `events` to `out` and each event's end to `ends`, so that a chunk is
    /// never cut within one. Returns how many events could not be formatted.
    fn format(
        &self,
        tag: &str,
        events: Events<'_>,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> u64;

    /// The length of the first event of what [`format`](Self::format) made; `None` where that cannot be told, so that a chunk
    /// that is refused is refused whole.
    fn first_event(&self, _: &[u8]) -> Option<usize> {
        None
    }
}

/// Delivers chunks on one flush thread.
///
/// A sender may have several chunks under way: [`Sender::begin`] answers
/// [`Progress::UnderWay`], and [`Sender::wait`] reports how each ended.
pub trait Sender: Send {
    /// Starts to deliver `chunk`.
    fn begin(&mut self, chunk: &Chunk, now: Instant) -> Result<Progress, DeliveryError>;

    /// How many chunks may be under way at once; at least 1.
    fn window(&self) -> usize {
        1
    }

    /// Waits up to `timeout` for chunks under way and appends how they ended to `settled`.
    fn wait(&mut self, _timeout: Duration, _settled: &mut Vec<Settled>) {}

    /// Looks whether a destination that could not be reached ([`DeliveryError::Unreachable`]) can be
    /// again, sending nothing, within [`PROBE_TIMEOUT`]. `None`: it cannot be told.
    fn probe(&mut self, _now: Instant) -> Option<bool> {
        None
    }

    /// How long a chunk may be under way before it is taken back; `configured` is the parameter
    /// delayed_commit_timeout. Senders that watch over their chunks themselves answer more than
    /// they wait.
    fn commit_timeout(&self, configured: Duration) -> Duration {
        configured
    }
}

/// How long a probe may take.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How far [`Sender::begin`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The chunk is at its destination, as surely as this output can know.
    Delivered,
    /// An answer is awaited.
    UnderWay,
}

/// The end of a chunk that was under way.
#[derive(Debug)]
pub struct Settled {
    /// Which chunk.
    pub chunk: ChunkId,
    /// Delivered, or why not.
    pub outcome: Result<(), DeliveryError>,
}

/// Why a delivery failed, by what can be done about it.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The destination is away or busy: the same chunk may pass later.
    #[error("{0}")]
    Retriable(String),
    /// Nobody is there: the same chunk may pass as soon as somebody is.
    #[error("{0}")]
    Unreachable(String),
    /// As retriable, and the output has logged it already.
    #[error("{0}")]
    Reported(String),
    /// The destination was reached and did not confirm in time: the chunk goes out again at once,
    /// and the retry state is left as it is (fluentd.md section 5.6).
    #[error("{0}")]
    Unconfirmed(String),
    /// Only one destination may have this chunk, and that one is away: the chunk is set aside and
    /// begun again at `until`, others go on.
    #[error("{reason}")]
    Held {
        /// What it waits for.
        reason: String,
        /// When to begin it again.
        until: Instant,
    },
    /// The destination refuses the content, perhaps for one event in it: the chunk is cut in two, until the
    /// events that are refused are found.
    #[error("{0}")]
    Refused(String),
    /// The destination refuses the chunk, the output has logged it, and what is refused is to be thrown away: that is
    /// configured. The events are counted as lost.
    #[error("{0}")]
    Discarded(String),
    /// This chunk will never pass, nor would a part of it; it goes to the secondary output or the backup.
    #[error("{0}")]
    Unrecoverable(String),
    /// The chunk is not what was committed any more: nobody gets it, it is put where a person finds it.
    #[error("{0}")]
    Damaged(String),
}

/// The bytes of a chunk, with a failure to read them as a failure to deliver: what is damaged no later try will mend.
pub fn read_chunk<'a>(
    chunk: &'a Chunk,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], DeliveryError> {
    chunk
        .read(scratch)
        .map_err(|error| unreadable(chunk, &error))
}

/// The same for the bytes as the buffer keeps them, compressed where it compresses.
pub fn read_chunk_as_kept<'a>(
    chunk: &'a Chunk,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], DeliveryError> {
    chunk
        .read_stored(scratch)
        .map_err(|error| unreadable(chunk, &error))
}

fn unreadable(chunk: &Chunk, error: &io::Error) -> DeliveryError {
    let text = format!("cannot read chunk {}: {error}", chunk.id());
    match error.kind() {
        io::ErrorKind::InvalidData => DeliveryError::Damaged(text),
        _ => DeliveryError::Retriable(text),
    }
}
