//! A scripted HTTP server: raw answers, one for each request.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value, json};

use super::fake::{Connection, Ended};
use crate::notation;

/// Takes requests and answers them until the connection ends.
pub(crate) fn converse(connection: &mut Connection) -> Ended {
    loop {
        let request = loop {
            if let Some(request) = take_request(&mut connection.pending) {
                break request;
            }
            if let Err(ended) = connection.read() {
                return ended;
            }
        };
        connection.messages += 1;
        let index = {
            let mut seen = connection.state.seen();
            seen.count += 1;
            let told = request.told(connection.number);
            seen.messages.push(told);
            seen.count - 1
        };
        match connection.state.answer(index).map(str::to_owned).as_deref() {
            None | Some("close") => return Ended::ByUs,
            Some("stall") => {}
            Some(answer) => connection.write(answer.as_bytes()),
        }
        connection.note_open();
    }
}

struct Request {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

/// Takes a whole request off what was read.
fn take_request(pending: &mut Vec<u8>) -> Option<Request> {
    let end = pending.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(pending.get(..end)?).into_owned();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let line = lines.next()?;
    let headers: Vec<String> = lines.collect();
    let value = |name: &str| {
        headers.iter().find_map(|header| {
            let (known, value) = header.split_once(':')?;
            known
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let start = end + 4;
    let (body, taken) = if value("transfer-encoding").is_some_and(|how| how == "chunked") {
        chunked(pending.get(start..)?)?
    } else {
        let length = value("content-length").and_then(|text| text.parse().ok());
        let length: usize = length.unwrap_or(0);
        (pending.get(start..start + length)?.to_vec(), length)
    };
    pending.drain(..start + taken);
    Some(Request {
        line,
        headers,
        body,
    })
}

/// A body in chunks, and how many bytes it took.
fn chunked(mut rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let whole = rest.len();
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
        if size == 0 {
            return Some((body, whole - rest.len()));
        }
    }
}

impl Request {
    fn told(&self, connection: usize) -> Value {
        let mut told = Map::new();
        told.insert("conn".to_owned(), json!(connection));
        told.insert("request_line".to_owned(), json!(self.line));
        told.insert("headers".to_owned(), json!(self.headers));
        let mut plain = Vec::new();
        let is_gzip = self.body.starts_with(&[0x1F, 0x8B])
            && MultiGzDecoder::new(self.body.as_slice())
                .read_to_end(&mut plain)
                .is_ok();
        let (key, bytes) = if is_gzip {
            ("gunzip", &plain)
        } else {
            ("body", &self.body)
        };
        told.insert(key.to_owned(), notation::text(bytes));
        Value::Object(told)
    }
}
