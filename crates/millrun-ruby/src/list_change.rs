//! Methods that change an array itself.

use crate::{
    class::Class,
    machine::{Invocation, Machine},
    method::Method,
    operate::position,
    text,
    value::{Id, Run, Value},
};

impl Machine<'_> {
    /// Methods that change the array itself.
    pub(crate) fn change_list(&mut self, id: Id, call: &Invocation<'_>) -> Run<Value> {
        let at = call.at;
        let value = Value::Array(id);
        match call.method {
            Method::Append | Method::Push => {
                self.reserve(size_of_val(call.arguments))?;
                if let Some(list) = self.heap.array_mut(id) {
                    list.extend_from_slice(call.arguments);
                }
                Ok(value)
            }
            Method::Unshift | Method::Prepend => {
                self.reserve(size_of_val(call.arguments))?;
                if let Some(list) = self.heap.array_mut(id) {
                    list.splice(0..0, call.arguments.iter().copied());
                }
                Ok(value)
            }
            Method::Pop | Method::Shift => {
                let count = match call.arguments.first() {
                    Some(count) => {
                        Some(usize::try_from(self.as_int(*count, at)?).unwrap_or_default())
                    }
                    None => None,
                };
                let Some(list) = self.heap.array_mut(id) else {
                    return Ok(Value::Nil);
                };
                let pops = call.method == Method::Pop;
                match count {
                    None if list.is_empty() => Ok(Value::Nil),
                    None if pops => Ok(list.pop().unwrap_or(Value::Nil)),
                    None => Ok(list.remove(0)),
                    Some(count) => {
                        let count = count.min(list.len());
                        let taken = if pops {
                            list.split_off(list.len() - count)
                        } else {
                            list.drain(..count).collect()
                        };
                        self.new_array(taken)
                    }
                }
            }
            Method::Insert => {
                let index = self.int_argument(call, 0)?;
                let values = call.arguments.get(1..).unwrap_or_default();
                let len = self.heap.array(id).len();
                let index = if index < 0 {
                    index + len as i64 + 1
                } else {
                    index
                };
                let Ok(index) = usize::try_from(index) else {
                    return self.raise(Class::IndexError, at, "index too small for array");
                };
                self.reserve((index + values.len()).saturating_mul(size_of::<Value>()))?;
                if let Some(list) = self.heap.array_mut(id) {
                    if list.len() < index {
                        list.resize(index, Value::Nil);
                    }
                    list.splice(index..index, values.iter().copied());
                }
                Ok(value)
            }
            Method::SetIndex => {
                let (index, new) = (self.int_argument(call, 0)?, self.argument(call, 1)?);
                if call.arguments.len() > 2 {
                    return self.raise(
                        Class::ArgumentError,
                        at,
                        "assigning to a part of an array is not part of the subset",
                    );
                }
                let len = self.heap.array(id).len();
                let Some(index) = position(index, len) else {
                    return self.raise(
                        Class::IndexError,
                        at,
                        format!("index {index} too small for array; minimum: -{len}"),
                    );
                };
                self.reserve(index.saturating_sub(len).saturating_mul(size_of::<Value>()))?;
                if let Some(list) = self.heap.array_mut(id) {
                    if list.len() <= index {
                        list.resize(index + 1, Value::Nil);
                    }
                    if let Some(slot) = list.get_mut(index) {
                        *slot = new;
                    }
                }
                Ok(new)
            }
            Method::Clear => {
                if let Some(list) = self.heap.array_mut(id) {
                    list.clear();
                }
                Ok(value)
            }
            Method::Replace => {
                let other = self.argument(call, 0)?;
                let new = self.items(other, at)?;
                self.set_list(id, new)?;
                Ok(value)
            }
            Method::Delete => {
                let wanted = self.argument(call, 0)?;
                let mut kept = Vec::new();
                let mut found = Value::Nil;
                for item in self.items(value, at)? {
                    if self.equal(item, wanted)? {
                        found = item;
                    } else {
                        kept.push(item);
                    }
                }
                self.set_list(id, kept)?;
                Ok(found)
            }
            Method::DeleteAt => {
                let index = self.int_argument(call, 0)?;
                let Some(list) = self.heap.array_mut(id) else {
                    return Ok(Value::Nil);
                };
                match position(index, list.len()).filter(|index| *index < list.len()) {
                    Some(index) => Ok(list.remove(index)),
                    None => Ok(Value::Nil),
                }
            }
            Method::SliceBang => {
                let inner = Invocation {
                    method: Method::Slice,
                    ..*call
                };
                let cut = self.slice_list(id, &inner)?;
                let count = self.heap.array(id).len();
                let window = match self.argument(call, 0)? {
                    Value::Range(range) => self.range_window(range, count, at)?,
                    other => {
                        let length = match call.arguments.get(1) {
                            Some(length) => self.as_int(*length, at)?,
                            None => 1,
                        };
                        text::window(self.as_int(other, at)?, length, count)
                    }
                };
                if let (Some((start, end)), Some(list)) = (window, self.heap.array_mut(id)) {
                    list.drain(start..end);
                }
                Ok(cut)
            }
            _ => {
                let plain = match call.method {
                    Method::MapBang => Method::Map,
                    Method::SelectBang | Method::KeepIf => Method::Select,
                    Method::RejectBang | Method::DeleteIf => Method::Reject,
                    Method::CompactBang => Method::Compact,
                    Method::FlattenBang => Method::Flatten,
                    Method::UniqBang => Method::Uniq,
                    Method::SortBang => Method::Sort,
                    Method::SortByBang => Method::SortBy,
                    Method::ReverseBang => Method::Reverse,
                    _ => return self.object_method(value, call),
                };
                let inner = Invocation {
                    method: plain,
                    ..*call
                };
                let before = self.heap.array(id).len();
                let Some(new) = self.array_method(value, &inner)? else {
                    return self.object_method(value, call);
                };
                let new = self.items(new, at)?;
                let same = new.len() == before;
                self.set_list(id, new)?;
                let nil_if_same = matches!(
                    call.method,
                    Method::SelectBang
                        | Method::RejectBang
                        | Method::CompactBang
                        | Method::UniqBang
                        | Method::FlattenBang
                );
                Ok(if same && nil_if_same {
                    Value::Nil
                } else {
                    value
                })
            }
        }
    }

    fn set_list(&mut self, id: Id, new: Vec<Value>) -> Run<()> {
        self.reserve(new.len() * size_of::<Value>())?;
        if let Some(list) = self.heap.array_mut(id) {
            *list = new;
        }
        Ok(())
    }
}
