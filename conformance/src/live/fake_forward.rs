//! A scripted server of the forward protocol.
//!
//! ```text
//! [HELO →  ← PING  PONG →]  ← messages, each met with the next action:
//! ack  none  wrong  nonmap  emptymap  garbage  split  late:<s>  close  ack_close  stall
//! ```

use std::io::Read;
use std::thread;
use std::time::Duration;

use flate2::bufread::GzDecoder;
use millrun_event::{Cursor, Malformed, Token};
use serde_json::{Map, Value, json};

use super::content;
use super::digest::digest;
use super::fake::{Connection, Ended};
use super::message;
use crate::case::member;
use crate::notation::{self, encode_base64, encode_hex};

/// What a server sends as its challenge.
const NONCE: &[u8; 16] = b"NNNNNNNNNNNNNNNN";
/// The salt for passwords.
const AUTH: &[u8; 16] = b"AAAAAAAAAAAAAAAA";
/// The name a server has in its answer where none is given.
const HOST: &str = "fake.host";
/// An acknowledgement of another chunk.
const WRONG_ACK: &str = "d3JvbmcK";

/// How a server shakes hands.
pub(crate) struct Helo {
    key: String,
    password: String,
    auth: Vec<u8>,
    keepalive: bool,
    host: String,
    pong: String,
}

impl Helo {
    pub(crate) fn read(options: &Map<String, Value>) -> Self {
        let text = |key: &str, usual: &str| {
            let text = member(options, key).as_str();
            text.unwrap_or(usual).to_owned()
        };
        Self {
            key: text("shared_key", ""),
            password: text("password", ""),
            auth: match member(options, "auth").as_str() {
                Some(auth) => auth.as_bytes().to_vec(),
                None => AUTH.to_vec(),
            },
            keepalive: member(options, "keepalive").as_bool().unwrap_or(true),
            host: text("host", HOST),
            pong: text("pong", "ok"),
        }
    }

    fn hello(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = json!({
            "nonce": {"$bin": encode_base64(NONCE)}, "auth": {"$bin": encode_base64(&self.auth)},
            "keepalive": self.keepalive
        });
        message::encode(&json!(["HELO", options]), &mut bytes);
        bytes
    }

    /// The answer to a PING with this salt; nothing where the script closes or is silent.
    fn pong(&self, salt: &[u8]) -> Option<Vec<u8>> {
        let right = digest(&[salt, self.host.as_bytes(), NONCE, self.key.as_bytes()]);
        let answer = match self.pong.as_str() {
            "bad_digest" => json!(["PONG", true, "", self.host, "0".repeat(128)]),
            "deny" => json!(["PONG", false, "denied", "", ""]),
            "short" => json!(["PONG", true]),
            "garbage" => return Some(vec![0xC1]),
            "close" | "none" => return None,
            _ => json!(["PONG", true, "", self.host, right]),
        };
        let mut bytes = Vec::new();
        message::encode(&answer, &mut bytes);
        Some(bytes)
    }

    /// What a PING says, and whether it is right.
    fn check(&self, connection: usize, ping: &[Vec<u8>]) -> Value {
        let part = |index: usize| ping.get(index).map(Vec::as_slice).unwrap_or_default();
        let (host, salt, given) = (content(part(1)), content(part(2)), content(part(3)));
        let (user, password) = (content(part(4)), content(part(5)));
        let right = digest(&[&salt, &host, NONCE, self.key.as_bytes()]);
        let secret = digest(&[&self.auth, &user, self.password.as_bytes()]);
        let password = match password.as_slice() {
            b"" => "\"\"",
            text if text == secret.as_bytes() => "digest ok",
            _ => "digest other",
        };
        json!({
            "conn": connection, "handshake": "PING", "fields": ping.len(),
            "hostname": notation::text(&host), "salt_type": header(part(2)), "salt_len": salt.len(),
            "digest_ok": given == right.as_bytes(), "username": notation::text(&user),
            "password": password
        })
    }
}

