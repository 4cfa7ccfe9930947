//! From one millrun to another: nothing missing and nothing doubled, whoever dies and whichever
//! answer gets lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::mill::Mill;
use crate::numbered::{Writer, assert_exactly_once};

const AGENT: &str = "\
<system>
  root_dir $D/state
</system>
$TAIL
<match t>
  @type forward
  require_ack_response true
  ack_response_timeout 2
  recover_wait 1
  $MORE
  $SERVERS
  <buffer>
    @type file
    path $D/buffer
    flush_mode immediate
    retry_wait 0.1
    retry_max_interval 0.2
    chunk_limit_size 16k
  </buffer>
</match>
";

const COLLECTOR: &str = "\
<system>
  root_dir $D/state
</system>
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match t>
  @type file
  path $D/got
  append true
  <format>
    @type single_value
  </format>
  <buffer []>
    @type file
    path $D/buffer
    flush_mode immediate
  </buffer>
</match>
";

/// Few enough that the servers' growing pauses between two starts stay short.
const KILLS: u64 = 8;

fn agent(ports: &[u16], more: &str) -> Mill {
    let server = |port: &u16| format!("<server>\n host 127.0.0.1\n port {port}\n</server>\n");
    let servers: String = ports.iter().map(server).collect();
    let conf = AGENT.replace("$SERVERS", &servers);
    Mill::idle(&conf.replace("$MORE", more))
}

/// Lets `kill` have its way while lines are written; the pauses differ, so
/// that kills fall on reads, commits, sends, answers and starts.
fn kill_while_written(agent: &mut Mill, mut kill: impl FnMut(u64, &mut Mill)) -> usize {
    let writer = Writer::start(agent.path("in.log"));
    for number in 0..KILLS {
        thread::sleep(Duration::from_millis(5 + number * 37 % 90));
        kill(number, agent);
    }
    writer.end()
}

/// Waits until everything has left the agent and is in the collectors' files; gives the lines.
fn arrived(agent: &Mill, collectors: &[Mill], count: usize) -> Vec<String> {
    let lines = || -> Vec<String> {
        collectors
            .iter()
            .flat_map(|mill| mill.lines("got"))
            .collect()
    };
    agent.wait_until("all lines at the collectors", || lines().len() >= count);
    // What is sent again would come now.
    for mill in collectors.iter().chain([agent]) {
        mill.wait_until("empty buffer", || mill.files("buffer").is_empty());
    }
    lines()
}

#[test]
fn whoever_is_killed_nothing_is_missing_and_nothing_doubled() {
    let mut collector = Mill::with_conf(COLLECTOR);
    let mut agent = agent(&[collector.port(1)], "keepalive true\n  compress gzip");
    agent.start();
    let count = kill_while_written(&mut agent, |number, agent| match number % 4 {
        0 => collector.kill9_worker(),
        1 => agent.kill9_worker(),
        2 => {
            collector.kill9();
            collector.start();
        }
        _ => {
            agent.kill9();
            agent.start();
        }
    });
    assert_exactly_once(&arrived(&agent, &[collector], count), count);
}

#[test]
fn chunks_in_doubt_stay_with_their_receiver_of_two() {
    let mut collectors = [Mill::with_conf(COLLECTOR), Mill::with_conf(COLLECTOR)];
    let mut agent = agent(&[collectors[0].port(1), collectors[1].port(1)], "");
    agent.start();
    let count = kill_while_written(&mut agent, |number, agent| match number % 3 {
        2 => agent.kill9_worker(),
        turn => {
            let collector = &mut collectors[turn as usize];
            collector.kill9();
            collector.start();
        }
    });
    assert_exactly_once(&arrived(&agent, &collectors, count), count);
    let shares = collectors.each_ref().map(|mill| mill.lines("got").len());
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    assert!(
        !agent.log().contains("may be stored twice"),
        "{}",
        agent.log()
    );
}

/// Passes everything on to `port`, but the answers of the first `swallowed` connections: they are
/// taken, and the connection is closed instead.
fn swallow_answers(port: u16, swallowed: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own_port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        // Counted are those that reach the collector: while it is down, its sender knocks in vain.
        let mut reached = 0;
        for stream in listener.incoming().flatten() {
            let Ok(target) = TcpStream::connect(("127.0.0.1", port)) else {
                continue;
            };
            let swallows = reached < swallowed;
            reached += 1;
            let (up, down) = (stream.try_clone().unwrap(), target.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut &up, &mut &down));
            let count = Arc::clone(&counted);
            thread::spawn(move || {
                if swallows {
                    let _ = (&target).read(&mut [0; 64]);
                    count.fetch_add(1, Ordering::Relaxed);
                    let _ = (
                        stream.shutdown(Shutdown::Both),
                        target.shutdown(Shutdown::Both),
                    );
                } else {
                    let _ = std::io::copy(&mut &target, &mut &stream);
                }
            });
        }
    });
    (own_port, count)
}

