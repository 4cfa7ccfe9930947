//! `millrun check` and `millrun explain` through the binary.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may be blunt, as tests may"
)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const FAULTY: &str = "\
<source>
  @type tail
  path /var/log/é.log # é
  pos_file pos
  tag app.web
  format none
</source>
<match app.**>
  @type stdot
</match>
<match app.web>
  @type null
</match>
";

const SOUND: &str = "\
<source>
  @type forward
</source>
<match app.**>
  @type file
  path out/x
  <buffer time>
    timekey 1d
    path buffer
  </buffer>
</match>
";

/// A directory with files, in which the program runs.
struct Directory(TempDir);

impl Directory {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        Self(directory)
    }

    /// Runs the program; its status and what it wrote.
    fn run(&self, words: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millrun"));
        command.current_dir(self.0.path()).args(words);
        command
            .env("FLUENT_CONF_INCLUDE_DIR", "")
            .env_remove("FLUENT_CONF");
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        (output.status.code().unwrap(), lines.join("\n"))
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

#[test]
fn all_findings_are_shown_and_errors_decide() {
    let directory = Directory::new(&[("f.conf", FAULTY)]);
    let (status, text) = directory.run(&["check", "f.conf"]);
    assert_eq!(
        text,
        "\
warning: format is an old name of what a <parse> section says
 --> f.conf:6:3
  |
6 |   format none
  |   ^^^^^^
  |
  = help: write
          <parse>
            @type none
          </parse>

error: Unknown output plugin 'stdot'
 --> f.conf:9:9
  |
9 |   @type stdot
  |         ^^^^^ no output of this name
  |
  = help: did you mean stdout?

warning: <match app.web> is never reached: <match app.**> takes all its tags
  --> f.conf:11:1
   |
 8 | <match app.**>
   | -------------- events end here
...
11 | <match app.web>
   | ^^^^^^^^^^^^^^^ no event comes here
   |
   = help: write the match with the narrower pattern first

f.conf: 1 error, 2 warnings"
    );
    assert_eq!(status, 1);
}

#[test]
fn a_sound_configuration_is_told_its_promise_and_nothing_is_made() {
    let directory = Directory::new(&[("f.conf", SOUND)]);
    let (status, text) = directory.run(&["check", "f.conf"]);
    assert_eq!(
        text,
        "\
f.conf: no errors, no warnings
promise under kill -9 of any process: at least once
  forward (f.conf:1:1) → file (f.conf:4:1): at least once: the source repeats what was not answered"
    );
    assert_eq!(status, 0);
    assert_eq!(directory.files(), [directory.0.path().join("f.conf")]);
}

#[test]
fn warnings_count_where_they_are_denied() {
    let text = "<match **>\n  @type null\n  x y\n</match>\n";
    let directory = Directory::new(&[("f.conf", text)]);
    assert_eq!(directory.run(&["check", "f.conf"]).0, 0);
    assert_eq!(directory.run(&["check", "--deny-warnings", "f.conf"]).0, 1);
}

#[test]
fn a_file_that_is_not_there_is_an_error_among_others() {
    let directory = Directory::new(&[("f.conf", SOUND)]);
    let (status, text) = directory.run(&["check", "none.conf", "f.conf"]);
    assert_eq!(status, 1);
    assert!(
        text.starts_with(
            "error: cannot read the configuration 'none.conf': No such file or directory (os error \
             2)\n\nnone.conf: 1 error, no warnings\nf.conf: no errors, no warnings\n"
        ),
        "{text}"
    );
}

#[test]
fn findings_for_programs() {
    let directory = Directory::new(&[("f.conf", FAULTY)]);
    let (status, text) = directory.run(&["check", "--format", "json", "f.conf"]);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &json["version"]), (1, &Value::from(1)));
    let file = &json["files"][0];
    assert_eq!((&file["errors"], &file["warnings"]), (&1.into(), &2.into()));
    let finding = &file["findings"][1];
    assert_eq!(finding["message"], "Unknown output plugin 'stdot'");
    assert_eq!(finding["hint"], "did you mean stdout?");
    assert_eq!(
        finding["place"],
        serde_json::json!({
            "file": "f.conf", "line": 9, "column": 9, "end_line": 9, "end_column": 14,
            "label": "no output of this name"
        })
    );
}

#[test]
fn findings_for_code_review() {
    let directory = Directory::new(&[("a b.conf", FAULTY)]);
    let (status, text) = directory.run(&["check", "--format", "sarif", "a b.conf"]);
    let sarif: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &sarif["version"]), (1, &Value::from("2.1.0")));
    let result = &sarif["runs"][0]["results"][2];
    assert_eq!(result["ruleId"], "configuration-warning");
    let location = &result["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "a%20b.conf");
    assert_eq!(location["region"]["startLine"], 11);
    let related = &result["relatedLocations"][0];
    assert_eq!(related["message"]["text"], "events end here");
    assert_eq!(related["physicalLocation"]["region"]["startLine"], 8);
}

#[test]
fn the_route_of_a_tag() {
    let directory = Directory::new(&[("f.conf", FAULTY)]);
    let (status, text) = directory.run(&["explain", "--tag", "app.x", "f.conf"]);
    assert_eq!(
        text,
        "\
tag 'app.x'

from <source> of tail (f.conf:1:1); its tag is 'app.web'
@ROOT
  into     <match app.**> of stdot (f.conf:8:1)"
    );
    assert_eq!(status, 0);
}

