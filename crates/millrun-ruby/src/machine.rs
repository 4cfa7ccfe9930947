//! The evaluator: one node after the other.

use std::sync::Arc;

use crate::{
    class::Class,
    error::{RubyError, Span},
    evaluator::Inputs,
    heap::{Heap, Object},
    limits::Limits,
    method::Method,
    node::{Begin, Block, Call, Kind, Node, Target, Update, Variable},
    program::Program,
    time_value::{TimeKind, TimeValue, TimeZone},
    value::{Id, Place, Raised, Run, Source, Stop, Text, Value},
    world::World,
};

pub(crate) struct Machine<'r> {
    pub(crate) heap: &'r mut Heap,
    pub(crate) world: &'r mut dyn World,
    pub(crate) inputs: Inputs<'r>,
    pub(crate) limits: Limits,
    pub(crate) program: &'r Program,
}

/// A method call whose receiver is known.
#[derive(Clone, Copy)]
pub(crate) struct Invocation<'i> {
    pub(crate) method: Method,
    pub(crate) arguments: &'i [Value],
    pub(crate) block: Option<&'i Block>,
    pub(crate) at: Span,
}

/// Evaluated arguments; calls with more than four are rare.
pub(crate) struct Arguments {
    few: [Value; 4],
    len: usize,
    many: Vec<Value>,
}

impl Arguments {
    fn new() -> Self {
        Self {
            few: [Value::Nil; 4],
            len: 0,
            many: Vec::new(),
        }
    }

    fn push(&mut self, value: Value) {
        if self.many.is_empty() {
            if let Some(slot) = self.few.get_mut(self.len) {
                *slot = value;
                self.len += 1;
                return;
            }
            self.many.extend_from_slice(&self.few);
        }
        self.many.push(value);
    }

    pub(crate) fn as_slice(&self) -> &[Value] {
        if self.many.is_empty() {
            self.few.get(..self.len).unwrap_or_default()
        } else {
            &self.many
        }
    }
}

