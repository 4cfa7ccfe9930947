//! Every occurrence of a pattern in a text: scan, split, sub and gsub, partition.

use std::sync::Arc;

use millrun_pattern::Flags;

use crate::{
    class::Class,
    error::Span,
    heap::Found,
    machine::{Invocation, Machine},
    method::Method,
    pattern::Pattern,
    string::find,
    text,
    value::{Run, Text, Value},
};

impl Machine<'_> {
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