/// Shakes hands where the script says so, then takes messages until the connection ends.
pub(crate) fn converse(connection: &mut Connection) -> Ended {
    match shake_hands(connection).and_then(|()| take_messages(connection)) {
        Ok(never) => match never {},
        Err(ended) => ended,
    }
}

enum Never {}

fn shake_hands(connection: &mut Connection) -> Result<(), Ended> {
    let state = std::sync::Arc::clone(&connection.state);
    let Some(helo) = &state.script.helo else {
        return Ok(());
    };
    connection.write(&helo.hello());
    let ping = parts(&value(connection)?);
    let told = helo.check(connection.number, &ping);
    connection.state.seen().messages.push(told);
    let salt = content(ping.get(2).map(Vec::as_slice).unwrap_or_default());
    match helo.pong(&salt) {
        Some(pong) => connection.write(&pong),
        None if helo.pong == "close" => return Err(Ended::ByUs),
        None => {}
    }
    Ok(())
}

fn take_messages(connection: &mut Connection) -> Result<Never, Ended> {
    loop {
        let bytes = value(connection)?;
        // A heartbeat means nothing.
        if bytes == [0xC0] {
            continue;
        }
        connection.messages += 1;
        let action = {
            let state = std::sync::Arc::clone(&connection.state);
            let mut seen = state.seen();
            let action = state.action(seen.count).to_owned();
            seen.count += 1;
            let time = seen.since_first();
            seen.messages
                .push(told(connection.number, time, &bytes, &action));
            action
        };
        act(connection, &action, &bytes)?;
    }
}

fn act(connection: &mut Connection, action: &str, message: &[u8]) -> Result<(), Ended> {
    let answer = |ack: Value| {
        let mut bytes = Vec::new();
        message::encode(&json!({ "ack": ack }), &mut bytes);
        bytes
    };
    let right = chunk(message).map(|chunk| answer(notation::decode(&chunk).unwrap_or_default()));
    let late = action
        .strip_prefix("late:")
        .and_then(|text| text.parse().ok());
    if let Some(seconds) = late {
        thread::sleep(Duration::from_secs_f64(seconds));
    }
    match action {
        "none" | "stall" => {}
        "wrong" => connection.write(&answer(json!(WRONG_ACK))),
        "nonmap" => connection.write(b"\xA3abc"),
        "emptymap" => connection.write(&[0x80]),
        "garbage" => connection.write(&[0xC1]),
        "close" => return Err(Ended::ByUs),
        "split" => {
            let right = right.unwrap_or_default();
            let (one, other) = right.split_at(right.len() / 2);
            connection.write(one);
            thread::sleep(Duration::from_millis(100));
            connection.write(other);
        }
        _ => {
            connection.write(&right.unwrap_or_default());
            if action == "ack_close" {
                return Err(Ended::ByUs);
            }
        }
    }
    Ok(())
}

/// Takes the next msgpack value off what comes.
fn value(connection: &mut Connection) -> Result<Vec<u8>, Ended> {
    loop {
        let mut cursor = Cursor::new(&connection.pending);
        match cursor.value() {
            Ok(value) => {
                let value = value.to_vec();
                connection.pending.drain(..value.len());
                return Ok(value);
            }
            Err(Malformed::Truncated { .. }) => connection.read()?,
            // No value begins so: what is behind is looked at.
            Err(_) => _ = connection.pending.drain(..1),
        }
    }
}

/// The elements of an array, each as its bytes.
fn parts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut cursor = Cursor::new(bytes);
    let Ok(Token::Array(count)) = cursor.token() else {
        return Vec::new();
    };
    let parts = (0..count).map_while(|_| cursor.value().ok().map(<[u8]>::to_vec));
    parts.collect()
}