impl Machine<'_> {
    // Limits.

    /// Counts work on `bytes` bytes or things.
    #[inline]
    pub(crate) fn charge(&mut self, bytes: usize) -> Run<()> {
        self.heap.steps += 1 + (bytes as u64 >> 5);
        if self.heap.steps > self.limits.steps {
            return Err(self.limit_error(format!(
                "the expression needs more than {} steps",
                self.limits.steps
            )));
        }
        Ok(())
    }

    /// Counts memory, before it is taken.
    #[inline]
    pub(crate) fn reserve(&mut self, bytes: usize) -> Run<()> {
        self.heap.memory = self.heap.memory.saturating_add(bytes).saturating_add(32);
        if self.heap.memory > self.limits.memory_bytes {
            return Err(self.limit_error(format!(
                "the expression needs more than {} bytes of memory",
                self.limits.memory_bytes
            )));
        }
        self.charge(bytes)
    }

    fn limit_error(&self, message: String) -> Stop {
        Stop::Limit(Box::new(
            RubyError::limit(self.program.body.at, message)
                .hint("make less of the data, or do it in a plugin"),
        ))
    }

    pub(crate) fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        if self.heap.depth >= self.limits.depth {
            let depth = self.limits.depth;
            return Err(self.limit_error(format!("values nest deeper than {depth} levels")));
        }
        self.heap.depth += 1;
        let done = work(self);
        self.heap.depth -= 1;
        done
    }

    // Errors.

    pub(crate) fn raise<T>(&self, class: Class, at: Span, message: impl Into<String>) -> Run<T> {
        Err(Stop::Raise(Box::new(Raised {
            class,
            message: message.into(),
            at,
            hint: None,
        })))
    }

    pub(crate) fn raise_with<T>(
        &self,
        class: Class,
        at: Span,
        message: String,
        hint: &str,
    ) -> Run<T> {
        Err(Stop::Raise(Box::new(Raised {
            class,
            message,
            at,
            hint: Some(hint.to_owned()),
        })))
    }

    // Texts.

    pub(crate) fn place(&self, source: Source, place: Place) -> &[u8] {
        let bytes = match source {
            Source::Record => self.inputs.record,
            Source::Tag => self.inputs.tag,
            Source::Literals => &self.program.literals,
        };
        let start = place.start as usize;
        bytes
            .get(start..start + place.len as usize)
            .unwrap_or_default()
    }

    #[inline]
    pub(crate) fn bytes(&self, text: Text) -> &[u8] {
        match self.resolve(text) {
            Text::Slice { source, place } => self.place(source, place),
            Text::Field(place) => self.place(Source::Record, place),
            Text::Heap(id) => self.heap.text(id),
        }
    }

    /// A string of the record that has been changed lies in the heap.
    #[inline]
    pub(crate) fn resolve(&self, text: Text) -> Text {
        if let Text::Field(place) = text
            && !self.heap.promoted.is_empty()
            && let Some(Value::Text(changed)) = self.heap.promoted.get(&place.start.wrapping_sub(1))
        {
            return *changed;
        }
        text
    }

    pub(crate) fn lossy(&self, text: Text) -> String {
        String::from_utf8_lossy(self.bytes(text)).into_owned()
    }

    pub(crate) fn new_text(&mut self, bytes: Vec<u8>) -> Run<Value> {
        self.reserve(bytes.len())?;
        Ok(Value::Text(Text::Heap(self.heap.put(Object::Text(bytes)))))
    }

    pub(crate) fn copy_text(&mut self, bytes: &[u8]) -> Run<Value> {
        let mut buffer = self.heap.buffer();
        buffer.extend_from_slice(bytes);
        self.new_text(buffer)
    }

    /// A part of a text, in bytes: a slice where nothing can change it.
    pub(crate) fn part(&mut self, text: Text, start: usize, end: usize) -> Run<Value> {
        let resolved = self.resolve(text);
        if !self.program.mutates {
            let (source, place) = match resolved {
                Text::Slice { source, place } => (source, place),
                Text::Field(place) => (Source::Record, place),
                Text::Heap(_) => return self.copy_part(resolved, start, end),
            };
            let fit = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
            let (start, end) = (fit(start).min(place.len), fit(end).min(place.len));
            self.charge(0)?;
            return Ok(Value::Text(Text::Slice {
                source,
                place: Place {
                    start: place.start + start,
                    len: end.saturating_sub(start),
                },
            }));
        }
        self.copy_part(resolved, start, end)
    }

    fn copy_part(&mut self, text: Text, start: usize, end: usize) -> Run<Value> {
        let mut buffer = self.heap.buffer();
        buffer.extend_from_slice(self.bytes(text).get(start..end).unwrap_or_default());
        self.new_text(buffer)
    }

    // Containers.

    pub(crate) fn new_array(&mut self, list: Vec<Value>) -> Run<Value> {
        self.reserve(list.len().saturating_mul(size_of::<Value>()))?;
        Ok(Value::Array(self.heap.put(Object::Array(list))))
    }

    pub(crate) fn new_hash(&mut self, pairs: Vec<(Value, Value)>) -> Run<Value> {
        self.reserve(pairs.len().saturating_mul(2 * size_of::<Value>()))?;
        Ok(Value::Hash(self.heap.put(Object::Hash(pairs, Value::Nil))))
    }

    pub(crate) fn new_time(&mut self, time: TimeValue) -> Run<Value> {
        self.reserve(0)?;
        Ok(Value::Time(self.heap.put(Object::Time(time))))
    }

    // Nodes.

    pub(crate) fn eval(&mut self, node: &Node) -> Run<Value> {
        self.charge(0)?;
        Ok(match &node.kind {
            Kind::Nil => Value::Nil,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Integer(number) => Value::Int(*number),
            Kind::Float(number) => Value::Float(*number),
            Kind::Text(literal) => {
                let place = Place {
                    start: literal.start,
                    len: literal.len,
                };
                let text = Text::Slice {
                    source: Source::Literals,
                    place,
                };
                if self.program.mutates {
                    return self.copy_part(text, 0, literal.len as usize);
                }
                Value::Text(text)
            }
            Kind::Symbol(literal) => {
                let place = Place {
                    start: literal.start,
                    len: literal.len,
                };
                let text = Text::Slice {
                    source: Source::Literals,
                    place,
                };
                if self.program.mutates {
                    let Value::Text(text) = self.copy_part(text, 0, literal.len as usize)? else {
                        return Ok(Value::Nil);
                    };
                    return Ok(Value::Symbol(text));
                }
                Value::Symbol(text)
            }
            Kind::Interpolated(nodes) => {
                let text = self.interpolate(nodes)?;
                return self.new_text(text);
            }
            Kind::InterpolatedSymbol(nodes) => {
                let text = self.interpolate(nodes)?;
                let Value::Text(text) = self.new_text(text)? else {
                    return Ok(Value::Nil);
                };
                Value::Symbol(text)
            }
            Kind::Regex(pattern) => {
                self.reserve(0)?;
                Value::Regex(self.heap.put(Object::Regex(Arc::clone(pattern))))
            }
            Kind::InterpolatedRegex(nodes, flags) => {
                let source = self.interpolate_regex(nodes)?;
                return self.compile_pattern(&source, *flags, node.at);
            }
            Kind::Array(nodes) => {
                let mut list = self.heap.list();
                for node in nodes {
                    match &node.kind {
                        Kind::Splat(inner) => {
                            let value = self.eval(inner)?;
                            let more = self.splat(value, node.at)?;
                            list.extend(more);
                        }
                        _ => list.push(self.eval(node)?),
                    }
                }
                return self.new_array(list);
            }
            Kind::Hash(nodes) => {
                let mut pairs = Vec::with_capacity(nodes.len());
                for (key, value) in nodes {
                    if let Kind::Splat(inner) = &key.kind {
                        let value = self.eval(inner)?;
                        for (key, value) in self.pairs_of(value, key.at)? {
                            self.put_pair(&mut pairs, key, value)?;
                        }
                        continue;
                    }
                    let key = self.eval(key)?;
                    let value = self.eval(value)?;
                    self.put_pair(&mut pairs, key, value)?;
                }
                return self.new_hash(pairs);
            }
            Kind::Splat(inner) => {
                let value = self.eval(inner)?;
                let list = self.splat(value, node.at)?;
                return self.new_array(list);
            }
            Kind::Range {
                first,
                last,
                exclusive,
            } => {
                let first = first
                    .as_ref()
                    .map_or(Ok(Value::Nil), |node| self.eval(node))?;
                let last = last
                    .as_ref()
                    .map_or(Ok(Value::Nil), |node| self.eval(node))?;
                self.reserve(0)?;
                Value::Range(self.heap.put(Object::Range {
                    first,
                    last,
                    exclusive: *exclusive,
                }))
            }
            Kind::Local(slot) => self.slot(*slot),
            Kind::SetLocal(slot, value) => {
                let value = self.eval(value)?;
                self.set_slot(*slot, value);
                value
            }
            Kind::Group(number) => return self.group(*number as usize),
            Kind::LastMatch => self.heap.last_match.map_or(Value::Nil, Value::Match),
            Kind::Variable(variable) => return self.variable(*variable),
            Kind::Class(class) => Value::Class(*class),
            Kind::And(left, right) => {
                let value = self.eval(left)?;
                if value.is_truthy() {
                    return self.eval(right);
                }
                value
            }
            Kind::Or(left, right) => {
                let value = self.eval(left)?;
                if value.is_truthy() {
                    value
                } else {
                    return self.eval(right);
                }
            }
            Kind::Not(inner) => Value::Bool(!self.eval(inner)?.is_truthy()),
            Kind::If(condition, yes, no) => {
                let branch = if self.condition(condition)? { yes } else { no };
                return self.eval(branch);
            }
            Kind::While {
                condition,
                body,
                until,
            } => {
                while self.condition(condition)? != *until {
                    match self.eval(body) {
                        Ok(_) | Err(Stop::Next(_)) => {}
                        Err(Stop::Break(value)) => return Ok(value),
                        Err(stop) => return Err(stop),
                    }
                }
                Value::Nil
            }
            Kind::Case {
                subject,
                branches,
                otherwise,
            } => return self.case(subject.as_deref(), branches, otherwise),
            Kind::Begin(begin) => return self.begin(begin),
            Kind::Sequence(nodes) => {
                let mut last = Value::Nil;
                for node in nodes {
                    last = self.eval(node)?;
                }
                last
            }
            Kind::Call(call) => return self.call_node(call, node.at),
            Kind::ClassCall(method, nodes, block) => {
                let arguments = self.arguments(nodes)?;
                return self.class_call(*method, arguments.as_slice(), block.as_deref(), node.at);
            }
            Kind::Function(function, nodes, block) => {
                let arguments = self.arguments(nodes)?;
                return self.function(*function, arguments.as_slice(), block.as_deref(), node.at);
            }
            Kind::Operation(method, left, right) => {
                let left = self.eval(left)?;
                let right = self.eval(right)?;
                return self.operate(*method, left, right, node.at);
            }
            Kind::Index(receiver, argument) => {
                let receiver = self.eval(receiver)?;
                let argument = self.eval(argument)?;
                return self.index(receiver, argument, node.at);
            }
            Kind::SetIndex(receiver, nodes, value) => {
                let receiver = self.eval(receiver)?;
                let mut arguments = self.arguments(nodes)?;
                let value = self.eval(value)?;
                arguments.push(value);
                self.invoke(
                    receiver,
                    Method::SetIndex,
                    arguments.as_slice(),
                    None,
                    node.at,
                )?;
                value
            }
            Kind::UpdateIndex(receiver, nodes, update, value) => {
                let receiver = self.eval(receiver)?;
                let mut arguments = self.arguments(nodes)?;
                let old =
                    self.invoke(receiver, Method::Index, arguments.as_slice(), None, node.at)?;
                let new = match update {
                    Update::Or if old.is_truthy() => return Ok(old),
                    Update::And if !old.is_truthy() => return Ok(old),
                    Update::Or | Update::And => self.eval(value)?,
                    Update::Method(method) => {
                        let right = self.eval(value)?;
                        self.operate(*method, old, right, node.at)?
                    }
                };
                arguments.push(new);
                self.invoke(
                    receiver,
                    Method::SetIndex,
                    arguments.as_slice(),
                    None,
                    node.at,
                )?;
                new
            }
            Kind::MultiAssign(targets, value) => {
                let value = self.eval(value)?;
                let list = match value {
                    Value::Array(_) | Value::RawArray(_) => self.items(value, node.at)?,
                    other => vec![other],
                };
                self.assign_all(targets, &list, node.at)?;
                value
            }
            Kind::Next(value) => {
                let value = value
                    .as_ref()
                    .map_or(Ok(Value::Nil), |node| self.eval(node))?;
                return Err(Stop::Next(value));
            }
            Kind::Break(value) => {
                let value = value
                    .as_ref()
                    .map_or(Ok(Value::Nil), |node| self.eval(node))?;
                return Err(Stop::Break(value));
            }
            Kind::Return(value) => {
                let value = value
                    .as_ref()
                    .map_or(Ok(Value::Nil), |node| self.eval(node))?;
                return Err(Stop::Return(value));
            }
            Kind::Undefined(literal) => {
                let place = Place {
                    start: literal.start,
                    len: literal.len,
                };
                let name =
                    String::from_utf8_lossy(self.place(Source::Literals, place)).into_owned();
                let error = crate::program::undefined_name(&name, node.at);
                return self.raise(Class::NameError, node.at, error.message);
            }
        })
    }

    pub(crate) fn slot(&self, slot: u32) -> Value {
        self.heap
            .slots
            .get(slot as usize)
            .copied()
            .unwrap_or(Value::Nil)
    }

    pub(crate) fn set_slot(&mut self, slot: u32, value: Value) {
        if let Some(place) = self.heap.slots.get_mut(slot as usize) {
            *place = value;
        }
    }

    /// A condition; a regular expression alone is no match of `$_` here, only true.
    fn condition(&mut self, node: &Node) -> Run<bool> {
        Ok(self.eval(node)?.is_truthy())
    }

    fn interpolate(&mut self, nodes: &[Node]) -> Run<Vec<u8>> {
        let mut out = self.heap.buffer();
        for node in nodes {
            if let Kind::Text(literal) = &node.kind {
                let start = literal.start as usize;
                let bytes = self
                    .program
                    .literals
                    .get(start..start + literal.len as usize);
                out.extend_from_slice(bytes.unwrap_or_default());
                continue;
            }
            let value = self.eval(node)?;
            self.write_text(value, &mut out)?;
            self.check_size(out.len())?;
        }
        Ok(out)
    }

    fn interpolate_regex(&mut self, nodes: &[Node]) -> Run<String> {
        let mut out = Vec::new();
        for node in nodes {
            match self.eval(node)? {
                Value::Regex(id) => {
                    if let Some(pattern) = self.heap.pattern(id) {
                        out.extend_from_slice(self.pattern_text(&pattern).as_bytes());
                    }
                }
                value => self.write_text(value, &mut out)?,
            }
            self.check_size(out.len())?;
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    /// Refuses what grows too large before it is an object.
    pub(crate) fn check_size(&mut self, bytes: usize) -> Run<()> {
        if self.heap.memory.saturating_add(bytes) > self.limits.memory_bytes {
            return self.reserve(bytes);
        }
        Ok(())
    }

    pub(crate) fn arguments(&mut self, nodes: &[Node]) -> Run<Arguments> {
        let mut arguments = Arguments::new();
        for node in nodes {
            if let Kind::Splat(inner) = &node.kind {
                let value = self.eval(inner)?;
                for value in self.splat(value, node.at)? {
                    arguments.push(value);
                }
                continue;
            }
            let value = self.eval(node)?;
            arguments.push(value);
        }
        Ok(arguments)
    }

    pub(crate) fn splat(&mut self, value: Value, at: Span) -> Run<Vec<Value>> {
        Ok(match value {
            Value::Nil => Vec::new(),
            Value::Array(_)
            | Value::RawArray(_)
            | Value::Hash(_)
            | Value::RawHash(_)
            | Value::Range(_) => self.items(value, at)?,
            other => vec![other],
        })
    }

    fn variable(&mut self, variable: Variable) -> Run<Value> {
        let tag_slice = |start: usize, end: usize| {
            Value::Text(Text::Slice {
                source: Source::Tag,
                place: Place {
                    start: u32::try_from(start).unwrap_or(u32::MAX),
                    len: u32::try_from(end - start).unwrap_or(u32::MAX),
                },
            })
        };
        let tag = self.inputs.tag;
        match variable {
            Variable::Record => self.decode_record(),
            Variable::Tag => {
                if self.program.mutates {
                    return self.copy_text(tag);
                }
                Ok(tag_slice(0, tag.len()))
            }
            Variable::TagParts | Variable::TagPrefix | Variable::TagSuffix => {
                let mut list = self.heap.list();
                let mut start = 0;
                // A tag that ends with dots has no empty parts there, as `split` has none.
                let end = tag.len() - tag.iter().rev().take_while(|byte| **byte == b'.').count();
                let parts = tag.get(..end).unwrap_or_default();
                if !parts.is_empty() {
                    for part in parts.split(|byte| *byte == b'.') {
                        let stop = start + part.len();
                        list.push(match variable {
                            Variable::TagParts => tag_slice(start, stop),
                            Variable::TagPrefix => tag_slice(0, stop),
                            _ => tag_slice(start, parts.len()),
                        });
                        start = stop + 1;
                    }
                }
                if variable == Variable::TagSuffix {
                    list.reverse();
                }
                self.new_array(list)
            }
            Variable::Time => {
                let (seconds, nanoseconds) = self.inputs.time;
                self.new_time(TimeValue {
                    seconds,
                    nanoseconds,
                    zone: TimeZone::Local,
                    kind: TimeKind::Time,
                })
            }
            Variable::Hostname => {
                let name = self.world.hostname();
                self.copy_text(name.as_bytes())
            }
            Variable::WorkerId => {
                let name = self.world.worker_id();
                self.copy_text(name.as_bytes())
            }
            Variable::UseNil => Err(Stop::UseNil),
            Variable::UseDefault => Err(Stop::UseDefault),
        }
    }

    fn case(
        &mut self,
        subject: Option<&Node>,
        branches: &[(Vec<Node>, Node)],
        otherwise: &Node,
    ) -> Run<Value> {
        let subject = match subject {
            Some(node) => Some(self.eval(node)?),
            None => None,
        };
        for (conditions, body) in branches {
            for condition in conditions {
                let values = match &condition.kind {
                    Kind::Splat(inner) => {
                        let list = self.eval(inner)?;
                        self.splat(list, condition.at)?
                    }
                    _ => vec![self.eval(condition)?],
                };
                for value in values {
                    let is = match subject {
                        Some(subject) => self.case_equal(value, subject, condition.at)?,
                        None => value.is_truthy(),
                    };
                    if is {
                        return self.eval(body);
                    }
                }
            }
        }
        self.eval(otherwise)
    }

    fn begin(&mut self, begin: &Begin) -> Run<Value> {
        let depth = self.heap.depth;
        let mut done = self.eval(&begin.body);
        if let Err(Stop::Raise(raised)) = &done {
            self.heap.depth = depth;
            let class = raised.class;
            let rescue = begin.rescues.iter().find(|rescue| {
                if rescue.classes.is_empty() {
                    return class.is_a(Class::StandardError);
                }
                rescue.classes.iter().any(|wanted| class.is_a(*wanted))
            });
            if let Some(rescue) = rescue {
                if let Some(slot) = rescue.slot {
                    let error = Raised::clone(raised);
                    self.reserve(error.message.len())?;
                    let id = self.heap.put(Object::Error(error));
                    self.set_slot(slot, Value::Error(id));
                }
                done = self.eval(&rescue.body);
            }
        } else if done.is_ok()
            && let Some(otherwise) = &begin.otherwise
        {
            done = self.eval(otherwise);
        }
        if let Some(ensure) = &begin.ensure
            && !matches!(done, Err(Stop::Limit(_)))
        {
            self.eval(ensure)?;
        }
        done
    }

    // Calls.

    fn call_node(&mut self, call: &Call, at: Span) -> Run<Value> {
        let receiver = self.eval(&call.receiver)?;
        if call.safe && matches!(receiver, Value::Nil) {
            return Ok(Value::Nil);
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

    fn assign_all(&mut self, targets: &[Target], values: &[Value], at: Span) -> Run<()> {
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
