//! One step of one reader: read, encode, hand over, and only then move on.

use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use millrun_core::{BatchRing, Filled};
use millrun_event::EventTime;
use tracing::{info, warn};

use super::block::Block;
use super::encode::Encoder;
use super::files::FileSystem;
use super::groups::GROUP_BYTES_MAX;
use super::life::{Ending, LINE_BYTES_MAX, Life, Read, Reader};
use super::sink::{Lost, Piece, Refused, Sink};
use super::team::Team;
use super::throttle::Throttle;
use crate::repeats::Repeats;

/// How often it is told that nothing is taken, in seconds.
const REFUSAL_TOLD_EACH: u32 = 30;

/// No refusal so far.
pub(crate) fn refusals() -> Repeats {
    Repeats::each(REFUSAL_TOLD_EACH, 1)
}

/// What all readers of a tail share: the buffers, the encoder, the clock.
pub(crate) struct Pump<S> {
    pub(crate) files: S,
    pub(crate) encoder: Encoder,
    pub(crate) plugin_id: String,
    /// The wall clock. Asked once per block.
    pub(crate) clock: fn() -> EventTime,
    /// Most lines of one batch, where the configuration wants fewer than a block holds.
    pub(crate) lines_max: Option<usize>,
    pub(crate) block: Block,
    pub(crate) ring: BatchRing,
    pub(crate) repeats: Repeats,
    /// What the sink refused, told at once and then every [`REFUSAL_TOLD_EACH`] seconds: a disk can be full for a night.
    pub(crate) refusals: Repeats,
    /// Further encoders, for blocks that several threads take on.
    pub(crate) team: Team,
    /// How much may be read.
    pub(crate) throttle: Throttle,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes of the file are done with. There may be more.
    Moved(u64),
    /// There is nothing more for now.
    AtEnd,
    /// The content is another one.
    Replaced,
    /// The sink takes nothing now; the same step is to be done again later.
    Refused,
    /// A limit is reached: nothing more of this file before then.
    Resting(Instant),
}

impl<S: FileSystem> Pump<S> {
    /// Takes the next piece of `reader`'s file to `sink`.
    pub(crate) fn step(
        &mut self,
        reader: &mut Reader<S::File>,
        tag: &str,
        ending: Ending,
        sink: &mut dyn Sink,
    ) -> Step {
        let outcome = self.try_step(reader, tag, ending, sink);
        outcome.unwrap_or_else(|refused| self.refused(&reader.life, &refused))
    }

    /// Says why the sink refused, where that is news.
    pub(crate) fn refused(&mut self, life: &Life, refused: &Refused) -> Step {
        if let Refused::Failed(error) = refused {
            let now = (self.clock)();
            if let Some(suppressed) = self.refusals.pass(now) {
                let (plugin_id, path) = (&*self.plugin_id, life.path.display());
                warn!(
                    plugin_id,
                    error,
                    suppressed,
                    "cannot keep what was read of {path}; it is read again later"
                );
            }
        }
        Step::Refused
    }

