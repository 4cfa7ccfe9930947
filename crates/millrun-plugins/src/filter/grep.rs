//! The `grep` filter: keeps events whose fields match, drops those whose fields match others.
//!
//! ```text
//! <filter app.**>
//!   @type grep
//!   <regexp>            every one must match
//!     key level
//!     pattern /warn|error/
//!   </regexp>
//!   <exclude>           none may match
//!     key path
//!     pattern /health/
//!   </exclude>
//!   <and> … </and>      a group: all of its sections
//!   <or> … </or>        a group: any of its sections
//! </filter>
//! ```
//!
//! A missing field counts as an empty text, as in Fluentd. Kept events are copied in runs, not
//! one by one.

use std::sync::Arc;

use millrun_config::{Diagnostic, Diagnostics, Element, Regexp, parameters};
use millrun_core::{Assembly, Batch, Filter, LossReason, PluginId, Report};
use millrun_event::{Entries, Entry, EventBuffer, Token, Value};
use millrun_pattern::{Accessor, Flags, Matcher, Segment};

use crate::formatter::write_ruby_text;

parameters! {
    /// One field and what it must look like.
    pub struct Condition in "regexp" {
        /// The field: a name, or a path like `$.a.b`.
        key: String = required;
        /// The regular expression.
        pattern: Regexp = required;
    }
}

parameters! {
    /// Conditions taken together.
    pub struct Group in "and" {
    }
    sections {
        /// Must match.
        regexp: Vec<Condition>;
        /// Must not match.
        exclude: Vec<Condition>;
    }
}

parameters! {
    /// Keeps events by the content of their fields.
    pub struct GrepParameters in "filter", type "grep" {
    }
    sections {
        /// Must match; all of them.
        regexp: Vec<Condition>;
        /// Must not match; none of them.
        exclude: Vec<Condition>;
        /// Conditions of which all count.
        and: Vec<Group>;
        /// Conditions of which any counts.
        or: Vec<Group>;
    }
}

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = GrepParameters::read(element, assembly.diagnostics)?;
    let mut grep = Grep {
        id: id.text.clone(),
        keep: Vec::new(),
        drop: Vec::new(),
    };
    let mut compile =
        |conditions: Vec<Condition>| compile(conditions, element, assembly.diagnostics);
    for test in compile(parameters.regexp)? {
        grep.keep.push(Rule::All(vec![test]));
    }
    for test in compile(parameters.exclude)? {
        grep.drop.push(Rule::All(vec![test]));
    }
    for group in parameters.and {
        push(&mut grep.keep, compile(group.regexp)?, Rule::All);
        push(&mut grep.drop, compile(group.exclude)?, Rule::All);
    }
    for group in parameters.or {
        push(&mut grep.keep, compile(group.regexp)?, Rule::Any);
        push(&mut grep.drop, compile(group.exclude)?, Rule::Any);
    }
    Some(Arc::new(grep))
}

fn push(rules: &mut Vec<Rule>, tests: Vec<Test>, rule: fn(Vec<Test>) -> Rule) {
    if !tests.is_empty() {
        rules.push(rule(tests));
    }
}

fn compile(
    conditions: Vec<Condition>,
    element: &Element,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<Test>> {
    let mut compiled = Some(Vec::new());
    for condition in conditions {
        let flags = Flags {
            ignore_case: condition.pattern.ignore_case,
            multi_line: condition.pattern.multi_line,
            ..Flags::default()
        };
        let accessor = Accessor::parse(&condition.key).map_err(|error| error.to_string());
        let matcher = Matcher::compile(&condition.pattern.source, flags);
        let test = accessor.and_then(|accessor| {
            Ok(Test {
                accessor,
                matcher: matcher.map_err(|error| error.to_string())?,
            })
        });
        match (test, &mut compiled) {
            (Ok(test), Some(tests)) => tests.push(test),
            (Ok(_), None) => {}
            (Err(fault), _) => {
                let fault = Diagnostic::error(format!("key {}: {fault}", condition.key));
                diagnostics.push(fault.at(element.span(), "in a condition of this filter"));
                compiled = None;
            }
        }
    }
    compiled
}

struct Grep {
    id: Arc<str>,
    keep: Vec<Rule>,
    drop: Vec<Rule>,
}

enum Rule {
    All(Vec<Test>),
    Any(Vec<Test>),
}

struct Test {
    accessor: Accessor,
    matcher: Matcher,
}

impl Filter for Grep {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let events = batch.events;
        let mut run_start = 0;
        let mut run_count = 0;
        let mut at = 0;
        let mut flush = |start: usize, end: usize, count: u32| {
            out.extend(events.bytes.get(start..end).unwrap_or_default(), count);
        };
        for entry in Entries::new(events.bytes) {
            let Ok(entry) = entry else {
                report.lose(&self.id, LossReason::Invalid, 1);
                break;
            };
            let end = at + entry.bytes.len();
            if self.keeps(&entry) {
                run_count += 1;
            } else {
                flush(run_start, at, run_count);
                run_start = end;
                run_count = 0;
            }
            at = end;
        }
        flush(run_start, at, run_count);
    }
}

impl Grep {
    /// Whether the entry stays. One of which a path cannot be followed does, as in Fluentd.
    fn keeps(&self, entry: &Entry<'_>) -> bool {
        self.decide(entry).unwrap_or(true)
    }

    fn decide(&self, entry: &Entry<'_>) -> Result<bool, NoContainer> {
        for rule in &self.keep {
            if !rule.holds(entry)? {
                return Ok(false);
            }
        }
        for rule in &self.drop {
            if rule.holds(entry)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A path leads into a value that holds no others.
struct NoContainer;

impl Rule {
    fn holds(&self, entry: &Entry<'_>) -> Result<bool, NoContainer> {
        let (tests, wanted) = match self {
            Rule::All(tests) => (tests, false),
            Rule::Any(tests) => (tests, true),
        };
        for test in tests {
            if test.holds(entry)? == wanted {
                return Ok(wanted);
            }
        }
        Ok(!wanted)
    }
}

impl Test {
    /// A match that runs into its step limit counts as none: a hostile value must not pass a
    /// filter that was to stop it, nor stall what comes behind it.
    fn holds(&self, entry: &Entry<'_>) -> Result<bool, NoContainer> {
        let value = follow(entry.record_bytes(), self.accessor.segments())?;
        let matches = |text: &[u8]| self.matcher.is_match(text).unwrap_or(false);
        Ok(match value {
            None => matches(b""),
            Some(value) => match value.text() {
                Some(text) => matches(text),
                None => {
                    let mut text = Vec::new();
                    // The entry was walked, so its values are sound.
                    let _ = write_ruby_text(value, &mut text);
                    matches(&text)
                }
            },
        })
    }
}

/// The value that a path leads to. What is missing or null leads nowhere.
fn follow<'r>(record: &'r [u8], path: &[Segment]) -> Result<Option<Value<'r>>, NoContainer> {
    let mut value = Value::new(record);
    for segment in path {
        let next = match (value.token(), segment) {
            (Some(Token::Map(_)), Segment::Key(key)) => value.record().field(key.as_bytes()),
            (Some(Token::Array(_)), Segment::Index(index)) => value.element(*index),
            (Some(Token::Map(_) | Token::Nil) | None, _) => None,
            _ => return Err(NoContainer),
        };
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}
