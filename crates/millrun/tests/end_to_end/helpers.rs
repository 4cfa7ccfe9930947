//! Helper threads parse and filter, and the lines of a file stay in their order.

use crate::mill::Mill;

const CONF: &str = "\
<system>
  helper_threads 3
</system>
<source>
  @type tail
  path $D/in.log
  pos_file $D/in.pos
  tag t
  read_from_head true
  <parse>
    @type regexp
    expression /^(?<number>\\d+) (?<text>.*)$/
    types number:integer
  </parse>
</source>
<filter t>
  @type grep
  <exclude>
    key text
    pattern /^drop|^never/
  </exclude>
</filter>
<filter t>
  @type record_transformer
  enable_ruby true
  <record>
    next ${record[\"number\"] + 1}
  </record>
</filter>
<match t>
  @type file
  path $D/out
  append true
  <format>
    @type csv
    fields number,next
  </format>
  <buffer []>
    @type file
    path $D/buffer
    flush_mode immediate
  </buffer>
</match>
";

#[test]
fn the_lines_of_a_file_stay_in_order_while_helpers_parse_and_filter() {
    let mut mill = Mill::idle(CONF);
    let filler = "abcdefgh ".repeat(20);
    let line = |number: u32| match number % 10 {
        0 => format!("{number} drop {filler}\n"),
        9 => format!("unreadable {filler}\n"),
        _ => format!("{number} keep {filler}\n"),
    };
    let count = 8000;
    mill.append("in.log", &(0..count).map(line).collect::<String>());
    mill.start();
    let lines = mill.wait_for_lines("out", count as usize / 10 * 8);
    let kept = (0..count).filter(|number| !matches!(number % 10, 0 | 9));
    let expected: Vec<String> = kept
        .map(|number| format!("\"{number}\",\"{}\"", number + 1))
        .collect();
    assert!(lines == expected, "{:?}", &lines[..20]);
    mill.stop();
}
