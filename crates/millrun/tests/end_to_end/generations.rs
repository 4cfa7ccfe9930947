//! Two generations at once: the state has one owner, and who comes second goes on where the first one ended.

use std::thread;
use std::time::Duration;

use crate::mill::Mill;
use crate::numbered::{Writer, assert_exactly_once};

/// All paths are those of the first mill.
const CONF: &str = "\
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
    flush_mode immediate
    chunk_limit_size 16k
  </buffer>
</match>
";

const WAITS: &str = "waiting for the state directory";

/// Starts `second` beside `first`, which runs, ends `first` and waits until `second` runs.
fn hand_over(first: &mut Mill, second: &mut Mill, end: impl FnOnce(&mut Mill)) {
    let (waited, ran) = (second.log().matches(WAITS).count(), runs(second));
    second.start_unready();
    second.wait_for_log(WAITS, waited + 1);
    thread::sleep(Duration::from_millis(40));
    end(first);
    second.wait_until("second generation at work", || runs(second) > ran);
}

fn runs(mill: &Mill) -> usize {
    mill.log().matches("worker is now running").count()
}

#[test]
fn a_second_generation_waits_for_the_last_commit_of_the_first_and_goes_on_there() {
    let mut first = Mill::idle(CONF);
    let mut second = Mill::idle(&first.filled(CONF));
    let writer = Writer::start(first.path("in.log"));
    first.start();
    thread::sleep(Duration::from_millis(50));
    hand_over(&mut first, &mut second, |first| {
        assert_eq!(first.stop().code(), Some(0));
    });
    hand_over(&mut second, &mut first, Mill::kill9);
    hand_over(&mut first, &mut second, Mill::kill9);
    hand_over(&mut second, &mut first, |second| {
        assert_eq!(second.stop().code(), Some(0));
    });
    let count = writer.end();
    first.wait_until("all lines in the file", || {
        first.lines("got").len() >= count && first.files("buffer").is_empty()
    });
    assert_exactly_once(&first.lines("got"), count);
}

#[test]
fn a_generation_that_waits_can_be_stopped_and_killed_and_harms_nobody() {
    let mut first = Mill::idle(CONF);
    let mut second = Mill::idle(&first.filled(CONF));
    first.append("in.log", "00000000 a\n");
    first.start();
    second.start_unready();
    second.wait_for_log(WAITS, 1);
    second.kill9();
    second.start_unready();
    second.wait_for_log(WAITS, 2);
    second.stop();
    first.append("in.log", "00000001 b\n");
    first.wait_for_lines("got", 2);
    assert_eq!(first.stop().code(), Some(0));
    assert_exactly_once(&first.lines("got"), 2);
}
