use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use rmpv::decode::Error;
use serde_json::{Map, Value, json};

use super::message;

/// How long a client waits for an acknowledgement.
const ACK_TIMEOUT: Duration = Duration::from_secs(8);

/// Sends each event in a message of its own over one connection, each after the answer to the one before.
///
/// Answers `{"acked": n}` if all were acknowledged, else `{"acks": […]}` up to the first that was not.
pub(crate) fn emit(port: u16, events: &[Value]) -> Value {
    let messages = events.iter().enumerate().map(|(index, event)| {
        let chunk = format!("n{index}");
        (message::single(event, &chunk), chunk)
    });
    send(port, messages)
}

/// Sends one message with packed entries and a chunk id.
pub(crate) fn packed(
    port: u16,
    tag: &str,
    entries: &[Value],
    option: &Map<String, Value>,
) -> Value {
    let mut option = option.clone();
    let chunk = option.entry("chunk").or_insert_with(|| json!("p0"));
    let chunk = chunk.as_str().unwrap_or_default().to_owned();
    send(
        port,
        [(message::packed(tag, entries, &option), chunk)].into_iter(),
    )
}

fn send(port: u16, messages: impl Iterator<Item = (Vec<u8>, String)>) -> Value {
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .and_then(|stream| stream.set_read_timeout(Some(ACK_TIMEOUT)).map(|()| stream));
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) => return json!({ "acks": [failure(error.kind())] }),
    };
    let mut acks = Vec::new();
    for (bytes, chunk) in messages {
        let answer = exchange(&mut stream, &bytes, &chunk);
        let acked = answer == "ack";
        acks.push(answer);
        if !acked {
            return json!({ "acks": acks });
        }
    }
    json!({ "acked": acks.len() })
}

fn exchange(stream: &mut TcpStream, bytes: &[u8], chunk: &str) -> String {
    if let Err(error) = stream.write_all(bytes) {
        return failure(error.kind());
    }
    let answer = match rmpv::decode::read_value(&mut Unbuffered(stream)) {
        Ok(answer) => answer,
        Err(Error::InvalidMarkerRead(error) | Error::InvalidDataRead(error)) => {
            return failure(error.kind());
        }
        Err(error) => return format!("error:{error}"),
    };
    if answer["ack"].as_str() == Some(chunk) {
        "ack".to_owned()
    } else {
        format!("error:{answer}")
    }
}

/// The recordings' words for how an exchange failed.
fn failure(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::UnexpectedEof => "closed",
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "reset",
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "timeout",
        ErrorKind::ConnectionRefused => "error:ConnectionRefusedError",
        other => return format!("error:{other}"),
    }
    .to_owned()
}

/// Reads no byte more than asked for, so that nothing of the next answer is lost.
struct Unbuffered<'a>(&'a mut TcpStream);

impl Read for Unbuffered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}
