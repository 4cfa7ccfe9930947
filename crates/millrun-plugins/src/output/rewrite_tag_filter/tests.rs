//! Which tag an event gets, and what becomes of it.

use millrun_core::{Batch, Emissions, ErrorEvents, Losses, Node, Report};
use serde_json::{Value, json};

use crate::filter::tests::{NOW, records, stream};
use crate::output::tests::{output, said};

/// `tag: records` for each tag that came out.
fn rewritten(options: &str, tag: &str, list: &[Value]) -> Vec<String> {
    let Node::Rewrite(rewrite) = output(&format!("@type rewrite_tag_filter\n{options}")) else {
        panic!("no rewriting output");
    };
    let stream = stream(list);
    let mut out = Emissions::default();
    let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
    let mut report = Report::new(&mut losses, &mut errors);
    let events = stream.as_events();
    rewrite.tags.rewrite(
        Batch {
            tag,
            events,
            now: NOW,
        },
        &mut out,
        &mut report,
    );
    let mut seen: Vec<String> = out
        .groups()
        .iter()
        .map(|group| {
            let list: Vec<Value> = records(group.as_events())
                .into_iter()
                .map(|event| event[1].clone())
                .collect();
            format!("{}: {}", group.tag, json!(list))
        })
        .collect();
    let failed: u64 = errors.groups().iter().map(|group| group.dropped).sum();
    if failed > 0 {
        seen.push(format!("{failed} failed"));
    }
    seen
}

fn rule(key: &str, pattern: &str, tag: &str) -> String {
    format!("<rule>\nkey {key}\npattern {pattern}\ntag {tag}\n</rule>\n")
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = rule("l", "/^(warn|error)$/", "$1.${tag}") + &rule("l", "/./", "rest");
    let list = [
        json!({"l": "warn"}),
        json!({"l": "info"}),
        json!({"l": "warn", "n": 1}),
        json!({"l": ""}),
        json!({"x": 1}),
    ];
    assert_eq!(
        rewritten(&rules, "a.b", &list),
        [
            r#"warn.a.b: [{"l":"warn"},{"l":"warn","n":1}]"#,
            r#"rest: [{"l":"info"}]"#
        ]
    );
}

#[test]
fn an_inverted_rule_takes_what_is_missing() {
    let rules = rule("$.a.l", "/x/", "no.x").replace("tag no.x", "tag no.x\ninvert true");
    let list = [
        json!({"a": {"l": "x"}}),
        json!({"a": {"l": "y"}}),
        json!({"b": 1}),
    ];
    assert_eq!(
        rewritten(&rules, "t", &list),
        [r#"no.x: [{"a":{"l":"y"}},{"b":1}]"#]
    );
}

#[test]
fn other_values_are_matched_as_text() {
    let rules = rule("n", r"/^(\d)/", "n.$1");
    assert_eq!(
        rewritten(
            &rules,
            "t",
            &[json!({"n": 42}), json!({"n": null}), json!({"n": [1]})]
        ),
        [r#"n.4: [{"n":42}]"#]
    );
}

#[test]
fn what_would_keep_its_tag_is_dropped() {
    assert_eq!(
        rewritten(&rule("l", "/./", "${tag}"), "t", &[json!({"l": "x"})]),
        [""; 0]
    );
}

#[test]
fn parts_are_taken_off_the_tag_before_it_is_shown() {
    let list = [json!({"l": "wARN"})];
    let options = rule("l", "/(.*)/", "n.${tag}.${tag_parts[0]}.$1");
    for (more, expected) in [
        ("", "n.a.b.c.a.wARN"),
        ("remove_tag_prefix a", "n.b.c.b.wARN"),
        ("remove_tag_prefix x", "n.a.b.c.a.wARN"),
        ("remove_tag_regexp /\\.[bc]/", "n.a.a.wARN"),
        ("capitalize_regex_backreference true", "n.a.b.c.a.Warn"),
    ] {
        assert_eq!(
            rewritten(&format!("{more}\n{options}"), "a.b.c", &list),
            [format!(r#"{expected}: [{{"l":"wARN"}}]"#)],
            "{more}"
        );
    }
}

#[test]
fn a_line_that_a_pattern_cannot_decide_is_counted() {
    let rules = rule("l", r"/^(a+)+\1$/", "x");
    let hostile = format!("{}b", "a".repeat(60));
    assert_eq!(
        rewritten(&rules, "t", &[json!({"l": hostile}), json!({"l": "aa"})]),
        [r#"x: [{"l":"aa"}]"#, "1 failed"]
    );
}

#[test]
fn a_rule_without_its_parts_is_refused() {
    assert_eq!(
        said("@type rewrite_tag_filter"),
        "error: '<rule>' section is required\n --> f.conf:1:1\n  |\n1 | <match **>\n  | ^^^^^^^^^^ in this section\n  |\n  = help: add '<rule>' and '</rule>'"
    );
    assert_eq!(
        said(&format!(
            "@type rewrite_tag_filter\n{}",
            rule("l", "/(/", "x")
        )),
        "error: at byte 0: this `(` is never closed; write `\\(` for the character itself\n --> f.conf:5:9\n  |\n5 | pattern /(/\n  |         ^^^ this pattern"
    );
    assert_eq!(
        said(&format!(
            "@type rewrite_tag_filter\n{}",
            rule("l", "/x/", "${x}")
        )),
        "warning: unknown placeholder `${x}` found\n --> f.conf:6:5\n  |\n6 | tag ${x}\n  |     ^^^^ it stands for nothing"
    );
}