/// The bytes of a text.
fn content(value: &[u8]) -> Vec<u8> {
    match Cursor::new(value).token() {
        Ok(Token::Str(bytes) | Token::Bin(bytes)) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

/// How a text's header is written.
fn header(value: &[u8]) -> &'static str {
    match value.first() {
        Some(0xA0..=0xBF) => "$fixstr",
        Some(0xD9) => "$str8",
        Some(0xDA) => "$str16",
        Some(0xDB) => "$str32",
        Some(0xC4) => "$bin8",
        Some(0xC5) => "$bin16",
        Some(0xC6) => "$bin32",
        _ => "$none",
    }
}

/// A data message as the cases show it.
fn told(connection: usize, time: f64, bytes: &[u8], action: &str) -> Value {
    let mut told = Map::new();
    let mut tell = |key: &str, value: Value| _ = told.insert(key.to_owned(), value);
    tell("conn", json!(connection));
    tell("t", json!(time));
    let parts = parts(bytes);
    if parts.is_empty() {
        tell("value", typed(bytes));
        tell("action", json!(action));
        return Value::Object(told);
    }
    let part = |index: usize| parts.get(index).map(Vec::as_slice).unwrap_or_default();
    tell("elements", json!(parts.len()));
    tell("tag", typed(part(0)));
    let payload = part(1);
    if header(payload) == "$none" {
        tell("payload", typed(payload));
    } else {
        tell("payload_type", json!(header(payload)));
        let payload = content(payload);
        let (plain, members) = gunzip(&payload);
        if members > 0 {
            tell("gzip_members", json!(members));
        }
        tell("entries", entries(&plain));
    }
    if parts.len() > 2 {
        tell("option", typed(part(2)));
    }
    tell("raw_b64", json!(encode_base64(bytes)));
    tell("action", json!(action));
    Value::Object(told)
}

fn gunzip(payload: &[u8]) -> (Vec<u8>, usize) {
    let (mut rest, mut plain, mut members) = (payload, Vec::new(), 0);
    while rest.starts_with(&[0x1F, 0x8B]) {
        let mut decoder = GzDecoder::new(rest);
        if decoder.read_to_end(&mut plain).is_err() {
            break;
        }
        members += 1;
        rest = decoder.into_inner();
    }
    if members == 0 {
        plain = payload.to_vec();
    }
    (plain, members)
}

fn entries(mut bytes: &[u8]) -> Value {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let mut cursor = Cursor::new(bytes);
        let Ok(entry) = cursor.value() else {
            entries.push(json!({"$b64": encode_base64(bytes)}));
            break;
        };
        let mut value = entry;
        let decoded = rmpv::decode::read_value(&mut value).ok();
        entries.push(decoded.as_ref().map(content::neutral).unwrap_or_default());
        bytes = bytes.get(entry.len()..).unwrap_or_default();
    }
    Value::Array(entries)
}

/// A value whose texts show their headers; the id of a chunk is shown as itself.
fn typed(value: &[u8]) -> Value {
    let mut cursor = Cursor::new(value);
    match cursor.token() {
        Ok(Token::Str(bytes)) => json!({ header(value): text_or_id(bytes) }),
        Ok(Token::Bin(bytes)) => json!({"$bin": encode_base64(bytes)}),
        Ok(Token::Array(count)) => {
            let items = (0..count).map_while(|_| cursor.value().ok().map(typed));
            items.collect()
        }
        Ok(Token::Map(count)) => {
            let mut members = Map::new();
            for _ in 0..count {
                let (Ok(key), Ok(member)) = (cursor.value(), cursor.value()) else {
                    break;
                };
                let key = String::from_utf8_lossy(&content(key)).into_owned();
                members.insert(key, typed(member));
            }
            Value::Object(members)
        }
        _ => notation::decode(value).unwrap_or_default(),
    }
}

/// A text, or what is base64 of sixteen bytes: such is the id of a chunk.
fn text_or_id(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    let digits = text.trim_end();
    let suffix = text.get(digits.len()..).unwrap_or_default();
    let id = notation::decode_base64(digits);
    if digits.len() == 24 && digits.ends_with("==") && id.len() == 16 {
        return json!({"$base64_of_id": encode_hex(&id), "suffix": suffix});
    }
    notation::text(bytes)
}

/// The chunk option of a message, as its bytes.
fn chunk(message: &[u8]) -> Option<Vec<u8>> {
    let parts = parts(message);
    let option = parts.get(2..)?.last()?;
    let record = millrun_event::Record::new(option);
    record.field(b"chunk").map(|value| value.bytes().to_vec())
}
