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
    let outcome = mill.run_bare(&["-c", "nothere.conf"]);
    assert_fails(&outcome, 1, &["nothere.conf", "No such file or directory"]);
}

#[test]
fn a_configuration_that_is_a_directory_is_named() {
    let mill = Mill::idle("");
    std::fs::create_dir(mill.path("conf.d")).unwrap();
    let outcome = mill.run_bare(&["-c", "conf.d"]);
    assert_fails(&outcome, 1, &["conf.d", "Is a directory"]);
}

#[test]
fn a_syntax_error_shows_its_place() {
    let mill = Mill::idle("<source>\n  @type forward\n</sauce>\n");
    let outcome = mill.run(&["--dry-run"]);
    assert_fails(&outcome, 1, &["f.conf:3:", "</sauce>", "^"]);
}

#[test]
fn an_unknown_plugin_is_named_with_its_place() {
    let mill = Mill::idle("<match **>\n  @type nope\n</match>\n");
    for (arguments, code) in [(&["--dry-run"][..], 1), (&[], 1), (&["--no-supervisor"], 2)] {
        let outcome = mill.run(arguments);
        assert_fails(
            &outcome,
            code,
            &["config error", "Unknown output plugin 'nope'", "f.conf:2"],
        );
    }
}

#[test]
fn a_port_in_use_is_named_and_ends_the_start() {
    let mill = Mill::idle(FORWARD_TO_FILE);
    let _occupied = TcpListener::bind(("127.0.0.1", mill.port(1))).unwrap();
    let address = format!("127.0.0.1:{}", mill.port(1));
    let outcome = mill.run(&["--no-supervisor"]);
    assert_fails(&outcome, 1, &[&address, "Address already in use"]);
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
