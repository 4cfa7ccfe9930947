//! One message: which mode it is in, what it holds, what it asks for.
//!
//! ```text
//! Message                  [tag, time, record, option?]
//! Forward                  [tag, [entry, …], option?]
//! PackedForward            [tag, str | bin of entries, option?]
//! CompressedPackedForward  the same, option has compressed: gzip | zstd
//! heartbeat                nil
//! option                   {size, chunk, compressed, …}; chunk present → {ack: chunk} is due
//! ```

use millrun_event::{Cursor, EventTime, Events, Malformed, Record, Token, json, write};

use crate::compression::{Compression, Unexpandable};
use crate::delivery::Delivery;
use crate::error::ReceiveError;
use crate::limits::{MAX_OPTION_BYTES, MAX_TAG_BYTES};
use crate::settings::ReceiverSettings;
use crate::stream::{self, Normalised};

/// The events of one message, sound and ready to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The tag, rewritten as the settings say. Usually UTF-8, not promised.
    pub tag: &'a [u8],
    /// The events, maybe none. Every entry is `[time, map]`, the time an event time in fixext8
    /// form or an integer other than 0.
    pub events: Events<'a>,
    /// Which form the message had.
    pub mode: Mode,
    /// How many entries were left out because they are no events.
    pub invalid: u32,
    /// Length of the message on the wire, in bytes.
    pub size: u64,
    /// The option map, if there is one.
    pub option: Option<Record<'a>>,
    /// The acknowledgement the client asks for; send it when the events are stored.
    pub ack: Option<Ack<'a>>,
    /// The number under which another millrun sent it, proved by its hash. A message that was
    /// stored under this number with this hash is answered and not stored again.
    pub delivery: Option<Delivery>,
}

/// The form of a message (fluentd.md section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One event.
    Message,
    /// An array of entries.
    Forward,
    /// Entries in a string.
    PackedForward,
    /// Compressed entries in a string.
    CompressedPackedForward,
}

/// The answer to a message that carries a chunk id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    chunk: &'a [u8],
    is_json: bool,
}

impl<'a> Ack<'a> {
    /// The acknowledgement `option` asks for: any chunk id but nil and false.
    pub(crate) fn from_option(option: &Record<'a>) -> Option<Self> {
        let chunk = option.field(b"chunk")?.bytes();
        (!matches!(chunk, [0xc0 | 0xc2])).then_some(Self {
            chunk,
            is_json: false,
        })
    }

    /// The chunk id as the client wrote it: one msgpack value.
    pub fn chunk(&self) -> &'a [u8] {
        self.chunk
    }

    /// Appends the answer, `{"ack": chunk}` with the chunk id byte for byte; in JSON
    /// where the client speaks JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.is_json {
            out.extend_from_slice(b"{\"ack\":");
            // The id was transcoded from JSON, so it is sound and has a JSON form.
            let _ = json::write_value(self.chunk, json::FloatText::Oj, out);
            out.push(b'}');
            return;
        }
        write::map(out, 1);
        write::str(out, b"ack");
        out.extend_from_slice(self.chunk);
    }
}

/// Buffers of a connection that messages are rewritten into; they keep their capacity.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) tag: Vec<u8>,
    pub(crate) expanded: Vec<u8>,
    pub(crate) rewritten: Vec<u8>,
    pub(crate) transcoded: Vec<u8>,
}

/// Reads one message; `None` where the value is no array. `at` is where it begins in the
/// connection.
pub(crate) fn read<'a>(
    bytes: &'a [u8],
    at: u64,
    settings: &ReceiverSettings,
    now: EventTime,
    scratch: &'a mut Scratch,
) -> Result<Option<Message<'a>>, ReceiveError> {
    let Scratch {
        tag,
        expanded,
        rewritten,
        ..
    } = scratch;
    read_parts(bytes, at, settings, now, (tag, expanded, rewritten))
}

/// Reads one message of a connection that speaks JSON.
pub(crate) fn read_json<'a>(
    text: &[u8],
    at: u64,
    settings: &ReceiverSettings,
    now: EventTime,
    scratch: &'a mut Scratch,
) -> Result<Option<Message<'a>>, ReceiveError> {
    let Scratch {
        tag,
        expanded,
        rewritten,
        transcoded,
    } = scratch;
    transcoded.clear();
    json::transcode(text, transcoded).map_err(|problem| ReceiveError::Json { at, problem })?;
    let message = read_parts(transcoded, at, settings, now, (tag, expanded, rewritten))?;
    Ok(message.map(|message| Message {
        size: text.len() as u64,
        ack: message.ack.map(|ack| Ack {
            is_json: true,
            ..ack
        }),
        ..message
    }))
}

/// Buffers for the tag, an expanded payload and rewritten entries.
type Buffers<'a> = (&'a mut Vec<u8>, &'a mut Vec<u8>, &'a mut Vec<u8>);

