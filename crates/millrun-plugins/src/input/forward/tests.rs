//! The server with real sockets and a list for a sink.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millrun_config::{Diagnostics, NoIncludes, NoRuby, RenderStyle, parse_str};
use millrun_core::{EmitError, LossReason, PluginId, Stop};
use millrun_event::Events;

use super::parameters::{ForwardParameters, Plan};
use super::server::{self, Admission};
use super::sink::{Circumstances, Sink, Stored};

/// Long enough for a busy machine; nothing here waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct List {
    stored: Arc<Mutex<Vec<(String, u32)>>>,
    lost: Arc<Mutex<Vec<(LossReason, u64)>>>,
    refuse: Arc<Mutex<bool>>,
}

impl Sink for List {
    fn store(
        &mut self,
        tag: &str,
        events: Events<'_>,
        circumstances: &Circumstances<'_>,
    ) -> Result<Stored, EmitError> {
        if *self.refuse.lock().unwrap() {
            return Err(EmitError::Refused("the disk is full".into()));
        }
        for loss in circumstances.lost.entries() {
            self.lost.lock().unwrap().push((loss.reason, loss.count));
        }
        if events.is_empty() {
            return Ok(Stored::Now);
        }
        self.stored
            .lock()
            .unwrap()
            .push((tag.to_owned(), events.count));
        Ok(Stored::Now)
    }
}

impl List {
    fn wait_for(&self, count: usize) -> Vec<(String, u32)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stored = self.stored.lock().unwrap().clone();
            if stored.len() >= count {
                return stored;
            }
            assert!(Instant::now() < deadline, "only {stored:?} came");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

struct Running {
    address: SocketAddr,
    list: List,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn new(lines: &str) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).unwrap();
        let (list, stop) = (List::default(), Stop::new());
        let thread = std::thread::spawn({
            let (plan, list, stop) = (plan(lines).unwrap(), list.clone(), stop.clone());
            move || server::run(plan, Admission::default(), tcp, udp, list, &stop).unwrap()
        });
        let thread = Some(thread);
        Self {
            address,
            list,
            stop,
            thread,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.set();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// The plan of a source with these lines; what is wrong with it, as text.
fn plan(lines: &str) -> Result<Plan, String> {
    let text = format!("<source>\n@type forward\n{lines}\n</source>");
    let parsed = parse_str("f.conf", &text, &mut NoRuby, &mut NoIncludes);
    let mut diagnostics = Diagnostics::default();
    let element = &parsed.root.elements()[0];
    let id = PluginId {
        text: "forward_1".into(),
        is_given: false,
    };
    ForwardParameters::read(element, &mut diagnostics)
        .and_then(|parameters| Plan::new(&parameters, &id, element, &mut diagnostics))
        .ok_or_else(|| diagnostics.render(&parsed.sources, RenderStyle::Plain))
}

const WITH_CHUNK: &[u8] = b"\x94\xa3app\x01\x81\xa1k\x01\x81\xa5chunk\xa2id";
const ACK: &[u8] = b"\x81\xa3ack\xa2id";

fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut answer = vec![0; bytes.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, bytes);
}

fn expect_end(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut rest);
    assert_eq!(rest, b"");
}

#[test]
fn messages_are_stored_and_then_answered() {
    let server = Running::new("");
    let mut client = server.connect();
    for byte in WITH_CHUNK {
        client.write_all(&[*byte]).unwrap();
    }
    expect(&mut client, ACK);
    assert_eq!(server.list.wait_for(1), [("app".to_owned(), 1)]);
}

#[test]
fn a_client_that_shuts_its_side_gets_its_answer() {
    let server = Running::new("");
    let mut client = server.connect();
    client.write_all(WITH_CHUNK).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    expect(&mut client, ACK);
    expect_end(&mut client);
}

#[test]
fn what_is_not_stored_is_not_answered() {
    let server = Running::new("");
    *server.list.refuse.lock().unwrap() = true;
    let mut client = server.connect();
    client.write_all(WITH_CHUNK).unwrap();
    expect_end(&mut client);
}

#[test]
fn what_came_before_a_broken_message_is_answered() {
    let server = Running::new("");
    let mut client = server.connect();
    client
        .write_all(&[WITH_CHUNK, b"\x93\xc1"].concat())
        .unwrap();
    expect(&mut client, ACK);
    expect_end(&mut client);
}

#[test]
fn a_client_that_stops_within_a_message_delays_nobody() {
    let server = Running::new("");
    let mut slow = server.connect();
    slow.write_all(&WITH_CHUNK[..7]).unwrap();
    let mut quick = server.connect();
    quick.write_all(WITH_CHUNK).unwrap();
    expect(&mut quick, ACK);
    slow.write_all(&WITH_CHUNK[7..]).unwrap();
    expect(&mut slow, ACK);
}

#[test]
fn heartbeats_are_answered_with_a_zero_byte() {
    let server = Running::new("");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect(server.address).unwrap();
    for heartbeat in [&b"\0"[..], b"anything", b""] {
        client.send(heartbeat).unwrap();
        let mut answer = [7; 8];
        assert_eq!(client.recv(&mut answer).unwrap(), 1);
        assert_eq!(answer[0], 0);
    }
}

