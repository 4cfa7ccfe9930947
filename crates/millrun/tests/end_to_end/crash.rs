//! kill -9, at any level and at any moment: nothing missing, nothing doubled.

use std::net::TcpStream;
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

/// Lines written between two kills.
const BURST: usize = 2_000;

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

#[test]
fn kill_9_of_the_worker_midway_loses_and_doubles_nothing() {
    let mill = Mill::with_conf(TAIL_TO_FILE);
    for round in 0..4 {
        mill.append("in.log", &burst(round));
        // From before the first read to after the flush.
        thread::sleep(Duration::from_millis(70 * round as u64));
        mill.kill9_worker();
    }
    mill.append("in.log", &burst(4));
    mill.wait_for_lines("got", 5 * BURST);
    thread::sleep(Duration::from_millis(300));
    assert_exactly_once(&mill.lines("got"), 5 * BURST);
}

#[test]
fn kill_9_of_the_server_takes_its_workers_along_and_loses_nothing() {
    let mut mill = Mill::with_conf(TAIL_TO_FILE);
    for round in 0..3 {
        mill.append("in.log", &burst(round));
        thread::sleep(Duration::from_millis(90 * round as u64));
        mill.kill9();
        mill.start();
    }
    mill.wait_for_lines("got", 3 * BURST);
    assert_eq!(mill.stop().code(), Some(0));
    assert_exactly_once(&mill.lines("got"), 3 * BURST);
}

#[test]
fn kill_9_of_agent_and_collector_in_turn_loses_nothing_on_the_way() {
    let mut collector = Mill::with_conf(COLLECTOR);
    let mut agent = Mill::idle(&AGENT.replace("$COLLECTOR", &collector.port(1).to_string()));
    agent.start();
    for round in 0..4 {
        agent.append("in.log", &burst(round));
        thread::sleep(Duration::from_millis(60 * round as u64));
        if round % 2 == 0 {
            agent.kill9_worker();
        } else {
            collector.kill9();
            collector.start();
        }
    }
    // A chunk whose acknowledgement got lost is sent again, so some may come twice; none is missing.
    let distinct = || {
        let mut lines = collector.lines("got");
        lines.sort_unstable();
        lines.dedup();
        lines
    };
    collector.wait_until("all lines at the collector", || {
        distinct().len() >= 4 * BURST
    });
    assert_exactly_once(&distinct(), 4 * BURST);
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
