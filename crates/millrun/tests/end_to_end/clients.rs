//! Real counterparts on the wire: the Python and Node libraries, as clients and as a server.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::counterpart::{self, Counterpart, NodeReceiver};
use crate::mill::{DEADLINE, Mill};
use crate::numbered::Writer;

const COUNT: usize = 50;

/// The record that `send.py` and `send.js` send as event `n`.
fn record(n: usize) -> Value {
    json!({"n": n, "text": "Mühle", "nested": {"list": [1, null, true, 2.5, -7]}})
}

const FORWARD_TO_FILE: &str = "\
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
";

/// Every event once, in order, with its time and tag, in out_file's own format.
fn assert_written(mill: &Mill, tag: &str) {
    let lines = mill.wait_for_lines("got", COUNT);
    assert_eq!(lines.len(), COUNT);
    for (n, line) in lines.iter().enumerate() {
        let fields: Vec<_> = line.splitn(3, '\t').collect();
        let time = format!(
            "2023-11-14T22:{:02}:{:02}+00:00",
            13 + (20 + n) / 60,
            (20 + n) % 60
        );
        assert_eq!(fields[..2], [time.as_str(), tag]);
        assert_eq!(serde_json::from_str::<Value>(fields[2]).unwrap(), record(n));
    }
}

#[test]
fn python_client_in_message_mode() {
    for (precision, kind) in [
        ("seconds", "plain"),
        ("nanoseconds", "plain"),
        ("nanoseconds", "queue"),
    ] {
        let Some(client) = Counterpart::Python.script("send.py") else {
            return;
        };
        let mill = Mill::with_conf(FORWARD_TO_FILE);
        let port = mill.port(1).to_string();
        counterpart::run(
            client,
            &[&port, "c.python", &COUNT.to_string(), precision, kind],
        );
        assert_written(&mill, "c.python");
    }
}

#[test]
fn node_client_in_every_mode_with_and_without_acknowledgement() {
    for mode in [
        "Message",
        "Forward",
        "PackedForward",
        "CompressedPackedForward",
    ] {
        for (precision, ack) in [("eventtime", "ack"), ("seconds", "noack")] {
            let Some(client) = Counterpart::Node.script("send.js") else {
                return;
            };
            let mill = Mill::with_conf(FORWARD_TO_FILE);
            let port = mill.port(1).to_string();
            let tag = format!("c.{mode}");
            counterpart::run(
                client,
                &[&port, &tag, &COUNT.to_string(), mode, precision, ack],
            );
            assert_written(&mill, &tag);
        }
    }
}

#[test]
fn node_client_proves_that_it_knows_the_key_and_a_user_without_tls() {
    let security = "\
<security>
    self_hostname server.test
    shared_key mill
    user_auth true
    <user>
      username u
      password p
    </user>
  </security>
</source>";
    let mill = Mill::with_conf(&FORWARD_TO_FILE.replace("</source>", security));
    let port = mill.port(1).to_string();
    for (key, password, refused) in [
        ("other", "p", Some("shared_key mismatch")),
        ("mill", "q", Some("username/password mismatch")),
        ("mill", "p", None),
    ] {
        let Some(client) = Counterpart::Node.script("send.js") else {
            return;
        };
        let count = COUNT.to_string();
        let what = [&*port, "c.user", &count, "Forward", "eventtime", "ack"];
        let ended = counterpart::try_run(client, &[&what[..], &["-", key, "u", password]].concat());
        match (ended, refused) {
            (Ok(()), None) => {}
            (Err(said), Some(reason)) if said.contains(reason) => {}
            (ended, _) => panic!("with {key} and {password}: {ended:?}"),
        }
    }
    assert_written(&mill, "c.user");
}

/// A relay to the receiver at `port`; `more` are further parameters of out_forward.
fn relay(port: u16, more: &str) -> Mill {
    Mill::with_conf(&format!(
        "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match c.**>
  @type forward
  require_ack_response true
  {more}
  <server>
    host 127.0.0.1
    port {port}
  </server>
  <buffer tag>
    @type file
    path $D/buffer
    flush_mode immediate
  </buffer>
</match>
"
    ))
}

#[test]
fn node_server_receives_and_acknowledges_what_python_sent_to_the_nanosecond() {
    for more in ["", "keepalive true", "compress gzip"] {
        let Some(client) = Counterpart::Python.script("send.py") else {
            return;
        };
        let Some(receiver) = NodeReceiver::start() else {
            return;
        };
        let mut mill = relay(receiver.port, more);
        let port = mill.port(1).to_string();
        counterpart::run(
            client,
            &[&port, "c.relay", &COUNT.to_string(), "nanoseconds"],
        );

        mill.wait_until("events at the receiver", || {
            receiver.events().len() >= COUNT
        });
        assert_eq!(mill.stop().code(), Some(0));
        let mut events = receiver.events();
        events.sort_by_key(|event| event["time"][0].as_u64());
        for (n, event) in events.iter().enumerate() {
            let time = json!([1_700_000_000 + n, 123_456_789]);
            assert_eq!(
                *event,
                json!({"tag": "c.relay", "time": time, "record": record(n)})
            );
        }
        assert_eq!(events.len(), COUNT, "acknowledged chunks were sent again");
    }
}

/// How often the server is killed.
const KILLS: usize = 3;

#[test]
fn node_server_that_is_killed_and_started_again_misses_nothing() {
    let Some(mut receiver) = NodeReceiver::start() else {
        return;
    };
    let port = receiver.port;
    let mill = Mill::with_conf(&format!(
        "\
<source>
  @type tail
  path $D/in.log
  tag t
  read_from_head true
  <parse>
    @type none
  </parse>
</source>
<match t>
  @type forward
  require_ack_response true
  ack_response_timeout 2
  recover_wait 1
  <server>
    host 127.0.0.1
    port {port}
  </server>
  <buffer tag>
    @type file
    path $D/buffer
    flush_mode interval
    flush_interval 0.1
    flush_thread_interval 0.05
    retry_wait 0.1
    retry_max_interval 0.5
    chunk_limit_size 64k
  </buffer>
</match>
"
    ));
    let writer = Writer::start(mill.path("in.log"));
    for _ in 0..KILLS {
        thread::sleep(Duration::from_millis(300));
        receiver.kill9_and_start_again();
    }
    let count = writer.end();
    let number = |event: &Value| -> Option<usize> {
        let line = event["record"]["message"].as_str()?;
        line.split(' ').next()?.parse().ok()
    };
    let missing = || -> Vec<usize> {
        let numbers: HashSet<usize> = receiver.events().iter().filter_map(number).collect();
        (0..count).filter(|it| !numbers.contains(it)).collect()
    };
    let begin = Instant::now();
    loop {
        let waited = begin.elapsed();
        // Looking at all of them takes a while.
        let missing = match receiver.count() >= count {
            true => missing(),
            false => vec![count],
        };
        if missing.is_empty() {
            break;
        }
        assert!(
            waited < 3 * DEADLINE,
            "{} of {count} lines are missing after {waited:?}, from {:?} to {:?}; the log:\n{}",
            missing.len(),
            missing.first(),
            missing.last(),
            mill.log()
        );
        thread::sleep(Duration::from_millis(200));
    }
}
