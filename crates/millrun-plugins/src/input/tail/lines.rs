//! Lines to events without a parser: the hot path.
//!
//! Each line becomes one entry; only the length in it changes from line to line, so the whole of
//! what stands before the text is prepared once per block and copied:
//!
//! ```text
//! 92  d7 00 <seconds:4> <nanoseconds:4>  81  a7 "message"  da <length:2>  <line>
//! │   └ one time for the block           │   └ key         └ str 16
//! └ [time, record]                       └ one field, two with path_key (it follows the line)
//! ```
//!
//! `str 16` always, also for short lines: legal msgpack, and it saves a branch that costs 5 to
//! 13 % (speed.md C2). Longer lines take `str 32`. Fluentd writes *bin* here unless `encoding` is
//! set; we write *str*, which every receiver takes as text, and *bin* only for the lines that are
//! not UTF-8 (fluentd.md, quirk 22).

use memchr::memchr_iter;
use millrun_event::{EventBuffer, EventTime, write};

/// The key of a line's text where `message_key` does not say otherwise.
pub(crate) const MESSAGE_KEY: &str = "message";

const TIME_AT: usize = 1;
const STR16: u8 = 0xda;
const STR32: u8 = 0xdb;
const BIN16: u8 = 0xc5;
const BIN32: u8 = 0xc6;

/// The parts of an entry that do not depend on the line.
#[derive(Clone, Debug)]
pub(crate) struct PlainLines {
    /// Everything up to the two bytes of the length, these included.
    head: Vec<u8>,
    /// The key of a second field, as msgpack; empty where there is none.
    path_key: Vec<u8>,
    /// That field whole, for the file whose block is being encoded.
    tail: Vec<u8>,
}

impl PlainLines {
    /// Entries `{message_key: line}`, and with `path_key` `{message_key: line, path_key: path}`.
    pub(crate) fn new(message_key: &str, path_key: Option<&str>) -> Self {
        // A record that has the key already keeps its own value.
        let path_key = path_key.filter(|key| *key != message_key);
        let mut key = Vec::new();
        if let Some(path_key) = path_key {
            write::str(&mut key, path_key.as_bytes());
        }
        let mut head = vec![0x92];
        write::time(&mut head, EventTime::default());
        write::map(&mut head, 1 + u32::from(path_key.is_some()));
        write::str(&mut head, message_key.as_bytes());
        head.extend_from_slice(&[STR16, 0, 0]);
        Self {
            head,
            path_key: key,
            tail: Vec::new(),
        }
    }

    /// Appends an entry for each line of `block`, which is of the file `path`, to `out`. What
    /// follows the last newline is a line too. Lines end as Ruby's `chomp` ends them: LF or CR LF
    /// are cut off, or a final CR.
    pub(crate) fn encode(
        &mut self,
        block: &[u8],
        path: &[u8],
        time: EventTime,
        out: &mut EventBuffer,
    ) {
        self.tail.clear();
        if !self.path_key.is_empty() {
            self.tail.extend_from_slice(&self.path_key);
            text(&mut self.tail, path);
        }
        let slot = self.head.get_mut(TIME_AT..TIME_AT + EventTime::ENCODED_LEN);
        if let Some(slot) = slot {
            slot.copy_from_slice(&time.to_bytes());
        }
        // Decided per block: nearly every block is text throughout, and then no line is looked at.
        let is_text = block.is_ascii() || std::str::from_utf8(block).is_ok();
        match (is_text, self.tail.is_empty()) {
            (true, true) => encode_text(block, &mut self.head, out),
            (true, false) => encode_text_with(block, &mut self.head, &self.tail, out),
            (false, _) => encode_mixed(block, &mut self.head, &self.tail, out),
        }
    }
}

/// Appends `text` as what it is: a string, or a byte string where it is not UTF-8.
pub(crate) fn text(out: &mut Vec<u8>, text: &[u8]) {
    if std::str::from_utf8(text).is_ok() {
        write::str(out, text);
    } else {
        write::bin(out, text);
    }
}

/// The lines of `block` without their terminators.
#[inline]
pub(crate) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let rest = memchr::memrchr(b'\n', block).map_or(0, |last| last + 1);
    let rest = block.get(rest..).filter(|rest| !rest.is_empty());
    let mut start = 0;
    memchr_iter(b'\n', block)
        .map(move |end| {
            let line = block.get(start..end).unwrap_or_default();
            start = end + 1;
            line
        })
        .chain(rest)
        .map(without_return)
}

#[inline]
fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn encode_text(block: &[u8], head: &mut [u8], out: &mut EventBuffer) {
    for line in lines(block) {
        push(line, head, (STR16, STR32), out);
        out.extend(line, 1);
    }
}

