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
//!   <and> … </and>      its <regexp>: every one must match; its <exclude>: not all may match
//!   <or> … </or>        its <regexp>: one must match; its <exclude>: none may match
//! </filter>
//! ```
//!
//! All conditions of one kind are taken together, in whatever group they stand, so that there are four sets:
//!
//! ```text
//! all of      <regexp>, <and><regexp>         else the event is dropped
//! any of      <or><regexp>                    else it is dropped, if there are any
//! all of      <and><exclude>                  then it is dropped
//! any of      <exclude>, <or><exclude>        then it is dropped
//! ```
//!
//! In a set, a field is asked for once; a group holds `<regexp>` or `<exclude>`, not both. Else it is an error.
//!
//! A missing field counts as an empty text, as in Fluentd. Kept events are copied in runs, not
//! one by one.

mod conditions;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use millrun_config::{Diagnostics, Element, Regexp, parameters};
use millrun_core::{Assembly, Batch, Fate, Filter, LossReason, PluginId, Report};
use millrun_event::{Cursor, Entry, EventBuffer, Token, Value};
use millrun_pattern::{Level, MatchError, Matcher, Segment};

use self::conditions::matcher;
use super::each_record::skip_to_record;
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
        /// Conditions of which all count: `<regexp>` or `<exclude>`, not both.
        and: Vec<Group>;
        /// Conditions of which any counts: `<regexp>` or `<exclude>`, not both.
        or: Vec<Group>;
    }
    legacy { Conditions }
}

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = GrepParameters::read(element, assembly.diagnostics)?;
    let (keep, drop) = conditions::rules(element, &parameters, assembly.diagnostics)?;
    let mut grep = Grep {
        id: id.text.clone(),
        keys: Vec::new(),
        keep,
        drop,
    };
    grep.collect_keys();
    Some(Arc::new(grep))
}

/// The patterns of a filter by their fields, and which engine runs each.
pub(super) fn patterns(element: &Element) -> Vec<(String, Level)> {
    let mut unheard = Diagnostics::default();
    let Some(parameters) = GrepParameters::read(element, &mut unheard) else {
        return Vec::new();
    };
    let grouped = parameters.and.iter().chain(&parameters.or);
    let grouped = grouped.flat_map(|group| group.regexp.iter().chain(&group.exclude));
    let single = parameters.regexp.iter().chain(&parameters.exclude);
    single
        .chain(grouped)
        .filter_map(|condition| Some((condition.key.clone(), matcher(condition).ok()?.level())))
        .collect()
}

struct Grep {
    id: Arc<str>,
    /// The fields of the record that tests begin with, each once.
    keys: Vec<Vec<u8>>,
    keep: Vec<Rule>,
    drop: Vec<Rule>,
}

enum Rule {
    All(Vec<Test>),
    Any(Vec<Test>),
}

struct Test {
    /// Which of the keys it begins with; without one it leads nowhere.
    key: Option<usize>,
    /// Behind the key.
    path: Vec<Segment>,
    matcher: Matcher,
}

impl Filter for Grep {
    /// A text is found sooner than a batch is taken apart.
    fn is_costly(&self) -> bool {
        let rules = self.keep.iter().chain(&self.drop);
        let mut tests = rules.flat_map(|rule| match rule {
            Rule::All(tests) | Rule::Any(tests) => tests,
        });
        tests.any(|test| test.matcher.level() != Level::Text)
    }

    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let stream = batch.events.bytes;
        let mut cursor = Cursor::new(stream);
        let mut found = vec![None; self.keys.len()];
        let (mut run_start, mut run_count, mut seen) = (0, 0, 0);
        let mut flush = |start: usize, end: usize, count: u32| {
            out.extend(stream.get(start..end).unwrap_or_default(), count);
        };
        while !cursor.is_at_end() {
            let at = cursor.position();
            if self.find_fields(stream, &mut cursor, &mut found).is_none() {
                let left = batch.events.count.saturating_sub(seen);
                report.lose(&self.id, LossReason::Invalid, u64::from(left));
                flush(run_start, at, run_count);
                return;
            }
            seen += 1;
            match self.decide(&found) {
                // One of which a path cannot be followed stays, as in Fluentd.
                Ok(true) | Err(Undecided::NoContainer) => run_count += 1,
                decision => {
                    if let Err(Undecided::GaveUp(error)) = decision
                        && let Ok(entry) = Entry::read(&mut Cursor::at(stream, at))
                    {
                        report.error_event(&self.id, batch.tag, &entry, Fate::Dropped, error);
                    }
                    flush(run_start, at, run_count);
                    run_start = cursor.position();
                    run_count = 0;
                }
            }
        }
        flush(run_start, stream.len(), run_count);
    }
}

