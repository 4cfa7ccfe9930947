//! Scripted servers, which the program under test connects to.
//!
//! ```text
//! ["fake", id, port, {behave: [action …], udp: "reply"|"silent", helo: {…}, http: [answer …]}]
//! ["fake_get", id]    → {connections, count, messages, conn_ends, udp_seen?, udp_datagrams?}
//! ["fake_stop", id]
//! ```

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::fake_forward::{self, Helo};
use super::fake_http;
use super::scene::Scene;
use super::step::Words;
use crate::case::member;
use crate::notation;

/// How often a server looks whether it is to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How long connections that are made already may take to be seen.
const SETTLING: Duration = Duration::from_millis(250);
/// Datagrams that a report shows.
const DATAGRAMS_SHOWN: usize = 3;
/// Bytes a connection may bring; no recorded one brings more.
const RECEIVED_MAX: usize = 1 << 22;

/// A server under way.
pub(crate) struct Fake {
    id: String,
    state: Arc<State>,
}

/// What the threads of a server share.
pub(crate) struct State {
    pub(crate) script: Script,
    seen: Mutex<Seen>,
    ends: AtomicBool,
}

/// What a server does.
pub(crate) struct Script {
    /// For the first data message, the second …; the last one repeats.
    behave: Vec<String>,
    pub(crate) helo: Option<Helo>,
    http: Option<Vec<String>>,
    udp: Option<String>,
}

/// What a server saw.
#[derive(Default)]
pub(crate) struct Seen {
    connections: usize,
    pub(crate) count: usize,
    pub(crate) messages: Vec<Value>,
    conn_ends: Vec<(usize, Value)>,
    /// Connections to an HTTP server that are open still: those of other servers are told when they end.
    open: Vec<(usize, Value)>,
    first: Option<Instant>,
    udp_seen: usize,
    udp_datagrams: Vec<Value>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn start(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let (id, port, options) = (words.text(0)?, words.port(1)?, words.options(2));
    let texts = |key: &str| {
        let list = member(options, key).as_array()?.iter();
        Some(
            list.filter_map(Value::as_str)
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    };
    let state = Arc::new(State {
        script: Script {
            behave: texts("behave").unwrap_or_else(|| vec!["ack".to_owned()]),
            helo: member(options, "helo").as_object().map(Helo::read),
            http: texts("http"),
            udp: member(options, "udp").as_str().map(str::to_owned),
        },
        seen: Mutex::default(),
        ends: AtomicBool::new(false),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("a server cannot listen on {port}"))?;
    listener.set_nonblocking(true)?;
    if state.script.udp.is_some() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(LOOK_INTERVAL))?;
        let state = Arc::clone(&state);
        thread::spawn(move || state.answer_datagrams(&socket));
    }
    let serving = Arc::clone(&state);
    thread::spawn(move || serve(&serving, &listener));
    scene.fakes.push(Fake {
        id: id.to_owned(),
        state,
    });
    Ok(None)
}

pub(crate) fn stop(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let id = words.text(0)?;
    for fake in scene.fakes.iter().filter(|fake| fake.id == id) {
        fake.state.ends.store(true, Ordering::Relaxed);
    }
    // Its threads look so often.
    thread::sleep(LOOK_INTERVAL * 3);
    Ok(None)
}

pub(crate) fn get(scene: &mut Scene<'_>, words: &Words<'_>) -> Result<Option<Value>> {
    let id = words.text(0)?;
    let found = scene.fakes.iter().rev().find(|fake| fake.id == id);
    let found = found.context("no such server")?;
    // What came last is accepted and read by now.
    thread::sleep(SETTLING);
    Ok(Some(found.state.report()))
}

/// How many messages a server has seen: what a case waits for.
pub(crate) fn count(scene: &Scene<'_>, id: &str) -> usize {
    let found = scene.fakes.iter().rev().find(|fake| fake.id == id);
    found.map_or(0, |fake| fake.state.seen().count)
}

/// Takes connections until the end, each on a thread of its own.
fn serve(state: &Arc<State>, listener: &TcpListener) {
    while !state.ends() {
        match listener.accept() {
            Ok((stream, _)) => {
                let number = {
                    let mut seen = state.seen();
                    seen.connections += 1;
                    seen.connections
                };
                let state = Arc::clone(state);
                thread::spawn(move || {
                    let mut connection = Connection {
                        number,
                        stream,
                        state,
                        received: 0,
                        messages: 0,
                        pending: Vec::new(),
                    };
                    let how = match &connection.state.script.http {
                        Some(_) => fake_http::converse(&mut connection),
                        None => fake_forward::converse(&mut connection),
                    };
                    connection.end(&how);
                });
            }
            Err(_) => thread::sleep(LOOK_INTERVAL),
        }
    }
}

/// A connection that was taken.
pub(crate) struct Connection {
    pub(crate) number: usize,
    pub(crate) stream: TcpStream,
    pub(crate) state: Arc<State>,
    received: usize,
    pub(crate) messages: usize,
    /// Read and not understood yet.
    pub(crate) pending: Vec<u8>,
}

/// How a connection ended.
pub(crate) enum Ended {
    ByPeer,
    ByUs,
    /// It had not when the server did.
    Not,
}

impl Connection {
    /// Reads more, until the other side or the server ends.
    pub(crate) fn read(&mut self) -> Result<(), Ended> {
        let _ = self.stream.set_read_timeout(Some(LOOK_INTERVAL));
        let _ = self.stream.set_nonblocking(false);
        let mut block = [0; 4096];
        while !self.state.ends() && self.received < RECEIVED_MAX {
            match self.stream.read(&mut block) {
                Ok(0) => return Err(Ended::ByPeer),
                Ok(read) => {
                    self.received += read;
                    self.pending
                        .extend_from_slice(block.get(..read).unwrap_or_default());
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(Ended::ByPeer),
                },
            }
        }
        Err(Ended::Not)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        // One who has left hears nothing; the next read tells so.
        let _ = self.stream.write_all(bytes);
    }

