//! Bad input of every kind: a clear message with its place, the right exit code, no panic.

use std::net::TcpListener;

use crate::mill::{Mill, Outcome};
use crate::wire::Wire;

const FORWARD_TO_FILE: &str = "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match t.**>
  @type file
  path $D/got
  append true
  <format>
    @type json
  </format>
  <buffer []>
    @type file
    path $D/buffer
    flush_mode immediate
  </buffer>
</match>
";

/// The outcome must be this exit code and, somewhere in what was said, these texts.
fn assert_fails(outcome: &Outcome, code: i32, texts: &[&str]) {
    let said = &outcome.text;
    assert_eq!(outcome.code, Some(code), "it said:\n{said}");
    for text in texts {
        assert!(
            said.contains(text),
            "'{text}' is missing in what it said:\n{said}"
        );
    }
    assert!(!said.contains("panicked"), "it said:\n{said}");
}

#[test]
fn a_missing_configuration_is_named() {
    let mill = Mill::idle("");
    let text = "cannot read the configuration 'nothere.conf': No such file or directory";
    assert_fails(&mill.run_bare(&["-c", "nothere.conf"]), 1, &[text]);
}

#[test]
fn a_configuration_that_is_a_directory_is_named() {
    let mill = Mill::idle("");
    std::fs::create_dir(mill.path("conf.d")).unwrap();
    let text = "cannot read the configuration 'conf.d': Is a directory";
    assert_fails(&mill.run_bare(&["-c", "conf.d"]), 1, &[text]);
}

#[test]
fn a_syntax_error_shows_its_place_and_what_was_expected() {
    let mill = Mill::idle("<source>\n  @type forward\n</sauce>\n");
    let place = "\
error: unmatched end tag
 --> $D/f.conf:3:1
  |
1 | <source>
  | -------- this section is open
2 |   @type forward
3 | </sauce>
  | ^^^^^^^ expected '</source>'";
    assert_fails(&mill.run(&["--dry-run"]), 1, &[place]);
}

#[test]
fn an_unknown_plugin_is_named_with_its_place_and_the_known_ones() {
    let mill = Mill::idle("<match **>\n  @type nope\n</match>\n");
    let place = "\
error: Unknown output plugin 'nope'
 --> $D/f.conf:2:9
  |
2 |   @type nope
  |         ^^^^ no output of this name
  |
  = help: this build has: buffer, copy, detect_exceptions, exec, file, forward, http, null, relabel, \
rewrite_tag_filter, roundrobin, secondary_file, stdout
";
    let line = "config error file=\"$D/f.conf\"";
    for (arguments, code) in [(&["--dry-run"][..], 1), (&[], 1), (&["--no-supervisor"], 2)] {
        assert_fails(&mill.run(arguments), code, &[place, line]);
    }
}

#[test]
fn a_port_in_use_is_named_and_ends_the_start_of_a_lone_worker() {
    let mill = Mill::idle(FORWARD_TO_FILE);
    let _occupied = TcpListener::bind(("127.0.0.1", mill.port(1))).unwrap();
    let text = mill.filled("cannot listen on tcp 127.0.0.1:$P1");
    let reason = "Address already in use";
    assert_fails(&mill.run(&["--no-supervisor"]), 1, &[&text, reason]);
}

#[test]
fn a_port_in_use_is_tried_again_under_a_server_until_it_is_free() {
    let mut mill = Mill::idle(FORWARD_TO_FILE);
    let occupied = TcpListener::bind(("127.0.0.1", mill.port(1))).unwrap();
    mill.start_unready();
    mill.wait_for_log(&mill.filled("cannot listen on tcp 127.0.0.1:$P1"), 2);
    drop(occupied);

    mill.wait_until_ready();
    Wire::connect(mill.port(1)).send_event("t.x", &[("n", "1")]);
    assert_eq!(mill.wait_for_lines("got", 1), ["{\"n\":\"1\"}"]);
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn streams_that_lie_about_their_lengths_harm_only_their_own_connection() {
    let lies: [(&str, &[u8]); 5] = [
        ("an array of 2^32-1 elements", b"\xdd\xff\xff\xff\xff"),
        ("a payload of 4 GiB", b"\x92\xa3t.x\xdb\xff\xff\xff\xff\x92"),
        (
            "a map of 2^32-1 pairs in an entry",
            b"\x93\xa3t.x\x00\xdf\xff\xff\xff\xff",
        ),
        ("a byte that msgpack never uses", b"\xc1"),
        ("a record nested without end", &[0x91; 100_000]),
    ];
    let mut mill = Mill::with_conf(FORWARD_TO_FILE);
    for (what, bytes) in lies {
        let mut liar = Wire::connect(mill.port(1));
        liar.send(bytes);
        let mut honest = Wire::connect(mill.port(1));
        honest.send_event("t.x", &[("after", what)]);
    }
    assert_eq!(mill.wait_for_lines("got", lies.len()).len(), lies.len());
    assert!(
        !mill.log().contains("exited unexpectedly"),
        "{}",
        mill.log()
    );
    assert!(!mill.log().contains("panicked"), "{}", mill.log());
    assert_eq!(mill.stop().code(), Some(0));
}

#[test]
fn an_invalid_byte_closes_the_connection_unanswered_and_is_logged() {
    let mill = Mill::with_conf(FORWARD_TO_FILE);
    let mut liar = Wire::connect(mill.port(1));
    liar.send(b"\xc1");
    assert!(liar.is_closed());
    mill.wait_for_log("unexpected error on reading data", 1);
}
