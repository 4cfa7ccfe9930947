//! What goes to the standard output.

use crate::mill::Mill;
use crate::wire::Wire;

#[test]
fn a_stdout_with_a_buffer_prints_its_chunks() {
    let mut mill = Mill::with_conf(
        "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match **>
  @type stdout
  <buffer>
    @type file
    path $D/buffer
    flush_mode interval
    flush_interval 600
    flush_at_shutdown true
  </buffer>
</match>
",
    );
    let mut wire = Wire::connect(mill.port(1));
    for number in ["1", "2"] {
        wire.send_event("a.b", &[("n", number)]);
    }
    let printed = |mill: &Mill, number: &str| {
        let line = format!("2023-11-14 22:13:20.000000000 +0000 a.b: {{\"n\":\"{number}\"}}\n");
        mill.log().matches(&line).count()
    };
    // They wait in the buffer.
    assert_eq!(printed(&mill, "1"), 0);
    assert!(!mill.files("buffer").is_empty());
    assert_eq!(mill.stop().code(), Some(0));
    assert_eq!(
        (printed(&mill, "1"), printed(&mill, "2")),
        (1, 1),
        "{}",
        mill.log()
    );
}