    /// Notes how far an open connection came.
    pub(crate) fn note_open(&self) {
        let told = json!([self.number, self.received, self.messages, null]);
        let mut seen = self.state.seen();
        seen.open.retain(|(number, _)| *number != self.number);
        seen.open.push((self.number, told));
    }

    fn end(self, how: &Ended) {
        let how = match how {
            Ended::ByPeer => json!("peer closed"),
            Ended::ByUs => json!("fake closed"),
            Ended::Not => Value::Null,
        };
        let told = json!([self.number, self.received, self.messages, how]);
        let mut seen = self.state.seen();
        seen.open.retain(|(number, _)| *number != self.number);
        seen.conn_ends.push((self.number, told));
    }
}

impl State {
    /// What is done with the n-th data message, from 0 on.
    pub(crate) fn action(&self, index: usize) -> &str {
        let actions = &self.script.behave;
        let action = actions.get(index).or(actions.last());
        action.map_or("ack", String::as_str)
    }

    /// The raw answer to the n-th request.
    pub(crate) fn answer(&self, index: usize) -> Option<&str> {
        let answers = self.script.http.as_ref()?;
        answers.get(index).or(answers.last()).map(String::as_str)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    fn answer_datagrams(&self, socket: &UdpSocket) {
        let mut block = [0; 2048];
        while !self.ends() {
            let Ok((length, from)) = socket.recv_from(&mut block) else {
                continue;
            };
            let mut seen = self.seen();
            seen.udp_seen += 1;
            if seen.udp_datagrams.len() < DATAGRAMS_SHOWN {
                let bytes = block.get(..length).unwrap_or_default();
                seen.udp_datagrams.push(notation::text(bytes));
            }
            if self.script.udp.as_deref() == Some("reply") {
                let _ = socket.send_to(&[0], from);
            }
        }
    }

    fn report(&self) -> Value {
        let seen = self.seen();
        let mut ends = [seen.conn_ends.as_slice(), seen.open.as_slice()].concat();
        ends.sort_by_key(|(number, _)| *number);
        let ends: Vec<Value> = ends.into_iter().map(|(_, end)| end).collect();
        let mut report = Map::new();
        report.insert("connections".to_owned(), json!(seen.connections));
        report.insert("count".to_owned(), json!(seen.count));
        report.insert("messages".to_owned(), json!(seen.messages));
        report.insert("conn_ends".to_owned(), json!(ends));
        if self.script.udp.is_some() {
            report.insert("udp_seen".to_owned(), json!(seen.udp_seen));
            report.insert("udp_datagrams".to_owned(), json!(seen.udp_datagrams));
        }
        Value::Object(report)
    }
}

impl Seen {
    /// Seconds since the first data message, which is this one if there was none.
    pub(crate) fn since_first(&mut self) -> f64 {
        let first = *self.first.get_or_insert_with(Instant::now);
        (first.elapsed().as_secs_f64() * 10.0).round() / 10.0
    }
}
