//! The output `buffer`: events wait in files and go on in another label, each once, whoever is killed when.

use std::thread;
use std::time::Duration;

use crate::mill::Mill;
use crate::numbered::{Writer, assert_exactly_once};

const CONF: &str = "\
<system>
  root_dir $D/state
</system>
$TAIL
<match t>
  @type buffer
  @label @LATER
  <buffer>
    @type file
    path $D/buffer/first
    flush_mode immediate
    chunk_limit_size 16k
  </buffer>
</match>
<label @LATER>
  <match t>
    @type file
    path $D/got
    append true
    <format>
      @type single_value
    </format>
    <buffer []>
      @type file
      path $D/buffer/second
      flush_mode immediate
      chunk_limit_size 16k
    </buffer>
  </match>
</label>
";

#[test]
fn what_waits_in_one_buffer_and_goes_on_to_another_arrives_once() {
    let mut mill = Mill::with_conf(CONF);
    let writer = Writer::start(mill.path("in.log"));
    for number in 0..6 {
        thread::sleep(Duration::from_millis(20 + number * 37 % 90));
        if number % 3 == 2 {
            mill.kill9();
            mill.start();
        } else {
            mill.kill9_worker();
        }
    }
    let count = writer.end();
    mill.wait_until("all lines in the file", || {
        mill.lines("got").len() >= count
            && mill.files("buffer/first").is_empty()
            && mill.files("buffer/second").is_empty()
    });
    assert_exactly_once(&mill.lines("got"), count);
    assert_eq!(mill.stop().code(), Some(0));
}
