//! What is made while an expression runs, and what is kept from one run to the next.

use std::{collections::HashMap, sync::Arc};

use millrun_pattern::{Spans, TimeFormat};

use crate::{
    limits::{DYNAMIC_REGEXES_MAX, TIME_FORMATS_MAX},
    pattern::Pattern,
    time_value::TimeValue,
    value::{Id, Raised, Text, Value},
};

#[derive(Debug)]
pub(crate) enum Object {
    Text(Vec<u8>),
    Array(Vec<Value>),
    /// Pairs in their order, and what a missing key gives.
    Hash(Vec<(Value, Value)>, Value),
    Range {
        first: Value,
        last: Value,
        exclusive: bool,
    },
    Regex(Arc<Pattern>),
    Match(Found),
    Time(TimeValue),
    Error(Raised),
}

/// A match: the text it was found in and where its groups lie.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) subject: Text,
    pub(crate) groups: Vec<Option<(usize, usize)>>,
    pub(crate) pattern: Arc<Pattern>,
}

#[derive(Debug, Default)]
pub(crate) struct Heap {
    pub(crate) objects: Vec<Object>,
    /// Buffers of former texts, with their capacity.
    texts: Vec<Vec<u8>>,
    lists: Vec<Vec<Value>>,
    hashes: Vec<Vec<(Value, Value)>>,
    /// Objects that stand for places of the record.
    pub(crate) promoted: HashMap<u32, Value>,
    pub(crate) slots: Vec<Value>,
    pub(crate) last_match: Option<Id>,
    pub(crate) memory: usize,
    pub(crate) steps: u64,
    pub(crate) depth: usize,
    spans: Vec<(u64, Spans)>,
    formats: Vec<(Vec<u8>, Arc<TimeFormat>)>,
    patterns: Vec<Arc<Pattern>>,
}

/// Buffers larger than this are not kept between runs.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// How many buffers and match memories are kept.
const KEPT_MAX: usize = 64;

impl Heap {
    /// Forgets everything of the last run but memory worth keeping.
    pub(crate) fn reset(&mut self) {
        for object in self.objects.drain(..) {
            match object {
                Object::Text(mut text)
                    if text.capacity() <= KEPT_BYTES_MAX && self.texts.len() < KEPT_MAX =>
                {
                    text.clear();
                    self.texts.push(text);
                }
                Object::Array(mut list)
                    if list.capacity() <= KEPT_BYTES_MAX / 16 && self.lists.len() < KEPT_MAX =>
                {
                    list.clear();
                    self.lists.push(list);
                }
                Object::Hash(mut pairs, _)
                    if pairs.capacity() <= KEPT_BYTES_MAX / 32 && self.hashes.len() < KEPT_MAX =>
                {
                    pairs.clear();
                    self.hashes.push(pairs);
                }
                _ => {}
            }
        }
        if !self.promoted.is_empty() {
            self.promoted.clear();
        }
        self.last_match = None;
        self.memory = 0;
        self.steps = 0;
        self.depth = 0;
    }

    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.texts.pop().unwrap_or_default()
    }

    /// Keeps a buffer that no object holds.
    pub(crate) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT_BYTES_MAX && self.texts.len() < KEPT_MAX {
            buffer.clear();
            self.texts.push(buffer);
        }
    }

    pub(crate) fn pair_list(&mut self) -> Vec<(Value, Value)> {
        self.hashes.pop().unwrap_or_default()
    }

    pub(crate) fn list(&mut self) -> Vec<Value> {
        self.lists.pop().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, object: Object) -> Id {
        let id = Id(u32::try_from(self.objects.len()).unwrap_or(u32::MAX));
        self.objects.push(object);
        id
    }

    pub(crate) fn object(&self, id: Id) -> Option<&Object> {
        self.objects.get(id.0 as usize)
    }

    pub(crate) fn text(&self, id: Id) -> &[u8] {
        match self.object(id) {
            Some(Object::Text(text)) => text,
            _ => &[],
        }
    }

    pub(crate) fn text_mut(&mut self, id: Id) -> Option<&mut Vec<u8>> {
        match self.objects.get_mut(id.0 as usize) {
            Some(Object::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn array(&self, id: Id) -> &[Value] {
        match self.object(id) {
            Some(Object::Array(list)) => list,
            _ => &[],
        }
    }

    pub(crate) fn array_mut(&mut self, id: Id) -> Option<&mut Vec<Value>> {
        match self.objects.get_mut(id.0 as usize) {
            Some(Object::Array(list)) => Some(list),
            _ => None,
        }
    }

    pub(crate) fn pairs(&self, id: Id) -> &[(Value, Value)] {
        match self.object(id) {
            Some(Object::Hash(pairs, _)) => pairs,
            _ => &[],
        }
    }

    pub(crate) fn pairs_mut(&mut self, id: Id) -> Option<&mut Vec<(Value, Value)>> {
        match self.objects.get_mut(id.0 as usize) {
            Some(Object::Hash(pairs, _)) => Some(pairs),
            _ => None,
        }
    }

    pub(crate) fn default_of(&self, id: Id) -> Value {
        match self.object(id) {
            Some(Object::Hash(_, default)) => *default,
            _ => Value::Nil,
        }
    }

    pub(crate) fn time(&self, id: Id) -> TimeValue {
        match self.object(id) {
            Some(Object::Time(time)) => *time,
            _ => TimeValue::default(),
        }
    }

    pub(crate) fn pattern(&self, id: Id) -> Option<Arc<Pattern>> {
        match self.object(id) {
            Some(Object::Regex(pattern)) => Some(Arc::clone(pattern)),
            _ => None,
        }
    }

    pub(crate) fn found(&self, id: Id) -> Option<&Found> {
        match self.object(id) {
            Some(Object::Match(found)) => Some(found),
            _ => None,
        }
    }

    /// Memory for matches of `pattern`; give it back with [`keep_spans`](Self::keep_spans).
    pub(crate) fn spans(&mut self, pattern: &Pattern) -> Spans {
        let kept = self.spans.iter().position(|(id, _)| *id == pattern.id);
        match kept {
            Some(at) => self.spans.swap_remove(at).1,
            None => pattern.regex.spans(),
        }
    }

    pub(crate) fn keep_spans(&mut self, pattern: &Pattern, spans: Spans) {
        if self.spans.len() >= KEPT_MAX {
            self.spans.remove(0);
        }
        self.spans.push((pattern.id, spans));
    }

    pub(crate) fn known_format(&self, text: &[u8]) -> Option<Arc<TimeFormat>> {
        self.formats
            .iter()
            .find(|(known, _)| known == text)
            .map(|(_, format)| Arc::clone(format))
    }

    pub(crate) fn keep_format(&mut self, text: &[u8], format: &Arc<TimeFormat>) {
        if self.formats.len() >= TIME_FORMATS_MAX {
            self.formats.remove(0);
        }
        self.formats.push((text.to_vec(), Arc::clone(format)));
    }

    pub(crate) fn known_pattern(
        &self,
        source: &str,
        flags: millrun_pattern::Flags,
    ) -> Option<Arc<Pattern>> {
        self.patterns
            .iter()
            .find(|pattern| pattern.source == source && pattern.flags == flags)
            .map(Arc::clone)
    }

    pub(crate) fn keep_pattern(&mut self, pattern: &Arc<Pattern>) {
        if self.patterns.len() >= DYNAMIC_REGEXES_MAX {
            self.patterns.remove(0);
        }
        self.patterns.push(Arc::clone(pattern));
    }
}
