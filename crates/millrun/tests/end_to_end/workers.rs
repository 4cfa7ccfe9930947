//! `<worker>` sections: each worker runs what is for all and what is for it.

use crate::mill::Mill;
use crate::wire::Wire;

const CONF: &str = "\
<system>
  workers 3
  root_dir $D/state
</system>
<worker 0>
  <source>
    @type tail
    path $D/zero.log
    pos_file $D/zero.pos
    tag t
    read_from_head true
    <parse>
      @type none
    </parse>
  </source>
</worker>
<worker 1-2>
  <match nothing>
    @type stdout
  </match>
</worker>
<worker 2>
  <source>
    @type tail
    path $D/two.log
    pos_file $D/two.pos
    tag t
    read_from_head true
    <parse>
      @type none
    </parse>
  </source>
  <match t>
    @type relabel
    @label @TWO
  </match>
  <label @TWO>
    <match **>
      @type file
      path $D/labelled
      append true
      <format>
        @type single_value
      </format>
      <buffer []>
        @type file
        path $D/buffer-two
        flush_mode immediate
      </buffer>
    </match>
  </label>
</worker>
<worker 0>
  <match t>
    @type file
    path $D/plain
    append true
    <format>
      @type single_value
    </format>
    <buffer []>
      @type file
      path $D/buffer-zero
      flush_mode immediate
    </buffer>
  </match>
</worker>
";

#[test]
fn each_worker_runs_its_sections_and_no_others() {
    let mut mill = Mill::idle(CONF);
    mill.append("zero.log", "a\nb\n");
    mill.append("two.log", "c\n");
    mill.start();
    mill.wait_for_log("worker is now running", 3);
    assert_eq!(mill.wait_for_lines("plain", 2), ["a", "b"]);
    assert_eq!(mill.wait_for_lines("labelled", 1), ["c"]);
    // One worker alone uses the path itself, as if there were no others.
    let buffers = mill.files("buffer-zero/worker");
    assert!(buffers.is_empty(), "{buffers:?}");
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn what_only_one_worker_can_do_is_refused_outside_of_a_section() {
    let conf = "\
<system>
  workers 2
</system>
<source>
  @type tail
  path $D/a.log
  pos_file $D/a.pos
  tag t
  <parse>
    @type none
  </parse>
</source>
<match **>
  @type stdout
</match>
";
    let outcome = Mill::idle(conf).run(&["--dry-run"]);
    let fault = "\
error: Plugin 'tail' does not support multi workers configuration
 --> $D/f.conf:4:1
  |
4 | <source>
  | ^^^^^^^^ 2 workers would run it
  |
  = help: write it into a section <worker 0>
";
    assert!(outcome.text.contains(fault), "it said:\n{}", outcome.text);
    assert_eq!(outcome.code, Some(1));
    let outcome = Mill::idle(conf).run(&["--dry-run", "--workers", "1"]);
    assert_eq!(outcome.code, Some(0), "it said:\n{}", outcome.text);
}

#[test]
fn one_process_does_not_pretend_to_be_several_workers() {
    let outcome = Mill::idle(CONF).run(&["--no-supervisor"]);
    let fault = "config error error=\"multi workers is not supported with --no-supervisor\"";
    assert!(outcome.text.contains(fault), "it said:\n{}", outcome.text);
    assert_eq!(outcome.code, Some(2));
}

const SHRINKING: &str = "\
<system>
  workers N
  root_dir $D/state
</system>
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match t>
  @type file
  path $D/out
  append true
  <format>
    @type single_value
    message_key n
  </format>
  <buffer []>
    @type file
    path $D/buffer
    flush_mode interval
    flush_interval INTERVAL
  </buffer>
</match>
";

/// Chunks and ledgers of workers that are no more belong to those that are there, whoever was killed.
#[test]
fn whatever_the_number_of_workers_becomes_every_event_arrives_once() {
    let conf = |workers: &str, interval: &str| {
        let conf = SHRINKING.replace("workers N", &format!("workers {workers}"));
        conf.replace("INTERVAL", interval)
    };
    let mut mill = Mill::idle(&conf("3", "1h"));
    let mut expected = Vec::new();
    for (workers, interval) in [("3", "1h"), ("1", "1h"), ("2", "0")] {
        let text = mill.filled(&conf(workers, interval));
        mill.write("f.conf", &text);
        mill.start();
        // Whichever worker takes the connection.
        for number in 0..12 {
            let number = format!("{workers}.{number}");
            Wire::connect(mill.port(1)).send_event("t", &[("n", &number)]);
            expected.push(number);
        }
        if workers != "2" {
            mill.kill9();
        }
    }
    expected.sort();
    mill.wait_for_lines("out", expected.len());
    let mut arrived = mill.lines("out");
    arrived.sort();
    assert_eq!(arrived, expected, "its log:\n{}", mill.log());
}
