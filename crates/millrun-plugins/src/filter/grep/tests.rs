//! Which conditions are taken together, what is refused, and the form of former times.

use serde_json::{Value, json};

use crate::filter::tests::{filter, play, said, stream};

/// The `m` and `l` of the records that stay.
fn kept(conditions: &str, records: &[Value]) -> Vec<Value> {
    let played = play(
        &*filter(&format!("@type grep\n{conditions}")),
        "t",
        stream(records).as_events(),
    );
    let events = played["events"].as_array().unwrap();
    events.iter().map(|event| event[1].clone()).collect()
}

fn records() -> Vec<Value> {
    ["aa", "ab", "ba", "bb"]
        .iter()
        .map(|letters| json!({"m": letters[..1], "l": letters[1..]}))
        .collect()
}

fn condition(name: &str, key: &str, pattern: &str) -> String {
    format!("<{name}>\nkey {key}\npattern /{pattern}/\n</{name}>\n")
}

#[test]
fn groups_of_a_kind_are_one() {
    let all = records();
    let [aa, ab, ba, bb] = [0, 1, 2, 3].map(|place: usize| all[place].clone());
    let group = |kind: &str, inner: &str| format!("<{kind}>\n{inner}</{kind}>\n");
    let (m, l) = (condition("regexp", "m", "a"), condition("regexp", "l", "a"));
    let (no_m, no_l) = (
        condition("exclude", "m", "a"),
        condition("exclude", "l", "a"),
    );
    let either = [aa.clone(), ab.clone(), ba.clone()];
    // Two <or> are one: what either asks for is enough.
    assert_eq!(kept(&(group("or", &m) + &group("or", &l)), &all), either);
    assert_eq!(kept(&group("or", &format!("{m}{l}")), &all), either);
    assert_eq!(
        kept(&(group("and", &m) + &l), &all),
        std::slice::from_ref(&aa)
    );
    // All that an <and> excludes must match for an event to go.
    let not_both = [ab.clone(), ba.clone(), bb.clone()];
    assert_eq!(
        kept(&group("and", &format!("{no_m}{no_l}")), &all),
        not_both
    );
    assert_eq!(
        kept(&(group("and", &no_m) + &group("and", &no_l)), &all),
        not_both
    );
    assert_eq!(kept(&(group("or", &no_m) + &no_l), &all), [bb]);
    // Each set has its say.
    assert_eq!(kept(&(group("or", &m) + &group("and", &no_l)), &all), [ab]);
}

#[test]
fn a_field_is_asked_for_once_in_a_set() {
    let text = said(
        "@type grep\n<regexp>\nkey m\npattern /a/\n</regexp>\n<and>\n<regexp>\nkey m\npattern /b/\n</regexp>\n</and>",
    );
    assert_eq!(
        text,
        "error: the field 'm' is asked for twice
 --> f.conf:9:5
  |
4 | key m
  |     - the first one
...
9 | key m
  |     ^ the second one
  |
  = help: write one pattern for both: /A|B/ where one is enough"
    );
    // In other sets it may stand again.
    let fine = condition("regexp", "m", "a")
        + &condition("exclude", "m", "b")
        + "<or>\n"
        + &condition("regexp", "m", "a")
        + "</or>\n<and>\n"
        + &condition("exclude", "m", "b")
        + "</and>";
    assert_eq!(said(&format!("@type grep\n{fine}")), "");
}

#[test]
fn a_group_keeps_or_drops() {
    let text = said(
        "@type grep\n<or>\n<exclude>\nkey l\npattern /b/\n</exclude>\n<regexp>\nkey m\npattern /a/\n</regexp>\n</or>",
    );
    assert_eq!(
        text,
        "error: <or> holds both <regexp> and <exclude>, of which it may hold one
 --> f.conf:4:1
  |
4 | <exclude>
  | ^^^^^^^^^ these drop events
...
8 | <regexp>
  | -------- these keep them
  |
  = help: write an <or> for each"
    );
}

#[test]
fn numbered_conditions_of_former_times() {
    let all = records();
    let old = "regexp1 m a\nexclude20 l b|x y";
    assert_eq!(kept(old, &all), [all[0].clone()]);
    assert_eq!(
        said(&format!("@type grep\n{old}")),
        "warning: regexp1, exclude20 are old names of what <regexp> and <exclude> sections say
 --> f.conf:3:1
  |
3 | regexp1 m a
  | ^^^^^^^
4 | exclude20 l b|x y
  | ---------
  |
  = help: write
          <regexp>
            key m
            pattern /a/
          </regexp>
          <exclude>
            key l
            pattern /b|x y/
          </exclude>"
    );
    // Slashes are part of the pattern, and a field is asked for once here, too.
    assert_eq!(kept("regexp1 m /a/", &all), Vec::<Value>::new());
    assert_eq!(kept("regexp1 p /a/", &[json!({"p": "/a/b"})]).len(), 1);
    let twice = said("@type grep\nregexp1 m a\nregexp2 m b");
    assert!(
        twice.contains("error: the field 'm' is asked for twice\n --> f.conf:4:9\n"),
        "{twice}"
    );
    let high = said("@type grep\nregexp21 m a");
    assert!(
        high.starts_with("warning: parameter 'regexp21' in <filter **> is not used."),
        "{high}"
    );
}

#[test]
fn a_numbered_condition_without_a_pattern() {
    assert_eq!(
        said("@type grep\nexclude3 m"),
        "error: 'exclude3' has a key and no pattern
 --> f.conf:3:10
  |
3 | exclude3 m
  |          ^ expected a key, a space and a pattern
  |
  = help: write a section <regexp> or <exclude> with the lines 'key KEY' and 'pattern /PATTERN/'"
    );
}
