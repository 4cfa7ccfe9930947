//! Regular expressions at work: match, scan, split, sub and gsub.

use std::sync::Arc;

use millrun_pattern::Flags;

use crate::{
    class::Class,
    error::Span,
    heap::{Found, Object},
    machine::{Invocation, Machine},
    method::Method,
    pattern::Pattern,
    string::find,
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

    /// All matches of a pattern or plain text, in order, none overlapping.
    fn next_match(
        &mut self,
        pattern: Value,
        subject: Text,
        from: usize,
        at: Span,
    ) -> Run<Option<Found>> {
        match pattern {
            Value::Regex(id) => self.find_in(id, subject, from, at),
            other => {
                let wanted = self.as_text(other, at)?;
                let (bytes, wanted) = (self.bytes(subject), self.bytes(wanted));
                let start = find(bytes, wanted, from);
                let len = wanted.len();
                let rest = bytes.len().saturating_sub(from);
                self.charge(rest)?;
                let Some(start) = start else { return Ok(None) };
                let Some(pattern) = self.plain_pattern() else {
                    return Ok(None);
                };
                Ok(Some(Found {
                    subject,
                    groups: vec![Some((start, start + len))],
                    pattern,
                }))
            }
        }
    }

    /// A pattern for matches of plain texts, which have no names.
    fn plain_pattern(&mut self) -> Option<Arc<Pattern>> {
        if let Some(pattern) = self.heap.known_pattern("", Flags::default()) {
            return Some(pattern);
        }
        let pattern = Arc::new(Pattern::compile("", Flags::default()).ok()?);
        self.heap.keep_pattern(&pattern);
        Some(pattern)
    }

    pub(crate) fn scan(&mut self, subject: Text, call: &Invocation<'_>) -> Run<Value> {
        let pattern = self.argument(call, 0)?;
        let mut list = self.heap.list();
        let mut from = 0;
        while let Some(found) = self.next_match(pattern, subject, from, call.at)? {
            let Some((start, end)) = found.groups.first().copied().flatten() else {
                break;
            };
            from = self.behind(subject, start, end);
            let groups = found.groups.len();
            let captures: Vec<_> = found.groups.get(1..).unwrap_or_default().to_vec();
            let item = if groups == 1 {
                self.part(subject, start, end)?
            } else {
                let mut parts = self.heap.list();
                for group in captures {
                    parts.push(match group {
                        Some((start, end)) => self.part(subject, start, end)?,
                        None => Value::Nil,
                    });
                }
                self.new_array(parts)?
            };
            self.remember(Some(found))?;
            match call.block {
                Some(block) => {
                    self.call_block(block, &[item], call.at)?;
                }
                None => list.push(item),
            }
            if from > self.bytes(subject).len() {
                break;
            }
        }
        if call.block.is_some() {
            return Ok(Value::Text(subject));
        }
        self.new_array(list)
    }

    /// Where to look on: behind an empty match one character further.
    fn behind(&self, subject: Text, start: usize, end: usize) -> usize {
        if end > start {
            return end;
        }
        let rest = self.bytes(subject).get(end..).unwrap_or_default();
        end + text::char_len(rest).max(1)
    }

    pub(crate) fn split(&mut self, subject: Text, call: &Invocation<'_>) -> Run<Value> {
        let at = call.at;
        let limit = match call.arguments.get(1) {
            Some(limit) => self.as_int(*limit, at)?,
            None => 0,
        };
        let pattern = call.arguments.first().copied().unwrap_or(Value::Nil);
        let len = self.bytes(subject).len();
        let mut places: Vec<(usize, usize)> = Vec::new();
        if len == 0 {
            return self.parts_or_each(subject, &places, call);
        }
        if limit == 1 {
            return self.parts_or_each(subject, &[(0, len)], call);
        }
        let most = usize::try_from(limit)
            .ok()
            .filter(|limit| *limit > 0)
            .unwrap_or(usize::MAX);
        let words = match pattern {
            Value::Nil => true,
            Value::Text(separator) => self.bytes(separator) == b" ",
            _ => false,
        };
        if words {
            let bytes = self.bytes(subject);
            let mut start = text::strip_start(bytes);
            while start < len {
                if places.len() + 1 == most {
                    places.push((start, len));
                    start = usize::MAX;
                    break;
                }
                let rest = bytes.get(start..).unwrap_or_default();
                let word = rest
                    .iter()
                    .position(|byte| text::is_space(*byte))
                    .unwrap_or(rest.len());
                places.push((start, start + word));
                let rest = bytes.get(start + word..).unwrap_or_default();
                let gap = rest
                    .iter()
                    .take_while(|byte| text::is_space(**byte))
                    .count();
                start += word + gap;
                if gap == 0 {
                    start = usize::MAX;
                    break;
                }
            }
            if limit != 0 && start == len {
                places.push((len, len));
            }
        } else if matches!(pattern, Value::Text(separator) if !self.bytes(separator).is_empty()) {
            let Value::Text(separator) = pattern else {
                return Ok(Value::Nil);
            };
            let (bytes, separator) = (self.bytes(subject), self.bytes(separator));
            let mut start = 0;
            while places.len() + 1 < most
                && let Some(end) = find(bytes, separator, start)
            {
                places.push((start, end));
                start = end + separator.len();
            }
            places.push((start, len));
        } else {
            let pattern = match pattern {
                Value::Text(_) => self.compile_pattern("", Flags::default(), at)?,
                other @ Value::Regex(_) => other,
                other => {
                    let shown = self.describe(other);
                    return self.raise(
                        Class::TypeError,
                        at,
                        format!("wrong argument type {shown} (expected Regexp)"),
                    );
                }
            };
            let (mut start, mut from) = (0, 0);
            while places.len() + 1 < most {
                let Some(found) = self.next_match(pattern, subject, from, at)? else {
                    break;
                };
                let Some((first, last)) = found.groups.first().copied().flatten() else {
                    break;
                };
                if last == first {
                    // An empty match splits between two characters only.
                    if first >= len {
                        break;
                    }
                    let next = self.behind(subject, first, first);
                    if first == start {
                        if next >= len {
                            break;
                        }
                        // Look again from the end of this character.
                        from = next;
                        let Some(again) = self.next_match(pattern, subject, from, at)? else {
                            break;
                        };
                        let Some((first, last)) = again.groups.first().copied().flatten() else {
                            break;
                        };
                        if first >= len && last == first {
                            break;
                        }
                        places.push((start, first));
                        start = last;
                        from = if last > first { last } else { first };
                        continue;
                    }
                }
                places.push((start, first));
                places.extend(found.groups.iter().skip(1).copied().flatten());
                start = last;
                from = last;
                if from > len {
                    break;
                }
            }
            places.push((start, len));
        }
        if limit == 0 {
            while matches!(places.last(), Some((start, end)) if start == end) {
                places.pop();
            }
        }
        self.parts_or_each(subject, &places, call)
    }

    /// `sub` and `gsub`, with a text, a hash or a block.
    pub(crate) fn substitute(&mut self, subject: Text, call: &Invocation<'_>) -> Run<Value> {
        let at = call.at;
        let pattern = self.argument(call, 0)?;
        let replacement = call.arguments.get(1).copied();
        if replacement.is_none() && call.block.is_none() {
            return self.raise(
                Class::ArgumentError,
                at,
                format!(
                    "wrong number of arguments for `{}' (given 1, expected 2)",
                    call.method.name()
                ),
            );
        }
        let template = match replacement {
            Some(Value::Text(text)) => Some(self.held(text).into_owned()),
            Some(Value::Hash(_) | Value::RawHash(_)) | None => None,
            Some(other) => {
                self.as_text(other, at)?;
                None
            }
        };
        let mut out = self.heap.buffer();
        let (mut copied, mut from) = (0, 0);
        let mut any = false;
        while let Some(found) = self.next_match(pattern, subject, from, at)? {
            let Some((start, end)) = found.groups.first().copied().flatten() else {
                break;
            };
            any = true;
            let bytes = self.bytes(subject);
            out.extend_from_slice(bytes.get(copied..start).unwrap_or_default());
            copied = end;
            from = self.behind(subject, start, end);
            let len = self.bytes(subject).len();
            match (&template, replacement) {
                (Some(template), _) => {
                    expand(template, self.bytes(subject), &found, &mut out);
                    if call.method == Method::Sub
                        || matches!(pattern, Value::Regex(_)) && from > len
                    {
                        self.remember(Some(found))?;
                    }
                }
                (None, Some(hash)) => {
                    let key = self.part(subject, start, end)?;
                    self.remember(Some(found))?;
                    let value = self.index(hash, key, at)?;
                    self.write_text(value, &mut out)?;
                }
                (None, None) => {
                    let matched = self.part(subject, start, end)?;
                    self.remember(Some(found))?;
                    if let Some(block) = call.block {
                        let value = self.call_block(block, &[matched], at)?;
                        self.write_text(value, &mut out)?;
                    }
                }
            }
            self.check_size(out.len())?;
            if call.method == Method::Sub || from > len {
                break;
            }
        }
        if !any {
            self.heap.last_match = None;
            if !self.program.mutates {
                return Ok(Value::Text(subject));
            }
        }
        out.extend_from_slice(self.bytes(subject).get(copied..).unwrap_or_default());
        self.new_text(out)
    }

    pub(crate) fn partition_text(&mut self, subject: Text, call: &Invocation<'_>) -> Run<Value> {
        let pattern = self.argument(call, 0)?;
        let len = self.bytes(subject).len();
        let mut found = None;
        let mut from = 0;
        while let Some(next) = self.next_match(pattern, subject, from, call.at)? {
            let Some((start, end)) = next.groups.first().copied().flatten() else {
                break;
            };
            found = Some((start, end));
            from = self.behind(subject, start, end);
            if call.method == Method::Partition || from > len {
                break;
            }
        }
        let places = match (found, call.method) {
            (Some((start, end)), _) => [(0, start), (start, end), (end, len)],
            (None, Method::Partition) => [(0, len), (len, len), (len, len)],
            _ => [(0, 0), (0, 0), (0, len)],
        };
        let mut list = Vec::new();
        for (start, end) in places {
            list.push(self.part(subject, start, end)?);
        }
        self.new_array(list)
    }
}

