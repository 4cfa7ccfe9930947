//! Operators, equality, order and indexing, the fast ways first.

use std::cmp::Ordering;

use crate::{
    class::Class,
    error::Span,
    heap::Object,
    machine::Machine,
    method::Method,
    value::{Id, Run, Text, Value},
};

impl Machine<'_> {
    pub(crate) fn operate(
        &mut self,
        method: Method,
        left: Value,
        right: Value,
        at: Span,
    ) -> Run<Value> {
        match (method, left, right) {
            (Method::Add, Value::Text(one), Value::Text(two)) => {
                let mut buffer = self.heap.buffer();
                buffer.extend_from_slice(self.bytes(one));
                buffer.extend_from_slice(self.bytes(two));
                self.new_text(buffer)
            }
            (Method::Add, Value::Int(one), Value::Int(two))
                if let Some(sum) = one.checked_add(two) =>
            {
                Ok(Value::Int(sum))
            }
            (Method::Equal, _, _) => Ok(Value::Bool(self.equal(left, right)?)),
            (Method::NotEqual, _, _) => Ok(Value::Bool(!self.equal(left, right)?)),
            (Method::CaseEqual, _, _) => Ok(Value::Bool(self.case_equal(left, right, at)?)),
            (Method::NotMatch, _, _) => {
                let found = self.invoke(left, Method::Match, &[right], None, at)?;
                Ok(Value::Bool(!found.is_truthy()))
            }
            _ => self.invoke(left, method, &[right], None, at),
        }
    }

    pub(crate) fn index(&mut self, receiver: Value, argument: Value, at: Span) -> Run<Value> {
        match (self.settled(receiver), argument) {
            (Value::RawHash(place), Value::Text(key)) => {
                Ok(self.raw_field(place, key)?.unwrap_or(Value::Nil))
            }
            (Value::Hash(id), key) => match self.find_pair(id, key)? {
                Some(at) => Ok(self
                    .heap
                    .pairs(id)
                    .get(at)
                    .map_or(Value::Nil, |pair| pair.1)),
                None => Ok(self.heap.default_of(id)),
            },
            (Value::Array(id), Value::Int(index)) => Ok(self.element(id, index)),
            (other, argument) => self.invoke(other, Method::Index, &[argument], None, at),
        }
    }

    pub(crate) fn element(&self, id: Id, index: i64) -> Value {
        let list = self.heap.array(id);
        position(index, list.len())
            .and_then(|index| list.get(index))
            .copied()
            .unwrap_or(Value::Nil)
    }

    /// Where a key is among the pairs of a hash.
    pub(crate) fn find_pair(&mut self, id: Id, key: Value) -> Run<Option<usize>> {
        let count = self.heap.pairs(id).len();
        self.charge(count)?;
        if let Value::Text(text) = key {
            let key = self.bytes(text);
            return Ok(self.heap.pairs(id).iter().position(
                |(known, _)| matches!(known, Value::Text(known) if self.bytes(*known) == key),
            ));
        }
        for at in 0..count {
            let Some((known, _)) = self.heap.pairs(id).get(at).copied() else {
                break;
            };
            if self.same_key(known, key)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Puts a pair where its key is or behind the last one.
    pub(crate) fn put_pair(
        &mut self,
        pairs: &mut Vec<(Value, Value)>,
        key: Value,
        value: Value,
    ) -> Run<()> {
        self.charge(pairs.len())?;
        for at in 0..pairs.len() {
            let Some((known, _)) = pairs.get(at).copied() else {
                break;
            };
            if self.same_key(known, key)? {
                if let Some(pair) = pairs.get_mut(at) {
                    pair.1 = value;
                }
                return Ok(());
            }
        }
        pairs.push((key, value));
        Ok(())
    }

    pub(crate) fn set_pair(&mut self, id: Id, key: Value, value: Value) -> Run<()> {
        if let Some(at) = self.find_pair(id, key)? {
            if let Some(pair) = self.heap.pairs_mut(id).and_then(|pairs| pairs.get_mut(at)) {
                pair.1 = value;
            }
            return Ok(());
        }
        // A key is a copy: what happens to its text later does not move it.
        let key = match key {
            Value::Text(text) if self.program.mutates => {
                let copy = self.bytes(text).to_vec();
                self.new_text(copy)?
            }
            other => other,
        };
        self.reserve(2 * size_of::<Value>())?;
        if let Some(pairs) = self.heap.pairs_mut(id) {
            pairs.push((key, value));
        }
        Ok(())
    }

    /// `eql?`: equal and of one class, which is what keys are found by.
    pub(crate) fn same_key(&mut self, one: Value, two: Value) -> Run<bool> {
        match (one, two) {
            (Value::Int(_), Value::Float(_)) | (Value::Float(_), Value::Int(_)) => Ok(false),
            _ => self.equal(one, two),
        }
    }

    pub(crate) fn equal(&mut self, one: Value, two: Value) -> Run<bool> {
        let (one, two) = (self.settled(one), self.settled(two));
        Ok(match (one, two) {
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(one), Value::Bool(two)) => one == two,
            (Value::Text(one), Value::Text(two)) | (Value::Symbol(one), Value::Symbol(two)) => {
                let equal = self.bytes(one) == self.bytes(two);
                let len = self.bytes(one).len();
                self.charge(if equal { len } else { 0 })?;
                equal
            }
            (Value::Int(one), Value::Int(two)) => one == two,
            (Value::Wide(one), Value::Wide(two)) => one == two,
            (
                Value::Int(_) | Value::Wide(_) | Value::Float(_),
                Value::Int(_) | Value::Wide(_) | Value::Float(_),
            ) => compare_numbers(one, two) == Some(Ordering::Equal),
            (Value::Array(_) | Value::RawArray(_), Value::Array(_) | Value::RawArray(_)) => {
                let (Some(one), Some(two)) = (self.array_id(one)?, self.array_id(two)?) else {
                    return Ok(false);
                };
                if one == two {
                    return Ok(true);
                }
                let (one, two) = (self.heap.array(one).to_vec(), self.heap.array(two).to_vec());
                self.charge(one.len())?;
                one.len() == two.len()
                    && self.deeper(|machine| {
                        for (one, two) in one.into_iter().zip(two) {
                            if !machine.equal(one, two)? {
                                return Ok(false);
                            }
                        }
                        Ok(true)
                    })?
            }
            (Value::Hash(_) | Value::RawHash(_), Value::Hash(_) | Value::RawHash(_)) => {
                let (Some(one), Some(two)) = (self.hash_id(one)?, self.hash_id(two)?) else {
                    return Ok(false);
                };
                if one == two {
                    return Ok(true);
                }
                let pairs = self.heap.pairs(one).to_vec();
                pairs.len() == self.heap.pairs(two).len()
                    && self.deeper(|machine| {
                        for (key, value) in pairs {
                            let Some(at) = machine.find_pair(two, key)? else {
                                return Ok(false);
                            };
                            let other = machine
                                .heap
                                .pairs(two)
                                .get(at)
                                .map_or(Value::Nil, |pair| pair.1);
                            if !machine.equal(value, other)? {
                                return Ok(false);
                            }
                        }
                        Ok(true)
                    })?
            }
            (Value::Range(one), Value::Range(two)) => {
                let (one, two) = (self.range(one), self.range(two));
                one.2 == two.2 && self.equal(one.0, two.0)? && self.equal(one.1, two.1)?
            }
            (Value::Time(one), Value::Time(two)) => {
                self.heap.time(one).nanos() == self.heap.time(two).nanos()
            }
            (Value::Regex(one), Value::Regex(two)) => {
                match (self.heap.pattern(one), self.heap.pattern(two)) {
                    (Some(one), Some(two)) => one.source == two.source && one.flags == two.flags,
                    _ => false,
                }
            }
            (Value::Class(one), Value::Class(two)) => one == two,
            (Value::Match(one), Value::Match(two)) | (Value::Error(one), Value::Error(two)) => {
                one == two
            }
            (Value::Opaque(one), Value::Opaque(two)) => one == two,
            _ => false,
        })
    }

    /// `pattern === value`.
    pub(crate) fn case_equal(&mut self, pattern: Value, value: Value, at: Span) -> Run<bool> {
        match pattern {
            Value::Class(class) => Ok(self.is_a(value, class)),
            Value::Regex(_) => match value {
                Value::Text(_) | Value::Symbol(_) => {
                    let found = self.invoke(pattern, Method::Match, &[value], None, at)?;
                    Ok(found.is_truthy())
                }
                _ => Ok(false),
            },
            Value::Range(id) => self.range_covers(id, value),
            other => self.equal(other, value),
        }
    }

    pub(crate) fn is_a(&self, value: Value, class: Class) -> bool {
        match (value, class) {
            (Value::Class(_), Class::Module | Class::Class | Class::Object) => true,
            _ => self.class_of(value).is_a(class),
        }
    }

    /// `<=>`, none where the two have no order.
    pub(crate) fn compare(&mut self, one: Value, two: Value) -> Run<Option<Ordering>> {
        self.charge(0)?;
        let (one, two) = (self.settled(one), self.settled(two));
        Ok(match (one, two) {
            (Value::Text(one), Value::Text(two)) | (Value::Symbol(one), Value::Symbol(two)) => {
                let len = self.bytes(one).len();
                self.charge(len)?;
                Some(self.bytes(one).cmp(self.bytes(two)))
            }
            (
                Value::Int(_) | Value::Wide(_) | Value::Float(_),
                Value::Int(_) | Value::Wide(_) | Value::Float(_),
            ) => compare_numbers(one, two),
            (Value::Time(one), Value::Time(two)) => Some(
                self.heap
                    .time(one)
                    .nanos()
                    .cmp(&self.heap.time(two).nanos()),
            ),
            (Value::Array(_) | Value::RawArray(_), Value::Array(_) | Value::RawArray(_)) => {
                let (Some(one), Some(two)) = (self.array_id(one)?, self.array_id(two)?) else {
                    return Ok(None);
                };
                let (one, two) = (self.heap.array(one).to_vec(), self.heap.array(two).to_vec());
                let lengths = one.len().cmp(&two.len());
                self.deeper(|machine| {
                    for (one, two) in one.into_iter().zip(two) {
                        match machine.compare(one, two)? {
                            Some(Ordering::Equal) => {}
                            other => return Ok(other),
                        }
                    }
                    Ok(Some(lengths))
                })?
            }
            _ => self.equal(one, two)?.then_some(Ordering::Equal),
        })
    }

    pub(crate) fn must_compare(&mut self, one: Value, two: Value, at: Span) -> Run<Ordering> {
        match self.compare(one, two)? {
            Some(order) => Ok(order),
            None => {
                let shown = match two {
                    Value::Nil
                    | Value::Bool(_)
                    | Value::Int(_)
                    | Value::Wide(_)
                    | Value::Float(_) => {
                        let mut shown = Vec::new();
                        self.write_inspect(two, &mut shown)?;
                        String::from_utf8_lossy(&shown).into_owned()
                    }
                    _ => self.class_of(two).name().to_owned(),
                };
                let class = self.class_of(one).name();
                self.raise(
                    Class::ArgumentError,
                    at,
                    format!("comparison of {class} with {shown} failed"),
                )
            }
        }
    }

    pub(crate) fn range(&self, id: Id) -> (Value, Value, bool) {
        match self.heap.object(id) {
            Some(Object::Range {
                first,
                last,
                exclusive,
            }) => (*first, *last, *exclusive),
            _ => (Value::Nil, Value::Nil, false),
        }
    }

    pub(crate) fn range_covers(&mut self, id: Id, value: Value) -> Run<bool> {
        let (first, last, exclusive) = self.range(id);
        let above = match first {
            Value::Nil => true,
            first => matches!(
                self.compare(first, value)?,
                Some(Ordering::Less | Ordering::Equal)
            ),
        };
        let below = match last {
            Value::Nil => true,
            last => match self.compare(value, last)? {
                Some(Ordering::Less) => true,
                Some(Ordering::Equal) => !exclusive,
                _ => false,
            },
        };
        Ok(above && below)
    }

    /// `first, length` that a range cuts out of `count` things.
    pub(crate) fn range_window(
        &self,
        id: Id,
        count: usize,
        at: Span,
    ) -> Run<Option<(usize, usize)>> {
        let (first, last, exclusive) = self.range(id);
        let size = i64::try_from(count).unwrap_or(i64::MAX);
        let first = match first {
            Value::Nil => 0,
            other => self.as_int(other, at)?,
        };
        let last = match last {
            Value::Nil => size,
            other => {
                let last = self.as_int(other, at)?;
                let last = if last < 0 {
                    last.saturating_add(size)
                } else {
                    last
                };
                if exclusive {
                    last
                } else {
                    last.saturating_add(1)
                }
            }
        };
        let start = if first < 0 {
            first.saturating_add(size)
        } else {
            first
        };
        if start < 0 || start > size {
            return Ok(None);
        }
        let length = last.saturating_sub(start).max(0);
        Ok(crate::text::window(start, length, count))
    }

    pub(crate) fn text_equals(&self, text: Text, other: &[u8]) -> bool {
        self.bytes(text) == other
    }
}

/// An index counted from the end if it is negative.
pub(crate) fn position(index: i64, count: usize) -> Option<usize> {
    let index = if index < 0 {
        index.checked_add(i64::try_from(count).ok()?)?
    } else {
        index
    };
    usize::try_from(index).ok()
}

pub(crate) fn as_float(value: Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(number as f64),
        Value::Wide(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    }
}

pub(crate) fn as_wide(value: Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(number)),
        Value::Wide(number) => Some(i128::from(number)),
        _ => None,
    }
}

pub(crate) fn compare_numbers(one: Value, two: Value) -> Option<Ordering> {
    if let (Some(one), Some(two)) = (as_wide(one), as_wide(two)) {
        return Some(one.cmp(&two));
    }
    as_float(one)?.partial_cmp(&as_float(two)?)
}
