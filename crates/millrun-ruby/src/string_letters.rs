//! Strings by their letters: where one stands, cut out, translated, counted.

use crate::{
    class::Class,
    machine::{Invocation, Machine},
    method::Method,
    string::find,
    text::{self, LetterSet},
    value::{Run, Text, Value},
};

impl Machine<'_> {
    pub(crate) fn text_index(&mut self, text: Text, call: &Invocation<'_>) -> Run<Value> {
        let wanted = self.argument(call, 0)?;
        let count = text::char_count(self.bytes(text));
        let right = call.method == Method::RightIndex;
        let from = match call.arguments.get(1) {
            Some(from) => match crate::operate::position(self.as_int(*from, call.at)?, count) {
                Some(from) if right || from <= count => from.min(count),
                _ => return Ok(Value::Nil),
            },
            None if right => count,
            None => 0,
        };
        let from = text::char_offset(self.bytes(text), from).unwrap_or_default();
        let found = match wanted {
            Value::Regex(id) if !right => self
                .find_in(id, text, from, call.at)?
                .and_then(|found| found.groups.first().copied().flatten())
                .map(|(start, _)| start),
            other => {
                let wanted = self.as_text(other, call.at)?;
                let (bytes, wanted) = (self.bytes(text), self.bytes(wanted));
                if right {
                    let end = (from + wanted.len()).min(bytes.len());
                    let head = bytes.get(..end).unwrap_or_default();
                    (0..=head.len().saturating_sub(wanted.len()))
                        .rev()
                        .find(|start| {
                            head.get(*start..)
                                .is_some_and(|rest| rest.starts_with(wanted))
                        })
                } else {
                    find(bytes, wanted, from)
                }
            }
        };
        Ok(match found {
            Some(start) => Value::Int(text::char_count(
                self.bytes(text).get(..start).unwrap_or_default(),
            ) as i64),
            None => Value::Nil,
        })
    }

    pub(crate) fn translate(&mut self, text: Text, call: &Invocation<'_>) -> Run<Value> {
        let (from, to) = (self.text_argument(call, 0)?, self.text_argument(call, 1)?);
        let from = LetterSet::parse(self.bytes(from));
        let to = LetterSet::parse(self.bytes(to)).letters;
        let squeeze = call.method == Method::TrSqueeze;
        let shown = self.lossy(text);
        self.charge(shown.len() * (1 + from.letters.len() / 8))?;
        let mut out = String::with_capacity(shown.len());
        let mut last = None;
        for letter in shown.chars() {
            let new = if from.negated {
                (!from.letters.contains(&letter)).then(|| to.last().copied())
            } else {
                from.letters
                    .iter()
                    .rposition(|known| *known == letter)
                    .map(|index| to.get(index).or(to.last()).copied())
            };
            match new {
                None => {
                    out.push(letter);
                    last = None;
                }
                Some(new) => {
                    if !(squeeze && last == Some(new)) {
                        out.extend(new);
                    }
                    last = Some(new);
                }
            }
        }
        self.new_text(out.into_bytes())
    }

    pub(crate) fn by_letters(&mut self, text: Text, call: &Invocation<'_>) -> Run<Value> {
        let mut sets = Vec::new();
        for index in 0..call.arguments.len() {
            let set = self.text_argument(call, index)?;
            sets.push(LetterSet::parse(self.bytes(set)));
        }
        if sets.is_empty() && call.method != Method::Squeeze {
            return self.raise(
                Class::ArgumentError,
                call.at,
                "wrong number of arguments (given 0, expected 1+)",
            );
        }
        let shown = self.lossy(text);
        let weight: usize = sets.iter().map(|set| set.letters.len()).sum();
        self.charge(shown.len().saturating_mul(1 + weight / 8))?;
        let inside = |letter: char| sets.iter().all(|set| set.contains(letter));
        match call.method {
            Method::Count => Ok(Value::Int(
                shown.chars().filter(|letter| inside(*letter)).count() as i64,
            )),
            Method::Delete => {
                let kept: String = shown.chars().filter(|letter| !inside(*letter)).collect();
                self.new_text(kept.into_bytes())
            }
            _ => {
                let mut out = String::new();
                for letter in shown.chars() {
                    if !(out.ends_with(letter) && inside(letter)) {
                        out.push(letter);
                    }
                }
                self.new_text(out.into_bytes())
            }
        }
    }

    pub(crate) fn text_slice(&mut self, text: Text, call: &Invocation<'_>) -> Run<Value> {
        let at = call.at;
        let first = self.argument(call, 0)?;
        let window = match first {
            Value::Text(wanted) => {
                return Ok(if find(self.bytes(text), self.bytes(wanted), 0).is_some() {
                    Value::Text(wanted)
                } else {
                    Value::Nil
                });
            }
            Value::Regex(id) => {
                let found = self.find_in(id, text, 0, at)?;
                self.remember(found)?;
                let group = call.arguments.get(1).copied().unwrap_or(Value::Int(0));
                return match self.heap.last_match {
                    Some(id) => self.match_index(id, group, at),
                    None => Ok(Value::Nil),
                };
            }
            Value::Range(id) => {
                let count = text::char_count(self.bytes(text));
                self.range_window(id, count, at)?
            }
            other => {
                let start = self.as_int(other, at)?;
                let count = text::char_count(self.bytes(text));
                match call.arguments.get(1) {
                    Some(length) => text::window(start, self.as_int(*length, at)?, count),
                    None => text::window(start, 1, count).filter(|(start, end)| start < end),
                }
            }
        };
        let Some((start, end)) = window else {
            return Ok(Value::Nil);
        };
        let bytes = self.bytes(text);
        let start = text::char_offset(bytes, start).unwrap_or_default();
        let end = text::char_offset(bytes, end).unwrap_or(bytes.len());
        self.part(text, start, end)
    }
}