#[test]
fn answers_that_get_lost_double_nothing() {
    const LOST: usize = 3;
    let collector = Mill::with_conf(COLLECTOR);
    let (port, lost) = swallow_answers(collector.port(1), LOST);
    let mut agent = agent(&[port], "");
    agent.start();
    agent.append("in.log", "00000000 a\n00000001 b\n");
    let known = "a chunk came again and is stored already";
    collector.wait_for_log(known, 1);
    // Also by a receiver that was killed between the store and the second try.
    let mut collector = collector;
    collector.kill9();
    collector.start();
    collector.wait_for_log(known, 2);
    assert_exactly_once(&arrived(&agent, &[collector], 2), 2);
    // The collector's log is ahead of its answer.
    agent.wait_until("all answers that shall get lost", || {
        lost.load(Ordering::Relaxed) == LOST
    });
}

/// A server that takes everything and answers nothing.
fn silent_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || std::io::copy(&mut &stream, &mut std::io::sink()));
        }
    });
    port
}

#[test]
fn a_chunk_in_doubt_goes_elsewhere_only_when_its_time_is_over_also_after_a_crash() {
    let collector = Mill::with_conf(COLLECTOR);
    let (silent, port) = (silent_server(), collector.port(1));
    let standby = format!("<server>\n host 127.0.0.1\n port {port}\n standby true\n</server>");
    let mut agent = agent(&[silent], &format!("in_doubt_timeout 4\n  {standby}"));
    agent.start();
    agent.append("in.log", "00000000 a\n");
    agent.wait_for_log("no confirmation of a chunk", 1);
    agent.kill9();
    agent.start();
    thread::sleep(Duration::from_millis(300));
    assert!(collector.lines("got").is_empty());
    collector.wait_for_lines("got", 1);
    agent.wait_for_log("may be stored twice", 1);
}

#[test]
fn a_client_that_reuses_a_number_for_another_chunk_loses_nothing() {
    let collector = Mill::with_conf(COLLECTOR);
    for text in ["00000000 a", "00000001 b", "00000001 b"] {
        let mut client = TcpStream::connect(("127.0.0.1", collector.port(1))).unwrap();
        client.write_all(&numbered_message(text)).unwrap();
        let mut answer = [0; 8];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\x81\xa3ack\xa2id");
    }
    collector.wait_for_log("another chunk under a number", 1);
    collector.wait_for_log("stored already", 1);
    assert_exactly_once(&collector.wait_for_lines("got", 2), 2);
}

const TWO_WORKERS: &str = "\
<system>
  workers 2
  root_dir $D/state
</system>
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match t>
  @type file
  path \"$D/got.#{worker_id}\"
  append true
  <format>
    @type single_value
  </format>
  <buffer []>
    @type file
    path $D/buffer
    flush_mode immediate
  </buffer>
</match>
";

#[test]
fn a_resend_to_another_worker_is_known_also_when_both_come_at_once() {
    let mut collector = Mill::idle(TWO_WORKERS);
    collector.start();
    collector.wait_for_log("worker is now running", 2);
    let port = collector.port(1);
    // Each connection goes to whichever worker is quicker, so some go to either.
    let send = move || {
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        thread::sleep(Duration::from_millis(20));
        client.write_all(&numbered_message("00000000 a")).unwrap();
        let mut answer = [0; 8];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\x81\xa3ack\xa2id");
    };
    let mut resends = 0;
    for _ in 0..2 {
        let clients: Vec<_> = (0..40).map(|_| thread::spawn(send)).collect();
        clients
            .into_iter()
            .for_each(|client| client.join().unwrap());
        resends += 40;
        let known = "a chunk came again and is stored already";
        collector.wait_for_log(known, resends - 1);
        collector.kill9();
        collector.start();
        collector.wait_for_log("worker is now running", 2 + resends / 40 * 2);
    }
    assert_exactly_once(&collector.wait_for_lines("got", 1), 1);
    let log = collector.log();
    for worker in ["#0", "#1"] {
        let answered = |line: &&str| line.contains("came again") && line.contains(worker);
        assert!(
            log.lines().any(|line| answered(&line)),
            "{worker} was not asked:\n{log}"
        );
    }
}

/// A message of one event under number 0.
fn numbered_message(text: &str) -> Vec<u8> {
    let record = [b"\x81\xa7message\xaa", text.as_bytes()].concat();
    let entries = [b"\x92\xd7\0\x60\0\0\0\0\0\0\0", record.as_slice()].concat();
    let hash = crc32(&entries).to_be_bytes();
    let mut message = vec![0x93, 0xa1, b't', 0xc4, entries.len() as u8];
    message.extend_from_slice(&entries);
    message.extend_from_slice(b"\x82\xa5chunk\xa2id\xa7millrun\x84\xa6sender\xc4\x10");
    message.extend_from_slice(b"0123456789abcdef\xa8sequence\0\xa6lowest\0\xa4hash\xce");
    message.extend_from_slice(&hash);
    message
}

/// The CRC-32 of gzip, as it is defined.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32, _: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    let step = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), shift);
    !bytes.iter().fold(!0, step)
}
