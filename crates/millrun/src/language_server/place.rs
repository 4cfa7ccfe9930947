//! Places as the protocol counts them: lines from 0, columns in UTF-16 units; files as URIs.

use std::path::{Path, PathBuf};

use millrun_config::{FileId, Sources, Span};
use serde_json::{Value, json};

/// Where a byte of a text stands.
fn position(text: &str, offset: usize) -> Value {
    let before = text.get(..offset).unwrap_or(text);
    let start = line_starts(before).last().unwrap_or(0);
    let line = line_starts(before).count().saturating_sub(1);
    let column: usize = before
        .get(start..)
        .unwrap_or("")
        .chars()
        .map(char::len_utf16)
        .sum();
    json!({"line": line, "character": column})
}

/// The byte of a text that a position names; positions behind the end of a line mean its end.
pub(super) fn offset(text: &str, position: &Value) -> usize {
    let number = |name: &str| position.get(name).and_then(Value::as_u64).unwrap_or(0);
    let line = usize::try_from(number("line")).unwrap_or(usize::MAX);
    let Some(start) = line_starts(text).nth(line) else {
        return text.len();
    };
    let mut left = number("character");
    let rest = text.get(start..).unwrap_or("");
    for (index, character) in rest.char_indices() {
        let units = character.len_utf16() as u64;
        if matches!(character, '\n' | '\r') || left < units {
            return start + index;
        }
        left -= units;
    }
    text.len()
}

/// Where lines begin. CR, LF and CRLF each end one, here as in the protocol.
fn line_starts(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(index, byte)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(index + 1) != Some(&b'\n'),
        _ => false,
    });
    std::iter::once(0).chain(ends.map(|(index, _)| index + 1))
}

/// A range of bytes of a text.
pub(super) fn range(text: &str, start: usize, end: usize) -> Value {
    json!({"start": position(text, start), "end": position(text, end)})
}

/// A span as range of its file.
pub(super) fn span_range(sources: &Sources, span: Span) -> Value {
    let text = sources.file(span.file).map_or("", |source| source.text());
    range(text, span.start as usize, span.end as usize)
}

/// A span as a place in a file; `None` if it is of other sources.
pub(super) fn location(sources: &Sources, span: Span) -> Option<Value> {
    let uri = uri(sources.file(span.file)?.path());
    Some(json!({"uri": uri, "range": span_range(sources, span)}))
}

/// The id of a file.
pub(super) fn file_id(sources: &Sources, path: &Path) -> Option<FileId> {
    let mut files = sources.files_with_ids();
    files
        .find(|(_, source)| source.path() == path)
        .map(|(id, _)| id)
}

/// The URI of an absolute path (RFC 8089).
pub(super) fn uri(path: &Path) -> String {
    let mut uri = "file://".to_owned();
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// The path of a `file:` URI; `None` for a text that is no file.
pub(super) fn path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let encoded = rest.strip_prefix("localhost").unwrap_or(rest);
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_utf_16_units_and_lines_end_in_three_ways() {
        let text = "a\r\né𝄞x\rb\n";
        let at = |line: u64, character: u64| {
            offset(text, &json!({"line": line, "character": character}))
        };
        assert_eq!(at(1, 0), 3);
        assert_eq!(at(1, 1), 5);
        assert_eq!(at(1, 3), 9);
        assert_eq!(at(1, 99), 10);
        assert_eq!(at(2, 1), 12);
        assert_eq!(at(9, 0), text.len());
        for offset in [0, 3, 5, 9, 11, 13] {
            let there = position(text, offset);
            assert_eq!(super::offset(text, &there), offset, "{there}");
        }
        assert_eq!(position(text, 9), json!({"line": 1, "character": 3}));
    }

    #[test]
    fn paths_are_uris_and_back() {
        let path_of = Path::new("/a b/é%.conf");
        assert_eq!(uri(path_of), "file:///a%20b/%C3%A9%25.conf");
        assert_eq!(path(&uri(path_of)).as_deref(), Some(path_of));
        assert_eq!(path("untitled:1"), None);
        assert_eq!(path("file:///%zz"), None);
    }
}
