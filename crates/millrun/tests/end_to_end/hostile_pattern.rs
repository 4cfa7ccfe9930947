//! A line made to keep a pattern busy for ever ends in `@ERROR`, and those behind it pass.

use crate::mill::Mill;

const CONF: &str = "\
<source>
  @type tail
  path $D/in.log
  pos_file $D/in.pos
  tag t
  read_from_head true
  <parse>
    @type none
  </parse>
</source>
<filter t>
  @type grep
  <regexp>
    key message
    pattern /^(a+)+\\1$/
  </regexp>
</filter>
<filter t>
  @type parser
  key_name message
  reserve_data true
  <parse>
    @type regexp
    expression /^(?<whole>(?<letters>a+)+\\k<letters>|x(?<rest>y+)+z$)/
  </parse>
</filter>
<match t>
  @type file
  path $D/passed
  append true
  <format>
    @type json
  </format>
  <buffer []>
    @type file
    path $D/buffer-passed
    flush_mode immediate
  </buffer>
</match>
<label @ERROR>
  <match **>
    @type file
    path $D/refused
    append true
    <format>
      @type json
    </format>
    <buffer []>
      @type file
      path $D/buffer-refused
      flush_mode immediate
    </buffer>
  </match>
</label>
";

#[test]
fn a_hostile_line_is_refused_and_the_lines_behind_it_pass() {
    let mut mill = Mill::idle(CONF);
    let hostile = format!("{}b", "a".repeat(60));
    mill.append("in.log", &format!("aa\n{hostile}\nother\naaaa\n"));
    mill.start();
    let passed = mill.wait_for_lines("passed", 2);
    assert!(passed[0].contains("\"message\":\"aa\""), "{passed:?}");
    assert!(passed[1].contains("\"message\":\"aaaa\""), "{passed:?}");
    let refused = mill.wait_for_lines("refused", 1);
    assert_eq!(refused, [format!("{{\"message\":\"{hostile}\"}}")]);
    mill.stop();
}
