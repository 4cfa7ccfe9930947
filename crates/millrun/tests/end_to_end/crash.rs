//! kill -9, at any level and at any moment: nothing missing, nothing doubled.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::mill::{Mill, poll};

const TAIL_TO_FILE: &str = "\
<system>
  root_dir $D/state
</system>
<source>
  @type tail
  path $D/in.log
  pos_file $D/in.pos
  tag t
  read_from_head true
  <parse>
    @type none
  </parse>
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
    flush_mode interval
    flush_interval 0.1
    flush_thread_interval 0.05
    flush_thread_burst_interval 0.05
    chunk_limit_size 16k
  </buffer>
</match>
";

const AGENT: &str = "\
<system>
  root_dir $D/state
</system>
<source>
  @type tail
  path $D/in.log
  pos_file $D/in.pos
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
  <server>
    host 127.0.0.1
    port $COLLECTOR
  </server>
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

/// Few enough that the server's growing pauses between two starts stay short.
const KILLS: u64 = 6;

/// Lines written at a time.
const BURST: usize = 100;

/// Time between two writes.
const BURST_PAUSE: Duration = Duration::from_millis(4);

/// The numbered lines of one burst, of a length that fills chunks.
fn burst(number: usize) -> String {
    let numbers = number * BURST..(number + 1) * BURST;
    numbers.map(|n| format!("{n:08} {:x<60}\n", "")).collect()
}

/// Every line exactly once, whatever the order.
fn assert_exactly_once(lines: &[String], count: usize) {
    let mut numbers: Vec<usize> = lines
        .iter()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    let expected: Vec<usize> = (0..count).collect();
    let missing: Vec<_> = expected
        .iter()
        .filter(|n| numbers.binary_search(n).is_err())
        .collect();
    let doubled: Vec<_> = numbers
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .collect();
    assert!(
        missing.is_empty() && doubled.is_empty(),
        "missing {missing:?}, doubled {doubled:?}"
    );
}

/// Runs `kill` [`KILLS`] times while a thread appends one burst after the other; gives the number
/// of lines written.
///
/// The pauses between two kills differ, so that they fall on reads, commits, deliveries and starts.
fn kill_while_written(mill: &mut Mill, mut kill: impl FnMut(&mut Mill)) -> usize {
    let path = mill.path("in.log");
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let writer = thread::spawn(move || {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        let mut bursts = 0;
        while !is_done.load(Ordering::Relaxed) {
            file.write_all(burst(bursts).as_bytes()).unwrap();
            bursts += 1;
            thread::sleep(BURST_PAUSE);
        }
        bursts * BURST
    });
    for number in 0..KILLS {
        thread::sleep(Duration::from_millis(5 + number * 37 % 90));
        kill(mill);
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap()
}

#[test]
fn kill_9_of_the_worker_midway_loses_and_doubles_nothing() {
    let mut mill = Mill::with_conf(TAIL_TO_FILE);
    let count = kill_while_written(&mut mill, |mill| mill.kill9_worker());
    mill.wait_for_lines("got", count);
    assert_eq!(mill.stop().code(), Some(0));
    assert_exactly_once(&mill.lines("got"), count);
}

#[test]
fn kill_9_of_the_server_takes_its_workers_along_and_loses_and_doubles_nothing() {
    let mut mill = Mill::with_conf(TAIL_TO_FILE);
    let count = kill_while_written(&mut mill, |mill| {
        mill.kill9();
        mill.start();
    });
    mill.wait_for_lines("got", count);
    assert_eq!(mill.stop().code(), Some(0));
    assert_exactly_once(&mill.lines("got"), count);
}

#[test]
fn kill_9_of_agent_and_collector_in_turn_loses_nothing_on_the_way() {
    let mut collector = Mill::with_conf(COLLECTOR);
    let mut agent = Mill::idle(&AGENT.replace("$COLLECTOR", &collector.port(1).to_string()));
    agent.start();
    let mut turn = 0;
    let count = kill_while_written(&mut agent, |agent| {
        turn += 1;
        if turn % 2 == 0 {
            agent.kill9_worker();
        } else {
            collector.kill9();
            collector.start();
        }
    });
    // A chunk whose acknowledgement got lost is sent again, so some may come twice; none is missing.
    let distinct = || {
        let mut lines = collector.lines("got");
        lines.sort_unstable();
        lines.dedup();
        lines
    };
    collector.wait_until("all lines at the collector", || distinct().len() >= count);
    assert_exactly_once(&distinct(), count);
}

#[test]
fn kill_9_of_the_server_frees_its_ports() {
    let mut mill = Mill::with_conf(
        "<source>\n  @type forward\n  bind 127.0.0.1\n  port $P1\n</source>\n\
         <match **>\n  @type stdout\n</match>\n",
    );
    let connect = || TcpStream::connect(("127.0.0.1", mill.port(1)));
    assert!(connect().is_ok());
    let port = mill.port(1);
    mill.kill9();
    assert!(
        poll(|| TcpStream::connect(("127.0.0.1", port))
            .is_err()
            .then_some(()))
        .is_some()
    );
}
