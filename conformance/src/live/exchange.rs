//! Steps that speak to the program as a client.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::client;
use super::scene::Scene;
use super::step::{Words, seconds};
use crate::notation;

/// How long an answer to a request may take to begin.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(8);
/// A server that closes does so within this time after its answer.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(150);
/// Bytes read of one connection; no recorded answer has more.
const RECEIVED_MAX: usize = 1 << 20;

pub(crate) fn emit(_: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    Ok(Some(client::emit(words.port(0)?, words.list(1)?)))
}

pub(crate) fn packed(_: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    Ok(Some(client::packed(
        words.port(0)?,
        words.text(1)?,
        words.list(2)?,
        words.options(3),
    )))
}

pub(crate) fn can_connect(_: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, words.port(0)?));
    Ok(Some(json!({ "connects": connected.is_ok() })))
}

pub(crate) fn tcp(_: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, words.port(0)?));
    operate(stream, words.list(1)?).map(Some)
}

pub(crate) fn unix(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let stream = UnixStream::connect(scene.path(words.text(0)?));
    operate(stream, words.list(1)?).map(Some)
}

/// A connection, of either kind.
trait Connection: Read + Write {
    fn wait_at_most(&self, time: Duration) -> std::io::Result<()>;
    fn end_writing(&self) -> std::io::Result<()>;
}

impl Connection for TcpStream {
    fn wait_at_most(&self, time: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(time))
    }

    fn end_writing(&self) -> std::io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Connection for UnixStream {
    fn wait_at_most(&self, time: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(time))
    }

    fn end_writing(&self) -> std::io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// `{send}`, `{send_b64}`, `{sleep}`, `{shutdown}`, `{recv: seconds}`; an answer for each recv.
fn operate<C: Connection>(stream: std::io::Result<C>, operations: &[Value]) -> Result<Value> {
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(error) => return Ok(json!([{ "error": error.kind().to_string() }])),
    };
    let mut answers = Vec::new();
    for operation in operations {
        let Some((name, argument)) = operation.as_object().and_then(|one| one.iter().next()) else {
            continue;
        };
        match name.as_str() {
            // What is sent to one who closed is lost; the next recv tells so.
            "send" => _ = stream.write_all(&notation::bytes(argument).unwrap_or_default()),
            "send_b64" => {
                let bytes = notation::decode_base64(argument.as_str().unwrap_or_default());
                _ = stream.write_all(&bytes);
            }
            "sleep" => thread::sleep(seconds(argument).unwrap_or_default()),
            "shutdown" => _ = stream.end_writing(),
            "recv" => {
                let silence = seconds(argument).context("recv needs seconds")?;
                let (bytes, closed) = receive(&mut stream, silence);
                answers.push(json!({"recv": notation::text(&bytes), "closed": closed}));
            }
            other => anyhow::bail!("unknown operation {other}"),
        }
    }
    Ok(Value::Array(answers))
}

/// Reads until so long is silent or the other side is gone: the bytes, and how it ended.
fn receive(stream: &mut impl Connection, silence: Duration) -> (Vec<u8>, Value) {
    let mut received = Vec::new();
    let mut block = [0; 4096];
    if stream
        .wait_at_most(silence.max(Duration::from_millis(1)))
        .is_err()
    {
        return (received, json!("reset"));
    }
    while received.len() < RECEIVED_MAX {
        match stream.read(&mut block) {
            Ok(0) => return (received, json!(true)),
            Ok(read) => received.extend_from_slice(block.get(..read).unwrap_or_default()),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => break,
                ErrorKind::Interrupted => {}
                _ => return (received, json!("reset")),
            },
        }
    }
    (received, json!(false))
}

/// Datagrams, each with its answer where one is asked for.
pub(crate) fn udp(_: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, words.port(0)?))?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let asked = words.text_or_nothing(2) == "reply";
    let mut replies = Vec::new();
    for datagram in words.list(1)? {
        let _ = socket.send(&notation::bytes(datagram).unwrap_or_default());
        if asked {
            let mut block = [0; 4096];
            let reply = socket.recv(&mut block).ok();
            let reply = reply.and_then(|length| block.get(..length));
            replies.push(reply.map_or(Value::Null, notation::text));
        }
    }
    Ok(asked.then(|| json!({ "reply": replies })))
}

/// One request: the raw answer, and whether the server closes after it.
pub(crate) fn http(_: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let request = request(words)?;
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, words.port(0)?));
    let Ok(mut stream) = stream else {
        return Ok(Some(json!({"response": "", "closed": "refused"})));
    };
    let _ = stream.write_all(&request);
    let (response, closed) = response(&mut stream, words.text(1)? == "HEAD");
    Ok(Some(
        json!({"response": notation::text(&response), "closed": closed}),
    ))
}

fn request(words: &Words<'_>) -> Result<Vec<u8>> {
    let (method, path) = (words.text(1)?, words.text(2)?);
    let headers: &Map<String, Value> = words.options(3);
    let body = notation::bytes(words.get(4)).unwrap_or_default();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {}\r\n", value.as_str().unwrap_or_default());
    }
    if method != "GET" && method != "OPTIONS" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    let mut request = head.into_bytes();
    request.extend(body);
    Ok(request)
}

/// Reads a whole answer, as its head says how long it is, then looks whether the server closes.
fn response(stream: &mut TcpStream, is_head: bool) -> (Vec<u8>, Value) {
    let mut received = Vec::new();
    let mut block = [0; 4096];
    let deadline = Instant::now() + RESPONSE_TIMEOUT;
    loop {
        let whole = is_whole(&received, is_head);
        let wait = if whole {
            CLOSE_TIMEOUT
        } else {
            deadline.saturating_duration_since(Instant::now())
        };
        if wait.is_zero() || stream.set_read_timeout(Some(wait)).is_err() {
            return (received, json!(false));
        }
        match stream.read(&mut block) {
            Ok(0) => return (received, json!(true)),
            Ok(read) => received.extend_from_slice(block.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return (received, json!("reset"));
            }
            Err(_) => return (received, json!(false)),
        }
    }
}

fn is_whole(received: &[u8], is_head: bool) -> bool {
    let text = String::from_utf8_lossy(received);
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let wanted = name.eq_ignore_ascii_case("content-length");
        wanted.then(|| value.trim().parse::<usize>().ok())?
    });
    let head = head.len() + 4;
    // Without a length the answer ends with the connection.
    length.is_some_and(|length| is_head || received.len() >= head + length)
}
