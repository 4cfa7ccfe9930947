//! The deliverer against scripted servers on real sockets.

mod doubt;
mod once;
mod relay;
mod resumption;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millrun_buffer::{Chunk, ChunkId, Compression, Packer};
use millrun_config::{Diagnostics, NoIncludes, NoRuby, RenderStyle, parse_str};
use millrun_core::{DeliveryError, PluginId, Progress, Sender, Settled};
use millrun_event::EventTime;
use millrun_forward::{Delivery, Received, Receiver, ReceiverSettings};

use super::deliverer::Deliverer;
use super::fleet::Fleet;
use super::parameters::{ForwardParameters, Plan};
use super::parcel::Parcel;
use crate::output::queued_chunks::{EVENTS, chunks, chunks_kept};

/// Long enough for a busy machine; nothing here waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server does with each message.
#[derive(Clone, Copy, PartialEq)]
enum Behave {
    Acknowledge,
    StaySilent,
    AnswerWrongly,
    Close,
    AcknowledgeAndClose,
    /// Closes instead of answering the first two messages.
    CloseTwice,
}

#[derive(Clone, Default)]
struct Seen {
    connections: usize,
    /// Tag, bytes and count of each message.
    messages: Vec<(String, Vec<u8>, u32)>,
    /// The number of each, where it has one.
    deliveries: Vec<Option<Delivery>>,
}

