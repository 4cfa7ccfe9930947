//! A log file that is renamed, completed late, or vanishes while it is read.

use std::fs;

use crate::mill::Mill;

const TAIL_TO_FILE: &str = "\
<source>
  @type tail
  path $D/in.log
  pos_file $D/in.pos
  tag t
  read_from_head true
  rotate_wait 1s
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
    flush_mode immediate
  </buffer>
</match>
";

#[test]
fn rotation_by_rename_loses_and_doubles_nothing() {
    let mill = Mill::idle(TAIL_TO_FILE);
    mill.write("in.log", "1\n2\n");
    let mut mill = mill;
    mill.start();
    mill.wait_for_lines("got", 2);

    mill.append("in.log", "3\n");
    mill.rename("in.log", "in.log.1");
    mill.append("in.log.1", "4\n");
    mill.append("in.log", "5\n");
    mill.wait_for_lines("got", 5);
    mill.append("in.log", "6\n");

    assert_eq!(
        mill.wait_for_lines("got", 6),
        ["1", "2", "3", "4", "5", "6"]
    );
}

#[test]
fn a_partial_line_waits_for_its_end_also_across_a_restart() {
    let mut mill = Mill::with_conf(TAIL_TO_FILE);
    mill.append("in.log", "whole\nhalf");
    mill.wait_for_lines("got", 1);
    assert_eq!(mill.stop().code(), Some(0));

    mill.append("in.log", " and half\n");
    mill.start();
    assert_eq!(mill.wait_for_lines("got", 2), ["whole", "half and half"]);
}

#[test]
fn a_vanished_file_is_no_error_and_is_read_again_when_it_reappears() {
    let mut mill = Mill::idle(TAIL_TO_FILE);
    mill.write("in.log", "before\n");
    mill.start();
    mill.wait_for_lines("got", 1);
    fs::remove_file(mill.path("in.log")).unwrap();
    mill.wait_for_log("detected rotation of", 1);
    mill.append("in.log", "after\n");

    assert_eq!(mill.wait_for_lines("got", 2), ["before", "after"]);
    assert_eq!(mill.stop().code(), Some(0));
    assert!(!mill.log().contains("panicked"), "{}", mill.log());
}
