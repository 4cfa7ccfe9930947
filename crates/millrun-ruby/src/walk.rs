//! What arrays, hashes and ranges have in common: one item after the other, through a block.

use std::cmp::Ordering;

use crate::{
    class::Class,
    machine::{Invocation, Machine},
    method::Method,
    node::Block,
    value::{Run, Value},
};

impl Machine<'_> {
    pub(crate) fn walk(&mut self, value: Value, call: &Invocation<'_>) -> Run<Option<Value>> {
        let at = call.at;
        if !is_walk(call.method) {
            return Ok(None);
        }
        let items = self.items(value, at)?;
        self.charge(items.len())?;
        Ok(Some(match call.method {
            Method::Each | Method::ReverseEach => {
                let Some(block) = call.block else {
                    return self.new_array(items).map(Some);
                };
                let mut items = items;
                if call.method == Method::ReverseEach {
                    items.reverse();
                }
                for item in items {
                    self.call_block(block, &[item], at)?;
                }
                value
            }
            Method::ToArray => match value {
                Value::Array(_) => value,
                _ => self.new_array(items)?,
            },
            Method::Map | Method::FlatMap | Method::FilterMap => {
                let block = self.need_block(call)?;
                let mut list = self.heap.list();
                for item in items {
                    let new = self.call_block(block, &[item], at)?;
                    match call.method {
                        Method::FlatMap if matches!(new, Value::Array(_) | Value::RawArray(_)) => {
                            list.extend(self.items(new, at)?);
                        }
                        Method::FilterMap if !new.is_truthy() => {}
                        _ => list.push(new),
                    }
                    self.check_size(list.len() * size_of::<Value>())?;
                }
                self.new_array(list)?
            }
            Method::Select | Method::Reject | Method::SelectArray | Method::Partition => {
                let block = self.need_block(call)?;
                let (mut yes, mut no) = (self.heap.list(), Vec::new());
                for item in items {
                    if self.call_block(block, &[item], at)?.is_truthy() {
                        yes.push(item);
                    } else {
                        no.push(item);
                    }
                }
                match call.method {
                    Method::Reject => self.new_array(no)?,
                    Method::Partition => {
                        let (yes, no) = (self.new_array(yes)?, self.new_array(no)?);
                        self.new_array(vec![yes, no])?
                    }
                    _ => self.new_array(yes)?,
                }
            }
            Method::Find => {
                let block = self.need_block(call)?;
                for item in items {
                    if self.call_block(block, &[item], at)?.is_truthy() {
                        return Ok(Some(item));
                    }
                }
                Value::Nil
            }
            Method::EachWithIndex
            | Method::EachWithIndexFrom
            | Method::MapWithIndex
            | Method::SelectWithIndex => {
                let first = match call.arguments.first() {
                    Some(first) => self.as_int(*first, at)?,
                    None => 0,
                };
                let mut list = self.heap.list();
                for (index, item) in items.into_iter().enumerate() {
                    let index = Value::Int(first.saturating_add(index as i64));
                    let Some(block) = call.block else {
                        list.push(self.new_array(vec![item, index])?);
                        continue;
                    };
                    let new = self.call_block(block, &[item, index], at)?;
                    match call.method {
                        Method::MapWithIndex => list.push(new),
                        Method::SelectWithIndex if new.is_truthy() => list.push(item),
                        _ => {}
                    }
                }
                if call.block.is_some()
                    && matches!(
                        call.method,
                        Method::EachWithIndex | Method::EachWithIndexFrom
                    )
                {
                    return Ok(Some(value));
                }
                self.new_array(list)?
            }
            Method::EachWithObject => {
                let memo = self.argument(call, 0)?;
                let block = self.need_block(call)?;
                for item in items {
                    self.call_block(block, &[item, memo], at)?;
                }
                memo
            }
            Method::EachSlice | Method::EachCons => {
                let size = usize::try_from(self.int_argument(call, 0)?).unwrap_or_default();
                if size == 0 {
                    return self.raise(Class::ArgumentError, at, "invalid slice size");
                }
                let groups: Vec<Vec<Value>> = if call.method == Method::EachSlice {
                    items.chunks(size).map(<[Value]>::to_vec).collect()
                } else {
                    self.check_size(items.len().saturating_mul(size).saturating_mul(16))?;
                    items.windows(size).map(<[Value]>::to_vec).collect()
                };
                let mut list = self.heap.list();
                for group in groups {
                    let group = self.new_array(group)?;
                    match call.block {
                        Some(block) => {
                            self.call_block(block, &[group], at)?;
                        }
                        None => list.push(group),
                    }
                }
                if call.block.is_some() {
                    return Ok(Some(value));
                }
                self.new_array(list)?
            }
            Method::Reduce => self.reduce(items, call)?,
            Method::Sum => {
                let mut sum = call.arguments.first().copied().unwrap_or(Value::Int(0));
                for item in items {
                    let item = match call.block {
                        Some(block) => self.call_block(block, &[item], at)?,
                        None => item,
                    };
                    sum = self.operate(Method::Add, sum, item, at)?;
                }
                sum
            }
            Method::Count => {
                let mut count = 0;
                for item in &items {
                    let counts = match (call.arguments.first(), call.block) {
                        (Some(wanted), _) => self.equal(*item, *wanted)?,
                        (None, Some(block)) => self.call_block(block, &[*item], at)?.is_truthy(),
                        (None, None) => true,
                    };
                    count += i64::from(counts);
                }
                Value::Int(count)
            }
            Method::All | Method::Any | Method::None | Method::One => {
                let mut count = 0usize;
                let total = items.len();
                for item in items {
                    let is = match (call.arguments.first(), call.block) {
                        (Some(pattern), _) => self.case_equal(*pattern, item, at)?,
                        (None, Some(block)) => self.call_block(block, &[item], at)?.is_truthy(),
                        (None, None) => item.is_truthy(),
                    };
                    count += usize::from(is);
                    if (is && matches!(call.method, Method::Any | Method::None))
                        || (!is && call.method == Method::All)
                    {
                        break;
                    }
                }
                Value::Bool(match call.method {
                    Method::All => count == total,
                    Method::Any => count > 0,
                    Method::None => count == 0,
                    _ => count == 1,
                })
            }
            Method::Include => {
                let wanted = self.argument(call, 0)?;
                Value::Bool(self.contains(&items, wanted)?)
            }
            Method::First | Method::Take => match call.arguments.first() {
                None => items.first().copied().unwrap_or(Value::Nil),
                Some(count) => {
                    let count = usize::try_from(self.as_int(*count, at)?).unwrap_or_default();
                    self.new_array(items.into_iter().take(count).collect())?
                }
            },
            Method::Drop => {
                let count = usize::try_from(self.int_argument(call, 0)?).unwrap_or_default();
                self.new_array(items.into_iter().skip(count).collect())?
            }
            Method::TakeWhile | Method::DropWhile => {
                let block = self.need_block(call)?;
                let mut count = 0;
                for item in &items {
                    if !self.call_block(block, &[*item], at)?.is_truthy() {
                        break;
                    }
                    count += 1;
                }
                let list = if call.method == Method::TakeWhile {
                    items.into_iter().take(count).collect()
                } else {
                    items.into_iter().skip(count).collect()
                };
                self.new_array(list)?
            }
            Method::Sort | Method::Min | Method::Max | Method::MinMax => {
                let block = call.block;
                let sorted = self.sort(items, &mut |machine, one, two| {
                    machine.order(block, one, two, at)
                })?;
                self.extremes(&sorted, call)?
            }
            Method::SortBy | Method::MinBy | Method::MaxBy => {
                let block = self.need_block(call)?;
                let mut keyed = Vec::new();
                for item in items {
                    let key = self.call_block(block, &[item], at)?;
                    keyed.push(self.new_array(vec![key, item])?);
                }
                let sorted = self.sort(keyed, &mut |machine, one, two| {
                    let one = machine.index(one, Value::Int(0), at)?;
                    let two = machine.index(two, Value::Int(0), at)?;
                    machine.must_compare(one, two, at)
                })?;
                let mut list = Vec::new();
                for pair in sorted {
                    list.push(self.index(pair, Value::Int(1), at)?);
                }
                self.extremes(&list, call)?
            }
            Method::GroupBy | Method::Tally => {
                let mut groups: Vec<(Value, Value)> = Vec::new();
                for item in items {
                    let key = match (call.method, call.block) {
                        (Method::Tally, _) => item,
                        (_, Some(block)) => self.call_block(block, &[item], at)?,
                        _ => {
                            self.need_block(call)?;
                            item
                        }
                    };
                    let mut known = None;
                    self.charge(groups.len())?;
                    for (index, (other, _)) in groups.iter().enumerate() {
                        if self.same_key(*other, key)? {
                            known = Some(index);
                            break;
                        }
                    }
                    let entry = match known.and_then(|index| groups.get_mut(index)) {
                        Some(entry) => entry,
                        None => {
                            let start = if call.method == Method::Tally {
                                Value::Int(0)
                            } else {
                                self.new_array(Vec::new())?
                            };
                            groups.push((key, start));
                            match groups.last_mut() {
                                Some(entry) => entry,
                                None => continue,
                            }
                        }
                    };
                    match entry.1 {
                        Value::Int(count) => entry.1 = Value::Int(count + 1),
                        Value::Array(id) => {
                            if let Some(list) = self.heap.array_mut(id) {
                                list.push(item);
                            }
                        }
                        _ => {}
                    }
                }
                self.new_hash(groups)?
            }
            Method::Uniq => {
                let list = self.unique(items, call.block, at)?;
                self.new_array(list)?
            }
            Method::ToHash => {
                let mut pairs = Vec::new();
                for item in items {
                    let item = match call.block {
                        Some(block) => self.call_block(block, &[item], at)?,
                        None => item,
                    };
                    let pair = match item {
                        Value::Array(_) | Value::RawArray(_) => self.items(item, at)?,
                        _ => Vec::new(),
                    };
                    let [key, value] = pair.as_slice() else {
                        let shown = self.describe(item);
                        return self.raise(
                            Class::TypeError,
                            at,
                            format!("wrong element type {shown} (expected array of two)"),
                        );
                    };
                    self.put_pair(&mut pairs, *key, *value)?;
                }
                self.new_hash(pairs)?
            }
            Method::Zip => {
                let mut others = Vec::new();
                for other in call.arguments {
                    others.push(self.items(*other, at)?);
                }
                let mut list = Vec::new();
                for (index, item) in items.into_iter().enumerate() {
                    let mut row = vec![item];
                    row.extend(
                        others
                            .iter()
                            .map(|other| other.get(index).copied().unwrap_or(Value::Nil)),
                    );
                    list.push(self.new_array(row)?);
                }
                self.new_array(list)?
            }
            _ => return Ok(None),
        }))
    }

    fn reduce(&mut self, items: Vec<Value>, call: &Invocation<'_>) -> Run<Value> {
        let mut items = items.into_iter();
        let (start, operator) = match (call.arguments, call.block) {
            ([start, Value::Symbol(name)], _) => (Some(*start), Some(*name)),
            ([Value::Symbol(name)], None) => (None, Some(*name)),
            ([start], _) => (Some(*start), None),
            _ => (None, None),
        };
        let method = match operator {
            Some(name) => match Method::find(&self.lossy(name)) {
                Some(method) => Some(method),
                None => {
                    return self.raise(
                        Class::NoMethodError,
                        call.at,
                        format!("undefined method `{}'", self.lossy(name)),
                    );
                }
            },
            None => None,
        };
        let Some(mut memo) = start.or_else(|| items.next()) else {
            return Ok(Value::Nil);
        };
        for item in items {
            memo = match method {
                Some(method) => self.operate(method, memo, item, call.at)?,
                None => {
                    let block = self.need_block(call)?;
                    self.call_block(block, &[memo, item], call.at)?
                }
            };
        }
        Ok(memo)
    }

    fn order(
        &mut self,
        block: Option<&Block>,
        one: Value,
        two: Value,
        at: crate::error::Span,
    ) -> Run<Ordering> {
        match block {
            None => self.must_compare(one, two, at),
            Some(block) => {
                let order = self.call_block(block, &[one, two], at)?;
                Ok(self.as_int(order, at)?.cmp(&0))
            }
        }
    }

    /// What is asked of a sorted list.
    fn extremes(&mut self, sorted: &[Value], call: &Invocation<'_>) -> Run<Value> {
        let count = match call.arguments.first() {
            Some(count) => Some(usize::try_from(self.as_int(*count, call.at)?).unwrap_or_default()),
            None => None,
        };
        match (call.method, count) {
            (Method::Min | Method::MinBy, None) => {
                Ok(sorted.first().copied().unwrap_or(Value::Nil))
            }
            (Method::Max | Method::MaxBy, None) => Ok(sorted.last().copied().unwrap_or(Value::Nil)),
            (Method::MinMax, _) => {
                let pair = [sorted.first(), sorted.last()]
                    .map(|value| value.copied().unwrap_or(Value::Nil));
                self.new_array(pair.to_vec())
            }
            (Method::Min | Method::MinBy, Some(count)) => {
                self.new_array(sorted.iter().take(count).copied().collect())
            }
            (Method::Max | Method::MaxBy, Some(count)) => {
                self.new_array(sorted.iter().rev().take(count).copied().collect())
            }
            _ => self.new_array(sorted.to_vec()),
        }
    }
}

fn is_walk(method: Method) -> bool {
    Method::TABLE
        .iter()
        .any(|(name, receivers)| *name == method.name() && receivers.contains(['A', 'H', 'R']))
}
