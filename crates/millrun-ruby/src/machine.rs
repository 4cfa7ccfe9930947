//! The state of a run: its limits, its texts and containers, its errors. [`eval`](crate::eval) walks the nodes,
//! [`call`](crate::call) finds the methods.

use crate::{
    class::Class,
    error::{RubyError, Span},
    evaluator::Inputs,
    heap::{Heap, Object},
    limits::Limits,
    method::Method,
    node::Block,
    program::Program,
    time_value::TimeValue,
    value::{Place, Raised, Run, Source, Stop, Text, Value},
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
    pub(crate) fn new() -> Self {
        Self {
            few: [Value::Nil; 4],
            len: 0,
            many: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, value: Value) {
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

    pub(crate) fn copy_part(&mut self, text: Text, start: usize, end: usize) -> Run<Value> {
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
}
