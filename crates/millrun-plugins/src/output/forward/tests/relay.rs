//! From one socket to the next, through a whole pipeline: forward in, memory buffer, forward out.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use millrun_config::{NoIncludes, NoRuby, RenderStyle, parse_str};
use millrun_core::{Listeners, OwnListeners, Pipeline, StartError, Stop, System, assemble};
use millrun_event::{Entries, EventBuffer, EventTime, Token, write};
use millrun_forward::{Chunk, Compression, Sender, SenderSettings};

use super::{Behave, PATIENCE, Server};

/// Any free port, and which one it was.
#[derive(Default)]
struct AnyPort {
    address: Mutex<Option<SocketAddr>>,
}

impl Listeners for AnyPort {
    fn tcp(&self, address: SocketAddr, backlog: Option<u32>) -> Result<TcpListener, StartError> {
        let listener = OwnListeners.tcp(SocketAddr::new(address.ip(), 0), backlog)?;
        *self.address.lock().unwrap() = listener.local_addr().ok();
        Ok(listener)
    }

    fn udp(&self, address: SocketAddr) -> Result<UdpSocket, StartError> {
        OwnListeners.udp(address)
    }
}

/// A pipeline that relays to `port`, and where it listens.
fn relay(port: u16, lines: &str, state: &Path) -> (Pipeline, SocketAddr) {
    let text = format!(
        "<source>\n@type forward\nbind 127.0.0.1\n</source>\n<match **>\n@type forward\n{lines}\n\
         <server>\nhost 127.0.0.1\nport {port}\n</server>\n<buffer tag>\n@type memory\n\
         flush_mode immediate\nretry_wait 0.05\n</buffer>\n</match>\n"
    );
    let parsed = parse_str("f.conf", &text, &mut NoRuby, &mut NoIncludes);
    let mut diagnostics = parsed.diagnostics;
    let system = System::read(&parsed.root, &mut diagnostics).unwrap();
    let registry = crate::registry();
    let parts = assemble(&parsed.root, &registry, &system, state, &mut diagnostics);
    let faults = diagnostics.render(&parsed.sources, RenderStyle::Plain);
    assert_eq!(faults, "");
    let listeners = AnyPort::default();
    let pipeline = Pipeline::start(parts, &system, state, &listeners, &Stop::new()).unwrap();
    let address = listeners.address.lock().unwrap().unwrap();
    (pipeline, address)
}

/// Sends chunks of one event each with acknowledgements, and returns when all have come.
fn send_acknowledged(address: SocketAddr, count: u8) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut settings = SenderSettings::default();
    settings.require_ack = true;
    settings.chunks_in_flight_max = usize::from(count);
    let mut sender = Sender::new(settings);
    for number in 0..count {
        let mut events = EventBuffer::default();
        events.push(EventTime::new(1_700_000_000, 0), |record| {
            write::map(record, 1);
            write::str(record, b"number");
            write::uint(record, u64::from(number));
        });
        let chunk = Chunk {
            id: [number; 16],
            tag: b"app.web",
            payload: events.as_events().bytes,
            compression: Compression::None,
            count: 1,
            number: None,
        };
        let message = sender.send(&chunk, Instant::now()).unwrap();
        stream.write_all(&message.slices().concat()).unwrap();
    }
    let mut acked = 0;
    while acked < count {
        let len = stream.read(sender.room()).unwrap();
        assert_ne!(len, 0, "the relay closed the connection");
        sender.filled(len).unwrap();
        while sender.poll_acked().is_some() {
            acked += 1;
        }
    }
}

/// The numbers of all events a server has seen, in order of their value.
fn numbers(server: &Server) -> Vec<u8> {
    let seen = server.seen.lock().unwrap();
    let mut numbers = Vec::new();
    for (tag, bytes, _) in &seen.messages {
        assert_eq!(tag, "app.web");
        for entry in Entries::new(bytes) {
            let number = entry.unwrap().record().field(b"number").unwrap();
            let Some(Token::Uint(number)) = number.token() else {
                panic!("{number:?}");
            };
            numbers.push(number as u8);
        }
    }
    numbers.sort_unstable();
    numbers
}

fn wait_for_all(server: &Server, count: u8) -> Vec<u8> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let numbers = numbers(server);
        if (0..count).all(|number| numbers.contains(&number)) {
            return numbers;
        }
        assert!(Instant::now() < deadline, "only {numbers:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_event_arrives_once_and_is_acknowledged() {
    for lines in [
        "",
        "keepalive true",
        "require_ack_response true",
        "require_ack_response true\nkeepalive true\ncompress gzip",
    ] {
        let server = Server::new(Behave::Acknowledge);
        let state = tempfile::tempdir().unwrap();
        let (pipeline, address) = relay(server.address.port(), lines, state.path());
        send_acknowledged(address, 100);
        let numbers = wait_for_all(&server, 100);
        assert_eq!(numbers, (0..100).collect::<Vec<u8>>(), "{lines}");
        pipeline.stop();
    }
}

#[test]
fn what_a_server_does_not_confirm_is_sent_again() {
    let server = Server::new(Behave::CloseTwice);
    let state = tempfile::tempdir().unwrap();
    let lines = "require_ack_response true\nrecover_wait 0";
    let (pipeline, address) = relay(server.address.port(), lines, state.path());
    send_acknowledged(address, 5);
    wait_for_all(&server, 5);
    pipeline.stop();
    assert!(server.seen.lock().unwrap().connections >= 3);
}
