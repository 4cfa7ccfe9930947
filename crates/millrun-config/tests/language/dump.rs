//! The configuration as it is logged at start.

use std::time::Duration;

use crate::support::Test;
use millrun_config::{Element, Schema, Secret, dump, parameters};

parameters! {
    /// Lines of files.
    pub struct Tail in "source", type "tail" {
        /// The files.
        path: String = required;
        /// How long.
        rotate_wait: Duration = "5";
        /// Where.
        pos_file: Option<String>;
        /// Hidden.
        password: Option<Secret<String>>, secret;
    }
    sections {
        /// How lines are parsed.
        parse: Option<Element>;
    }
}

fn schema_of(element: &Element) -> Option<&'static Schema> {
    (element.plugin_type() == Some("tail")).then_some(Tail::SCHEMA)
}

#[test]
fn is_what_fluentd_prints() {
    let text = r##"
        <source>
          @type tail
          path "/var/log/\"x\".log"
          rotate_wait 1m
          pos_file "#{use_nil}"
          password "#{ENV['NOPE'] || 'p'}"
          unknown "a b"
          <parse>
            @type none
          </parse>
        </source>
        <source>
          @type tail
          rotate_wait "#{use_default}"
        </source>
    "##;
    let dumped = dump(&Test::new(text).parse().root, &schema_of);
    let expected = r#"<ROOT>
  <source>
    @type tail
    path "/var/log/\"x\".log"
    rotate_wait 1m
    pos_file 
    password xxxxxx
    unknown a b
    <parse>
      @type "none"
    </parse>
  </source>
  <source>
    @type tail
    rotate_wait 5
  </source>
</ROOT>
"#;
    assert_eq!(dumped, expected);
}