#[test]
fn patterns_on_the_route_say_which_engine_runs_them_and_why() {
    let text = "\
<source>
  @type tail
  path in.log
  tag app.x
  <parse>
    @type regexp
    expression /^(?<host>[^ ]*) (?<rest>.*)$/
  </parse>
</source>
<source>
  @type tail
  path other.log
  tag app.y
  format apache2
</source>
<filter app.**>
  @type grep
  <regexp>
    key message
    pattern /disk full/
  </regexp>
  <exclude>
    key $.level
    pattern /^debug|trace$/
  </exclude>
</filter>
<filter app.**>
  @type parser
  key_name message
  <parse>
    @type multiline
    format_firstline /^\\d/
    format1 /^(?<n>\\d+) (?<word>\\w+) \\k<word>/
  </parse>
</filter>
<filter app.**>
  @type concat
  key message
  multiline_start_regexp /^\\S+(?! at)/
</filter>
<match app.**>
  @type rewrite_tag_filter
  <rule>
    key host
    pattern /^(.+)$/
    tag $1
  </rule>
</match>
";
    let directory = Directory::new(&[("f.conf", text)]);
    let (status, text) = directory.run(&["explain", "--tag", "app.x", "f.conf"]);
    assert_eq!(
        text,
        "\
tag 'app.x'

from <source> of tail (f.conf:1:1)
  pattern  expression: splitter: the pattern takes lines apart at delimiters
from <source> of tail (f.conf:10:1); its tag is 'app.y'
  pattern  lines without a backslash: splitter: the pattern takes lines apart at delimiters
  pattern  lines with a backslash: PCRE2, at most 1000000 steps a match: it repeats a group
@ROOT
  through  <filter app.**> of grep (f.conf:16:1)
    pattern  message: text search: the pattern is a mere text
    pattern  $.level: regex, linear time: no captures are needed
  through  <filter app.**> of parser (f.conf:27:1)
    pattern  format_firstline: regex, linear time: no captures are needed
    pattern  expression: PCRE2, at most 1000000 steps a match: it refers to what a group matched
  through  <filter app.**> of concat (f.conf:36:1)
    pattern  multiline_start_regexp: PCRE2, at most 1000000 steps a match: it looks ahead or behind
  into     <match app.**> of rewrite_tag_filter (f.conf:41:1)
    pattern  host: splitter: the pattern takes lines apart at delimiters"
    );
    assert_eq!(status, 0);
}

#[test]
fn yaml_is_checked_like_text() {
    let text = "config:\n  - match:\n      $tag: 'a.**'\n      $type: nul\n";
    let directory = Directory::new(&[("f.yaml", text)]);
    let (status, text) = directory.run(&["check", "f.yaml"]);
    assert_eq!(
        text,
        "\
error: Unknown output plugin 'nul'
 --> f.yaml:4:14
  |
4 |       $type: nul
  |              ^^^ no output of this name
  |
  = help: did you mean null?

f.yaml: 1 error, no warnings"
    );
    assert_eq!(status, 1);
}

#[test]
fn the_configuration_may_come_from_the_standard_input() {
    let directory = Directory::new(&[("f.conf", ""), ("more.conf", SOUND)]);
    let input = fs::File::open(directory.0.path().join("more.conf")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrun"));
    command.current_dir(directory.0.path()).stdin(input);
    command.args(["-c", "f.conf", "-i", "-", "--dry-run"]);
    let output = command.env("FLUENT_CONF_INCLUDE_DIR", "").output().unwrap();
    let log = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{log}");
    assert!(
        log.contains("[warn]: the value \"-\" for `inline_config` is deprecated\n"),
        "{log}"
    );
}

/// Following it by calls once overflowed the stack.
#[test]
fn a_chain_of_ten_thousand_labels_is_followed_to_its_end() {
    const LABELS: usize = 10_000;
    let mut text = String::from("<source>\n@type forward\n@label @L0\n</source>\n");
    for number in 0..LABELS {
        let next = number + 1;
        text.push_str(&format!(
            "<label @L{number}>\n<match **>\n@type relabel\n@label @L{next}\n</match>\n</label>\n"
        ));
    }
    text.push_str(&format!(
        "<label @L{LABELS}>\n<match **>\n@type null\n</match>\n</label>\n"
    ));
    let directory = Directory::new(&[("f.conf", &text)]);
    let (status, said) = directory.run(&["check", "f.conf"]);
    assert_eq!(said, "f.conf: no errors, no warnings");
    assert_eq!(status, 0);
    let (status, said) = directory.run(&["explain", "--tag", "a", "f.conf"]);
    let end = said.lines().next_back();
    assert_eq!(
        end.map(str::trim_start),
        Some("too far  an event passes 64 labels at the most and ends here with an error")
    );
    assert_eq!(status, 0);
    // The last leads to the first: the whole circle is told.
    let text = text.replace("@type null", "@type relabel\n@label @L0");
    let directory = Directory::new(&[("f.conf", &text)]);
    let (status, said) = directory.run(&["check", "f.conf"]);
    assert!(said.starts_with("warning: events can go round in a circle: @L0 → @L1 → "));
    assert_eq!(status, 0);
}
