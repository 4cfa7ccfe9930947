//! Blocks of lines to events, by what the source is configured with.

use millrun_event::{EventBuffer, EventTime, write};
use tracing::warn;

use crate::charset::Charset;
use crate::parser::{LineParser, ParseError, Parsed};

use super::lines::{self, PlainLines};
use super::sink::Lost;
use crate::repeats::SharedRepeats;

/// Most bytes of a line that a warning shows.
const SHOWN_BYTES_MAX: usize = 1024;

/// How lines become events.
pub(crate) struct Encoder {
    pub(super) kind: Kind,
    pub(super) plugin_id: String,
    path_key: Option<String>,
    /// Longest line taken, in bytes with its terminator.
    pub(crate) line_bytes_max: Option<u64>,
    /// Whether what the parser does not understand becomes `{"unmatched_line": …}`.
    pub(crate) emit_unmatched: bool,
    /// What converts lines to UTF-8, where they are not written as they are.
    pub(crate) charset: Option<Charset>,
    pub(super) repeats: SharedRepeats,
}

pub(super) enum Kind {
    Plain(PlainLines),
    Parsed(Box<dyn LineParser>),
}

impl Encoder {
    /// Lines become `{message_key: line}`.
    pub(crate) fn plain(plugin_id: &str, message_key: &str, path_key: Option<&str>) -> Self {
        Self::new(
            plugin_id,
            Kind::Plain(PlainLines::new(message_key, path_key)),
            path_key,
        )
    }

    /// Lines become what `parser` makes of them.
    pub(crate) fn parsed(
        plugin_id: &str,
        parser: Box<dyn LineParser>,
        path_key: Option<&str>,
    ) -> Self {
        Self::new(plugin_id, Kind::Parsed(parser), path_key)
    }

    fn new(plugin_id: &str, kind: Kind, path_key: Option<&str>) -> Self {
        Self {
            kind,
            plugin_id: plugin_id.to_owned(),
            path_key: path_key.map(str::to_owned),
            line_bytes_max: None,
            emit_unmatched: false,
            charset: None,
            repeats: SharedRepeats::default(),
        }
    }

    /// True where lines go into their entries as they are.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Plain(_))
    }

    /// The same, its warnings held back together with those of `other`.
    pub(crate) fn sharing_warnings(self, other: &Encoder) -> Self {
        Self {
            repeats: other.repeats.clone(),
            ..self
        }
    }

    /// Appends the events of `block`, whole lines of the file `path`, to `out` and tells what was
    /// dropped.
    pub(crate) fn encode(
        &mut self,
        block: &[u8],
        path: &[u8],
        now: EventTime,
        out: &mut EventBuffer,
    ) -> Lost {
        let mut lost = Lost::default();
        match self.line_bytes_max {
            Some(limit) if has_longer(block, limit) => {
                for line in block.split_inclusive(|byte| *byte == b'\n') {
                    if line.len() as u64 > limit {
                        lost.oversized += 1;
                    } else {
                        self.encode_lines(line, path, now, out, &mut lost);
                    }
                }
                self.warn_oversized(limit, path, now, lost.oversized);
            }
            _ => self.encode_lines(block, path, now, out, &mut lost),
        }
        lost
    }

    /// Warns of lines that were too long.
    pub(crate) fn warn_oversized(&mut self, limit: u64, path: &[u8], now: EventTime, count: u64) {
        if let Some(suppressed) = self.repeats.pass(now) {
            let file = String::from_utf8_lossy(path);
            warn!(
                plugin_id = self.plugin_id,
                file = &*file,
                count,
                suppressed,
                "received line length is longer than {limit}"
            );
        }
    }

    fn encode_lines(
        &mut self,
        block: &[u8],
        path: &[u8],
        now: EventTime,
        out: &mut EventBuffer,
        lost: &mut Lost,
    ) {
        self.with_utf8(block, |encoder, block| {
            match &mut encoder.kind {
                Kind::Plain(plain) => return plain.encode(block, path, now, out),
                Kind::Parsed(_) => {}
            }
            for line in lines::lines(block) {
                encoder.encode_utf8(line, path, now, out, lost);
            }
        });
    }

    /// Does something with `text` as it is to be read, converted where that is wanted.
    fn with_utf8<T>(&mut self, text: &[u8], work: impl FnOnce(&mut Self, &[u8]) -> T) -> T {
        let Some(mut charset) = self.charset.take() else {
            return work(self, text);
        };
        let done = work(self, charset.utf8(text));
        self.charset = Some(charset);
        done
    }

    /// Appends the events of one line or group of lines.
    pub(super) fn encode_text(
        &mut self,
        line: &[u8],
        path: &[u8],
        now: EventTime,
        out: &mut EventBuffer,
        lost: &mut Lost,
    ) {
        self.with_utf8(line, |encoder, line| {
            encoder.encode_utf8(line, path, now, out, lost);
        });
    }

    fn encode_utf8(
        &mut self,
        line: &[u8],
        path: &[u8],
        now: EventTime,
        out: &mut EventBuffer,
        lost: &mut Lost,
    ) {
        if self.try_utf8(line, path, now, out, lost) {
            return;
        }
        if self.emit_unmatched {
            push_unmatched(out, line, self.path_key.as_deref(), path, now);
        } else {
            lost.unparsable += 1;
        }
        if let Some(suppressed) = self.repeats.pass(now) {
            let (plugin_id, line) = (&*self.plugin_id, shown(line));
            if suppressed == 0 {
                warn!(plugin_id, "pattern not matched: {line:?}");
            } else {
                warn!(plugin_id, suppressed, "pattern not matched: {line:?}");
            }
        }
    }

    /// As [`encode_text`](Self::encode_text); false where the parser does not know the text, of
    /// which then nothing is told or counted.
    pub(super) fn try_text(
        &mut self,
        line: &[u8],
        path: &[u8],
        now: EventTime,
        out: &mut EventBuffer,
        lost: &mut Lost,
    ) -> bool {
        self.with_utf8(line, |encoder, line| {
            encoder.try_utf8(line, path, now, out, lost)
        })
    }

    fn try_utf8(
        &mut self,
        line: &[u8],
        path: &[u8],
        now: EventTime,
        out: &mut EventBuffer,
        lost: &mut Lost,
    ) -> bool {
        let Kind::Parsed(parser) = &mut self.kind else {
            return false;
        };
        let path_key = self.path_key.as_deref();
        let first = push(out, path_key, path, |record| {
            parser.parse(line, now, record)
        });
        if let Err(Unusable::Invalid(error)) = &first {
            lost.unparsable += 1;
            if let Some(suppressed) = self.repeats.pass(now) {
                let (plugin_id, line) = (&*self.plugin_id, shown(line));
                let file = &*String::from_utf8_lossy(path);
                warn!(plugin_id, file, line, %error, suppressed, "invalid line found");
            }
        }
        // A line may hold several events, as a JSON array does.
        let mut has_more = true;
        while has_more {
            has_more = false;
            let outcome = push(out, path_key, path, |record| {
                let next = parser.parse_next(now, record);
                has_more = next.is_some();
                next.unwrap_or(Ok(Parsed::Unmatched))
            });
            if has_more && outcome.is_err() {
                lost.unparsable += 1;
            }
        }
        !matches!(first, Err(Unusable::Unmatched))
    }
}

