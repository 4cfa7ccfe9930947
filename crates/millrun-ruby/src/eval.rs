//! Nodes: what each comes to.

use std::sync::Arc;

use crate::{
    class::Class,
    error::Span,
    heap::Object,
    machine::{Arguments, Machine},
    method::Method,
    node::{Begin, Kind, Node, Update, Variable},
    time_value::{TimeKind, TimeValue, TimeZone},
    value::{Place, Raised, Run, Source, Stop, Text, Value},
};

impl Machine<'_> {
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
            Kind::Field(key) => return self.record_field(*key, node.at),
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
}
