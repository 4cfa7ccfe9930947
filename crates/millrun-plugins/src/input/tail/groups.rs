//! Lines that make one event together (fluentd.md section 3.1.4).
//!
//! ```text
//! position                                   what was read
//!    │ 1 first │  cont. │ 2 first │  cont. │ ...
//!    └──── complete: an event ───┘└─ held ──────▶ until the next first line, multiline_flush_interval,
//!                                                 the end of the file's life or that of the tail
//! ```
//!
//! What is held is not kept in memory: it was not taken, the position stays before it, and it is
//! read again when more has come. So a crash loses nothing of it, as it does with Fluentd.

use millrun_event::{EventBuffer, EventTime};
use tracing::warn;

use crate::parser::Grouping;

use super::encode::{Encoder, Kind, has_longer, shown};
use super::lines;
use super::sink::Lost;

/// A longer group is cut: it is read as a whole each time it grows.
pub(crate) const GROUP_BYTES_MAX: usize = 128 * 1024;

/// A group that only its parser can tell the end of is given up after so many lines: each of them
/// costs a look at all before it.
const GROUP_LINES_MAX: usize = 256;

impl Encoder {
    /// True when lines are grouped, so that the last of them may have to wait for others.
    pub(crate) fn is_grouped(&self) -> bool {
        match &self.kind {
            Kind::Plain(_) => false,
            Kind::Parsed(parser) => !matches!(parser.grouping(), Grouping::Line),
        }
    }

    /// As [`encode`](Encoder::encode), for as much of `block` as is complete; with `is_end` for
    /// all. Also tells how much that is.
    pub(crate) fn encode_groups(
        &mut self,
        block: &[u8],
        is_end: bool,
        path: &[u8],
        now: EventTime,
        out: &mut EventBuffer,
    ) -> (usize, Lost) {
        let Self { kind, charset, .. } = self;
        let starts = match &*kind {
            Kind::Plain(_) => None,
            Kind::Parsed(parser) => match parser.grouping() {
                Grouping::Line => None,
                Grouping::FirstLine(first) => Some(starts_of(block, |line| match charset {
                    Some(charset) => first.begins(charset.utf8(line)),
                    None => first.begins(line),
                })),
                Grouping::UntilParsed => return self.until_parsed(block, is_end, path, now, out),
            },
        };
        let Some(starts) = starts else {
            return (block.len(), self.encode(block, path, now, out));
        };
        let mut lost = Lost::default();
        let before = starts.first().copied().unwrap_or(block.len());
        for line in lines::lines(block.get(..before).unwrap_or_default()) {
            if let Some(suppressed) = self.repeats.pass(now) {
                let (plugin_id, line) = (&*self.plugin_id, shown(line));
                let file = String::from_utf8_lossy(path);
                if suppressed == 0 {
                    warn!(
                        plugin_id,
                        "got incomplete line before first line from {file}: {line:?}"
                    );
                } else {
                    warn!(
                        plugin_id,
                        suppressed, "got incomplete line before first line from {file}: {line:?}"
                    );
                }
            }
            if self.emit_unmatched {
                self.encode_text(line, path, now, out, &mut lost);
            } else {
                lost.unparsable += 1;
            }
        }
        let ends = starts.iter().skip(1).copied().chain([block.len()]);
        let mut taken = before;
        for (start, end) in starts.iter().copied().zip(ends) {
            if end < block.len() || is_end {
                self.encode_group(
                    block.get(start..end).unwrap_or_default(),
                    path,
                    now,
                    out,
                    &mut lost,
                );
                taken = end;
            }
        }
        (taken, lost)
    }

    fn until_parsed(
        &mut self,
        block: &[u8],
        is_end: bool,
        path: &[u8],
        now: EventTime,
        out: &mut EventBuffer,
    ) -> (usize, Lost) {
        let mut lost = Lost::default();
        let (mut taken, mut count) = (0, 0);
        for end in memchr::memchr_iter(b'\n', block).map(|newline| newline + 1) {
            let group = block.get(taken..end).unwrap_or_default();
            count += 1;
            let is_parsed = self.try_text(chomped(group), path, now, out, &mut lost);
            if !is_parsed && count < GROUP_LINES_MAX {
                continue;
            }
            if !is_parsed {
                self.encode_group(group, path, now, out, &mut lost);
            }
            (taken, count) = (end, 0);
        }
        let rest = block.get(taken..).unwrap_or_default();
        if is_end && !rest.is_empty() {
            self.encode_group(rest, path, now, out, &mut lost);
            taken = block.len();
        }
        (taken, lost)
    }

    /// Appends the event of one group, without its lines that are too long.
    fn encode_group(
        &mut self,
        group: &[u8],
        path: &[u8],
        now: EventTime,
        out: &mut EventBuffer,
        lost: &mut Lost,
    ) {
        let Some(limit) = self
            .line_bytes_max
            .filter(|limit| has_longer(group, *limit))
        else {
            return self.encode_text(chomped(group), path, now, out, lost);
        };
        let mut text = Vec::with_capacity(group.len());
        let mut count = 0;
        for line in group.split_inclusive(|byte| *byte == b'\n') {
            if line.len() as u64 > limit {
                count += 1;
            } else {
                text.extend_from_slice(line);
            }
        }
        lost.oversized += count;
        self.warn_oversized(limit, path, now, count);
        if !text.is_empty() {
            self.encode_text(chomped(&text), path, now, out, lost);
        }
    }
}

/// Where lines begin that `begins` takes for first ones.
fn starts_of(block: &[u8], mut begins: impl FnMut(&[u8]) -> bool) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in block.split_inclusive(|byte| *byte == b'\n') {
        if begins(chomped(line)) {
            starts.push(at);
        }
        at += line.len();
    }
    starts
}

fn chomped(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}
