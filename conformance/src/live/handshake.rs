//! The step `handshake`: scripted clients of in_forward.
//!
//! ```text
//! {expect: "HELO"|"PONG"} {recv: seconds} {ping: {…}} {send: value} {send_b64} {sleep: seconds}
//! ```

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use millrun_event::{Cursor, Malformed, Token};
use serde_json::{Map, Value, json};

use super::digest::digest;
use super::message;
use super::scene::Scene;
use super::step::{Words, seconds};
use crate::case::member;
use crate::notation::{self, decode_base64};

/// How long an expected message may take.
const EXPECT_TIMEOUT: Duration = Duration::from_secs(2);
/// After this time it is looked whether the connection is still open.
const FINAL_LOOK: Duration = Duration::from_millis(300);

pub(crate) fn handshake(_: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let port = words.port(0)?;
    let mut connections = Vec::new();
    for script in words.list(1)? {
        let script = script.as_array().map(Vec::as_slice).unwrap_or_default();
        connections.push(match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => Client::new(stream).play(script),
            Err(_) => json!([{"error": "connection refused"}]),
        });
    }
    Ok(Some(json!({ "connections": connections })))
}

/// A client in the middle of its script.
struct Client {
    stream: TcpStream,
    pending: Vec<u8>,
    nonce: Vec<u8>,
    auth: Vec<u8>,
    /// Of the PING sent last.
    salt: Vec<u8>,
    key: Vec<u8>,
}