/// Appends a replacement text, in which `\1`, `\0`, `\k<name>` stand for groups.
fn expand(template: &[u8], subject: &[u8], found: &Found, out: &mut Vec<u8>) {
    let group = |number: usize| {
        let (start, end) = found
            .groups
            .get(number)
            .copied()
            .flatten()
            .unwrap_or_default();
        subject.get(start..end).unwrap_or_default()
    };
    let mut rest = template;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (head, tail) = rest.split_at(at);
        out.extend_from_slice(head);
        let (&next, tail) = match tail.get(1..).and_then(<[u8]>::split_first) {
            Some(next) => next,
            None => {
                out.push(b'\\');
                return;
            }
        };
        rest = tail;
        match next {
            b'0'..=b'9' => out.extend_from_slice(group(usize::from(next - b'0'))),
            b'&' => out.extend_from_slice(group(0)),
            b'\\' => out.push(b'\\'),
            b'k' if tail.first() == Some(&b'<') => {
                let end = tail
                    .iter()
                    .position(|byte| *byte == b'>')
                    .unwrap_or(tail.len());
                let name = tail.get(1..end).unwrap_or_default();
                let known = found
                    .pattern
                    .regex
                    .capture_names()
                    .iter()
                    .find(|known| known.as_str().as_bytes() == name);
                if let Some(known) = known {
                    for number in known.numbers() {
                        out.extend_from_slice(group(*number));
                    }
                }
                rest = tail.get(end + 1..).unwrap_or_default();
            }
            other => out.extend_from_slice(&[b'\\', other]),
        }
    }
    out.extend_from_slice(rest);
}
