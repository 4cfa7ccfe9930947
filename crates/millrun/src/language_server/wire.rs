//! Messages on a stream: a header with the length, an empty line, JSON.
//!
//! ```text
//! Content-Length: 52\r\n
//! \r\n
//! {"jsonrpc":"2.0","id":1,"method":"initialize",…}
//! ```

use std::io::{self, BufRead, Read, Write};

use serde_json::Value;

/// Longest message read, in bytes: a text of the greatest length that is read, escaped.
const MESSAGE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Longest line of a header.
const HEADER_BYTES_MAX: u64 = 4096;

/// The next message; `None` at the end of the stream.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Option<Value>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        input
            .by_ref()
            .take(HEADER_BYTES_MAX)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let length = length.filter(|length| *length <= MESSAGE_BYTES_MAX);
    let length = length.ok_or_else(|| fault("a header without a Content-Length that can be"))?;
    let mut body = Vec::new();
    // What is claimed reserves nothing until it is there.
    input.by_ref().take(length as u64).read_to_end(&mut body)?;
    if body.len() < length {
        return Ok(None);
    }
    match serde_json::from_slice(&body) {
        Ok(message) => Ok(Some(message)),
        Err(error) => Err(fault(&format!("a message that is no JSON: {error}"))),
    }
}

/// Writes a message and sends it off.
pub(super) fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let body = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    output.flush()
}

fn fault(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the editor sent {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, &json!({"a": "é"})).unwrap();
        write(&mut bytes, &json!([1])).unwrap();
        let mut input = bytes.as_slice();
        assert_eq!(read(&mut input).unwrap(), Some(json!({"a": "é"})));
        assert_eq!(read(&mut input).unwrap(), Some(json!([1])));
        assert_eq!(read(&mut input).unwrap(), None);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let text = |bytes: &[u8]| read(&mut &*bytes).map_err(|error| error.to_string());
        assert_eq!(text(b"content-length: 2\r\n\r\n{}"), Ok(Some(json!({}))));
        assert_eq!(text(b"Content-Length: 9\r\n\r\n{}"), Ok(None));
        assert_eq!(
            text(b"Other: 2\r\n\r\n{}"),
            Err("the editor sent a header without a Content-Length that can be".to_owned())
        );
        assert_eq!(
            text(b"Content-Length: 999999999999\r\n\r\n"),
            Err("the editor sent a header without a Content-Length that can be".to_owned())
        );
        assert!(text(b"Content-Length: 1\r\n\r\n{").is_err());
    }
}
