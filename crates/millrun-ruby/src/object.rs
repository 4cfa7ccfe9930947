//! What every object answers, ranges, and the functions that need no receiver.

use crate::{
    class::Class,
    error::Span,
    heap::Object,
    machine::{Invocation, Machine},
    method::{Function, Method},
    node::Block,
    text,
    value::{Id, Raised, Run, Stop, Value},
};

impl Machine<'_> {
    pub(crate) fn object_method(&mut self, value: Value, call: &Invocation<'_>) -> Run<Value> {
        let at = call.at;
        Ok(match call.method {
            Method::Equal => {
                let other = self.argument(call, 0)?;
                Value::Bool(self.equal(value, other)?)
            }
            Method::NotEqual => {
                let other = self.argument(call, 0)?;
                Value::Bool(!self.equal(value, other)?)
            }
            Method::StrictEqual => {
                let other = self.argument(call, 0)?;
                Value::Bool(self.same_key(value, other)?)
            }
            Method::CaseEqual => {
                let other = self.argument(call, 0)?;
                Value::Bool(self.case_equal(value, other, at)?)
            }
            Method::Compare => {
                let other = self.argument(call, 0)?;
                self.compare(value, other)?
                    .map_or(Value::Nil, |order| Value::Int(order as i64))
            }
            Method::Match => Value::Nil,
            Method::NotMatch => {
                let other = self.argument(call, 0)?;
                let found = self.invoke(value, Method::Match, &[other], None, at)?;
                Value::Bool(!found.is_truthy())
            }
            Method::IsNil => Value::Bool(matches!(value, Value::Nil)),
            Method::IsA => match self.argument(call, 0)? {
                Value::Class(class) => Value::Bool(self.is_a(value, class)),
                _ => return self.raise(Class::TypeError, at, "class or module required"),
            },
            Method::InstanceOf => match self.argument(call, 0)? {
                Value::Class(class) => Value::Bool(self.class_of(value) == class),
                _ => return self.raise(Class::TypeError, at, "class or module required"),
            },
            Method::ClassOf => Value::Class(self.class_of(value)),
            Method::RespondTo => {
                let (Value::Text(name) | Value::Symbol(name)) = self.argument(call, 0)? else {
                    return self.raise(Class::TypeError, at, "not a symbol nor a string");
                };
                let name = self.lossy(name);
                let letter = letter_of(value);
                Value::Bool(Method::TABLE.iter().any(|(known, receivers)| {
                    *known == name && (receivers.contains('O') || receivers.contains(letter))
                }))
            }
            Method::Itself => value,
            Method::IsFrozen => Value::Bool(!matches!(
                value,
                Value::Text(_)
                    | Value::Array(_)
                    | Value::RawArray(_)
                    | Value::Hash(_)
                    | Value::RawHash(_)
            )),
            Method::Dup => match self.settled(value) {
                Value::Text(text) => {
                    let copy = self.held(text);
                    self.copy_text(&copy)?
                }
                value @ (Value::Array(_) | Value::RawArray(_)) => {
                    let list = self.items(value, at)?;
                    self.new_array(list)?
                }
                value @ (Value::Hash(_) | Value::RawHash(_)) => {
                    let pairs = self.pairs_of(value, at)?;
                    self.new_hash(pairs)?
                }
                other => other,
            },
            Method::Tap => {
                let block = self.need_block(call)?;
                self.call_block(block, &[value], at)?;
                value
            }
            Method::Then => {
                let block = self.need_block(call)?;
                self.call_block(block, &[value], at)?
            }
            Method::ToText | Method::Name
                if call.method == Method::ToText || matches!(value, Value::Class(_)) =>
            {
                let mut out = self.heap.buffer();
                self.write_text(value, &mut out)?;
                self.new_text(out)?
            }
            Method::Inspect => {
                let mut out = self.heap.buffer();
                self.write_inspect(value, &mut out)?;
                self.new_text(out)?
            }
            Method::ToJson => {
                let mut out = self.heap.buffer();
                self.write_json(value, None, &mut out, at)?;
                self.new_text(out)?
            }
            Method::ToArray if matches!(value, Value::Nil) => self.new_array(Vec::new())?,
            Method::ToHash if matches!(value, Value::Nil) => self.new_hash(Vec::new())?,
            Method::ToInteger if matches!(value, Value::Nil) => Value::Int(0),
            Method::ToFloat if matches!(value, Value::Nil) => Value::Float(0.0),
            Method::BitAnd if matches!(value, Value::Nil | Value::Bool(_)) => {
                Value::Bool(value.is_truthy() && self.argument(call, 0)?.is_truthy())
            }
            Method::BitOr if matches!(value, Value::Nil | Value::Bool(_)) => {
                Value::Bool(value.is_truthy() || self.argument(call, 0)?.is_truthy())
            }
            Method::BitXor if matches!(value, Value::Nil | Value::Bool(_)) => {
                Value::Bool(value.is_truthy() != self.argument(call, 0)?.is_truthy())
            }
            Method::Message if matches!(value, Value::Error(_)) => {
                let mut out = Vec::new();
                self.write_text(value, &mut out)?;
                self.new_text(out)?
            }
            Method::Backtrace if matches!(value, Value::Error(_)) => Value::Nil,
            method => {
                let name = method.name();
                let receiver = match value {
                    Value::Nil => "nil:NilClass".to_owned(),
                    Value::Bool(value) => {
                        format!("{value}:{}", if value { "TrueClass" } else { "FalseClass" })
                    }
                    other => format!("an instance of {}", self.class_of(other).name()),
                };
                let hint = match value {
                    Value::Nil => "there is no value; use `&.` or a default such as `(… || \"\")`",
                    _ => "docs/ruby-subset.md lists the methods of each class",
                };
                return self.raise_with(
                    Class::NoMethodError,
                    at,
                    format!("undefined method `{name}' for {receiver}"),
                    hint,
                );
            }
        })
    }

    pub(crate) fn range_method(&mut self, id: Id, call: &Invocation<'_>) -> Run<Option<Value>> {
        let at = call.at;
        let (first, last, exclusive) = self.range(id);
        Ok(Some(match call.method {
            Method::Include | Method::CaseEqual => {
                let value = self.argument(call, 0)?;
                Value::Bool(self.range_covers(id, value)?)
            }
            Method::RangeFirst => first,
            Method::RangeLast => last,
            Method::First if call.arguments.is_empty() => first,
            Method::Last if call.arguments.is_empty() => last,
            Method::Length | Method::Count
                if call.block.is_none()
                    && call.arguments.is_empty()
                    && !matches!(first, Value::Text(_)) =>
            {
                let (from, to) = (self.as_int(first, at)?, self.as_int(last, at)?);
                let count = i128::from(to) - i128::from(from) + i128::from(!exclusive);
                self.wide(count.max(0), at)?
            }
            Method::First | Method::Take if is_endless(last) => {
                let count = self.int_argument(call, 0)?;
                let first = self.as_int(first, at)?;
                self.counted(first, first.saturating_add(count).saturating_sub(1), at)?
            }
            Method::Each | Method::Map if is_endless(last) => {
                let block = self.need_block(call)?;
                let mut number = self.as_int(first, at)?;
                loop {
                    self.call_block(block, &[Value::Int(number)], at)?;
                    number = number.saturating_add(1);
                }
            }
            Method::Last => {
                let list = self.range_items(id, at)?;
                let list = self.new_array(list)?;
                return self.array_method(list, call);
            }
            Method::Step => {
                let by = self.argument(call, 0)?;
                let mut list = Vec::new();
                let mut current = first;
                if crate::operate::as_float(by).is_none_or(|by| by <= 0.0) {
                    return self.raise(Class::ArgumentError, at, "step can't be 0 or negative");
                }
                loop {
                    let order = self.must_compare(current, last, at)?;
                    if order == std::cmp::Ordering::Greater
                        || (exclusive && order == std::cmp::Ordering::Equal)
                    {
                        break;
                    }
                    match call.block {
                        Some(block) => {
                            self.call_block(block, &[current], at)?;
                        }
                        None => list.push(current),
                    }
                    self.check_size(list.len() * size_of::<Value>())?;
                    self.charge(0)?;
                    current = self.arithmetic(Method::Add, current, by, at)?;
                }
                if call.block.is_some() {
                    return Ok(Some(Value::Range(id)));
                }
                self.new_array(list)?
            }
            Method::Sum
                if call.block.is_none()
                    && call.arguments.is_empty()
                    && matches!((first, last), (Value::Int(_), Value::Int(_))) =>
            {
                let (from, to) = (
                    i128::from(self.as_int(first, at)?),
                    i128::from(self.as_int(last, at)?) - i128::from(exclusive),
                );
                if to < from {
                    return Ok(Some(Value::Int(0)));
                }
                self.wide((from + to).saturating_mul(to - from + 1) / 2, at)?
            }
            _ => return self.walk(Value::Range(id), call),
        }))
    }

    pub(crate) fn range_items(&mut self, id: Id, at: Span) -> Run<Vec<Value>> {
        let (first, last, exclusive) = self.range(id);
        if let (Value::Text(from), Value::Text(to)) = (first, last) {
            let to = self.held(to).into_owned();
            let mut current = self.held(from).into_owned();
            let mut list = Vec::new();
            while current.len() <= to.len() {
                let at_end = current == to;
                if !(at_end && exclusive) {
                    list.push(self.copy_text(&current)?);
                }
                if at_end {
                    break;
                }
                current = text::successor(&current);
            }
            return Ok(list);
        }
        let (Value::Int(from), Value::Int(_) | Value::Float(_)) = (first, last) else {
            let shown = self.describe(first);
            return self.raise(Class::TypeError, at, format!("can't iterate from {shown}"));
        };
        let to = self.as_int(last, at)?.saturating_sub(i64::from(exclusive));
        let count =
            usize::try_from(to.saturating_sub(from).saturating_add(1).max(0)).unwrap_or(usize::MAX);
        self.reserve(count.saturating_mul(size_of::<Value>()))?;
        Ok((from..=to).map(Value::Int).collect())
    }

    pub(crate) fn function(
        &mut self,
        function: Function,
        arguments: &[Value],
        block: Option<&Block>,
        at: Span,
    ) -> Run<Value> {
        let first = arguments.first().copied();
        match function {
            Function::Format | Function::Sprintf => {
                let Some(Value::Text(format)) = first else {
                    return self.raise(Class::ArgumentError, at, "too few arguments");
                };
                self.format(format, arguments.get(1..).unwrap_or_default(), at)
            }
            Function::Integer => self.strict_integer(arguments, at),
            Function::Float => match first {
                Some(Value::Text(text)) => {
                    let shown = self.lossy(text);
                    match shown.trim().replace('_', "").parse::<f64>() {
                        Ok(number)
                            if shown.trim().ends_with(|last: char| last.is_ascii_digit()) =>
                        {
                            Ok(Value::Float(number))
                        }
                        _ if self.forgives(arguments)? => Ok(Value::Nil),
                        _ => self.raise(
                            Class::ArgumentError,
                            at,
                            format!("invalid value for Float(): {shown:?}"),
                        ),
                    }
                }
                Some(number) if crate::operate::as_float(number).is_some() => {
                    Ok(crate::operate::as_float(number).map_or(Value::Nil, Value::Float))
                }
                other => {
                    let shown = self.describe(other.unwrap_or(Value::Nil));
                    self.raise(
                        Class::TypeError,
                        at,
                        format!("can't convert {shown} into Float"),
                    )
                }
            },
            Function::Text => {
                let mut out = self.heap.buffer();
                self.write_text(first.unwrap_or(Value::Nil), &mut out)?;
                self.new_text(out)
            }
            Function::Array => {
                let list = self.splat(first.unwrap_or(Value::Nil), at)?;
                self.new_array(list)
            }
            Function::Rand => {
                let random = self.world.random();
                match first {
                    Some(Value::Int(most)) if most > 0 => {
                        Ok(Value::Int((random % most.unsigned_abs()) as i64))
                    }
                    Some(Value::Range(id)) => {
                        let list = self.range_items(id, at)?;
                        let index = if list.is_empty() {
                            0
                        } else {
                            random % list.len() as u64
                        };
                        Ok(list.get(index as usize).copied().unwrap_or(Value::Nil))
                    }
                    _ => Ok(Value::Float((random >> 11) as f64 / (1u64 << 53) as f64)),
                }
            }
            Function::Raise | Function::Fail => {
                let (class, message) = match (first, arguments.get(1)) {
                    (Some(Value::Class(class)), Some(message)) => (class, Some(*message)),
                    (Some(Value::Class(class)), None) => (class, None),
                    (Some(Value::Error(id)), _) => {
                        if let Some(Object::Error(error)) = self.heap.object(id) {
                            return Err(Stop::Raise(Box::new(error.clone())));
                        }
                        (Class::RuntimeError, None)
                    }
                    (message, _) => (Class::RuntimeError, message),
                };
                let mut out = Vec::new();
                match message {
                    Some(message) => self.write_text(message, &mut out)?,
                    None if matches!(first, Some(Value::Class(_))) => {
                        out.extend_from_slice(class.name().as_bytes());
                    }
                    None => out.extend_from_slice(b"unhandled exception"),
                }
                Err(Stop::Raise(Box::new(Raised {
                    class,
                    message: String::from_utf8_lossy(&out).into_owned(),
                    at,
                    hint: None,
                })))
            }
            // What the subset has is always there.
            Function::Require => Ok(Value::Bool(true)),
            Function::Loop => {
                let Some(block) = block else {
                    return self.raise(Class::LocalJumpError, at, "`loop' needs a block");
                };
                loop {
                    match self.call_block(block, &[], at) {
                        Ok(_) => {}
                        Err(Stop::Break(value)) => return Ok(value),
                        Err(Stop::Raise(raised)) if raised.class == Class::StopIteration => {
                            return Ok(Value::Nil);
                        }
                        Err(stop) => return Err(stop),
                    }
                }
            }
        }
    }

    /// `exception: false`.
    fn forgives(&mut self, arguments: &[Value]) -> Run<bool> {
        match arguments.last() {
            Some(options @ Value::Hash(_)) => {
                let option = self.symbol_option(*options, b"exception")?;
                Ok(option.is_some_and(|option| !option.is_truthy()))
            }
            _ => Ok(false),
        }
    }

    fn strict_integer(&mut self, arguments: &[Value], at: Span) -> Run<Value> {
        match arguments.first().copied().unwrap_or(Value::Nil) {
            Value::Text(text) => {
                let shown = self.lossy(text);
                let clean = shown.trim();
                let (negative, digits) = match clean.strip_prefix('-') {
                    Some(digits) => (true, digits),
                    None => (false, clean.strip_prefix('+').unwrap_or(clean)),
                };
                let lower = digits.to_ascii_lowercase();
                let (radix, digits) = match (arguments.get(1), lower.as_bytes()) {
                    (Some(Value::Int(radix)), _) if (2..=36).contains(radix) => {
                        (*radix as u32, lower.as_str())
                    }
                    (_, [b'0', b'x', ..]) => (16, lower.get(2..).unwrap_or_default()),
                    (_, [b'0', b'b', ..]) => (2, lower.get(2..).unwrap_or_default()),
                    (_, [b'0', b'o', ..]) => (8, lower.get(2..).unwrap_or_default()),
                    (_, [b'0', _, ..]) => (8, lower.get(1..).unwrap_or_default()),
                    _ => (10, lower.as_str()),
                };
                let sound = !digits.is_empty()
                    && !digits.starts_with(['_', '+', '-'])
                    && !digits.ends_with('_')
                    && !digits.contains("__");
                match i128::from_str_radix(&digits.replace('_', ""), radix) {
                    Ok(number) if sound => self.wide(if negative { -number } else { number }, at),
                    _ if self.forgives(arguments)? => Ok(Value::Nil),
                    _ => self.raise(
                        Class::ArgumentError,
                        at,
                        format!("invalid value for Integer(): {shown:?}"),
                    ),
                }
            }
            Value::Float(number) => self.integer_of(number.trunc(), at),
            number @ (Value::Int(_) | Value::Wide(_)) => Ok(number),
            other => {
                if self.forgives(arguments)? {
                    return Ok(Value::Nil);
                }
                let shown = self.describe(other);
                self.raise(
                    Class::TypeError,
                    at,
                    format!("can't convert {shown} into Integer"),
                )
            }
        }
    }
}

fn letter_of(value: Value) -> char {
    match value {
        Value::Text(_) => 'S',
        Value::Symbol(_) => 'Y',
        Value::Array(_) | Value::RawArray(_) => 'A',
        Value::Hash(_) | Value::RawHash(_) => 'H',
        Value::Int(_) | Value::Wide(_) => 'I',
        Value::Float(_) => 'F',
        Value::Range(_) => 'R',
        Value::Regex(_) => 'X',
        Value::Match(_) => 'M',
        Value::Time(_) => 'T',
        Value::Error(_) => 'E',
        Value::Nil => 'L',
        Value::Bool(_) | Value::Opaque(_) | Value::Class(_) => 'O',
    }
}

fn is_endless(last: Value) -> bool {
    matches!(last, Value::Nil) || matches!(last, Value::Float(last) if last == f64::INFINITY)
}