/// What a read came to.
enum Got {
    Value(Vec<u8>),
    Timeout,
    Closed,
    Reset,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        // Pieces are to arrive as pieces.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            pending: Vec::new(),
            nonce: Vec::new(),
            auth: Vec::new(),
            salt: Vec::new(),
            key: Vec::new(),
        }
    }

    fn play(mut self, script: &[Value]) -> Value {
        let mut told = Vec::new();
        for operation in script {
            let Some((name, argument)) = operation.as_object().and_then(|one| one.iter().next())
            else {
                continue;
            };
            let sent = match name.as_str() {
                "expect" => {
                    told.push(self.told(EXPECT_TIMEOUT));
                    true
                }
                "recv" => {
                    told.push(self.told(seconds(argument).unwrap_or(EXPECT_TIMEOUT)));
                    true
                }
                "ping" => self.ping(argument),
                "send" => {
                    let mut bytes = Vec::new();
                    message::encode(argument, &mut bytes);
                    self.send(&bytes)
                }
                "send_b64" => self.send(&decode_base64(argument.as_str().unwrap_or_default())),
                "sleep" => {
                    thread::sleep(seconds(argument).unwrap_or_default());
                    true
                }
                _ => false,
            };
            if !sent {
                told.push(json!({"error": "send failed"}));
            }
        }
        told.push(json!({"final": self.state()}));
        Value::Array(told)
    }

    /// Sends; false where the other side is gone.
    fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    fn ping(&mut self, fields: &Value) -> bool {
        let empty = Map::new();
        let fields = fields.as_object().unwrap_or(&empty);
        let text = |key: &str, usual: &str| {
            let text = member(fields, key).as_str();
            text.unwrap_or(usual).to_owned()
        };
        let salt = match fields.get("salt") {
            Some(salt) => salt.clone(),
            None => json!("0123456789abcdef"),
        };
        self.salt = match &salt {
            Value::String(text) => text.as_bytes().to_vec(),
            marked => decode_base64(
                marked
                    .get("$bin")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
            ),
        };
        let (host, user) = (text("host", "client.host"), text("user", ""));
        self.key = text("key", "sk").into_bytes();
        let right = digest(&[&self.salt, host.as_bytes(), &self.nonce, &self.key]);
        let password = if self.auth.is_empty() {
            String::new()
        } else {
            digest(&[&self.auth, user.as_bytes(), text("pass", "").as_bytes()])
        };
        let mut ping = vec![
            json!(text("word", "PING")),
            json!(host),
            salt,
            json!(text("digest", &right)),
            json!(user),
            json!(text("pass_digest", &password)),
        ];
        if let Some(elements) = member(fields, "elements").as_u64() {
            ping.resize(usize::try_from(elements).unwrap_or(0), json!("x"));
        }
        let mut bytes = Vec::new();
        message::encode(&Value::Array(ping), &mut bytes);
        for value in member(fields, "with").as_array().into_iter().flatten() {
            message::encode(value, &mut bytes);
        }
        let piece = member(fields, "split").as_u64().unwrap_or(u64::MAX);
        let piece = usize::try_from(piece)
            .unwrap_or(usize::MAX)
            .clamp(1, bytes.len());
        let mut whole = true;
        for piece in bytes.chunks(piece) {
            whole &= self.send(piece);
            if piece.len() < bytes.len() {
                thread::sleep(Duration::from_millis(5));
            }
        }
        whole
    }

    /// The next value, as the cases show it.
    fn told(&mut self, timeout: Duration) -> Value {
        let bytes = match self.read(timeout) {
            Got::Value(bytes) => bytes,
            Got::Timeout => return json!({"got": "timeout"}),
            Got::Closed => return json!({"got": "closed"}),
            Got::Reset => return json!({"got": "reset"}),
        };
        let value = notation::decode(&bytes).unwrap_or_default();
        match value.get(0).and_then(Value::as_str) {
            Some("HELO") => self.hello(&bytes, &value),
            Some("PONG") => self.pong(&value),
            _ => json!({ "got": value }),
        }
    }

    fn hello(&mut self, bytes: &[u8], value: &Value) -> Value {
        let options = value.get(1).and_then(Value::as_object);
        let keys: Vec<&String> = options.into_iter().flat_map(Map::keys).collect();
        let (nonce_type, nonce) = option(bytes, b"nonce");
        let (auth_type, auth) = option(bytes, b"auth");
        let told = json!({
            "got": "HELO", "elements": value.as_array().map(Vec::len), "keys": keys,
            "nonce": [nonce_type, nonce.len()], "auth": [auth_type, auth.len()],
            "keepalive": options.map(|options| member(options, "keepalive"))
        });
        (self.nonce, self.auth) = (nonce, auth);
        told
    }

    fn pong(&self, value: &Value) -> Value {
        let part = |index: usize| value.get(index).unwrap_or(&Value::Null);
        let host = part(3).as_str().unwrap_or_default();
        let given = part(4).as_str().unwrap_or_default();
        let mut told = json!({
            "got": "PONG", "elements": value.as_array().map(Vec::len), "auth_result": part(1),
            "reason": part(2), "hostname": host
        });
        if let Some(told) = told.as_object_mut() {
            if given.is_empty() {
                told.insert("digest".to_owned(), json!(""));
            } else {
                let right = digest(&[&self.salt, host.as_bytes(), &self.nonce, &self.key]);
                told.insert("digest_ok".to_owned(), json!(given == right));
                told.insert("digest_len".to_owned(), json!(given.len()));
            }
        }
        told
    }

    fn read(&mut self, timeout: Duration) -> Got {
        let deadline = Instant::now() + timeout;
        let mut block = [0; 4096];
        loop {
            let mut cursor = Cursor::new(&self.pending);
            match cursor.value() {
                Ok(value) => {
                    let value = value.to_vec();
                    self.pending.drain(..value.len());
                    return Got::Value(value);
                }
                Err(Malformed::Truncated { .. }) => {}
                Err(_) => return Got::Value(std::mem::take(&mut self.pending)),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Got::Timeout;
            }
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut block) {
                Ok(0) => return Got::Closed,
                Ok(read) => self
                    .pending
                    .extend_from_slice(block.get(..read).unwrap_or_default()),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Got::Timeout,
                    ErrorKind::Interrupted => {}
                    _ => return Got::Reset,
                },
            }
        }
    }

    /// `open`, `closed` or `reset`, a moment after the script.
    fn state(&mut self) -> &'static str {
        let _ = self.stream.set_read_timeout(Some(FINAL_LOOK));
        let deadline = Instant::now() + FINAL_LOOK;
        let mut block = [0; 4096];
        while Instant::now() < deadline {
            match self.stream.read(&mut block) {
                Ok(0) => return "closed",
                Ok(_) => {}
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return "reset",
                },
            }
        }
        "open"
    }
}

/// An option of a HELO: whether it is `str` or `bin`, and its bytes.
fn option(hello: &[u8], name: &[u8]) -> (&'static str, Vec<u8>) {
    let mut cursor = Cursor::new(hello);
    let _ = (cursor.token(), cursor.skip());
    let options = millrun_event::Record::new(cursor.rest());
    let value = options.field(name);
    match value.and_then(|value| value.token()) {
        Some(Token::Str(bytes)) => ("str", bytes.to_vec()),
        Some(Token::Bin(bytes)) => ("bin", bytes.to_vec()),
        _ => ("none", Vec::new()),
    }
}
