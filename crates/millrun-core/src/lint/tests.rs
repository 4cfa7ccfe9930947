//! The whole text of every finding.

use millrun_config::{NoIncludes, NoRuby, RenderStyle, parameters, parse_str};

use super::*;

parameters! {
    /// An output.
    struct Http in "match", type "http" {
        /// Where to.
        endpoint: Option<String>;
    }
    sections {
        /// Where events wait.
        buffer: Option<Element>;
    }
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add_output("http", Http::SCHEMA, |_, _, _| None);
    registry
}

fn unindent(text: &str) -> String {
    let lines: Vec<&str> = text.trim_matches('\n').lines().collect();
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let full = lines.iter().filter(|line| !line.trim().is_empty());
    let shared = full.map(indent).min().unwrap_or(0);
    let lines = lines.iter().map(|line| line.get(shared..).unwrap_or(""));
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[track_caller]
fn says(text: &str, expected: &str) {
    let parsed = parse_str("f.conf", &unindent(text), &mut NoRuby, &mut NoIncludes);
    let mut diagnostics = parsed.diagnostics;
    let workers = crate::system::workers_of(&parsed.root);
    lint(&parsed.root, &registry(), workers, &mut diagnostics);
    let said = diagnostics.render(&parsed.sources, RenderStyle::Plain);
    let said: Vec<_> = said.lines().map(str::trim_end).collect();
    assert_eq!(said.join("\n"), unindent(expected));
}

#[test]
fn a_match_behind_one_that_takes_its_tags() {
    says(
        "
        <match app.**>
        </match>
        <match app.web>
        </match>
        <match x.**>
        </match>
        ",
        "
        warning: <match app.web> is never reached: <match app.**> takes all its tags
         --> f.conf:3:1
          |
        1 | <match app.**>
          | -------------- events end here
        2 | </match>
        3 | <match app.web>
          | ^^^^^^^^^^^^^^^ no event comes here
          |
          = help: write the match with the narrower pattern first
        ",
    );
}

#[test]
fn a_filter_behind_the_matches_that_take_its_tags() {
    says(
        "
        <label @A>
          <match a>
          </match>
          <match b>
          </match>
          <filter {a,b}>
          </filter>
        </label>
        <source>
          @label @A
        </source>
        ",
        "
        warning: <filter {a,b}> is never applied: 2 matches before it take all its tags
         --> f.conf:6:3
          |
        2 |   <match a>
          |   --------- events end here
        3 |   </match>
        4 |   <match b>
          |   --------- events end here
        5 |   </match>
        6 |   <filter {a,b}>
          |   ^^^^^^^^^^^^^^ no event comes here
          |
          = help: write the filter before the match
        ",
    );
}

#[test]
fn patterns_that_look_like_lists() {
    says(
        "
        <match a,b>
        </match>
        <match {c d}>
        </match>
        <match /a,b/ {e,f}>
        </match>
        ",
        "
        warning: the pattern of <match a,b> has a comma in it, which is a character of the tag here
         --> f.conf:1:1
          |
        1 | <match a,b>
          | ^^^^^^^^^^^
          |
          = help: write a blank between two patterns, or {a,b}

        warning: the pattern of <match {c d}> has a blank in braces, which ends the pattern
         --> f.conf:3:1
          |
        3 | <match {c d}>
          | ^^^^^^^^^^^^^
          |
          = help: write a comma between alternatives
        ",
    );
}

#[test]
fn labels_that_nothing_leads_to_and_circles() {
    says(
        "
        <source>
          @label @A
        </source>
        <label @A>
          <match **>
            @type copy
            <store>
              @type relabel
              @label @B
            </store>
          </match>
        </label>
        <label @B>
          <match x>
            @type relabel
            @label @A
          </match>
        </label>
        <label @C>
          <match **>
          </match>
        </label>
        <label @ERROR>
          <match **>
          </match>
        </label>
        ",
        "
        warning: nothing leads to <label @C>
          --> f.conf:19:1
           |
        19 | <label @C>
           | ^^^^^^^^^^ no event comes here
           |
           = help: write '@label @C' in a <source>, or in a <match> with '@type relabel'

        warning: events can go round in a circle: @A → @B → @A
          --> f.conf:16:12
           |
        16 |     @label @A
           |            ^^ back again
           |
           = help: an event that comes by too often ends with an error
        ",
    );
}

#[test]
fn a_position_file_that_two_sources_share() {
    says(
        "
        <source>
          @type tail
          pos_file /p
        </source>
        <worker 0>
          <source>
            @type tail
            pos_file /p
          </source>
        </worker>
        <worker 1>
          <source>
            @type tail
            pos_file /p
          </source>
        </worker>
        <system>
          workers 2
        </system>
        ",
        "
        error: Other 'in_tail' plugin already use same pos_file path: pos_file path = /p
         --> f.conf:8:14
          |
        3 |   pos_file /p
          |            -- first used here
        ...
        8 |     pos_file /p
          |              ^^ used again here
          |
          = help: give each source a position file of its own

        error: Other 'in_tail' plugin already use same pos_file path: pos_file path = /p
          --> f.conf:14:14
           |
         3 |   pos_file /p
           |            -- first used here
        ...
        14 |     pos_file /p
           |              ^^ used again here
           |
           = help: give each source a position file of its own
        ",
    );
}

#[test]
fn placeholders_that_no_chunk_key_answers() {
    says(
        "
        <match a>
          @type http
          endpoint http://h/${tag[1]}/${host}/${chunk_id}
        </match>
        <match b>
          @type http
          endpoint http://h/${tag}/${$.a.b}
          <buffer tag,$.a.b>
          </buffer>
        </match>
        ",
        "
        warning: Parameter 'endpoint' has tag placeholders, but chunk key 'tag' is not configured
         --> f.conf:3:12
          |
        3 |   endpoint http://h/${tag[1]}/${host}/${chunk_id}
          |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: write 'tag' among the chunk keys: <buffer tag>

        warning: Parameter 'endpoint' has placeholders, but chunk keys doesn't have keys host
         --> f.conf:3:12
          |
        3 |   endpoint http://h/${tag[1]}/${host}/${chunk_id}
          |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: write 'host' among the chunk keys: <buffer host>
        ",
    );
}

#[test]
fn log_lines_that_become_events_at_the_top_level() {
    says(
        "
        <match app.**>
        </match>
        <match **>
        </match>
        ",
        "
        warning: define <match fluent.**> to capture fluentd logs in top level is deprecated. Use <label @FLUENT_LOG> instead
         --> f.conf:3:1
          |
        3 | <match **>
          | ^^^^^^^^^^ takes the log lines of this program, as events
          |
          = help: add <label @FLUENT_LOG> with a <match **> in it; with '@type null' if they are not wanted
        ",
    );
}

#[test]
fn log_lines_that_a_label_takes_need_no_other_way() {
    says(
        "
        <label @FLUENT_LOG>
          <match fluent.**>
          </match>
        </label>
        <match **>
        </match>
        ",
        "",
    );
}

#[test]
fn log_lines_that_go_nowhere() {
    says(
        "
        <label @FLUENT_LOG>
          <match fluent.{warn,error,fatal}>
          </match>
        </label>
        ",
        "
        warning: match for some tags of log events are not defined in @FLUENT_LOG label (to be ignored): fluent.trace, fluent.debug, fluent.info
         --> f.conf:1:1
          |
        1 | <label @FLUENT_LOG>
          | ^^^^^^^^^^^^^^^^^^^ these have nowhere to go
          |
          = help: add a <match fluent.**>; with '@type null' for those that are not wanted
        ",
    );
    says(
        "
        <match fluent.warn>
        </match>
        ",
        "
        warning: match for some tags of log events are not defined in top level (to be ignored): fluent.trace, fluent.debug, fluent.info, fluent.error, fluent.fatal
         --> f.conf:1:1
          |
        1 | <match fluent.warn>
          | ^^^^^^^^^^^^^^^^^^^ these have nowhere to go
          |
          = help: add a <match fluent.**>; with '@type null' for those that are not wanted
        ",
    );
}
