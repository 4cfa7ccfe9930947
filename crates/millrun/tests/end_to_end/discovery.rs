//! Servers of out_forward that are found elsewhere, and change: DNS, and a configuration that is read again.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::thread;

use nix::sys::signal::Signal;

use crate::mill::Mill;
use crate::servers::{agent, receiver, send_until};

/// An SRV record: priority, weight, port; the host is always this one.
type Place = (u16, u16, u16);

/// A name server for one name, on a thread that lives as long as the test process.
struct NameServer {
    port: u16,
    places: Arc<Mutex<Vec<Place>>>,
}

impl NameServer {
    fn with(places: &[Place]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let places = Arc::new(Mutex::new(places.to_vec()));
        let shared = Arc::clone(&places);
        thread::spawn(move || {
            let mut asked = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut asked) {
                let answer = answer(&asked[..length], &shared.lock().unwrap());
                if socket.send_to(&answer, peer).is_err() {
                    return;
                }
            }
        });
        Self { port, places }
    }

    fn answer_with(&self, places: &[Place]) {
        *self.places.lock().unwrap() = places.to_vec();
    }
}

/// The answer to a question for SRV records.
fn answer(asked: &[u8], places: &[Place]) -> Vec<u8> {
    let name = b"\x08_forward\x04_tcp\x04mill\x04test\x00";
    assert_eq!(asked[12..][..name.len()], *name, "asked for another name");
    let mut answer = asked[..12 + name.len() + 4].to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[7] = u8::try_from(places.len()).unwrap();
    answer[8..12].fill(0);
    for (priority, weight, port) in places {
        // The name is the question's; SRV, IN, a second.
        answer.extend_from_slice(&[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 1]);
        let host = b"\x09localhost\x00";
        answer.extend_from_slice(&u16::try_from(6 + host.len()).unwrap().to_be_bytes());
        for number in [priority, weight, port] {
            answer.extend_from_slice(&number.to_be_bytes());
        }
        answer.extend_from_slice(host);
    }
    answer
}

#[test]
fn servers_named_by_dns_are_used_by_priority_and_weight_and_followed() {
    let (mut first, second, third) = (receiver(), receiver(), receiver());
    let (one, two, three) = (first.port(1), second.port(1), third.port(1));
    let names = NameServer::with(&[(10, 60, one), (20, 60, two)]);
    let mut mill = agent(&format!(
        "heartbeat_type transport
  heartbeat_interval 1
  hard_timeout 3
  recover_wait 1
  <service_discovery>
    @type srv
    service forward
    hostname mill.test
    dns_server_host 127.0.0.1:{}
    dns_lookup false
    interval 1
  </service_discovery>",
        names.port
    ));
    mill.start();
    let count = |receiver: &Mill| receiver.lines("got").len();
    // Until the first answer there is nobody, and what is sent waits.
    let mut sent = send_until(&mill, || count(&first) > 4);
    assert_eq!(count(&second), 0, "a server of higher priority stands by");

    // One dies: who stands by steps in.
    assert_eq!(first.stop().code(), Some(0));
    mill.wait_for_log("hard_timeout=true", 1);
    sent += send_until(&mill, || count(&second) > 0);
    mill.wait_for_log(&format!("using standby node localhost:{two}"), 1);
    first.start();
    mill.wait_for_log("recovered forwarding server 'localhost'", 1);

    // The records change: by weight now, and without the first.
    names.answer_with(&[(10, 30, two), (10, 10, three)]);
    mill.wait_for_log(&format!("Service in: name=localhost localhost:{three}"), 1);
    mill.wait_for_log(&format!("Service out: name=localhost localhost:{one}"), 1);
    let before = (count(&first), count(&second), count(&third));
    sent += send_until(&mill, || count(&third) >= 6);
    let all = || count(&first) + count(&second) + count(&third);
    mill.wait_until("every event", || all() >= sent);
    let (heavy, light) = (count(&second) - before.1, count(&third) - before.2);
    assert!(heavy > light, "30 to 10 gave {heavy} to {light}");
    assert_eq!(
        count(&first),
        before.0,
        "who is not named any more gets nothing"
    );
    assert_eq!(mill.stop().code(), Some(0));
    assert_eq!(all(), sent);
}

#[test]
fn static_servers_are_those_of_the_configuration_that_is_read_again() {
    let (first, second) = (receiver(), receiver());
    let service = |port: u16| {
        format!(
            "heartbeat_type none\n<service_discovery>\n@type static\n<service>\nhost 127.0.0.1\nport {port}\n</service>\n\
             </service_discovery>"
        )
    };
    let mut mill = agent(&service(first.port(1)));
    mill.start();
    let mut sent = send_until(&mill, || !first.lines("got").is_empty());
    let conf = std::fs::read_to_string(mill.path("f.conf")).unwrap();
    let changed = conf.replace(
        &format!("port {}\n", first.port(1)),
        &format!("port {}\n", second.port(1)),
    );
    assert_ne!(conf, changed);
    mill.write("f.conf", &changed);
    mill.signal(Signal::SIGHUP);
    mill.wait_for_log("worker is now running", 2);
    sent += send_until(&mill, || !second.lines("got").is_empty());
    let all = || first.lines("got").len() + second.lines("got").len();
    mill.wait_until("every event", || all() >= sent);
    assert_eq!(mill.stop().code(), Some(0));
    assert_eq!(all(), sent);
}

#[test]
fn a_server_that_cannot_be_reached_keeps_the_start_back_where_that_is_asked_for() {
    let receiver = receiver();
    for (lines, starts) in [("verify_connection_at_startup true\n", false), ("", true)] {
        let mut mill = agent(&format!(
            "heartbeat_type none\n{lines}<server>\nhost 127.0.0.1\nport $P2\n</server>"
        ));
        if starts {
            mill.start();
            continue;
        }
        let outcome = mill.run(&["--no-supervisor"]);
        assert_ne!(outcome.code, Some(0));
        let text = mill.filled("out_forward cannot reach its server 127.0.0.1:$P2 at the start");
        assert!(outcome.text.contains(&text), "{}", outcome.text);
    }
    let mut mill = agent(&format!(
        "heartbeat_type none\nverify_connection_at_startup true\n<server>\nhost 127.0.0.1\nport {}\n</server>",
        receiver.port(1)
    ));
    mill.start();
    let sent = send_until(&mill, || !receiver.lines("got").is_empty());
    mill.wait_until("every event", || receiver.lines("got").len() >= sent);
    assert_eq!(mill.stop().code(), Some(0));
}
