//! Embedded Ruby in a configuration. Every millrun of these tests runs with `TZ=UTC`.

use crate::mill::Mill;
use crate::wire::Wire;

fn conf(path: &str) -> String {
    format!(
        "\
<source>
  @type forward
  bind 127.0.0.1
  port $P1
</source>
<match t.**>
  @type file
  path \"{path}\"
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
"
    )
}

#[test]
fn an_expression_with_methods_and_blocks_decides_where_events_go() {
    let zones = "ENV['TZ'].split(',').map { |zone| zone.downcase }.first";
    let mut mill = Mill::with_conf(&conf(&format!("$D/got-#{{{zones}}}")));
    Wire::connect(mill.port(1)).send_event("t.x", &[("n", "1")]);
    assert_eq!(mill.wait_for_lines("got-utc", 1), ["{\"n\":\"1\"}"]);
    assert_eq!(mill.stop().code(), Some(0));
}

/// What a dry run and `check` say about the expression in the path.
fn faults(expression: &str) -> [String; 2] {
    let mill = Mill::idle(&conf(&format!("got-#{{{expression}}}")));
    let path = mill.path("f.conf").display().to_string();
    [mill.run(&["--dry-run"]), mill.run_bare(&["check", &path])].map(|outcome| {
        assert_eq!(outcome.code, Some(1), "it said:\n{}", outcome.text);
        outcome.text
    })
}

#[test]
fn a_method_that_does_not_exist_is_refused_with_its_place() {
    let place = "\
error: there is no method `spilt` in the subset
 --> $D/f.conf:8:25
  |
8 |   path \"got-#{ENV['TZ'].spilt(',').first}\"
  |                         ^^^^^
  |
  = help: docs/ruby-subset.md lists what there is
";
    for said in faults("ENV['TZ'].spilt(',').first") {
        assert!(said.contains(place), "it said:\n{said}");
    }
}

#[test]
fn an_exception_is_reported_with_its_place_and_what_to_do() {
    let place = "\
error: undefined method `upcase' for nil:NilClass
 --> $D/f.conf:8:15
  |
8 |   path \"got-#{ENV['NOBODY_SET_THIS'].upcase}\"
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: there is no value; use `&.` or a default such as `(… || \"\")`
";
    for said in faults("ENV['NOBODY_SET_THIS'].upcase") {
        assert!(said.contains(place), "it said:\n{said}");
    }
}
