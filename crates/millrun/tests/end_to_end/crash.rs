//! kill -9, at any level and at any moment: nothing missing, nothing doubled.

use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::mill::{Mill, poll};
use crate::numbered::{Writer, assert_exactly_once};

const TAIL_TO_FILE: &str = "\
<system>
  root_dir $D/state
</system>
$TAIL
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
    chunk_limit_size 16k
  </buffer>
</match>
";

/// Few enough that the server's growing pauses between two starts stay short.
const KILLS: u64 = 6;

/// Runs `kill` [`KILLS`] times while a thread appends one burst after the other; gives the number
/// of lines written.
///
/// The pauses between two kills differ, so that they fall on reads, commits, deliveries and starts.
fn kill_while_written(mill: &mut Mill, mut kill: impl FnMut(&mut Mill)) -> usize {
    let writer = Writer::start(mill.path("in.log"));
    for number in 0..KILLS {
        thread::sleep(Duration::from_millis(5 + number * 37 % 90));
        kill(mill);
    }
    writer.end()
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
