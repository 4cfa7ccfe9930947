//! `char_encoding`: what texts are encoded in, and what to do with them.

use millrun_config::{Diagnostic, Diagnostics, Element};
use millrun_event::{Cursor, Token, write};

use crate::charset::{Charset, Repertoire, Unreadable, is_ascii};

/// What texts are encoded in, and what to do with them.
#[derive(Clone, Debug)]
pub(super) struct Encoding {
    from: From,
    to: Repertoire,
}

/// What texts are encoded in.
#[derive(Clone, Debug)]
enum From {
    /// ASCII: each other byte is wrong.
    Ascii,
    /// Anything that is read as characters.
    Charset(Charset),
}

/// The parameter `char_encoding`; `Some(None)` where texts stay as they are.
pub(super) fn encoding(
    text: &str,
    element: &Element,
    diagnostics: &mut Diagnostics,
) -> Option<Option<Encoding>> {
    let (from, to) = match text.split_once(':') {
        Some((from, to)) => (from, Some(to)),
        None => (text, None),
    };
    let read = match to {
        // The bytes are only called something else. They are UTF-8 from then on, as all text in events.
        None => Charset::new(Some(from), None)
            .map(|charset| charset.map(|charset| (From::Charset(charset), Repertoire::Unicode))),
        Some(to) => Repertoire::named(to).and_then(|to| {
            if is_ascii(from) {
                return Ok(Some((From::Ascii, to)));
            }
            let charset = Charset::new(None, Some(from))?;
            Ok(charset.map(|charset| (From::Charset(charset), to)))
        }),
    };
    match read {
        Ok(read) => Some(read.map(|(from, to)| Encoding { from, to })),
        Err(error) => {
            let fault = Diagnostic::error(match error {
                Unreadable::Unknown => {
                    format!("char_encoding `{text}` names an encoding that nobody knows")
                }
                Unreadable::Wide => {
                    format!(
                        "char_encoding `{text}`: texts of events cannot be read as UTF-16 or UTF-32"
                    )
                }
            });
            let place = fault.at(element.span_of("char_encoding"), "here");
            let hint = "write a name such as utf-8, or two such as shift_jis:utf-8";
            diagnostics.push(place.hint(hint));
            None
        }
    }
}

impl Encoding {
    /// Writes a value with its texts as UTF-8, made in `text`.
    pub(super) fn convert(&mut self, value: &[u8], text: &mut String, out: &mut Vec<u8>) {
        let mut cursor = Cursor::new(value);
        while !cursor.is_at_end() {
            let start = cursor.position();
            let Ok(token) = cursor.token() else {
                return;
            };
            match token {
                // ASCII is the same in all encodings but those that switch sets by escapes.
                Token::Str(bytes) | Token::Bin(bytes)
                    if !bytes.is_ascii() || bytes.contains(&0x1b) =>
                {
                    text.clear();
                    self.read(bytes, text);
                    write::str(out, text.as_bytes());
                }
                Token::Bin(bytes) => write::str(out, bytes),
                _ => out.extend_from_slice(cursor.since(start)),
            }
        }
    }

    fn read(&mut self, bytes: &[u8], text: &mut String) {
        let to = self.to;
        let mut push = |character| {
            text.push(if to.has(character) { character } else { '?' });
        };
        match &mut self.from {
            From::Ascii => bytes.iter().for_each(|byte| {
                push(match byte {
                    0..=0x7f => char::from(*byte),
                    _ => char::REPLACEMENT_CHARACTER,
                });
            }),
            From::Charset(charset) => {
                for chunk in charset.utf8(bytes).utf8_chunks() {
                    chunk.valid().chars().for_each(&mut push);
                }
            }
        }
    }
}