impl Grep {
    /// Gives each test the number of its key.
    fn collect_keys(&mut self) {
        for rule in self.keep.iter_mut().chain(&mut self.drop) {
            let (Rule::All(tests) | Rule::Any(tests)) = rule;
            for test in tests {
                let Some(Segment::Key(key)) = test.path.first() else {
                    continue;
                };
                let known = self.keys.iter().position(|known| known == key.as_bytes());
                test.key = Some(known.unwrap_or(self.keys.len()));
                if known.is_none() {
                    self.keys.push(key.as_bytes().to_vec());
                }
                test.path.remove(0);
            }
        }
    }

    /// Passes over the entry at the cursor and finds the values of the keys on the way.
    fn find_fields<'s>(
        &self,
        stream: &'s [u8],
        cursor: &mut Cursor<'s>,
        found: &mut [Option<Value<'s>>],
    ) -> Option<()> {
        found.fill(None);
        skip_to_record(stream, cursor)?;
        let record = cursor.position();
        let Token::Map(pairs) = cursor.token().ok()? else {
            // What is no event has no fields; the outputs say what is wrong with it.
            cursor.rewind(record);
            return cursor.skip().ok();
        };
        for _ in 0..pairs {
            let slot = match cursor.token().ok()? {
                Token::Str(name) | Token::Bin(name) => {
                    let key = self.keys.iter().position(|key| key == name);
                    key.and_then(|key| found.get_mut(key))
                }
                other => {
                    cursor.skip_values(other.children()).ok()?;
                    None
                }
            };
            let start = cursor.position();
            cursor.skip().ok()?;
            if let Some(slot) = slot {
                *slot = Some(Value::new(cursor.since(start)));
            }
        }
        Some(())
    }

    /// Whether an entry with these fields stays.
    fn decide(&self, found: &[Option<Value<'_>>]) -> Result<bool, Undecided> {
        for rule in &self.keep {
            if !rule.holds(found)? {
                return Ok(false);
            }
        }
        for rule in &self.drop {
            if rule.holds(found)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Why a condition neither holds nor does not.
enum Undecided {
    /// A path leads into a value that holds no others.
    NoContainer,
    /// The match ran into its step limit. A hostile value must neither pass a filter that was to stop it, nor vanish
    /// without a trace: its event goes to `@ERROR`, and is counted.
    GaveUp(MatchError),
}

impl Rule {
    fn holds(&self, found: &[Option<Value<'_>>]) -> Result<bool, Undecided> {
        let (tests, wanted) = match self {
            Rule::All(tests) => (tests, false),
            Rule::Any(tests) => (tests, true),
        };
        for test in tests {
            if test.holds(found)? == wanted {
                return Ok(wanted);
            }
        }
        Ok(!wanted)
    }
}

impl Test {
    fn holds(&self, found: &[Option<Value<'_>>]) -> Result<bool, Undecided> {
        let field = self.key.and_then(|key| found.get(key).copied().flatten());
        let value = match field {
            Some(field) => follow(field, &self.path)?,
            None => None,
        };
        let matches = |text: &[u8]| self.matcher.is_match(text).map_err(Undecided::GaveUp);
        match value {
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
        }
    }
}

/// The value that a path leads to. What is missing or null leads nowhere.
fn follow<'r>(mut value: Value<'r>, path: &[Segment]) -> Result<Option<Value<'r>>, Undecided> {
    for segment in path {
        let next = match (value.token(), segment) {
            (Some(Token::Map(_)), Segment::Key(key)) => value.record().field(key.as_bytes()),
            (Some(Token::Array(_)), Segment::Index(index)) => value.element(*index),
            (Some(Token::Map(_) | Token::Nil) | None, _) => None,
            _ => return Err(Undecided::NoContainer),
        };
        match next {
            Some(next) => value = next,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}
