//! Methods of strings and symbols that need no regular expression.

use std::{borrow::Cow, cmp::Ordering};

use crate::{
    class::Class,
    heap::Object,
    leading::leading_float,
    machine::{Invocation, Machine},
    method::Method,
    text,
    value::{Run, Source, Text, Value},
};

impl<'r> Machine<'r> {
    /// A text that can be read while the machine works: borrowed unless it lies in the heap.
    pub(crate) fn held(&self, text: Text) -> Cow<'r, [u8]> {
        let (bytes, place): (&'r [u8], _) = match self.resolve(text) {
            Text::Slice { source, place } => (
                match source {
                    Source::Record => self.inputs.record,
                    Source::Tag => self.inputs.tag,
                    Source::Literals => &self.program.literals,
                },
                place,
            ),
            Text::Field(place) => (self.inputs.record, place),
            Text::Heap(id) => return Cow::Owned(self.heap.text(id).to_vec()),
        };
        let start = place.start as usize;
        Cow::Borrowed(
            bytes
                .get(start..start + place.len as usize)
                .unwrap_or_default(),
        )
    }

    pub(crate) fn symbol_method(
        &mut self,
        text: Text,
        call: &Invocation<'_>,
    ) -> Run<Option<Value>> {
        Ok(Some(match call.method {
            Method::ToSymbol => Value::Symbol(text),
            Method::ToText | Method::Name => Value::Text(text),
            Method::Upcase | Method::Downcase | Method::Capitalize | Method::Swapcase => {
                match self.text_method(text, call)? {
                    Some(Value::Text(text)) => Value::Symbol(text),
                    other => return Ok(other),
                }
            }
            Method::Length
            | Method::IsEmpty
            | Method::StartWith
            | Method::EndWith
            | Method::Match => {
                return self.text_method(text, call);
            }
            _ => return Ok(None),
        }))
    }

    pub(crate) fn text_method(&mut self, text: Text, call: &Invocation<'_>) -> Run<Option<Value>> {
        let at = call.at;
        let len = self.bytes(text).len();
        self.charge(len)?;
        Ok(Some(match call.method {
            Method::ToText | Method::Itself => Value::Text(text),
            Method::Encode => {
                // Only the wish to replace what is no UTF-8 makes a difference.
                let Some(options @ Value::Hash(_)) = call.arguments.last().copied() else {
                    return Ok(Some(Value::Text(text)));
                };
                let replaces = self.symbol_option(options, b"invalid")?.is_some()
                    || self.symbol_option(options, b"undef")?.is_some();
                if !replaces {
                    return Ok(Some(Value::Text(text)));
                }
                let with = self.symbol_option(options, b"replace")?;
                let arguments: Vec<Value> = with.into_iter().collect();
                let scrub = Invocation {
                    method: Method::Scrub,
                    arguments: &arguments,
                    ..*call
                };
                return self.text_method(text, &scrub);
            }
            Method::ToSymbol => {
                let copy = self.held(text);
                match self.copy_text(&copy)? {
                    Value::Text(text) => Value::Symbol(text),
                    other => other,
                }
            }
            Method::Upcase => self.mapped(text, text::upcase)?,
            Method::Downcase => self.mapped(text, text::downcase)?,
            Method::Capitalize => self.mapped(text, text::capitalize)?,
            Method::Swapcase => self.mapped(text, text::swapcase)?,
            Method::Reverse => self.mapped(text, |bytes, out| {
                let letters: Vec<&[u8]> = text::chars(bytes).map(|(_, letter)| letter).collect();
                out.extend(letters.into_iter().rev().flatten());
            })?,
            Method::Scrub => {
                if std::str::from_utf8(self.bytes(text)).is_ok() {
                    return Ok(Some(Value::Text(text)));
                }
                let with = match call.arguments.first() {
                    Some(Value::Text(with)) => self.held(*with).into_owned(),
                    _ => "\u{fffd}".as_bytes().to_vec(),
                };
                let mut out = self.heap.buffer();
                for chunk in self.bytes(text).utf8_chunks() {
                    out.extend_from_slice(chunk.valid().as_bytes());
                    if !chunk.invalid().is_empty() {
                        out.extend_from_slice(&with);
                    }
                }
                self.new_text(out)?
            }
            Method::IsValidEncoding => Value::Bool(std::str::from_utf8(self.bytes(text)).is_ok()),
            Method::IsAsciiOnly => Value::Bool(self.bytes(text).is_ascii()),
            Method::Strip => {
                let bytes = self.bytes(text);
                let end = text::strip_end(bytes);
                let start = text::strip_start(bytes).min(end);
                self.part(text, start, end)?
            }
            Method::Lstrip => {
                let start = text::strip_start(self.bytes(text));
                self.part(text, start, len)?
            }
            Method::Rstrip => {
                let end = text::strip_end(self.bytes(text));
                self.part(text, 0, end)?
            }
            Method::Chomp => {
                let end = match call.arguments.first() {
                    Some(Value::Text(suffix)) => {
                        let suffix = self.bytes(*suffix);
                        if self.bytes(text).ends_with(suffix) {
                            len - suffix.len()
                        } else {
                            len
                        }
                    }
                    _ => match self.bytes(text) {
                        [.., b'\r', b'\n'] => len - 2,
                        [.., b'\n' | b'\r'] => len - 1,
                        _ => len,
                    },
                };
                self.part(text, 0, end)?
            }
            Method::Chop => {
                let bytes = self.bytes(text);
                let end = if bytes.ends_with(b"\r\n") {
                    len - 2
                } else {
                    text::chars(bytes).last().map_or(0, |(start, _)| start)
                };
                self.part(text, 0, end)?
            }
            Method::Chr => {
                let end = text::char_len(self.bytes(text));
                self.part(text, 0, end)?
            }
            Method::Length => Value::Int(text::char_count(self.bytes(text)) as i64),
            Method::ByteSize => Value::Int(len as i64),
            Method::IsEmpty => Value::Bool(len == 0),
            Method::Add => {
                let other = self.text_argument(call, 0)?;
                return self
                    .operate(Method::Add, Value::Text(text), Value::Text(other), at)
                    .map(Some);
            }
            Method::Multiply => {
                let count = self.int_argument(call, 0)?;
                let Ok(count) = usize::try_from(count) else {
                    return self.raise(Class::ArgumentError, at, "argument must be non-negative");
                };
                self.reserve(len.saturating_mul(count))?;
                let bytes = self.bytes(text).repeat(count);
                Value::Text(Text::Heap(self.heap.put(Object::Text(bytes))))
            }
            Method::Modulo => {
                let argument = self.argument(call, 0)?;
                let arguments = match argument {
                    Value::Array(_) | Value::RawArray(_) => self.items(argument, at)?,
                    other => vec![other],
                };
                self.format(text, &arguments, at)?
            }
            Method::Less | Method::LessEqual | Method::Greater | Method::GreaterEqual => {
                let other = self.argument(call, 0)?;
                if !matches!(other, Value::Text(_)) {
                    return self
                        .must_compare(Value::Text(text), other, at)
                        .map(|_| None);
                }
                let order = self.must_compare(Value::Text(text), other, at)?;
                Value::Bool(match call.method {
                    Method::Less => order == Ordering::Less,
                    Method::LessEqual => order != Ordering::Greater,
                    Method::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                })
            }
            Method::Between => {
                let (low, high) = (self.argument(call, 0)?, self.argument(call, 1)?);
                let above = self.must_compare(Value::Text(text), low, at)? != Ordering::Less;
                Value::Bool(
                    above && self.must_compare(Value::Text(text), high, at)? != Ordering::Greater,
                )
            }
            Method::CaseCompare | Method::CaseCompareEqual => {
                let Value::Text(other) = self.argument(call, 0)? else {
                    return Ok(Some(Value::Nil));
                };
                let (mut one, mut two) = (Vec::new(), Vec::new());
                text::downcase(self.bytes(text), &mut one);
                text::downcase(self.bytes(other), &mut two);
                if call.method == Method::CaseCompareEqual {
                    Value::Bool(one == two)
                } else {
                    Value::Int(one.cmp(&two) as i64)
                }
            }
            Method::StartWith => {
                for index in 0..call.arguments.len() {
                    let starts = match self.argument(call, index)? {
                        Value::Regex(id) => {
                            let found = self.find_in(id, text, 0, at)?;
                            found.is_some_and(|found| {
                                found
                                    .groups
                                    .first()
                                    .copied()
                                    .flatten()
                                    .is_some_and(|(start, _)| start == 0)
                            })
                        }
                        other => {
                            let prefix = self.as_text(other, at)?;
                            self.bytes(text).starts_with(self.bytes(prefix))
                        }
                    };
                    if starts {
                        return Ok(Some(Value::Bool(true)));
                    }
                }
                Value::Bool(false)
            }
            Method::EndWith => {
                for index in 0..call.arguments.len() {
                    let suffix = self.text_argument(call, index)?;
                    if self.bytes(text).ends_with(self.bytes(suffix)) {
                        return Ok(Some(Value::Bool(true)));
                    }
                }
                Value::Bool(false)
            }
            Method::DeletePrefix => {
                let prefix = self.text_argument(call, 0)?;
                let start = if self.bytes(text).starts_with(self.bytes(prefix)) {
                    self.bytes(prefix).len()
                } else {
                    0
                };
                self.part(text, start, len)?
            }
            Method::DeleteSuffix => {
                let suffix = self.text_argument(call, 0)?;
                let cut = if self.bytes(text).ends_with(self.bytes(suffix)) {
                    self.bytes(suffix).len()
                } else {
                    0
                };
                self.part(text, 0, len - cut)?
            }
            Method::Include => {
                let other = self.text_argument(call, 0)?;
                Value::Bool(find(self.bytes(text), self.bytes(other), 0).is_some())
            }
            Method::FindIndex | Method::RightIndex => self.text_index(text, call)?,
            Method::ToInteger => {
                let radix = match call.arguments.first() {
                    Some(Value::Int(radix)) if (2..=36).contains(radix) => *radix as u32,
                    Some(_) => return self.raise(Class::ArgumentError, at, "invalid radix"),
                    None => 10,
                };
                match text::leading_integer(self.bytes(text), radix) {
                    Some(number) => Value::Int(number),
                    None => return self.wide(i128::MAX, at).map(Some),
                }
            }
            Method::Hex => {
                Value::Int(text::leading_integer(self.bytes(text), 16).unwrap_or_default())
            }
            Method::Oct => {
                Value::Int(text::leading_integer(self.bytes(text), 8).unwrap_or_default())
            }
            Method::ToFloat => Value::Float(leading_float(self.bytes(text))),
            Method::Ljust | Method::Rjust | Method::Center => self.justify(text, call)?,
            Method::Chars | Method::EachChar => {
                let places: Vec<(usize, usize)> = text::chars(self.bytes(text))
                    .map(|(start, letter)| (start, start + letter.len()))
                    .collect();
                self.parts_or_each(text, &places, call)?
            }
            Method::Lines | Method::EachLine => {
                let mut places = Vec::new();
                let mut start = 0;
                let chomps = match call.arguments.last() {
                    Some(options @ Value::Hash(_)) => self
                        .symbol_option(*options, b"chomp")?
                        .is_some_and(Value::is_truthy),
                    _ => false,
                };
                for line in self.bytes(text).split_inclusive(|byte| *byte == b'\n') {
                    let end = start + line.len();
                    let shown = match line {
                        [.., b'\r', b'\n'] if chomps => end - 2,
                        [.., b'\n'] if chomps => end - 1,
                        _ => end,
                    };
                    places.push((start, shown));
                    start = end;
                }
                self.parts_or_each(text, &places, call)?
            }
            Method::Bytes | Method::EachByte => {
                self.reserve(len * size_of::<Value>())?;
                let list = self
                    .bytes(text)
                    .iter()
                    .map(|byte| Value::Int(i64::from(*byte)))
                    .collect();
                self.new_array(list)?
            }
            Method::Codepoints => {
                self.reserve(len * size_of::<Value>())?;
                let list = String::from_utf8_lossy(self.bytes(text))
                    .chars()
                    .map(|letter| Value::Int(i64::from(u32::from(letter))))
                    .collect();
                self.new_array(list)?
            }
            Method::GetByte => {
                let index = self.int_argument(call, 0)?;
                crate::operate::position(index, len)
                    .and_then(|index| self.bytes(text).get(index))
                    .map_or(Value::Nil, |byte| Value::Int(i64::from(*byte)))
            }
            Method::ByteSlice => {
                let window = match self.argument(call, 0)? {
                    Value::Range(id) => self.range_window(id, len, at)?,
                    other => {
                        let start = self.as_int(other, at)?;
                        let count = match call.arguments.get(1) {
                            Some(count) => self.as_int(*count, at)?,
                            None => 1,
                        };
                        text::window(start, count, len)
                    }
                };
                match window {
                    Some((start, end)) => self.part(text, start, end)?,
                    None => Value::Nil,
                }
            }
            Method::Ord => match self.lossy(text).chars().next() {
                Some(letter) => Value::Int(i64::from(u32::from(letter))),
                None => return self.raise(Class::ArgumentError, at, "empty string"),
            },
            Method::Tr | Method::TrSqueeze => self.translate(text, call)?,
            Method::Delete | Method::Squeeze | Method::Count => self.by_letters(text, call)?,
            Method::Successor => {
                let next = text::successor(self.bytes(text));
                self.new_text(next)?
            }
            Method::Unpack | Method::UnpackFirst => self.unpack(text, call)?,
            Method::Index | Method::Slice => self.text_slice(text, call)?,
            Method::Partition | Method::RightPartition => self.partition_text(text, call)?,
            Method::Split => self.split(text, call)?,
            Method::Gsub | Method::Sub => self.substitute(text, call)?,
            Method::Scan => self.scan(text, call)?,
            Method::Match | Method::MatchData | Method::IsMatch => self.match_text(text, call)?,
            method if method.mutates() => return self.change_text(text, call).map(Some),
            _ => return Ok(None),
        }))
    }

    fn mapped(&mut self, text: Text, change: impl Fn(&[u8], &mut Vec<u8>)) -> Run<Value> {
        let mut out = self.heap.buffer();
        change(self.bytes(text), &mut out);
        self.new_text(out)
    }

    pub(crate) fn parts_or_each(
        &mut self,
        text: Text,
        places: &[(usize, usize)],
        call: &Invocation<'_>,
    ) -> Run<Value> {
        self.reserve(places.len() * size_of::<Value>())?;
        if let Some(block) = call.block {
            for (start, end) in places {
                let part = self.part(text, *start, *end)?;
                self.call_block(block, &[part], call.at)?;
            }
            return Ok(Value::Text(text));
        }
        let mut list = self.heap.list();
        for (start, end) in places {
            list.push(self.part(text, *start, *end)?);
        }
        self.new_array(list)
    }

    fn justify(&mut self, text: Text, call: &Invocation<'_>) -> Run<Value> {
        let width = usize::try_from(self.int_argument(call, 0)?).unwrap_or_default();
        let pad = match call.arguments.get(1) {
            Some(pad) => {
                let pad = self.as_text(*pad, call.at)?;
                self.held(pad).into_owned()
            }
            None => b" ".to_vec(),
        };
        let pad: Vec<&[u8]> = text::chars(&pad).map(|(_, letter)| letter).collect();
        if pad.is_empty() {
            return self.raise(Class::ArgumentError, call.at, "zero width padding");
        }
        let missing = width.saturating_sub(text::char_count(self.bytes(text)));
        self.check_size(missing)?;
        let before = match call.method {
            Method::Ljust => 0,
            Method::Rjust => missing,
            _ => missing / 2,
        };
        let mut out = self.heap.buffer();
        out.extend(pad.iter().cycle().take(before).copied().flatten());
        out.extend_from_slice(self.bytes(text));
        out.extend(pad.iter().cycle().take(missing - before).copied().flatten());
        self.new_text(out)
    }

    /// `H*`, `a`, `A`, `C`, `U*`, `m`, `B*`: what people take texts apart with.
    fn unpack(&mut self, text: Text, call: &Invocation<'_>) -> Run<Value> {
        let format = self.text_argument(call, 0)?;
        let format = self.lossy(format);
        let bytes = self.held(text).into_owned();
        self.check_size(bytes.len().saturating_mul(size_of::<Value>()))?;
        let mut list = Vec::new();
        let letter = format
            .trim()
            .trim_end_matches(|last: char| last == '*' || last.is_ascii_digit());
        match letter {
            "H" => {
                let shown: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                list.push(self.new_text(shown.into_bytes())?);
            }
            "B" => {
                let shown: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
                list.push(self.new_text(shown.into_bytes())?);
            }
            "C" => list.extend(bytes.iter().map(|byte| Value::Int(i64::from(*byte)))),
            "U" => list.extend(
                String::from_utf8_lossy(&bytes)
                    .chars()
                    .map(|letter| Value::Int(i64::from(u32::from(letter)))),
            ),
            "a" | "A" => list.push(self.new_text(bytes)?),
            "m" => {
                let decoded = crate::base64::decode(&bytes);
                list.push(self.new_text(decoded)?);
            }
            _ => {
                return self.raise_with(
                    Class::ArgumentError,
                    call.at,
                    format!("`{format}' is not among the formats of the subset"),
                    "H*, B*, C*, U*, a*, A* and m are",
                );
            }
        }
        if call.method == Method::UnpackFirst {
            return Ok(list.first().copied().unwrap_or(Value::Nil));
        }
        self.new_array(list)
    }
}

/// Where `wanted` first stands in `bytes` at or behind `from`.
pub(crate) fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    if wanted.is_empty() {
        return Some(from);
    }
    let (&first, _) = wanted.split_first()?;
    let mut at = 0;
    while let Some(step) = rest.get(at..)?.iter().position(|byte| *byte == first) {
        at += step;
        if rest.get(at..)?.starts_with(wanted) {
            return Some(from + at);
        }
        at += 1;
    }
    None
}