fn read_parts<'a>(
    bytes: &'a [u8],
    at: u64,
    settings: &ReceiverSettings,
    now: EventTime,
    (tag_out, expanded, rewritten): Buffers<'a>,
) -> Result<Option<Message<'a>>, ReceiveError> {
    let refused = |error| refused(error, at);
    let mut cursor = Cursor::new(bytes);
    let Token::Array(len) = cursor.token().map_err(refused)? else {
        return Ok(None);
    };
    let absent: &[u8] = &[];
    let mut elements = [absent; 4];
    for element in elements.iter_mut().take(len as usize) {
        *element = cursor.value().map_err(refused)?;
    }
    let [tag, second, third, fourth] = elements;

    let tag = read_tag(tag, at, settings, tag_out)?;
    let entries = Cursor::new(second);
    let mode = match entries.clone().token() {
        Ok(Token::Str(_) | Token::Bin(_)) => Mode::PackedForward,
        Ok(Token::Array(_)) => Mode::Forward,
        _ => Mode::Message,
    };
    let option = match mode {
        Mode::Message => fourth,
        _ => third,
    };
    if option.len() > MAX_OPTION_BYTES {
        let len = option.len();
        return Err(ReceiveError::OptionTooLong { at, len });
    }
    let option = is_map(option).then(|| Record::new(option));
    let mut message = Message {
        tag: tag.unwrap_or_default(),
        events: Events::default(),
        mode,
        invalid: 0,
        size: bytes.len() as u64,
        option,
        ack: option.as_ref().and_then(Ack::from_option),
        delivery: None,
    };

    let fields = settings.fields.as_slice();
    let entries = match mode {
        Mode::Message => {
            let sound = stream::assemble(second, third, now, fields, rewritten);
            match sound && tag.is_some() {
                true => {
                    message.events = Events {
                        bytes: rewritten,
                        count: 1,
                    }
                }
                false => message.invalid = 1,
            }
            return Ok(Some(message));
        }
        Mode::Forward => {
            let mut entries = entries;
            entries.token().map_err(refused)?;
            entries.rest()
        }
        Mode::PackedForward | Mode::CompressedPackedForward => {
            let payload = text(second).unwrap_or_default();
            let entries = match compression(option.as_ref()) {
                Compression::None => payload,
                compression => {
                    message.mode = Mode::CompressedPackedForward;
                    expand(compression, payload, at, settings, expanded)?;
                    expanded.as_slice()
                }
            };
            message.delivery = option
                .filter(|_| message.ack.is_some())
                .and_then(|option| Delivery::read(&option, entries));
            entries
        }
    };

    let Normalised {
        rewritten: is_rewritten,
        plain_len,
        count,
        invalid,
    } = stream::normalise(entries, now, fields, rewritten)
        .map_err(|error| refused_payload(error, at))?;
    if tag.is_none() {
        message.invalid = invalid.saturating_add(count);
        return Ok(Some(message));
    }
    message.invalid = invalid;
    message.events = Events {
        bytes: match is_rewritten {
            true => rewritten,
            false => entries.get(..plain_len).unwrap_or_default(),
        },
        count,
    };
    Ok(Some(message))
}

/// The tag as the settings rewrite it; `None` where it is no tag.
///
/// With a prefix, Fluentd turns whatever stands for the tag into text; that is kept for numbers,
/// booleans and nil.
pub(crate) fn read_tag<'a>(
    value: &'a [u8],
    at: u64,
    settings: &ReceiverSettings,
    out: &'a mut Vec<u8>,
) -> Result<Option<&'a [u8]>, ReceiveError> {
    let printed;
    let token = Cursor::new(value).token().ok();
    let tag = match (&settings.tag, token) {
        (Some(tag), _) => tag.as_slice(),
        (None, Some(Token::Str(tag) | Token::Bin(tag))) => tag,
        (None, _) if settings.add_tag_prefix.is_none() => return Ok(None),
        (None, token) => {
            printed = match token {
                Some(Token::Uint(number)) => number.to_string(),
                Some(Token::Int(number)) => number.to_string(),
                Some(Token::Float(number)) => format!("{number:?}"),
                Some(Token::Bool(value)) => value.to_string(),
                Some(Token::Nil) | None => String::new(),
                Some(_) => return Ok(None),
            };
            printed.as_bytes()
        }
    };
    if tag.len() > MAX_TAG_BYTES {
        return Err(ReceiveError::TagTooLong { at, len: tag.len() });
    }
    out.clear();
    if let Some(prefix) = &settings.add_tag_prefix {
        out.extend_from_slice(prefix);
        out.push(b'.');
    }
    out.extend_from_slice(tag);
    Ok(Some(out))
}

fn compression(option: Option<&Record<'_>>) -> Compression {
    let named = option.and_then(|option| option.field(b"compressed"));
    Compression::of(named.and_then(|name| name.text()))
}

fn expand(
    compression: Compression,
    payload: &[u8],
    at: u64,
    settings: &ReceiverSettings,
    out: &mut Vec<u8>,
) -> Result<(), ReceiveError> {
    let limit = settings.decompression_bytes_max;
    let expanded = compression.expand(payload, limit, out);
    expanded.map_err(|error| match error {
        Unexpandable::TooLarge => ReceiveError::ExpandsTooFar { at, limit },
        Unexpandable::NotSo(_, error) => ReceiveError::NotExpandable {
            at,
            compression: compression.word(),
            problem: error.to_string(),
        },
    })
}

fn text(value: &[u8]) -> Option<&[u8]> {
    match Cursor::new(value).token() {
        Ok(Token::Str(text) | Token::Bin(text)) => Some(text),
        _ => None,
    }
}

fn is_map(value: &[u8]) -> bool {
    matches!(value.first(), Some(0x80..=0x8f | 0xde | 0xdf))
}

/// The framer has walked the message before, so nothing is found here that it did not refuse.
fn refused(error: Malformed, at: u64) -> ReceiveError {
    match error {
        Malformed::TooDeep { .. } => ReceiveError::TooDeep { at },
        _ => ReceiveError::NotMsgpack { at },
    }
}

fn refused_payload(error: Malformed, at: u64) -> ReceiveError {
    match error {
        Malformed::TooDeep { at: offset } => ReceiveError::PayloadTooDeep { at, offset },
        Malformed::Reserved { at: offset } => ReceiveError::PayloadNotMsgpack { at, offset },
        // Neither is an error of a payload: what is cut off is left out, what is no entry skipped.
        _ => ReceiveError::PayloadNotMsgpack { at, offset: 0 },
    }
}
