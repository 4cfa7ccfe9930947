//! The program's own log lines on their way to becoming events (fluentd.md section 2.9).
//!
//! ```text
//! any thread ── a line ──▶ LogLines, bounded ──▶ thread log-events ──▶ <label @FLUENT_LOG>, or the
//!                                               (its own lines are      top level where a <match>
//!                                                no events)             takes fluent.warn and the like
//! ```
//!
//! An event of a line has the tag `fluent.<level>`. What handles it may log again, on another thread:
//! such a circle cannot grow, because the queue is bounded, lines beyond it are counted and not kept,
//! and the thread rests between two rounds ([`ROUND_PAUSE`]), so that the lines of one round are few
//! batches and cause few lines.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrun_buffer::Origin;
use millrun_event::{EventBuffer, EventTime};
use tracing::Level;

use crate::emitter::Emitter;
use crate::graph::{LogRoute, RouterId};
use crate::log;
use crate::passage::is_shown;
use crate::stop::Stop;

/// Most bytes of records that wait to become events. Lines that find no room are only lines.
pub const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// How long the thread that makes events rests between two rounds.
pub const ROUND_PAUSE: Duration = Duration::from_millis(50);

/// The levels of lines with the tags of their events, as Fluentd orders them. It knows one more
/// than we write: fatal.
pub(crate) const TAGS: [(Option<Level>, &str); 6] = [
    (Some(Level::TRACE), "fluent.trace"),
    (Some(Level::DEBUG), "fluent.debug"),
    (Some(Level::INFO), "fluent.info"),
    (Some(Level::WARN), "fluent.warn"),
    (Some(Level::ERROR), "fluent.error"),
    (None, "fluent.fatal"),
];

/// A line that becomes an event.
#[derive(Debug)]
pub struct LogLine {
    /// How grave it is, which is the end of its tag.
    pub level: Level,
    /// When it was written.
    pub time: EventTime,
    /// Its pairs and its text: one msgpack map.
    pub record: Box<[u8]>,
}

/// The lines that wait to become events.
#[derive(Debug, Default)]
pub struct LogLines {
    state: Mutex<State>,
    changed: Condvar,
    /// Lines became events.
    became: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many lines were kept so far, and how many of them are events.
    kept: u64,
    done: u64,
    lines: VecDeque<LogLine>,
    bytes: usize,
    missed: u64,
    is_closed: bool,
}

/// What waited.
struct Round {
    lines: VecDeque<LogLine>,
    missed: u64,
    is_last: bool,
}

impl LogLines {
    /// Keeps a line, or counts it where there is no room.
    pub fn keep(&self, line: LogLine) {
        let mut state = self.lock();
        let bytes = state.bytes + line.record.len();
        if state.is_closed || bytes > WAITING_BYTES_MAX {
            state.missed += 1;
            return;
        }
        state.bytes = bytes;
        state.kept += 1;
        state.lines.push_back(line);
        drop(state);
        self.changed.notify_one();
    }

    /// Takes no more lines: what waits is the last round.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits until the lines that were kept so far are events, at most `timeout`.
    pub(crate) fn settle(&self, timeout: Duration) {
        let state = self.lock();
        let kept = state.kept;
        let is_behind = |state: &mut State| state.done < kept && !state.is_closed;
        let waited = self.became.wait_timeout_while(state, timeout, is_behind);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// So many lines became events, or were passed over.
    fn became(&self, count: usize) {
        self.lock().done += count as u64;
        self.became.notify_all();
    }

    /// Waits until there is something, or nothing will ever be again.
    fn take(&self) -> Round {
        let mut state = self.lock();
        while state.lines.is_empty() && !state.is_closed {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes = 0;
        Round {
            lines: std::mem::take(&mut state.lines),
            missed: std::mem::take(&mut state.missed),
            is_last: state.is_closed,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes events of lines until they are closed. `stop` ends the pause and the wait for room in a
/// buffer.
pub(crate) fn run(lines: &LogLines, mut emitter: Emitter, route: &LogRoute, stop: &Stop) {
    log::leave_thread_out();
    let mut failures = 0_u64;
    let mut events = EventBuffer::default();
    loop {
        let Round {
            lines: mut waiting,
            missed,
            is_last,
        } = lines.take();
        if missed > 0 {
            tracing::warn!(missed, "log lines came too fast to become events, too");
        }
        let count = waiting.len();
        while let Some(first) = waiting.pop_front() {
            let (level, tag) = (first.level, tag_of(first.level));
            let is_taken = !route.untaken.contains(&tag);
            if !is_taken && route.router != RouterId::ROOT {
                continue;
            }
            events.clear();
            push(&mut events, &first);
            // What no pattern matches is counted one by one, as Fluentd emits it.
            while let Some(next) = waiting.pop_front_if(|next| is_taken && next.level == level) {
                push(&mut events, &next);
            }
            if let Err(error) = emitter.emit(tag, events.as_events(), Origin::None) {
                failures += 1;
                if is_shown(failures) {
                    let count = events.count();
                    tracing::error!(tag, count, %error, "log lines could not become events");
                }
            }
        }
        lines.became(count);
        if is_last {
            return;
        }
        stop.wait(ROUND_PAUSE);
    }
}

fn push(events: &mut EventBuffer, line: &LogLine) {
    events.push(line.time, |out| out.extend_from_slice(&line.record));
}

fn tag_of(level: Level) -> &'static str {
    let found = TAGS.iter().find(|(known, _)| *known == Some(level));
    found.map_or("fluent.info", |(_, tag)| *tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(length: usize) -> LogLine {
        LogLine {
            level: Level::INFO,
            time: EventTime::new(1, 0),
            record: vec![0x80; length].into(),
        }
    }

    #[test]
    fn lines_beyond_the_limit_are_counted_and_not_kept() {
        let lines = LogLines::default();
        for _ in 0..3 {
            lines.keep(line(WAITING_BYTES_MAX / 2));
        }
        let round = lines.take();
        assert_eq!(
            (round.lines.len(), round.missed, round.is_last),
            (2, 1, false)
        );
        lines.keep(line(1));
        assert_eq!(lines.take().missed, 0);
    }

    #[test]
    fn what_waits_when_it_is_closed_is_the_last_round() {
        let lines = LogLines::default();
        lines.keep(line(1));
        lines.close();
        lines.keep(line(1));
        let round = lines.take();
        assert_eq!((round.lines.len(), round.is_last), (1, true));
    }

    #[test]
    fn lines_are_settled_once_they_are_events() {
        let lines = LogLines::default();
        lines.settle(Duration::from_secs(60));
        lines.keep(line(1));
        let started = std::time::Instant::now();
        lines.settle(Duration::from_millis(20));
        assert!(started.elapsed() >= Duration::from_millis(20));
        lines.became(lines.take().lines.len());
        lines.settle(Duration::from_secs(60));
        assert!(started.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn each_level_has_its_tag() {
        assert_eq!(tag_of(Level::WARN), "fluent.warn");
        assert_eq!(tag_of(Level::TRACE), "fluent.trace");
    }
}
