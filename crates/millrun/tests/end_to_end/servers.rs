//! Servers of out_forward that come, go, and are watched.

use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::mill::{DEADLINE, Mill};
use crate::wire::Wire;

/// A receiver with a file of its own.
pub(crate) fn receiver() -> Mill {
    Mill::with_conf(
        "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match c.**>
  @type file
  path $D/got
  append true
  <buffer []>
    @type file
    path $D/buffer
    flush_mode immediate
  </buffer>
</match>
",
    )
}

/// An agent that sends what comes at `$P1` where `servers` says.
pub(crate) fn agent(servers: &str) -> Mill {
    Mill::idle(&format!(
        "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match c.**>
  @type forward
  @id out
  require_ack_response true
  {servers}
  <buffer tag>
    @type file
    path $D/buffer
    flush_mode immediate
    flush_thread_interval 0.05
    retry_wait 0.2
    retry_max_interval 0.5
  </buffer>
</match>
"
    ))
}

/// Sends events with distinct tags until `is_enough`; says how many.
pub(crate) fn send_until(mill: &Mill, is_enough: impl Fn() -> bool) -> usize {
    let (mut wire, deadline) = (Wire::connect(mill.port(1)), Instant::now() + DEADLINE);
    let mut count = 0;
    while !is_enough() {
        assert!(
            Instant::now() < deadline,
            "it is never enough; the log:\n{}",
            mill.log()
        );
        wire.send_event(&format!("c.{count}"), &[("n", "x")]);
        count += 1;
        thread::sleep(Duration::from_millis(50));
    }
    count
}

#[test]
fn a_file_of_servers_is_followed_and_nothing_is_lost() {
    let (first, second) = (receiver(), receiver());
    for (name, head) in [("servers.json", true), ("servers.yaml", false)] {
        let mut mill = agent(&format!(
            "heartbeat_type none\n<service_discovery>\n@type file\npath $D/{name}\n</service_discovery>"
        ));
        let list = |port: u16| match head {
            true => format!("[{{\"host\":\"127.0.0.1\",\"port\":{port}}}]"),
            false => format!("- host: 127.0.0.1\n  port: {port}\n"),
        };
        let (first_before, second_before) = (first.lines("got").len(), second.lines("got").len());
        mill.write(name, &list(first.port(1)));
        mill.start();
        let came = |mill: &Mill, before: usize| mill.lines("got").len() > before;
        let mut sent = send_until(&mill, || came(&first, first_before));

        // What cannot be understood changes nothing.
        mill.write(name, "- nonsense");
        mill.wait_for_log("sd_file: the servers stay as they are", 1);
        mill.write(name, &list(second.port(1)));
        mill.wait_for_log(
            &format!("Service in: name= 127.0.0.1:{}", second.port(1)),
            1,
        );
        mill.wait_for_log(
            &format!("Service out: name= 127.0.0.1:{}", first.port(1)),
            1,
        );
        sent += send_until(&mill, || came(&second, second_before));
        let all =
            || first.lines("got").len() - first_before + second.lines("got").len() - second_before;
        mill.wait_until("every event", || all() >= sent);
        assert_eq!(mill.stop().code(), Some(0));
        assert_eq!(all(), sent);
    }
}

#[test]
fn a_server_that_does_not_answer_is_detached_a_standby_one_steps_in_and_back() {
    let standby = receiver();
    let mut regular = receiver();
    let (port, other) = (regular.port(1), standby.port(1));
    let mut mill = agent(&format!(
        "heartbeat_type transport
  heartbeat_interval 1
  hard_timeout 3
  recover_wait 1
  <server>
    host 127.0.0.1
    port {port}
    name main
  </server>
  <server>
    host 127.0.0.1
    port {other}
    standby true
  </server>"
    ));
    mill.start();
    let mut sent = send_until(&mill, || !regular.lines("got").is_empty());
    assert!(standby.lines("got").is_empty());

    assert_eq!(regular.stop().code(), Some(0));
    mill.wait_for_log("hard_timeout=true", 1);
    sent += send_until(&mill, || !standby.lines("got").is_empty());
    mill.wait_for_log(&format!("using standby node 127.0.0.1:{other}"), 1);

    regular.start();
    mill.wait_for_log("recovered forwarding server 'main'", 1);
    let before = regular.lines("got").len();
    sent += send_until(&mill, || regular.lines("got").len() > before);
    let all = || regular.lines("got").len() + standby.lines("got").len();
    mill.wait_until("every event", || all() >= sent);
    assert_eq!(mill.stop().code(), Some(0));
    assert_eq!(all(), sent);
}

#[test]
fn datagrams_are_sent_one_an_interval_and_connections_are_closed_without_a_word() {
    // One that answers at once, one that never does.
    for answers in [true, false] {
        let mut mill = agent(
            "heartbeat_type udp
  heartbeat_interval 1
  hard_timeout 2
  <server>
    host 127.0.0.1
    port $P2
  </server>",
        );
        let socket = UdpSocket::bind(("127.0.0.1", mill.port(2))).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        thread::spawn(move || {
            let mut datagram = [0; 16];
            while let Ok((len, peer)) = socket.recv_from(&mut datagram) {
                assert_eq!(&datagram[..len], [0]);
                seen.fetch_add(1, Ordering::SeqCst);
                if answers && socket.send_to(&[0], peer).is_err() {
                    return;
                }
            }
        });
        mill.start();
        mill.wait_until("four heartbeats", || count.load(Ordering::SeqCst) >= 4);
        let is_detached = || {
            mill.log()
                .contains("detached forwarding server '127.0.0.1'")
        };
        match answers {
            true => assert!(!is_detached(), "{}", mill.log()),
            false => mill.wait_until("the server to be detached", is_detached),
        }
        assert_eq!(mill.stop().code(), Some(0));
    }

    let mut mill = agent(
        "heartbeat_type transport\nheartbeat_interval 1\n<server>\nhost 127.0.0.1\nport $P2\n</server>",
    );
    let listener = TcpListener::bind(("127.0.0.1", mill.port(2))).unwrap();
    mill.start();
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut said = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut said).unwrap();
        assert!(said.is_empty());
    }
}