fn encode_text_with(block: &[u8], head: &mut [u8], tail: &[u8], out: &mut EventBuffer) {
    for line in lines(block) {
        push(line, head, (STR16, STR32), out);
        out.extend(line, 0);
        out.extend(tail, 1);
    }
}

fn encode_mixed(block: &[u8], head: &mut [u8], tail: &[u8], out: &mut EventBuffer) {
    for line in lines(block) {
        let is_text = std::str::from_utf8(line).is_ok();
        let markers = if is_text {
            (STR16, STR32)
        } else {
            (BIN16, BIN32)
        };
        push(line, head, markers, out);
        out.extend(line, 0);
        out.extend(tail, 1);
    }
    if let [.., marker, _, _] = head {
        *marker = STR16;
    }
}

/// Appends everything before the text of `line`, with its length.
#[inline]
fn push(line: &[u8], head: &mut [u8], (short, long): (u8, u8), out: &mut EventBuffer) {
    if let ([.., marker, high, low], Ok(length)) = (&mut *head, u16::try_from(line.len())) {
        *marker = short;
        [*high, *low] = length.to_be_bytes();
        out.extend(head, 0);
    } else {
        let length = u32::try_from(line.len()).unwrap_or(u32::MAX);
        out.extend(
            head.get(..head.len().saturating_sub(3)).unwrap_or_default(),
            0,
        );
        out.extend(&[long], 0);
        out.extend(&length.to_be_bytes(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_event::{Entries, Token, count_entries};
    use proptest::prelude::*;

    const TIME: EventTime = EventTime::new(1_700_000_000, 7);

    const PATH: &[u8] = b"/var/log/a.log";

    fn encode(block: &[u8], path_key: Option<&str>) -> EventBuffer {
        let mut out = EventBuffer::default();
        PlainLines::new("message", path_key).encode(block, PATH, TIME, &mut out);
        out
    }

    /// The slow way: split, chomp, write field by field.
    fn oracle(block: &[u8], path_key: Option<&str>) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut texts: Vec<&[u8]> = block.split(|byte| *byte == b'\n').collect();
        if texts.last().is_some_and(|last| last.is_empty()) {
            texts.pop();
        }
        texts
            .into_iter()
            .map(|text| text.strip_suffix(b"\r").unwrap_or(text).to_vec())
            .map(|text| (text, path_key.map(|_| PATH.to_vec())))
            .collect()
    }

    fn decode(events: &EventBuffer) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let bytes = events.as_events().bytes;
        assert_eq!(count_entries(bytes), Ok(events.count()));
        Entries::new(bytes)
            .map(|entry| {
                let entry = entry.unwrap();
                assert_eq!(entry.time.to_event_time(), Some(TIME));
                let message = entry.record().field(b"message").unwrap();
                let text = message.text().unwrap();
                let is_text = matches!(message.token(), Some(Token::Str(_)));
                assert_eq!(is_text, std::str::from_utf8(text).is_ok());
                let path = entry
                    .record()
                    .field(b"p")
                    .map(|path| path.text().unwrap().to_vec());
                (text.to_vec(), path)
            })
            .collect()
    }

    #[test]
    fn a_line_has_the_constant_head_of_23_bytes() {
        let events = encode(b"hello\n", None);
        let mut expected = vec![0x92, 0xd7, 0x00];
        expected.extend_from_slice(&1_700_000_000u32.to_be_bytes());
        expected.extend_from_slice(&7u32.to_be_bytes());
        expected.extend_from_slice(b"\x81\xa7message\xda\x00\x05hello");
        assert_eq!(events.as_events().bytes, expected);
        assert_eq!(expected.len(), 23 + b"hello".len());
    }

    #[test]
    fn terminators_go_as_chomp_takes_them() {
        let texts: Vec<_> = lines(b"lf\ncrlf\r\n\n cr inside\rx \ncrcr\r\r\nend\r").collect();
        let expected: [&[u8]; 6] = [b"lf", b"crlf", b"", b" cr inside\rx ", b"crcr\r", b"end"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_line_over_64_kib_takes_the_long_header() {
        let mut block = vec![b'x'; 70_000];
        block.extend_from_slice(b"\nshort\n\xff\xff\n");
        assert_eq!(decode(&encode(&block, None)), oracle(&block, None));
    }

    #[test]
    fn a_path_key_equal_to_the_message_key_adds_nothing() {
        assert_eq!(
            decode(&encode(b"a\n", Some("message"))),
            [(b"a".to_vec(), None)]
        );
    }

    proptest! {
        #[test]
        fn agrees_with_the_slow_way(
            block in prop::collection::vec(prop_oneof![4 => Just(b'a'), 2 => Just(b'\n'), 1 => Just(b'\r'), 1 => any::<u8>()], 0..400),
            with_path in any::<bool>(),
        ) {
            let path_key = with_path.then_some("p");
            prop_assert_eq!(decode(&encode(&block, path_key)), oracle(&block, path_key));
        }
    }
}
