//! What the control process does for each signal.

use nix::sys::signal::Signal;

use crate::mill::Mill;
use crate::wire::Wire;

/// Events that reach a file only when somebody flushes: the interval is an hour.
const LAZY: &str = "\
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
    @type json
  </format>
  <buffer []>
    @type file
    path $D/buffer
    flush_mode interval
    flush_interval 3600
  </buffer>
</match>
";

fn send(mill: &Mill, n: &str) {
    Wire::connect(mill.port(1)).send_event("t", &[("n", n)]);
}

#[test]
fn usr1_flushes_the_buffers_and_keeps_the_worker() {
    let mut mill = Mill::with_conf(LAZY);
    let worker = mill.worker();
    send(&mill, "1");
    assert!(mill.lines("got").is_empty());
    mill.signal(Signal::SIGUSR1);
    assert_eq!(mill.wait_for_lines("got", 1), ["{\"n\":\"1\"}"]);
    assert_eq!(mill.worker(), worker);
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn cont_says_what_each_output_has_done_and_holds() {
    for flags in [&[][..], &["--no-supervisor"]] {
        let mut mill = Mill::idle(LAZY);
        mill.start_unready_with(flags);
        mill.wait_until_ready();
        send(&mill, "1");
        send(&mill, "2");
        mill.signal(Signal::SIGCONT);
        mill.wait_for_log("statistics of an output", 1);
        let log = mill.log();
        for part in [
            " buffer_queue_length=0 ",
            " buffer_stage_length=1 ",
            " retry_count=0 emit_count=2 emit_records=2 ",
            " write_count=0 ",
        ] {
            assert!(log.contains(part), "no{part}in {log}");
        }
        mill.signal(Signal::SIGUSR1);
        mill.wait_for_lines("got", 2);
        assert_eq!(mill.stop().code(), Some(0));
    }
}

#[test]
fn hup_and_usr2_put_a_new_configuration_to_work_and_keep_what_is_buffered() {
    for signal in [Signal::SIGHUP, Signal::SIGUSR2] {
        let mut mill = Mill::with_conf(LAZY);
        let (server, worker) = (mill.pid(), mill.worker());
        send(&mill, "1");
        mill.write("f.conf", &mill.filled(&LAZY.replace("$D/got", "$D/new")));
        mill.signal(signal);
        mill.wait_for_log("worker is now running", 2);
        assert_ne!(mill.worker(), worker);
        assert_eq!(mill.pid(), server);

        send(&mill, "2");
        mill.signal(Signal::SIGUSR1);
        assert_eq!(
            mill.wait_for_lines("new", 2),
            ["{\"n\":\"1\"}", "{\"n\":\"2\"}"]
        );
        assert_eq!(mill.stop().code(), Some(0));
    }
}

#[test]
fn hup_with_a_broken_configuration_leaves_the_worker_at_work() {
    let mut mill = Mill::with_conf(LAZY);
    let worker = mill.worker();
    mill.write("f.conf", "<match **>\n  @type nope\n</match>\n");
    mill.signal(Signal::SIGHUP);
    mill.wait_for_log("Unknown output plugin 'nope'", 1);
    send(&mill, "1");
    mill.signal(Signal::SIGUSR1);
    mill.wait_for_lines("got", 1);
    assert_eq!(mill.worker(), worker);
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn int_and_quit_end_the_whole_tree() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let mut mill = Mill::with_conf(LAZY);
        send(&mill, "1");
        assert_eq!(mill.stop_by(signal).code(), Some(0), "{signal}");
        // What was acknowledged is there when it starts again.
        mill.start();
        mill.signal(Signal::SIGUSR1);
        assert_eq!(mill.wait_for_lines("got", 1), ["{\"n\":\"1\"}"]);
    }
}
