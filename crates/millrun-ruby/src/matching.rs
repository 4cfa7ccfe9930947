//! Regular expressions and their matches.

use std::sync::Arc;

use millrun_pattern::Flags;

use crate::{
    class::Class,
    error::Span,
    heap::{Found, Object},
    machine::{Invocation, Machine},
    method::Method,
    pattern::Pattern,
    text,
    value::{Id, Run, Text, Value},
};

/// Where each group of a match lies.
type Groups = Vec<Option<(usize, usize)>>;

impl Machine<'_> {
    pub(crate) fn compile_pattern(&mut self, source: &str, flags: Flags, at: Span) -> Run<Value> {
        let pattern = match self.heap.known_pattern(source, flags) {
            Some(pattern) => pattern,
            None => {
                self.charge(source.len().saturating_mul(256))?;
                match Pattern::compile(source, flags) {
                    Ok(pattern) => {
                        let pattern = Arc::new(pattern);
                        self.heap.keep_pattern(&pattern);
                        pattern
                    }
                    Err(error) => return self.raise(Class::RegexpError, at, error.to_string()),
                }
            }
        };
        self.reserve(0)?;
        Ok(Value::Regex(self.heap.put(Object::Regex(pattern))))
    }

    /// The first match at or behind byte `from`.
    pub(crate) fn find_in(
        &mut self,
        id: Id,
        subject: Text,
        from: usize,
        at: Span,
    ) -> Run<Option<Found>> {
        let Some(pattern) = self.heap.pattern(id) else {
            return Ok(None);
        };
        let groups = self.find_groups(&pattern, subject, from, at)?;
        Ok(groups.map(|groups| Found {
            subject,
            groups,
            pattern,
        }))
    }

    fn find_groups(
        &mut self,
        pattern: &Arc<Pattern>,
        subject: Text,
        from: usize,
        at: Span,
    ) -> Run<Option<Groups>> {
        let len = self.bytes(subject).len();
        // An attempt may cost as many steps as its own limit says; most cost a few.
        self.charge(1024 + len.saturating_sub(from))?;
        let mut spans = self.heap.spans(pattern);
        let found = pattern
            .regex
            .captures_from(self.bytes(subject), from, &mut spans);
        let groups = matches!(found, Ok(true)).then(|| {
            (0..=pattern.regex.captures())
                .map(|number| spans.get(number))
                .collect()
        });
        self.heap.keep_spans(pattern, spans);
        if let Err(error) = found {
            return self.raise(Class::RegexpError, at, error.to_string());
        }
        Ok(groups)
    }

    /// Makes a match what `$~` is.
    pub(crate) fn remember(&mut self, found: Option<Found>) -> Run<()> {
        self.heap.last_match = match found {
            Some(mut found) => {
                self.reserve(found.groups.len() * 24)?;
                // What is changed later must not change under the match.
                if self.program.mutates {
                    let copy = self.held(found.subject).into_owned();
                    if let Value::Text(text) = self.new_text(copy)? {
                        found.subject = text;
                    }
                }
                Some(self.heap.put(Object::Match(found)))
            }
            None => None,
        };
        Ok(())
    }

    /// `=~`, `match` and `match?` of a string.
    pub(crate) fn match_text(&mut self, subject: Text, call: &Invocation<'_>) -> Run<Value> {
        let pattern = match self.argument(call, 0)? {
            pattern @ Value::Regex(_) => pattern,
            Value::Text(source) if call.method != Method::Match => {
                let source = self.lossy(source);
                self.compile_pattern(&source, Flags::default(), call.at)?
            }
            other => {
                let shown = self.describe(other);
                return self.raise(
                    Class::TypeError,
                    call.at,
                    format!("wrong argument type {shown} (expected Regexp)"),
                );
            }
        };
        self.match_pattern(pattern, subject, call)
    }

    fn match_pattern(
        &mut self,
        pattern: Value,
        subject: Text,
        call: &Invocation<'_>,
    ) -> Run<Value> {
        let Value::Regex(id) = pattern else {
            return Ok(Value::Nil);
        };
        let found = self.find_in(id, subject, 0, call.at)?;
        match call.method {
            Method::IsMatch => Ok(Value::Bool(found.is_some())),
            Method::MatchData => {
                self.remember(found)?;
                let matched = self.heap.last_match.map_or(Value::Nil, Value::Match);
                match (call.block, matched) {
                    (Some(block), Value::Match(_)) => self.call_block(block, &[matched], call.at),
                    _ => Ok(matched),
                }
            }
            _ => {
                let start = found
                    .as_ref()
                    .and_then(|found| found.groups.first().copied().flatten());
                self.remember(found)?;
                Ok(match start {
                    Some((start, _)) => {
                        let head = self.bytes(subject).get(..start).unwrap_or_default();
                        Value::Int(text::char_count(head) as i64)
                    }
                    None => Value::Nil,
                })
            }
        }
    }

    pub(crate) fn regex_method(&mut self, id: Id, call: &Invocation<'_>) -> Run<Option<Value>> {
        Ok(Some(match call.method {
            Method::Match | Method::MatchData | Method::IsMatch => {
                let subject = match self.argument(call, 0)? {
                    Value::Text(text) | Value::Symbol(text) => text,
                    Value::Nil => {
                        self.heap.last_match = None;
                        return Ok(Some(if call.method == Method::IsMatch {
                            Value::Bool(false)
                        } else {
                            Value::Nil
                        }));
                    }
                    other => self.as_text(other, call.at)?,
                };
                self.match_pattern(Value::Regex(id), subject, call)?
            }
            Method::Source => {
                let source = self
                    .heap
                    .pattern(id)
                    .map(|pattern| pattern.source.clone())
                    .unwrap_or_default();
                self.new_text(source.into_bytes())?
            }
            Method::Names => {
                let names: Vec<String> = match self.heap.pattern(id) {
                    Some(pattern) => pattern
                        .regex
                        .capture_names()
                        .iter()
                        .map(|name| name.as_str().to_owned())
                        .collect(),
                    None => Vec::new(),
                };
                let mut list = Vec::new();
                for name in names {
                    list.push(self.new_text(name.into_bytes())?);
                }
                self.new_array(list)?
            }
            _ => return Ok(None),
        }))
    }

    pub(crate) fn match_index(&mut self, id: Id, group: Value, at: Span) -> Run<Value> {
        match group {
            Value::Int(number) => {
                let count = self.heap.found(id).map_or(0, |found| found.groups.len());
                match crate::operate::position(number, count) {
                    Some(number) => self.match_group(id, number),
                    None => Ok(Value::Nil),
                }
            }
            Value::Text(name) | Value::Symbol(name) => {
                let name = self.lossy(name);
                let Some(found) = self.heap.found(id) else {
                    return Ok(Value::Nil);
                };
                let names = found.pattern.regex.capture_names();
                let Some(known) = names.iter().find(|known| known.as_str() == name) else {
                    return self.raise(
                        Class::IndexError,
                        at,
                        format!("undefined group name reference: {name}"),
                    );
                };
                let number = known
                    .numbers()
                    .iter()
                    .rev()
                    .copied()
                    .find(|number| found.groups.get(*number).copied().flatten().is_some());
                match number {
                    Some(number) => self.match_group(id, number),
                    None => Ok(Value::Nil),
                }
            }
            other => {
                let number = self.as_int(other, at)?;
                self.match_index(id, Value::Int(number), at)
            }
        }
    }

    pub(crate) fn match_method(&mut self, id: Id, call: &Invocation<'_>) -> Run<Option<Value>> {
        let Some(found) = self.heap.found(id).cloned() else {
            return Ok(None);
        };
        let whole = found.groups.first().copied().flatten().unwrap_or_default();
        Ok(Some(match call.method {
            Method::Index => {
                let group = self.argument(call, 0)?;
                self.match_index(id, group, call.at)?
            }
            Method::ToArray | Method::Captures | Method::Length => {
                if call.method == Method::Length {
                    return Ok(Some(Value::Int(found.groups.len() as i64)));
                }
                let first = usize::from(call.method == Method::Captures);
                let mut list = Vec::new();
                for number in first..found.groups.len() {
                    list.push(self.match_group(id, number)?);
                }
                self.new_array(list)?
            }
            Method::NamedCaptures | Method::Names => {
                let names: Vec<String> = found
                    .pattern
                    .regex
                    .capture_names()
                    .iter()
                    .map(|name| name.as_str().to_owned())
                    .collect();
                let mut pairs = Vec::new();
                for name in names {
                    let key = self.new_text(name.into_bytes())?;
                    let value = self.match_index(id, key, call.at)?;
                    pairs.push((key, value));
                }
                if call.method == Method::Names {
                    self.new_array(pairs.into_iter().map(|(key, _)| key).collect())?
                } else {
                    self.new_hash(pairs)?
                }
            }
            Method::PreMatch => self.part(found.subject, 0, whole.0)?,
            Method::PostMatch => {
                let end = self.bytes(found.subject).len();
                self.part(found.subject, whole.1, end)?
            }
            Method::RangeFirst | Method::RangeLast => {
                let number = usize::try_from(self.int_argument(call, 0)?).unwrap_or(usize::MAX);
                match found.groups.get(number).copied().flatten() {
                    Some((start, end)) => {
                        let at = if call.method == Method::RangeFirst {
                            start
                        } else {
                            end
                        };
                        let head = self.bytes(found.subject).get(..at).unwrap_or_default();
                        Value::Int(text::char_count(head) as i64)
                    }
                    None => Value::Nil,
                }
            }
            _ => return Ok(None),
        }))
    }
}
