//! Calls: receivers, arguments and blocks.

use crate::{
    class::Class,
    error::Span,
    heap::Object,
    machine::{Invocation, Machine},
    method::Method,
    node::{Block, Call, Target},
    value::{Id, Run, Stop, Text, Value},
};

impl Machine<'_> {
    pub(crate) fn call_node(&mut self, call: &Call, at: Span) -> Run<Value> {
        let receiver = self.eval(&call.receiver)?;
        if call.safe && matches!(receiver, Value::Nil) {
            return Ok(Value::Nil);
        }
        if call.arguments.is_empty() && call.block.is_none() {
            return self.invoke(receiver, call.method, &[], None, at);
        }
        let arguments = self.arguments(&call.arguments)?;
        if call.block.is_none() {
            return self.invoke(receiver, call.method, arguments.as_slice(), None, at);
        }
        match self.invoke(
            receiver,
            call.method,
            arguments.as_slice(),
            call.block.as_ref(),
            at,
        ) {
            Err(Stop::Break(value)) => Ok(value),
            other => other,
        }
    }

    pub(crate) fn invoke(
        &mut self,
        receiver: Value,
        method: Method,
        arguments: &[Value],
        block: Option<&Block>,
        at: Span,
    ) -> Run<Value> {
        self.charge(0)?;
        let call = Invocation {
            method,
            arguments,
            block,
            at,
        };
        let done = match receiver {
            Value::Text(text) => self.text_method(text, &call)?,
            Value::Symbol(text) => self.symbol_method(text, &call)?,
            Value::Array(_) | Value::RawArray(_) => self.array_method(receiver, &call)?,
            Value::Hash(_) | Value::RawHash(_) => self.hash_method(receiver, &call)?,
            Value::Range(id) => self.range_method(id, &call)?,
            Value::Int(_) | Value::Wide(_) | Value::Float(_) => {
                self.number_method(receiver, &call)?
            }
            Value::Time(id) => self.time_method(id, &call)?,
            Value::Regex(id) => self.regex_method(id, &call)?,
            Value::Match(id) => self.match_method(id, &call)?,
            Value::Nil | Value::Bool(_) | Value::Opaque(_) | Value::Error(_) | Value::Class(_) => {
                None
            }
        };
        match done {
            Some(value) => Ok(value),
            None => self.object_method(receiver, &call),
        }
    }

    /// Runs a block with what its caller yields.
    pub(crate) fn call_block(&mut self, block: &Block, values: &[Value], at: Span) -> Run<Value> {
        match block {
            Block::Method(method) => match values.split_first() {
                Some((receiver, rest)) => self.invoke(*receiver, *method, rest, None, at),
                None => self.raise(Class::ArgumentError, at, "no receiver given"),
            },
            Block::Code {
                parameters,
                spreads,
                body,
            } => {
                if let ([Target::Slot(slot)], [value, ..], false) =
                    (parameters.as_slice(), values, spreads)
                {
                    self.set_slot(*slot, *value);
                } else {
                    let spread;
                    let values = match values {
                        [list @ (Value::Array(_) | Value::RawArray(_))] if *spreads => {
                            spread = self.items(*list, at)?;
                            spread.as_slice()
                        }
                        _ => values,
                    };
                    self.assign_all(parameters, values, at)?;
                }
                match self.deeper(|machine| machine.eval(body)) {
                    Err(Stop::Next(value)) => {
                        self.heap.depth = self.heap.depth.min(self.limits.depth);
                        Ok(value)
                    }
                    other => other,
                }
            }
        }
    }

    pub(crate) fn assign_all(&mut self, targets: &[Target], values: &[Value], at: Span) -> Run<()> {
        let splat = targets
            .iter()
            .position(|target| matches!(target, Target::Splat(_)));
        let after = splat.map_or(0, |splat| targets.len() - splat - 1);
        let mut next = 0;
        for (index, target) in targets.iter().enumerate() {
            match target {
                Target::Splat(slot) => {
                    let end = values.len().saturating_sub(after).max(next);
                    let taken = values.get(next..end).unwrap_or_default().to_vec();
                    next = next.max(end);
                    if let Some(slot) = slot {
                        let list = self.new_array(taken)?;
                        self.set_slot(*slot, list);
                    }
                }
                Target::Slot(slot) => {
                    self.set_slot(*slot, values.get(next).copied().unwrap_or(Value::Nil));
                    next += 1;
                }
                Target::Nested(nested) => {
                    let list = match values.get(next).copied().unwrap_or(Value::Nil) {
                        list @ (Value::Array(_) | Value::RawArray(_)) => self.items(list, at)?,
                        other => vec![other],
                    };
                    self.assign_all(nested, &list, at)?;
                    next += 1;
                }
            }
            debug_assert!(index < targets.len());
        }
        Ok(())
    }

    pub(crate) fn need_block<'i>(&self, call: &Invocation<'i>) -> Run<&'i Block> {
        match call.block {
            Some(block) => Ok(block),
            None => self.raise_with(
                Class::LocalJumpError,
                call.at,
                format!(
                    "`{}' without a block gives an enumerator, which the subset does not have",
                    call.method.name()
                ),
                "write the block, `{ |x| … }`",
            ),
        }
    }

    pub(crate) fn argument(&self, call: &Invocation<'_>, index: usize) -> Run<Value> {
        match call.arguments.get(index) {
            Some(value) => Ok(*value),
            None => self.raise(
                Class::ArgumentError,
                call.at,
                format!(
                    "wrong number of arguments for `{}' (given {}, expected {})",
                    call.method.name(),
                    call.arguments.len(),
                    index + 1
                ),
            ),
        }
    }

    pub(crate) fn text_argument(&self, call: &Invocation<'_>, index: usize) -> Run<Text> {
        let value = self.argument(call, index)?;
        self.as_text(value, call.at)
    }

    pub(crate) fn as_text(&self, value: Value, at: Span) -> Run<Text> {
        match value {
            Value::Text(text) => Ok(text),
            other => self.raise_with(
                Class::TypeError,
                at,
                format!(
                    "no implicit conversion of {} into String",
                    self.describe(other)
                ),
                "`.to_s` makes a string of it",
            ),
        }
    }

    pub(crate) fn int_argument(&self, call: &Invocation<'_>, index: usize) -> Run<i64> {
        let value = self.argument(call, index)?;
        self.as_int(value, call.at)
    }

    pub(crate) fn as_int(&self, value: Value, at: Span) -> Run<i64> {
        match value {
            Value::Int(number) => Ok(number),
            Value::Float(number) if number.abs() < 9.2e18 => Ok(number as i64),
            other => self.raise_with(
                Class::TypeError,
                at,
                format!(
                    "no implicit conversion of {} into Integer",
                    self.describe(other)
                ),
                "`.to_i` makes an integer of it",
            ),
        }
    }

    /// The name of a class in messages: `nil`, `true` and `false` for themselves.
    pub(crate) fn describe(&self, value: Value) -> &'static str {
        match value {
            Value::Nil => "nil",
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            other => self.class_of(other).name(),
        }
    }

    pub(crate) fn class_of(&self, value: Value) -> Class {
        match value {
            Value::Time(id) => self.heap.time(id).class(),
            Value::Error(id) => match self.heap.object(id) {
                Some(Object::Error(error)) => error.class,
                _ => Class::StandardError,
            },
            other => other.class(),
        }
    }

    pub(crate) fn group(&mut self, number: usize) -> Run<Value> {
        match self.heap.last_match {
            Some(id) => self.match_group(id, number),
            None => Ok(Value::Nil),
        }
    }

    pub(crate) fn match_group(&mut self, id: Id, number: usize) -> Run<Value> {
        let Some(found) = self.heap.found(id) else {
            return Ok(Value::Nil);
        };
        let subject = found.subject;
        match found.groups.get(number).copied().flatten() {
            Some((start, end)) => self.part(subject, start, end),
            None => Ok(Value::Nil),
        }
    }
}
