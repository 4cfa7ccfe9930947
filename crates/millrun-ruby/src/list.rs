//! Methods of arrays, and those that arrays, hashes and ranges share.

use std::cmp::Ordering;

use crate::{
    class::Class,
    error::Span,
    machine::{Invocation, Machine},
    method::Method,
    node::Block,
    operate::position,
    text,
    value::{Id, Run, Value},
};

impl Machine<'_> {
    /// The things a collection walks over, pairs as arrays.
    pub(crate) fn items(&mut self, value: Value, at: Span) -> Run<Vec<Value>> {
        match self.settled(value) {
            value @ (Value::Array(_) | Value::RawArray(_)) => {
                let Some(id) = self.array_id(value)? else {
                    return Ok(Vec::new());
                };
                let len = self.heap.array(id).len();
                self.charge(len)?;
                Ok(self.heap.array(id).to_vec())
            }
            value @ (Value::Hash(_) | Value::RawHash(_)) => {
                let Some(id) = self.hash_id(value)? else {
                    return Ok(Vec::new());
                };
                let pairs = self.heap.pairs(id).to_vec();
                let mut items = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    items.push(self.new_array(vec![key, value])?);
                }
                Ok(items)
            }
            Value::Range(id) => self.range_items(id, at),
            Value::Nil => Ok(Vec::new()),
            other => Ok(vec![other]),
        }
    }

    pub(crate) fn array_method(
        &mut self,
        value: Value,
        call: &Invocation<'_>,
    ) -> Run<Option<Value>> {
        let Some(id) = self.array_id(value)? else {
            return Ok(None);
        };
        let at = call.at;
        let value = Value::Array(id);
        Ok(Some(match call.method {
            Method::Index | Method::Slice => self.slice_list(id, call)?,
            Method::At => {
                let index = self.int_argument(call, 0)?;
                self.element(id, index)
            }
            Method::Dig => self.dig(value, call)?,
            Method::Fetch => {
                let index = self.int_argument(call, 0)?;
                let list = self.heap.array(id);
                match position(index, list.len()).and_then(|index| list.get(index)) {
                    Some(value) => *value,
                    None => match (call.block, call.arguments.get(1)) {
                        (Some(block), _) => self.call_block(block, &[Value::Int(index)], at)?,
                        (None, Some(default)) => *default,
                        (None, None) => {
                            let len = list.len();
                            return self.raise(
                                Class::IndexError,
                                at,
                                format!(
                                    "index {index} outside of array bounds: {}...{len}",
                                    -(len as i64)
                                ),
                            );
                        }
                    },
                }
            }
            Method::Length => Value::Int(self.heap.array(id).len() as i64),
            Method::IsEmpty => Value::Bool(self.heap.array(id).is_empty()),
            Method::Last => {
                let list = self.heap.array(id);
                match call.arguments.first() {
                    None => list.last().copied().unwrap_or(Value::Nil),
                    Some(count) => {
                        let count = usize::try_from(self.as_int(*count, at)?).unwrap_or_default();
                        let tail = list
                            .get(list.len().saturating_sub(count)..)
                            .unwrap_or_default()
                            .to_vec();
                        self.new_array(tail)?
                    }
                }
            }
            Method::Join => {
                let separator = match call.arguments.first() {
                    Some(Value::Text(text)) => self.held(*text).into_owned(),
                    _ => Vec::new(),
                };
                let mut out = self.heap.buffer();
                self.join(id, &separator, &mut out)?;
                self.new_text(out)?
            }
            Method::Add
            | Method::Concat
            | Method::Union
            | Method::BitOr
            | Method::Subtract
            | Method::Difference
            | Method::BitAnd
            | Method::Intersection
            | Method::Intersect => self.combine(id, call)?,
            Method::Multiply => match self.argument(call, 0)? {
                separator @ Value::Text(_) => {
                    return self
                        .invoke(value, Method::Join, &[separator], None, at)
                        .map(Some);
                }
                other => {
                    let count = usize::try_from(self.as_int(other, at)?).unwrap_or_default();
                    let len = self.heap.array(id).len();
                    self.reserve(len.saturating_mul(count).saturating_mul(size_of::<Value>()))?;
                    let list = self.heap.array(id).repeat(count);
                    self.new_array(list)?
                }
            },
            Method::Reverse => {
                let mut list = self.items(value, at)?;
                list.reverse();
                self.new_array(list)?
            }
            Method::Rotate => {
                let mut list = self.items(value, at)?;
                let by = match call.arguments.first() {
                    Some(by) => self.as_int(*by, at)?,
                    None => 1,
                };
                if !list.is_empty() {
                    let len = list.len();
                    list.rotate_left(
                        usize::try_from(by.rem_euclid(len as i64)).unwrap_or_default(),
                    );
                }
                self.new_array(list)?
            }
            Method::Compact => {
                let list = self
                    .items(value, at)?
                    .into_iter()
                    .filter(|item| !matches!(item, Value::Nil))
                    .collect();
                self.new_array(list)?
            }
            Method::Flatten => {
                let depth = match call.arguments.first() {
                    Some(depth @ Value::Int(_)) => self.as_int(*depth, at)?,
                    _ => -1,
                };
                let mut out = Vec::new();
                self.flatten(value, depth, &mut out, at)?;
                self.new_array(out)?
            }
            Method::FindIndex | Method::RightIndex => {
                let mut list = self.items(value, at)?;
                if call.method == Method::RightIndex {
                    list.reverse();
                }
                let mut found = None;
                for (index, item) in list.iter().enumerate() {
                    let is = match (call.arguments.first(), call.block) {
                        (Some(wanted), _) => self.equal(*item, *wanted)?,
                        (None, Some(block)) => self.call_block(block, &[*item], at)?.is_truthy(),
                        (None, None) => false,
                    };
                    if is {
                        found = Some(if call.method == Method::RightIndex {
                            list.len() - 1 - index
                        } else {
                            index
                        });
                        break;
                    }
                }
                found.map_or(Value::Nil, |index| Value::Int(index as i64))
            }
            Method::ValuesAt => {
                let mut list = Vec::new();
                for index in call.arguments {
                    let index = self.as_int(*index, at)?;
                    list.push(self.element(id, index));
                }
                self.new_array(list)?
            }
            Method::EachIndex => {
                let block = self.need_block(call)?;
                for index in 0..self.heap.array(id).len() {
                    self.call_block(block, &[Value::Int(index as i64)], at)?;
                }
                value
            }
            Method::Transpose => {
                let rows = self.items(value, at)?;
                let mut columns: Vec<Vec<Value>> = Vec::new();
                for row in rows {
                    for (index, cell) in self.items(row, at)?.into_iter().enumerate() {
                        match columns.get_mut(index) {
                            Some(column) => column.push(cell),
                            None => columns.push(vec![cell]),
                        }
                    }
                }
                let mut list = Vec::new();
                for column in columns {
                    list.push(self.new_array(column)?);
                }
                self.new_array(list)?
            }
            Method::Product => {
                let other = self.argument(call, 0)?;
                let (one, two) = (self.items(value, at)?, self.items(other, at)?);
                let mut list = Vec::new();
                for left in &one {
                    for right in &two {
                        list.push(self.new_array(vec![*left, *right])?);
                    }
                }
                self.new_array(list)?
            }
            Method::Sample => {
                let len = self.heap.array(id).len();
                let random = self.world.random();
                let index = if len == 0 { 0 } else { random % len as u64 };
                self.element(id, index as i64)
            }
            Method::Pack => {
                let format = self.text_argument(call, 0)?;
                let format = self.lossy(format);
                let mut out = Vec::new();
                for item in self.items(value, at)? {
                    match item {
                        Value::Int(byte) if format.starts_with('C') || format.starts_with('c') => {
                            out.push(byte as u8);
                        }
                        Value::Int(letter) if format.starts_with('U') => {
                            let letter = u32::try_from(letter).ok().and_then(char::from_u32);
                            out.extend_from_slice(
                                letter.map(String::from).unwrap_or_default().as_bytes(),
                            );
                        }
                        Value::Text(text) if format.starts_with('m') => {
                            out.extend_from_slice(
                                crate::base64::encode(
                                    self.bytes(text),
                                    false,
                                    !format.ends_with('0'),
                                )
                                .as_bytes(),
                            );
                        }
                        Value::Text(text) if format.starts_with('H') => {
                            let digits = self.bytes(text);
                            out.extend(digits.chunks(2).filter_map(|pair| {
                                u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
                            }));
                        }
                        _ => {
                            return self.raise_with(
                                Class::ArgumentError,
                                at,
                                format!("`{format}' is not among the formats of the subset"),
                                "C*, U*, H* and m are",
                            );
                        }
                    }
                }
                self.new_text(out)?
            }
            method if method.mutates() => return self.change_list(id, call).map(Some),
            _ => return self.walk(value, call),
        }))
    }

    pub(crate) fn slice_list(&mut self, id: Id, call: &Invocation<'_>) -> Run<Value> {
        let count = self.heap.array(id).len();
        let window = match self.argument(call, 0)? {
            Value::Range(range) => self.range_window(range, count, call.at)?,
            other => {
                let start = self.as_int(other, call.at)?;
                let Some(length) = call.arguments.get(1) else {
                    return Ok(self.element(id, start));
                };
                text::window(start, self.as_int(*length, call.at)?, count)
            }
        };
        match window {
            Some((start, end)) => {
                let list = self
                    .heap
                    .array(id)
                    .get(start..end)
                    .unwrap_or_default()
                    .to_vec();
                self.new_array(list)
            }
            None => Ok(Value::Nil),
        }
    }

    pub(crate) fn dig(&mut self, value: Value, call: &Invocation<'_>) -> Run<Value> {
        let mut value = value;
        if call.arguments.is_empty() {
            self.argument(call, 0)?;
        }
        for key in call.arguments {
            value = match value {
                Value::Nil => return Ok(Value::Nil),
                Value::Array(_) | Value::RawArray(_) | Value::Hash(_) | Value::RawHash(_) => {
                    self.index(value, *key, call.at)?
                }
                other => {
                    let class = self.class_of(other).name();
                    return self.raise(
                        Class::TypeError,
                        call.at,
                        format!("{class} does not have #dig method"),
                    );
                }
            };
        }
        Ok(value)
    }

    pub(crate) fn join(&mut self, id: Id, separator: &[u8], out: &mut Vec<u8>) -> Run<()> {
        let list = self.heap.array(id).to_vec();
        self.deeper(|machine| {
            for (index, item) in list.into_iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(separator);
                }
                match machine.settled(item) {
                    item @ (Value::Array(_) | Value::RawArray(_)) => {
                        if let Some(inner) = machine.array_id(item)? {
                            machine.join(inner, separator, out)?;
                        }
                    }
                    item => machine.write_text(item, out)?,
                }
                machine.check_size(out.len())?;
            }
            Ok(())
        })
    }

    fn combine(&mut self, id: Id, call: &Invocation<'_>) -> Run<Value> {
        let at = call.at;
        let mut list = self.items(Value::Array(id), at)?;
        for index in 0..call.arguments.len().max(1) {
            let other = self.argument(call, index)?;
            if !matches!(other, Value::Array(_) | Value::RawArray(_)) {
                let shown = self.describe(other);
                return self.raise(
                    Class::TypeError,
                    at,
                    format!("no implicit conversion of {shown} into Array"),
                );
            }
            let other = self.items(other, at)?;
            match call.method {
                Method::Add => list.extend(other),
                Method::Concat => {
                    self.reserve(other.len() * size_of::<Value>())?;
                    if let Some(own) = self.heap.array_mut(id) {
                        own.extend(other);
                    }
                }
                Method::Union | Method::BitOr => {
                    list.extend(other);
                    list = self.unique(list, None, at)?;
                }
                Method::Subtract | Method::Difference => {
                    let mut kept = Vec::new();
                    for item in list {
                        if !self.contains(&other, item)? {
                            kept.push(item);
                        }
                    }
                    list = kept;
                }
                _ => {
                    let mut kept = Vec::new();
                    for item in self.unique(list, None, at)? {
                        if self.contains(&other, item)? {
                            kept.push(item);
                        }
                    }
                    list = kept;
                }
            }
        }
        match call.method {
            Method::Concat => Ok(Value::Array(id)),
            Method::Intersect => Ok(Value::Bool(!list.is_empty())),
            _ => self.new_array(list),
        }
    }

    pub(crate) fn contains(&mut self, list: &[Value], wanted: Value) -> Run<bool> {
        for item in list {
            if self.equal(*item, wanted)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn unique(
        &mut self,
        list: Vec<Value>,
        block: Option<&Block>,
        at: Span,
    ) -> Run<Vec<Value>> {
        let mut seen: Vec<Value> = Vec::new();
        let mut kept = Vec::new();
        for item in list {
            let key = match block {
                Some(block) => self.call_block(block, &[item], at)?,
                None => item,
            };
            self.charge(seen.len())?;
            let mut known = false;
            for other in &seen {
                if self.same_key(*other, key)? {
                    known = true;
                    break;
                }
            }
            if !known {
                seen.push(key);
                kept.push(item);
            }
        }
        Ok(kept)
    }

    fn flatten(&mut self, value: Value, depth: i64, out: &mut Vec<Value>, at: Span) -> Run<()> {
        let list = self.items(value, at)?;
        self.deeper(|machine| {
            for item in list {
                if matches!(item, Value::Array(_) | Value::RawArray(_)) && depth != 0 {
                    machine.flatten(item, depth - 1, out, at)?;
                } else {
                    out.push(item);
                }
                machine.check_size(out.len() * size_of::<Value>())?;
            }
            Ok(())
        })
    }

    /// Sorts with a comparison that may fail: a merge sort of our own.
    pub(crate) fn sort(
        &mut self,
        list: Vec<Value>,
        compare: &mut dyn FnMut(&mut Self, Value, Value) -> Run<Ordering>,
    ) -> Run<Vec<Value>> {
        if list.len() < 2 {
            return Ok(list);
        }
        let mut right = list;
        let mut left = right.split_off(right.len() / 2);
        std::mem::swap(&mut left, &mut right);
        let left = self.deeper(|machine| machine.sort(left, compare))?;
        let right = self.deeper(|machine| machine.sort(right, compare))?;
        let mut merged = Vec::with_capacity(left.len() + right.len());
        let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
        while let (Some(one), Some(two)) = (left.peek().copied(), right.peek().copied()) {
            self.charge(0)?;
            if compare(self, one, two)? == Ordering::Greater {
                merged.extend(right.next());
            } else {
                merged.extend(left.next());
            }
        }
        merged.extend(left);
        merged.extend(right);
        Ok(merged)
    }
}