/// Why a line gave no event.
enum Unusable {
    Unmatched,
    Invalid(ParseError),
}

/// Appends the event that `parse` writes.
fn push(
    out: &mut EventBuffer,
    path_key: Option<&str>,
    path: &[u8],
    parse: impl FnOnce(&mut Vec<u8>) -> Result<Parsed, ParseError>,
) -> Result<(), Unusable> {
    let mut outcome = Ok(());
    out.push_if(|record| {
        let start = record.len();
        match parse(record) {
            Ok(Parsed::Event { time: Some(time) }) => {
                if let Some(key) = path_key {
                    add_path(record, start, key, path);
                }
                Some((time, ()))
            }
            // An event without a time is none to Fluentd either.
            Ok(Parsed::Event { time: None } | Parsed::Unmatched) => {
                outcome = Err(Unusable::Unmatched);
                None
            }
            Err(error) => {
                outcome = Err(Unusable::Invalid(error));
                None
            }
        }
    });
    outcome
}

fn push_unmatched(
    out: &mut EventBuffer,
    line: &[u8],
    path_key: Option<&str>,
    path: &[u8],
    now: EventTime,
) {
    out.push(now, |record| {
        write::map(record, 1 + u32::from(path_key.is_some()));
        write::str(record, b"unmatched_line");
        lines::text(record, line);
        if let Some(key) = path_key {
            write::str(record, key.as_bytes());
            lines::text(record, path);
        }
    });
}

/// As much of a line as a warning shows.
pub(super) fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line.get(..SHOWN_BYTES_MAX).unwrap_or(line)).into_owned()
}

pub(super) fn has_longer(block: &[u8], limit: u64) -> bool {
    block.len() as u64 > limit
        && block
            .split_inclusive(|byte| *byte == b'\n')
            .any(|line| line.len() as u64 > limit)
}