/// A server on a thread that lives as long as the test process; its port does too.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    fn new(behave: Behave) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared) = (stream.unwrap(), Arc::clone(&shared));
                shared.lock().unwrap().connections += 1;
                std::thread::spawn(move || serve(stream, behave, &shared));
            }
        });
        Self { address, seen }
    }

    fn wait_for(&self, messages: usize) -> Seen {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.seen.lock().unwrap().clone();
            if seen.messages.len() >= messages {
                return seen;
            }
            assert!(Instant::now() < deadline, "{} came", seen.messages.len());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn serve(mut stream: TcpStream, behave: Behave, seen: &Mutex<Seen>) {
    let mut receiver = Receiver::new(ReceiverSettings::default());
    while let Ok(len @ 1..) = stream.read(receiver.room()) {
        receiver.filled(len);
        while let Some(received) = receiver.poll(EventTime::new(1, 0)).unwrap() {
            let Received::Message(message) = received else {
                panic!("{received:?}");
            };
            let tag = String::from_utf8(message.tag.to_vec()).unwrap();
            let (bytes, count) = (message.events.bytes.to_vec(), message.events.count);
            let delivery = message.delivery;
            {
                let mut seen = seen.lock().unwrap();
                seen.messages.push((tag, bytes, count));
                seen.deliveries.push(delivery);
            }
            let mut answer = Vec::new();
            match behave {
                Behave::CloseTwice if seen.lock().unwrap().messages.len() <= 2 => return,
                Behave::Acknowledge | Behave::CloseTwice => {
                    let ack = message.ack.into_iter();
                    ack.for_each(|ack| ack.write(&mut answer));
                }
                Behave::AnswerWrongly => answer.extend_from_slice(b"\x81\xa3ack\xa1x"),
                Behave::AcknowledgeAndClose => {
                    let ack = message.ack.into_iter();
                    ack.for_each(|ack| ack.write(&mut answer));
                    stream.write_all(&answer).unwrap();
                    return;
                }
                Behave::StaySilent => {}
                Behave::Close => return,
            }
            stream.write_all(&answer).unwrap();
        }
    }
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn deliverer(servers: &[(SocketAddr, &str)], lines: &str) -> Deliverer {
    let sections: String = servers
        .iter()
        .map(|(address, more)| {
            let (host, port) = (address.ip(), address.port());
            format!("<server>\nhost {host}\nport {port}\n{more}\n</server>\n")
        })
        .collect();
    let plan = plan(&format!("{lines}\n{sections}")).unwrap();
    let id = PluginId {
        text: "forward_1".into(),
        is_given: false,
    };
    let fleet = Arc::new(Fleet::new(plan.servers.clone(), None));
    Deliverer::new(Arc::new(plan), fleet, id)
}

/// The plan of an output with these lines; what is wrong with it, as text.
fn plan(lines: &str) -> Result<Plan, String> {
    let text = format!("<match **>\n@type forward\n{lines}\n</match>");
    let parsed = parse_str("f.conf", &text, &mut NoRuby, &mut NoIncludes);
    let mut diagnostics = Diagnostics::default();
    let element = &parsed.root.elements()[0];
    ForwardParameters::read(element, &mut diagnostics)
        .and_then(|parameters| Plan::new(&parameters, &id(), element, &mut diagnostics))
        .ok_or_else(|| diagnostics.render(&parsed.sources, RenderStyle::Plain))
}

fn id() -> PluginId {
    PluginId {
        text: "forward_1".into(),
        is_given: false,
    }
}

fn begin(deliverer: &mut Deliverer, chunk: &Chunk) -> Result<Progress, DeliveryError> {
    deliverer.begin(chunk, Instant::now())
}

fn settle(deliverer: &mut Deliverer, count: usize) -> Vec<Settled> {
    let (mut settled, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while settled.len() < count {
        assert!(Instant::now() < deadline, "only {settled:?}");
        deliverer.wait(Duration::from_secs(1), &mut settled);
    }
    settled
}

fn message(tag: &str) -> (String, Vec<u8>, u32) {
    (tag.to_owned(), EVENTS.to_vec(), 2)
}

#[test]
fn a_chunk_travels_as_it_stands_in_the_buffer() {
    for lines in ["", "keepalive true", "compress gzip"] {
        let server = Server::new(Behave::Acknowledge);
        let mut deliverer = deliverer(&[(server.address, "")], lines);
        let progress = begin(&mut deliverer, &chunks(&["app.web"])[0]).unwrap();
        assert_eq!(progress, Progress::Delivered);
        assert_eq!(server.wait_for(1).messages, [message("app.web")]);
    }
}

#[test]
fn each_append_travels_as_the_member_it_was_kept_as() {
    for (compression, word) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut deliverer = deliverer(&[(address, "")], &format!("compress {word}"));
        let chunk = &chunks_kept(compression, 2, &["t"])[0];
        assert_eq!(begin(&mut deliverer, chunk).unwrap(), Progress::Delivered);
        drop(deliverer);
        let mut sent = Vec::new();
        let mut stream = listener.accept().unwrap().0;
        stream.read_to_end(&mut sent).unwrap();
        let member = Packer::default()
            .pack(compression, EVENTS)
            .unwrap()
            .to_vec();
        let (tag, length) = (b"\x93\xa1t\xdb", member.len() as u32 * 2);
        let size = b"\x82\xa4size\x04\xaacompressed\xa4";
        let expected = [
            tag.as_slice(),
            &length.to_be_bytes(),
            &member,
            &member,
            size,
            word.as_bytes(),
        ];
        assert_eq!(sent, expected.concat());
    }
}

#[test]
fn what_was_kept_plainly_before_compress_was_written_is_compressed_on_its_way() {
    let server = Server::new(Behave::Acknowledge);
    let mut deliverer = deliverer(&[(server.address, "")], "compress gzip");
    let kept = [Compression::Text, Compression::Zstd];
    for (compression, messages) in kept.into_iter().zip(1..) {
        let chunk = &chunks_kept(compression, 1, &["t"])[0];
        assert_eq!(begin(&mut deliverer, chunk).unwrap(), Progress::Delivered);
        let seen = server.wait_for(messages).messages;
        assert_eq!(seen.last(), Some(&message("t")));
    }
}

#[test]
fn connections_are_kept_only_where_asked_for() {
    for (lines, connections) in [("", 3), ("keepalive true", 1)] {
        let server = Server::new(Behave::Acknowledge);
        let mut deliverer = deliverer(&[(server.address, "")], lines);
        for chunk in chunks(&["a", "b", "c"]) {
            begin(&mut deliverer, &chunk).unwrap();
        }
        assert_eq!(server.wait_for(3).connections, connections, "{lines}");
    }
}

#[test]
fn a_connection_that_was_idle_for_keepalive_timeout_is_not_used_again() {
    for (timeout, connections) in [("1h", 1), ("1s", 2)] {
        let server = Server::new(Behave::Acknowledge);
        let lines = format!("keepalive true\nkeepalive_timeout {timeout}");
        let mut deliverer = deliverer(&[(server.address, "")], &lines);
        let (chunks, now) = (chunks(&["a", "b"]), Instant::now());
        deliverer.begin(&chunks[0], now).unwrap();
        deliverer
            .begin(&chunks[1], now + Duration::from_secs(2))
            .unwrap();
        assert_eq!(server.wait_for(2).connections, connections, "{timeout}");
    }
}

#[test]
fn acknowledged_chunks_are_settled_with_several_under_way() {
    for lines in ["", "keepalive true"] {
        let server = Server::new(Behave::Acknowledge);
        let lines = format!("require_ack_response true\n{lines}");
        let mut deliverer = deliverer(&[(server.address, "")], &lines);
        let chunks = chunks(&["a", "b", "c"]);
        assert!(deliverer.window() >= chunks.len());
        for chunk in &chunks {
            assert_eq!(begin(&mut deliverer, chunk).unwrap(), Progress::UnderWay);
        }
        let settled = settle(&mut deliverer, 3);
        assert!(settled.iter().all(|settled| settled.outcome.is_ok()));
        let mut ids: Vec<ChunkId> = settled.iter().map(|settled| settled.chunk).collect();
        ids.sort_unstable();
        let mut expected: Vec<ChunkId> = chunks.iter().map(Chunk::id).collect();
        expected.sort_unstable();
        assert_eq!(ids, expected);
    }
}

#[test]
fn what_is_not_confirmed_is_given_back_with_the_reason() {
    let cases = [
        (
            Behave::StaySilent,
            "no acknowledgement within 1 s (ack_response_timeout)",
        ),
        (
            Behave::AnswerWrongly,
            "the server acknowledged another chunk than was sent",
        ),
        (
            Behave::Close,
            "the server closed the connection with 1 chunks not acknowledged",
        ),
    ];
    for (behave, reason) in cases {
        let server = Server::new(behave);
        let lines = "require_ack_response true\nack_response_timeout 1";
        let mut deliverer = deliverer(&[(server.address, "name n")], lines);
        let chunk = &chunks(&["a"])[0];
        begin(&mut deliverer, chunk).unwrap();
        let settled = settle(&mut deliverer, 1).remove(0);
        assert_eq!(settled.chunk, chunk.id());
        let error = settled.outcome.unwrap_err();
        assert!(matches!(error, DeliveryError::Unconfirmed(_)));
        let expected = format!("'n' ({}): {reason}", server.address);
        assert_eq!(error.to_string(), expected);
        // A connection that failed is not used again.
        begin(&mut deliverer, chunk).unwrap();
        assert_eq!(server.wait_for(2).connections, 2);
    }
}

#[test]
fn a_look_whether_somebody_is_there_connects_once_and_the_chunk_goes_the_same_way() {
    let server = Server::new(Behave::Acknowledge);
    let mut deliverer = deliverer(&[(server.address, "")], "");
    assert_eq!(deliverer.probe(Instant::now()), Some(true));
    for chunk in chunks(&["a", "b"]) {
        assert_eq!(begin(&mut deliverer, &chunk).unwrap(), Progress::Delivered);
    }
    assert_eq!(server.wait_for(2).connections, 2);
}

#[test]
fn the_next_server_takes_what_one_refuses() {
    let (down, up) = (nobody(), Server::new(Behave::Acknowledge));
    let mut deliverer = deliverer(&[(down, ""), (up.address, "")], "");
    for chunk in chunks(&["a", "b", "c", "d"]) {
        assert_eq!(begin(&mut deliverer, &chunk).unwrap(), Progress::Delivered);
    }
    assert_eq!(up.wait_for(4).messages.len(), 4);
}

#[test]
fn a_standby_server_is_used_when_the_other_is_down() {
    let (standby, regular) = (
        Server::new(Behave::Acknowledge),
        Server::new(Behave::Acknowledge),
    );
    let servers = [(standby.address, "standby true"), (regular.address, "")];
    let mut deliverer = deliverer(&servers, "");
    begin(&mut deliverer, &chunks(&["a"])[0]).unwrap();
    assert_eq!(regular.wait_for(1).messages.len(), 1);
    assert_eq!(standby.seen.lock().unwrap().connections, 0);

    let servers = [(standby.address, "standby true"), (nobody(), "")];
    let mut deliverer = self::deliverer(&servers, "");
    begin(&mut deliverer, &chunks(&["b"])[0]).unwrap();
    assert_eq!(standby.wait_for(1).messages, [message("b")]);
}

#[test]
fn when_nobody_is_there_the_message_names_everybody() {
    let (first, second) = (nobody(), nobody());
    let mut deliverer = deliverer(&[(first, "name one"), (second, "weight 0")], "");
    let error = begin(&mut deliverer, &chunks(&["a"])[0]).unwrap_err();
    assert!(matches!(error, DeliveryError::Unreachable(_)));
    assert_eq!(
        error.to_string(),
        format!(
            "no nodes are available: 'one' ({first}): cannot connect: Connection refused (os error \
             111)"
        )
    );
}

#[test]
fn a_connection_the_server_has_closed_is_not_sent_into() {
    let server = Server::new(Behave::Close);
    let mut deliverer = deliverer(&[(server.address, "")], "keepalive true");
    for (sent, chunk) in (1..).zip(chunks(&["a", "b", "c"])) {
        begin(&mut deliverer, &chunk).unwrap();
        assert_eq!(server.wait_for(sent).connections, sent);
        // The server closes right after it has counted the message.
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_closed_connection_is_forgotten_while_another_waits() {
    let (closes, silent) = (
        Server::new(Behave::AcknowledgeAndClose),
        Server::new(Behave::StaySilent),
    );
    let lines = "require_ack_response true\nkeepalive true";
    let mut deliverer = deliverer(&[(closes.address, ""), (silent.address, "")], lines);
    for chunk in chunks(&["a", "b"]) {
        begin(&mut deliverer, &chunk).unwrap();
    }
    assert!(settle(&mut deliverer, 1)[0].outcome.is_ok());
    silent.wait_for(1);
    // However often the closed one wakes it, it sleeps again in the end.
    let (mut settled, started) = (Vec::new(), Instant::now());
    for _ in 0..20 {
        deliverer.wait(Duration::from_millis(20), &mut settled);
    }
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(settled.is_empty());
}

#[test]
fn a_server_that_takes_no_bytes_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut deliverer = deliverer(&[(address, "")], "send_timeout 1");
    let payload = vec![0xc0; 64 << 20];
    let chunk = &chunks(&["t"])[0];
    let message = millrun_forward::Chunk {
        id: [0; 16],
        tag: b"t",
        payload: &payload,
        compression: millrun_forward::Compression::None,
        count: 1,
        number: None,
    };
    let parcel = Parcel {
        chunk,
        message,
        is_numbered: true,
    };
    let error = deliverer.send(&parcel, Instant::now()).unwrap_err();
    // The server has a part of it at most, so another one may have it.
    assert_eq!(chunk.dispatch(), None);
    assert_eq!(
        error.to_string(),
        format!(
            "no nodes are available: {address}: cannot send: no progress within 1 s (send_timeout)"
        )
    );
}

#[test]
fn faults_of_the_section_are_shown_where_they_stand() {
    let server = "<server>\nhost ::1\n</server>\n";
    let cases = [
        ("", "out_forward has no server to send to"),
        ("host ::1", "use the <server> section instead"),
        ("<server>\nport 1\n</server>", "host"),
        (
            "transport tls\ntls_version TLSv1_1",
            "TLS 1.1 is not spoken here: it is broken, and RFC 8996 forbids it",
        ),
        (
            "<transport tls>\n</transport>\ntls_cert_path /nowhere/ca.pem",
            "cannot use TLS: cannot read /nowhere/ca.pem: No such file or directory",
        ),
        (
            "transport tls\ntls_client_cert_path /c.pem",
            "tls_client_cert_path goes with tls_client_private_key_path, which is not written",
        ),
        ("<security>\nself_hostname h\n</security>", "shared_key"),
    ];
    for (lines, fault) in cases {
        let servers = if lines.is_empty() || lines.contains("<server>") {
            ""
        } else {
            server
        };
        let shown = plan(&format!("{lines}\n{servers}")).unwrap_err();
        assert!(shown.contains(fault), "{shown}");
        assert!(shown.contains("f.conf:"), "{shown}");
    }
    assert_eq!(plan(server).unwrap().servers[0].label, "[::1]:24224");
    let plan = plan(&format!("{server}compress zstd\ntime_as_integer true\n")).unwrap();
    assert_eq!(plan.sender.compression, millrun_forward::Compression::Zstd);
    assert!(plan.whole_seconds);
}
