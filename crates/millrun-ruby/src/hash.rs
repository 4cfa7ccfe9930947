//! Methods of hashes.

use crate::{
    class::Class,
    machine::{Invocation, Machine},
    method::Method,
    value::{Id, Run, Value},
};

impl Machine<'_> {
    pub(crate) fn hash_method(
        &mut self,
        value: Value,
        call: &Invocation<'_>,
    ) -> Run<Option<Value>> {
        let at = call.at;
        // What can be answered from the record's bytes.
        if let (Value::RawHash(place), Some(Value::Text(key))) =
            (self.settled(value), call.arguments.first())
        {
            match call.method {
                Method::HasKey | Method::Include => {
                    return Ok(Some(Value::Bool(self.raw_field(place, *key)?.is_some())));
                }
                Method::Dig => return self.dig(value, call).map(Some),
                Method::Fetch => {
                    if let Some(found) = self.raw_field(place, *key)? {
                        return Ok(Some(found));
                    }
                }
                _ => {}
            }
        }
        let Some(id) = self.hash_id(value)? else {
            return Ok(None);
        };
        let value = Value::Hash(id);
        Ok(Some(match call.method {
            Method::Index => {
                let key = self.argument(call, 0)?;
                self.index(value, key, at)?
            }
            Method::Dig => self.dig(value, call)?,
            Method::SetIndex => {
                let (key, new) = (self.argument(call, 0)?, self.argument(call, 1)?);
                self.set_pair(id, key, new)?;
                new
            }
            Method::Fetch => {
                let key = self.argument(call, 0)?;
                match self.find_pair(id, key)? {
                    Some(index) => self.pair(id, index).1,
                    None => match (call.block, call.arguments.get(1)) {
                        (Some(block), _) => self.call_block(block, &[key], at)?,
                        (None, Some(default)) => *default,
                        (None, None) => {
                            let mut shown = Vec::new();
                            self.write_inspect(key, &mut shown)?;
                            let shown = String::from_utf8_lossy(&shown).into_owned();
                            return self.raise_with(
                                Class::KeyError,
                                at,
                                format!("key not found: {shown}"),
                                "a second argument is the value for a missing key",
                            );
                        }
                    },
                }
            }
            Method::HasKey | Method::Include => {
                let key = self.argument(call, 0)?;
                Value::Bool(self.find_pair(id, key)?.is_some())
            }
            Method::HasValue => {
                let wanted = self.argument(call, 0)?;
                let values: Vec<Value> = self.heap.pairs(id).iter().map(|pair| pair.1).collect();
                Value::Bool(self.contains(&values, wanted)?)
            }
            Method::KeyOf => {
                let wanted = self.argument(call, 0)?;
                for (key, value) in self.heap.pairs(id).to_vec() {
                    if self.equal(value, wanted)? {
                        return Ok(Some(key));
                    }
                }
                Value::Nil
            }
            Method::Keys => {
                let keys = self.heap.pairs(id).iter().map(|pair| pair.0).collect();
                self.new_array(keys)?
            }
            Method::Values => {
                let values = self.heap.pairs(id).iter().map(|pair| pair.1).collect();
                self.new_array(values)?
            }
            Method::ValuesAt | Method::FetchValues => {
                let mut list = Vec::new();
                for key in call.arguments {
                    let value = match call.method {
                        Method::ValuesAt => self.index(value, *key, at)?,
                        _ => self.invoke(value, Method::Fetch, &[*key], call.block, at)?,
                    };
                    list.push(value);
                }
                self.new_array(list)?
            }
            Method::Length => Value::Int(self.heap.pairs(id).len() as i64),
            Method::Count if call.block.is_none() && call.arguments.is_empty() => {
                Value::Int(self.heap.pairs(id).len() as i64)
            }
            Method::IsEmpty => Value::Bool(self.heap.pairs(id).is_empty()),
            Method::Any if call.block.is_none() && call.arguments.is_empty() => {
                Value::Bool(!self.heap.pairs(id).is_empty())
            }
            Method::ToHash if call.block.is_none() => value,
            Method::Select | Method::Reject | Method::FilterMap | Method::Partition
                if call.method == Method::Select || call.method == Method::Reject =>
            {
                let kept = self.kept(id, call, call.method == Method::Select)?;
                self.new_hash(kept)?
            }
            Method::Compact => {
                let pairs = self
                    .heap
                    .pairs(id)
                    .iter()
                    .copied()
                    .filter(|pair| !matches!(pair.1, Value::Nil))
                    .collect();
                self.new_hash(pairs)?
            }
            Method::Slice | Method::Except => {
                let mut pairs = Vec::new();
                if call.method == Method::Slice {
                    for key in call.arguments {
                        if let Some(index) = self.find_pair(id, *key)? {
                            pairs.push(self.pair(id, index));
                        }
                    }
                } else {
                    for (key, value) in self.heap.pairs(id).to_vec() {
                        if !self.contains(call.arguments, key)? {
                            pairs.push((key, value));
                        }
                    }
                }
                self.new_hash(pairs)?
            }
            Method::Invert => {
                let mut pairs = Vec::new();
                for (key, value) in self.heap.pairs(id).to_vec() {
                    self.put_pair(&mut pairs, value, key)?;
                }
                self.new_hash(pairs)?
            }
            Method::Merge => {
                let pairs = self.heap.pairs(id).to_vec();
                let Value::Hash(new) = self.new_hash(pairs)? else {
                    return Ok(None);
                };
                self.merge(new, call)?
            }
            Method::TransformValues | Method::TransformKeys => {
                let mut pairs = Vec::new();
                for (key, value) in self.heap.pairs(id).to_vec() {
                    if call.method == Method::TransformValues {
                        let block = self.need_block(call)?;
                        let new = self.call_block(block, &[value], at)?;
                        pairs.push((key, new));
                        continue;
                    }
                    let renamed = match call.arguments.first() {
                        Some(names @ (Value::Hash(_) | Value::RawHash(_))) => {
                            match self.hash_id(*names)? {
                                Some(names) => self
                                    .find_pair(names, key)?
                                    .map(|index| self.pair(names, index).1),
                                None => None,
                            }
                        }
                        _ => None,
                    };
                    let new = match (renamed, call.block) {
                        (Some(new), _) => new,
                        (None, Some(block)) => self.call_block(block, &[key], at)?,
                        (None, None) if call.arguments.is_empty() => {
                            self.need_block(call)?;
                            key
                        }
                        (None, None) => key,
                    };
                    self.put_pair(&mut pairs, new, value)?;
                }
                self.new_hash(pairs)?
            }
            Method::EachKey | Method::EachValue => {
                let block = self.need_block(call)?;
                for (key, item) in self.heap.pairs(id).to_vec() {
                    let item = if call.method == Method::EachKey {
                        key
                    } else {
                        item
                    };
                    self.call_block(block, &[item], at)?;
                }
                value
            }
            Method::Find
            | Method::All
            | Method::Any
            | Method::None
            | Method::Map
            | Method::Each => return self.walk(value, call),
            Method::Flatten => {
                let list = self
                    .heap
                    .pairs(id)
                    .iter()
                    .flat_map(|pair| [pair.0, pair.1])
                    .collect();
                self.new_array(list)?
            }
            Method::Less | Method::LessEqual | Method::Greater | Method::GreaterEqual => {
                return Ok(None);
            }
            method if method.mutates() => return self.change_hash(id, call).map(Some),
            _ => return self.walk(value, call),
        }))
    }

    fn pair(&self, id: Id, index: usize) -> (Value, Value) {
        self.heap
            .pairs(id)
            .get(index)
            .copied()
            .unwrap_or((Value::Nil, Value::Nil))
    }

    pub(crate) fn pairs_of(
        &mut self,
        value: Value,
        at: crate::error::Span,
    ) -> Run<Vec<(Value, Value)>> {
        match self.hash_id(value)? {
            Some(id) => Ok(self.heap.pairs(id).to_vec()),
            None if matches!(value, Value::Nil) => Ok(Vec::new()),
            None => {
                let shown = self.describe(value);
                self.raise(
                    Class::TypeError,
                    at,
                    format!("no implicit conversion of {shown} into Hash"),
                )
            }
        }
    }

    fn kept(&mut self, id: Id, call: &Invocation<'_>, keep: bool) -> Run<Vec<(Value, Value)>> {
        let block = self.need_block(call)?;
        let mut kept = Vec::new();
        for (key, value) in self.heap.pairs(id).to_vec() {
            if self.call_block(block, &[key, value], call.at)?.is_truthy() == keep {
                kept.push((key, value));
            }
        }
        Ok(kept)
    }

    fn merge(&mut self, id: Id, call: &Invocation<'_>) -> Run<Value> {
        for other in call.arguments {
            for (key, new) in self.pairs_of(*other, call.at)? {
                let old = self.find_pair(id, key)?;
                let value = match (old, call.block) {
                    (Some(index), Some(block)) => {
                        let old = self.pair(id, index).1;
                        self.call_block(block, &[key, old, new], call.at)?
                    }
                    _ => new,
                };
                self.set_pair(id, key, value)?;
            }
        }
        Ok(Value::Hash(id))
    }

    /// Methods that change the hash itself.
    fn change_hash(&mut self, id: Id, call: &Invocation<'_>) -> Run<Value> {
        let at = call.at;
        let value = Value::Hash(id);
        match call.method {
            Method::Delete => {
                let key = self.argument(call, 0)?;
                match self.find_pair(id, key)? {
                    Some(index) => {
                        let old = self.pair(id, index).1;
                        if let Some(pairs) = self.heap.pairs_mut(id) {
                            pairs.remove(index);
                        }
                        Ok(old)
                    }
                    None => match call.block {
                        Some(block) => self.call_block(block, &[key], at),
                        None => Ok(Value::Nil),
                    },
                }
            }
            Method::DeleteIf | Method::RejectBang | Method::KeepIf | Method::SelectBang => {
                let keep = matches!(call.method, Method::KeepIf | Method::SelectBang);
                let kept = self.kept(id, call, keep)?;
                let same = kept.len() == self.heap.pairs(id).len();
                self.set_pairs(id, kept);
                let nil = same && matches!(call.method, Method::RejectBang | Method::SelectBang);
                Ok(if nil { Value::Nil } else { value })
            }
            Method::CompactBang => {
                let kept: Vec<_> = self
                    .heap
                    .pairs(id)
                    .iter()
                    .copied()
                    .filter(|pair| !matches!(pair.1, Value::Nil))
                    .collect();
                let same = kept.len() == self.heap.pairs(id).len();
                self.set_pairs(id, kept);
                Ok(if same { Value::Nil } else { value })
            }
            Method::TransformValuesBang | Method::TransformKeysBang => {
                let plain = if call.method == Method::TransformValuesBang {
                    Method::TransformValues
                } else {
                    Method::TransformKeys
                };
                let inner = Invocation {
                    method: plain,
                    ..*call
                };
                if let Some(new) = self.hash_method(value, &inner)? {
                    let pairs = self.pairs_of(new, at)?;
                    self.set_pairs(id, pairs);
                }
                Ok(value)
            }
            Method::MergeBang => self.merge(id, call),
            Method::Clear => {
                self.set_pairs(id, Vec::new());
                Ok(value)
            }
            Method::Replace => {
                let other = self.argument(call, 0)?;
                let pairs = self.pairs_of(other, at)?;
                self.reserve(pairs.len() * 2 * size_of::<Value>())?;
                self.set_pairs(id, pairs);
                Ok(value)
            }
            Method::Shift => {
                if self.heap.pairs(id).is_empty() {
                    return Ok(Value::Nil);
                }
                let (key, item) = self.pair(id, 0);
                if let Some(pairs) = self.heap.pairs_mut(id) {
                    pairs.remove(0);
                }
                self.new_array(vec![key, item])
            }
            _ => self.object_method(value, call),
        }
    }

    fn set_pairs(&mut self, id: Id, new: Vec<(Value, Value)>) {
        if let Some(pairs) = self.heap.pairs_mut(id) {
            *pairs = new;
        }
    }
}