#[test]
fn deny_keepalive_ends_the_connection_after_one_message() {
    let server = Running::new("deny_keepalive true");
    let mut client = server.connect();
    client
        .write_all(&[WITH_CHUNK, WITH_CHUNK].concat())
        .unwrap();
    expect(&mut client, ACK);
    expect_end(&mut client);
    assert_eq!(server.list.wait_for(1).len(), 1);
}

#[test]
fn a_dropped_message_is_answered() {
    let server = Running::new("chunk_size_limit 8");
    let mut client = server.connect();
    client.write_all(WITH_CHUNK).unwrap();
    expect(&mut client, ACK);
    assert!(server.list.stored.lock().unwrap().is_empty());
    let lost = server.list.lost.lock().unwrap();
    assert_eq!(*lost, [(LossReason::Oversized, 1)]);
}

#[test]
fn entries_that_are_no_events_are_counted() {
    let server = Running::new("");
    let mut client = server.connect();
    let message = b"\x93\xa1t\x93\x92\x01\x80\x05\x91\x01\x81\xa5chunk\xa2id";
    client.write_all(message).unwrap();
    expect(&mut client, ACK);
    let lost = server.list.lost.lock().unwrap();
    assert_eq!(*lost, [(LossReason::Invalid, 2)]);
    assert_eq!(server.list.wait_for(1), [("t".to_owned(), 1)]);
}

#[test]
fn faults_of_the_section_are_shown_where_they_stand() {
    let fault = plan("deny_keepalive true\nsend_keepalive_packet true").unwrap_err();
    assert!(fault.contains("exclude each other"), "{fault}");
    assert!(fault.contains("f.conf:4:"), "{fault}");
    let fault = plan("tag \"\"\nadd_tag_prefix \"\"").unwrap_err();
    assert!(
        fault.contains("'tag' parameter must not be empty"),
        "{fault}"
    );
    assert!(
        fault.contains("'add_tag_prefix' parameter must not be empty"),
        "{fault}"
    );
    let security = |text| {
        plan(&format!(
            "<security>\nshared_key k\nself_hostname h\n{text}\n</security>"
        ))
    };
    assert!(security("<client>\nnetwork 10.0.0.0/8\n</client>").is_ok());
    for (text, told) in [
        (
            "user_auth true",
            "<user> sections required if user_auth enabled",
        ),
        (
            "allow_anonymous_source false",
            "<client> sections required if allow_anonymous_source disabled",
        ),
        (
            "<client>\nshared_key c\n</client>",
            "Either of 'host' and 'network' must be specified for client",
        ),
        (
            "<client>\nnetwork 10.0.0.0/40\n</client>",
            "network '10.0.0.0/40' address format is invalid: expected one like 192.0.2.0/24",
        ),
    ] {
        let fault = security(text).unwrap_err();
        assert!(fault.contains(told), "{fault}");
    }
    let fault = plan("<transport tls>\n</transport>").unwrap_err();
    assert!(
        fault.contains("no valid cert options configured."),
        "{fault}"
    );
    assert!(plan("<transport tcp>\n</transport>\nbind ::1").is_ok());
}

/// A check must not ask the network, so a name is looked up when the source starts.
#[test]
fn a_name_to_listen_on_is_looked_up_at_the_start_only() {
    let address = |text| plan(text).unwrap().address();
    let found = address("bind \"[::1]\"\nport 24225").unwrap();
    assert_eq!(found.to_string(), "[::1]:24225");
    let fault = address("bind not.an.address.invalid").unwrap_err();
    let text = fault.to_string();
    assert!(
        text.starts_with("'not.an.address.invalid' is no address of this host")
            && text.ends_with("; write an IP address into bind, 0.0.0.0 or :: for all"),
        "{text}"
    );
}

/// All connections share a thread: one that sends without end is not to keep the others waiting.
#[test]
fn a_client_that_floods_delays_nobody_else() {
    const FLOOD: usize = 20_000;
    let running = Running::new("");
    let mut flood = running.connect();
    let mut other = running.connect();
    // Nothing is stored before both have sent.
    let held = running.list.stored.lock().unwrap();
    let sent = std::thread::spawn(move || {
        flood
            .write_all(&b"\x93\xa5flood\x01\x80".repeat(FLOOD))
            .unwrap();
        flood
    });
    // The flood stands in the socket, as far as it fits.
    std::thread::sleep(Duration::from_millis(100));
    other.write_all(b"\x93\xa5other\x01\x80").unwrap();
    drop(held);
    let stored = running.list.wait_for(FLOOD + 1);
    drop(sent.join().unwrap());
    let at = stored.iter().position(|(tag, _)| tag == "other").unwrap();
    assert!(at < FLOOD / 4, "{at} messages came first");
}

#[test]
fn the_reference_page_states_the_limits() {
    let words: Vec<&str> = ForwardParameters::SCHEMA.doc.split_whitespace().collect();
    let about = words.join(" ");
    let limits = [
        format!("{} MiB", millrun_forward::MAX_MESSAGE_BYTES >> 20),
        format!("tag {} bytes", millrun_forward::MAX_TAG_BYTES),
        format!("option {} KiB", millrun_forward::MAX_OPTION_BYTES >> 10),
        format!("nest {} levels", millrun_event::MAX_DEPTH),
        format!("{} connections", server::CONNECTIONS_MAX),
        format!("{} KiB for that", millrun_forward::GREETING_BYTES_MAX >> 10),
    ];
    for limit in limits {
        assert!(about.contains(&limit), "{limit} is not in: {about}");
    }
}