    fn try_step(
        &mut self,
        reader: &mut Reader<S::File>,
        tag: &str,
        ending: Ending,
        sink: &mut dyn Sink,
    ) -> Result<Step, Refused> {
        if !sink.has_room() {
            return Err(Refused::Full);
        }
        let allowance = match self.throttle.allowance(&reader.life.path) {
            Ok(allowance) => allowance,
            Err(until) => return Ok(Step::Resting(until)),
        };
        let read = match reader.read(&self.files, &mut self.block, ending) {
            Ok(read) => read,
            Err(error) => {
                if let Some(suppressed) = self.repeats.pass((self.clock)()) {
                    let (plugin_id, path) = (&*self.plugin_id, reader.life.path.display());
                    warn!(plugin_id, %error, suppressed, "cannot read {path}; it is tried again");
                }
                return Ok(Step::AtEnd);
            }
        };
        self.ring.begin();
        let (range, fingerprint, lost) = match read {
            Read::AtEnd => return Ok(Step::AtEnd),
            Read::Searching => return Ok(Step::Moved(self.block.size() as u64)),
            Read::Replaced(unread) => {
                if unread > 0 {
                    let (plugin_id, path) = (&*self.plugin_id, reader.life.path.display());
                    warn!(
                        plugin_id,
                        bytes = unread,
                        "{path} was truncated before it was read to its end"
                    );
                    let at = reader.life.position;
                    let lost = Lost {
                        truncated: 1,
                        ..Lost::default()
                    };
                    sink.emit(tag, Filled::default(), piece(&reader.life, at..at), lost)?;
                }
                return Ok(Step::Replaced);
            }
            Read::Oversized(range, fingerprint) => {
                let path = reader.life.path.as_os_str().as_bytes();
                self.encoder
                    .warn_oversized(LINE_BYTES_MAX, path, (self.clock)(), 1);
                (
                    range,
                    fingerprint,
                    Lost {
                        oversized: 1,
                        ..Lost::default()
                    },
                )
            }
            Read::Lines(mut range, mut fingerprint) => {
                let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
                let mut bytes = self.block.filled(length);
                let (whole, whole_end) = (bytes, range.end);
                let lines_max = self.lines_max.filter(|_| !self.encoder.is_grouped());
                if let Some(fewer) = lines_max.and_then(|limit| first_lines(bytes, limit)) {
                    bytes = fewer;
                    range.end = range.start + fewer.len() as u64;
                    fingerprint = reader.fingerprint_at(range.end);
                }
                let allowed = allowance.cut(bytes);
                if let Some(fewer) = allowed {
                    bytes = fewer;
                    range.end = range.start + fewer.len() as u64;
                    fingerprint = reader.fingerprint_at(range.end);
                }
                // What an earlier process took as complete is so again.
                let is_cut =
                    |mark: &std::ops::Range<u64>| mark.start == range.end || mark.end == range.end;
                let is_last = ending != Ending::Newline && allowed.is_none();
                let is_end = is_last || reader.life.marks.iter().any(is_cut);
                let path = reader.life.path.as_os_str().as_bytes();
                let now = (self.clock)();
                let events = self.ring.events();
                let (mut taken, mut lost) = match self.team.encode(bytes, path, now, events) {
                    Some(lost) => (bytes.len(), lost),
                    None => self.encoder.encode_groups(bytes, is_end, path, now, events),
                };
                if taken == 0 && allowed.is_some() {
                    // Lines that belong together are more than the limit: they are taken all the same.
                    (bytes, range.end) = (whole, whole_end);
                    fingerprint = reader.fingerprint_at(range.end);
                    let is_end = ending != Ending::Newline;
                    events.clear();
                    (taken, lost) = self.encoder.encode_groups(bytes, is_end, path, now, events);
                }
                if taken == 0 && bytes.len() > GROUP_BYTES_MAX {
                    events.clear();
                    (taken, lost) = self.encoder.encode_groups(bytes, true, path, now, events);
                }
                if taken < bytes.len() {
                    let end = range.end;
                    range.end = range.start + taken as u64;
                    fingerprint = reader.fingerprint_at(range.end);
                    if range.is_empty() {
                        reader.hold(end);
                        return Ok(Step::AtEnd);
                    }
                }
                let taken = bytes.get(..taken).unwrap_or(bytes);
                self.throttle.spend(&reader.life.path, taken);
                (range, fingerprint, lost)
            }
        };
        if fingerprint != reader.life.identity.fingerprint {
            // First, so that no committed byte lies outside what the fingerprint vouches for.
            sink.identify(reader.life.source, reader.life.incarnation, fingerprint)?;
            reader.life.identity.fingerprint = fingerprint;
        }
        sink.emit(
            tag,
            self.ring.filled(),
            piece(&reader.life, range.clone()),
            lost,
        )?;
        reader.advance(range.end);
        if self.refusals.end() {
            let (plugin_id, path) = (&*self.plugin_id, reader.life.path.display());
            info!(plugin_id, "what is read of {path} is kept again");
        }
        Ok(Step::Moved(range.end - range.start))
    }
}

fn piece(life: &Life, range: std::ops::Range<u64>) -> Piece {
    Piece {
        source: life.source,
        incarnation: life.incarnation,
        range,
    }
}

/// The first `limit` lines of `block`, if it has more.
fn first_lines(block: &[u8], limit: usize) -> Option<&[u8]> {
    let last = memchr::memchr_iter(b'\n', block).nth(limit.checked_sub(1)?)?;
    block
        .get(..last + 1)
        .filter(|first| first.len() < block.len())
}