/// Adds `key: path` to the map that begins at `start` of `record` and ends with it, unless the
/// map has the key.
fn add_path(record: &mut Vec<u8>, start: usize, key: &str, path: &[u8]) {
    let map = record.get(start..).unwrap_or_default();
    if millrun_event::Record::new(map)
        .field(key.as_bytes())
        .is_some()
    {
        return;
    }
    match record.get_mut(start..) {
        // 15 pairs are the most the short header counts.
        Some([header @ 0x80..=0x8e, ..]) => *header += 1,
        Some([header @ 0x8f, ..]) => {
            *header = 0xde;
            record.splice(start + 1..start + 1, [0, 16]);
        }
        Some([0xde, high, low, ..]) => {
            let pairs = u16::from_be_bytes([*high, *low]).saturating_add(1);
            [*high, *low] = pairs.to_be_bytes();
        }
        // More than 65,535 fields, or no map: such a record stays as it is.
        _ => return,
    }
    write::str(record, key.as_bytes());
    lines::text(record, path);
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_event::{Entries, count_entries};

    const NOW: EventTime = EventTime::new(100, 0);

    /// `k=v` becomes `{k: v}`; `n*x` makes n fields; `!` is invalid; the rest does not match.
    struct Toy;

    impl LineParser for Toy {
        fn parse(
            &mut self,
            line: &[u8],
            _: EventTime,
            record: &mut Vec<u8>,
        ) -> Result<Parsed, ParseError> {
            let line = std::str::from_utf8(line).unwrap();
            if let Some((key, value)) = line.split_once('=') {
                write::map(record, 1);
                write::str(record, key.as_bytes());
                write::str(record, value.as_bytes());
            } else if let Some((count, _)) = line.split_once('*') {
                let count = count.parse().unwrap();
                write::map(record, count);
                for field in 0..count {
                    write::str(record, format!("f{field}").as_bytes());
                    write::nil(record);
                }
            } else if line == "!" {
                return Err(ParseError::TimeValue { found: "nil" });
            } else {
                return Ok(Parsed::Unmatched);
            }
            Ok(Parsed::Event {
                time: Some(EventTime::new(7, 7)),
            })
        }
    }

    fn fields(out: &EventBuffer) -> Vec<Vec<(String, String)>> {
        let bytes = out.as_events().bytes;
        assert_eq!(count_entries(bytes), Ok(out.count()));
        let text = |value: millrun_event::Value<'_>| {
            String::from_utf8_lossy(value.text().unwrap_or(b"nil")).into_owned()
        };
        Entries::new(bytes)
            .map(|entry| {
                let fields = entry.unwrap().record().fields().unwrap();
                fields
                    .map(|pair| pair.unwrap())
                    .map(|(key, value)| (text(key), text(value)))
                    .collect()
            })
            .collect()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn unmatched_lines_are_lost_or_emitted_as_configured() {
        let mut encoder = Encoder::parsed("t", Box::new(Toy), Some("p"));
        let mut out = EventBuffer::default();
        let lost = encoder.encode(b"a=1\nbad\n!\np=own\n", b"/l", NOW, &mut out);
        assert_eq!(
            lost,
            Lost {
                unparsable: 2,
                ..Lost::default()
            }
        );
        assert_eq!(
            fields(&out),
            [
                vec![pair("a", "1"), pair("p", "/l")],
                vec![pair("p", "own")]
            ]
        );

        encoder.emit_unmatched = true;
        out.clear();
        let lost = encoder.encode(b"bad\n!\n", b"/l", NOW, &mut out);
        assert_eq!(
            lost,
            Lost {
                unparsable: 1,
                ..Lost::default()
            }
        );
        assert_eq!(
            fields(&out),
            [vec![pair("unmatched_line", "bad"), pair("p", "/l")]]
        );
    }

    #[test]
    fn lines_in_another_encoding_become_text() {
        let mut encoder = Encoder::plain("t", "message", None);
        encoder.charset = Charset::new(Some("utf-8"), Some("cp932")).unwrap();
        let mut out = EventBuffer::default();
        encoder.encode(b"\x93\xfa\x96{\nascii\n", b"/l", NOW, &mut out);
        assert_eq!(
            fields(&out),
            [[pair("message", "日本")], [pair("message", "ascii")]]
        );

        let mut encoder = Encoder::parsed("t", Box::new(Toy), None);
        encoder.charset = Charset::new(Some("EUC-JP"), None).unwrap();
        encoder.emit_unmatched = true;
        out.clear();
        encoder.encode(b"a=\xc6\xfc\n\xcb\xdc\n", b"/l", NOW, &mut out);
        assert_eq!(
            fields(&out),
            [[pair("a", "日")], [pair("unmatched_line", "本")]]
        );
    }

    #[test]
    fn a_path_fits_behind_any_number_of_fields() {
        let mut encoder = Encoder::parsed("t", Box::new(Toy), Some("p"));
        for count in [0, 14, 15, 16, 300] {
            let mut out = EventBuffer::default();
            encoder.encode(format!("{count}*\n").as_bytes(), b"/l", NOW, &mut out);
            let fields = fields(&out);
            assert_eq!(fields[0].len(), count + 1);
            assert_eq!(fields[0][count], pair("p", "/l"));
        }
    }

    #[test]
    fn lines_over_the_limit_are_dropped_and_counted() {
        let mut encoder = Encoder::plain("t", "message", None);
        encoder.line_bytes_max = Some(5);
        let mut out = EventBuffer::default();
        let lost = encoder.encode(b"four\nfives\nok\n", b"/l", NOW, &mut out);
        assert_eq!(
            lost,
            Lost {
                oversized: 1,
                ..Lost::default()
            }
        );
        assert_eq!(
            fields(&out),
            [[pair("message", "four")], [pair("message", "ok")]]
        );
    }
}
