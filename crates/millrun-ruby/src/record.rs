//! The record: looked at in place, decoded level by level when it must be, written back as msgpack.

use millrun_event::{Cursor, Record, Token, write};

use crate::{
    class::Class,
    error::Span,
    heap::Object,
    machine::Machine,
    node::Literal,
    time_value::{TimeKind, TimeValue, TimeZone},
    value::{Id, Place, Run, Source, Text, Value},
};

impl Machine<'_> {
    /// The value that begins at byte `at` of the record.
    pub(crate) fn decode(&mut self, at: usize) -> Run<Value> {
        self.decode_sized(at, None)
    }

    /// The record itself; its length is known without a walk.
    pub(crate) fn decode_record(&mut self) -> Run<Value> {
        self.decode_sized(0, Some(self.inputs.record.len()))
    }

    /// The same for a value whose length somebody has found out already.
    fn decode_sized(&mut self, at: usize, len: Option<usize>) -> Run<Value> {
        let mut cursor = Cursor::at(self.inputs.record, at);
        let fit = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let Ok(token) = cursor.token() else {
            return Ok(Value::Nil);
        };
        let end = cursor.position();
        Ok(match token {
            Token::Nil => Value::Nil,
            Token::Bool(value) => Value::Bool(value),
            Token::Uint(number) => i64::try_from(number).map_or(Value::Wide(number), Value::Int),
            Token::Int(number) => Value::Int(number),
            Token::Float(number) => Value::Float(number),
            Token::Str(text) | Token::Bin(text) => Value::Text(Text::Field(Place {
                start: fit(end - text.len()),
                len: fit(text.len()),
            })),
            Token::Array(_) | Token::Map(_) => {
                if !self.heap.promoted.is_empty()
                    && let Some(value) = self.heap.promoted.get(&fit(at))
                {
                    return Ok(*value);
                }
                let len = match len {
                    Some(len) => len,
                    None => {
                        let mut whole = Cursor::at(self.inputs.record, at);
                        whole.skip().map_or(0, |()| whole.position() - at)
                    }
                };
                let place = Place {
                    start: fit(at),
                    len: fit(len),
                };
                match token {
                    Token::Array(_) => Value::RawArray(place),
                    _ => Value::RawHash(place),
                }
            }
            Token::Ext(..) => match token.event_time() {
                Some(time) => {
                    return self.new_time(TimeValue {
                        seconds: i64::from(time.seconds),
                        nanoseconds: time.nanoseconds.min(999_999_999),
                        zone: TimeZone::Local,
                        kind: TimeKind::Time,
                    });
                }
                None => Value::Opaque(Place {
                    start: fit(at),
                    len: fit(end - at),
                }),
            },
        })
    }

    pub(crate) fn raw(&self, place: Place) -> &[u8] {
        let start = place.start as usize;
        self.inputs
            .record
            .get(start..start + place.len as usize)
            .unwrap_or_default()
    }

    /// The element of a map of the record, without decoding what lies beside it.
    pub(crate) fn raw_field(&mut self, place: Place, key: Text) -> Run<Option<Value>> {
        let map = self.raw(place);
        let Some(value) = Record::new(map).field(self.bytes(key)) else {
            return Ok(None);
        };
        let at = offset_in(self.inputs.record, value.bytes());
        let len = value.bytes().len();
        self.charge(0)?;
        self.decode_sized(at, Some(len)).map(Some)
    }

    /// `record[key]`: found in the record's bytes, as long as nothing stands for them.
    pub(crate) fn record_field(&mut self, key: Literal, at: Span) -> Run<Value> {
        if !self.heap.promoted.is_empty() {
            let record = self.decode_record()?;
            let place = Place {
                start: key.start,
                len: key.len,
            };
            let source = Source::Literals;
            return self.index(record, Value::Text(Text::Slice { source, place }), at);
        }
        let start = key.start as usize;
        let name = self
            .program
            .literals
            .get(start..start + key.len as usize)
            .unwrap_or_default();
        let Some(value) = Record::new(self.inputs.record).field(name) else {
            return Ok(Value::Nil);
        };
        let at = offset_in(self.inputs.record, value.bytes());
        self.decode_sized(at, Some(value.bytes().len()))
    }

    /// What stands for an array or map of the record now.
    pub(crate) fn settled(&self, value: Value) -> Value {
        if self.heap.promoted.is_empty() {
            return value;
        }
        match value {
            Value::RawArray(place) | Value::RawHash(place) => self
                .heap
                .promoted
                .get(&place.start)
                .copied()
                .unwrap_or(value),
            other => other,
        }
    }

    /// The array object of a value that is an array.
    pub(crate) fn array_id(&mut self, value: Value) -> Run<Option<Id>> {
        match self.settled(value) {
            Value::Array(id) => Ok(Some(id)),
            Value::RawArray(place) => {
                let mut cursor = Cursor::at(self.inputs.record, place.start as usize);
                let len = match cursor.token() {
                    Ok(Token::Array(len)) => len,
                    _ => 0,
                };
                let mut list = self.heap.list();
                for _ in 0..len {
                    let at = cursor.position();
                    if cursor.skip().is_err() {
                        break;
                    }
                    list.push(self.decode(at)?);
                }
                let value = self.new_array(list)?;
                self.heap.promoted.insert(place.start, value);
                match value {
                    Value::Array(id) => Ok(Some(id)),
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// The hash object of a value that is a hash.
    pub(crate) fn hash_id(&mut self, value: Value) -> Run<Option<Id>> {
        match self.settled(value) {
            Value::Hash(id) => Ok(Some(id)),
            Value::RawHash(place) => {
                let mut cursor = Cursor::at(self.inputs.record, place.start as usize);
                let len = match cursor.token() {
                    Ok(Token::Map(len)) => len,
                    _ => 0,
                };
                let mut pairs = self.heap.pair_list();
                for _ in 0..len {
                    let key_at = cursor.position();
                    if cursor.skip().is_err() {
                        break;
                    }
                    let value_at = cursor.position();
                    if cursor.skip().is_err() {
                        break;
                    }
                    let key = self.decode(key_at)?;
                    let value = self.decode(value_at)?;
                    self.put_pair(&mut pairs, key, value)?;
                }
                let value = self.new_hash(pairs)?;
                self.heap.promoted.insert(place.start, value);
                match value {
                    Value::Hash(id) => Ok(Some(id)),
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// The string object of a text that is about to change. Of a text that nothing holds, a new one.
    pub(crate) fn own_text(&mut self, text: Text) -> Run<Id> {
        match self.resolve(text) {
            Text::Heap(id) => Ok(id),
            Text::Field(place) => {
                let copy = self.raw(place).to_vec();
                let value = self.new_text(copy)?;
                self.heap
                    .promoted
                    .insert(place.start.wrapping_sub(1), value);
                match value {
                    Value::Text(Text::Heap(id)) => Ok(id),
                    _ => Ok(Id(u32::MAX)),
                }
            }
            slice @ Text::Slice { .. } => {
                let copy = self.bytes(slice).to_vec();
                match self.new_text(copy)? {
                    Value::Text(Text::Heap(id)) => Ok(id),
                    _ => Ok(Id(u32::MAX)),
                }
            }
        }
    }

    /// Whether anything of the record's bytes `place` has an object.
    fn touched(&self, place: Place) -> bool {
        if self.heap.promoted.is_empty() {
            return false;
        }
        let end = place.start.saturating_add(place.len);
        if self.heap.promoted.len() < 8 {
            return self
                .heap
                .promoted
                .keys()
                .any(|at| (place.start..end).contains(at));
        }
        true
    }

    /// Writes a value as msgpack.
    pub(crate) fn write_msgpack(&mut self, value: Value, out: &mut Vec<u8>) -> Run<()> {
        self.check_size(out.len())?;
        match self.settled(value) {
            Value::Nil => write::nil(out),
            Value::Bool(value) => write::bool(out, value),
            Value::Int(number) => write::int(out, number),
            Value::Wide(number) => write::uint(out, number),
            Value::Float(number) => write::float(out, number),
            Value::Text(text) | Value::Symbol(text) => write::str(out, self.bytes(text)),
            Value::RawArray(place) | Value::RawHash(place) if !self.touched(place) => {
                out.extend_from_slice(self.raw(place));
            }
            Value::Opaque(place) => out.extend_from_slice(self.raw(place)),
            value @ (Value::Array(_) | Value::RawArray(_)) => {
                let Some(id) = self.array_id(value)? else {
                    return Ok(());
                };
                // Nothing changes the list while it is written.
                let length = self.heap.array(id).len();
                write::array(out, u32::try_from(length).unwrap_or(u32::MAX));
                self.charge(length)?;
                self.deeper(|machine| {
                    for at in 0..length {
                        let value = machine.heap.array(id).get(at).copied();
                        machine.write_msgpack(value.unwrap_or(Value::Nil), out)?;
                    }
                    Ok(())
                })?;
            }
            value @ (Value::Hash(_) | Value::RawHash(_)) => {
                let Some(id) = self.hash_id(value)? else {
                    return Ok(());
                };
                let length = self.heap.pairs(id).len();
                write::map(out, u32::try_from(length).unwrap_or(u32::MAX));
                self.charge(length)?;
                self.deeper(|machine| {
                    for at in 0..length {
                        let pair = machine.heap.pairs(id).get(at).copied();
                        let (key, value) = pair.unwrap_or((Value::Nil, Value::Nil));
                        match key {
                            Value::Text(_) | Value::Symbol(_) => machine.write_msgpack(key, out)?,
                            other => {
                                let mut text = Vec::new();
                                machine.write_text(other, &mut text)?;
                                write::str(out, &text);
                            }
                        }
                        machine.write_msgpack(value, out)?;
                    }
                    Ok(())
                })?;
            }
            // What msgpack has no form for goes out as Ruby prints it.
            other => {
                let mut text = Vec::new();
                self.write_text(other, &mut text)?;
                write::str(out, &text);
            }
        }
        Ok(())
    }

    /// Puts a value into the record itself.
    pub(crate) fn assign_field(&mut self, key: &[u8], value: Value) -> Run<()> {
        let record = self.decode_record()?;
        let Some(id) = self.hash_id(record)? else {
            return Ok(());
        };
        let key = self.copy_text(key)?;
        let value = match value {
            Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Wide(_) | Value::Float(_) => value,
            Value::RawArray(_) | Value::RawHash(_) | Value::Opaque(_) => value,
            Value::Text(Text::Field(_) | Text::Heap(_)) => value,
            _ if self.program.mutates => value,
            // It may hold literals of the program, and outlives it now.
            _ => {
                let mut bytes = self.heap.buffer();
                self.write_msgpack(value, &mut bytes)?;
                let loaded = self.load(&mut Cursor::new(&bytes), false, Span::default());
                self.heap.give_back(bytes);
                loaded?
            }
        };
        self.set_pair(id, key, value)
    }

    /// Writes the pairs of the record's bytes, each with what stands for its value now.
    pub(crate) fn write_pairs_as_they_came(&mut self, out: &mut Vec<u8>) -> Run<()> {
        let record = self.inputs.record;
        let mut cursor = Cursor::new(record);
        let Ok(Token::Map(pairs)) = cursor.token() else {
            out.extend_from_slice(record);
            return Ok(());
        };
        out.extend_from_slice(cursor.since(0));
        for _ in 0..pairs {
            let key = cursor.position();
            if cursor.skip().is_err() {
                break;
            }
            out.extend_from_slice(cursor.since(key));
            let at = cursor.position();
            if cursor.skip().is_err() {
                break;
            }
            let whole = cursor.since(at);
            let place = Place {
                start: u32::try_from(at).unwrap_or(u32::MAX),
                len: u32::try_from(whole.len()).unwrap_or(u32::MAX),
            };
            // Only texts, arrays and maps change where they are.
            if self.touched(place)
                && matches!(
                    Cursor::at(record, at).token(),
                    Ok(Token::Str(_) | Token::Bin(_) | Token::Array(_) | Token::Map(_))
                )
            {
                let value = self.decode(at)?;
                self.write_msgpack(value, out)?;
            } else {
                out.extend_from_slice(whole);
            }
        }
        Ok(())
    }

    /// A value put together by msgpack bytes that are not of the record, as JSON.parse makes them.
    pub(crate) fn load(&mut self, cursor: &mut Cursor<'_>, symbols: bool, at: Span) -> Run<Value> {
        let Ok(token) = cursor.token() else {
            return self.raise(Class::JsonParserError, at, "malformed document");
        };
        Ok(match token {
            Token::Nil | Token::Ext(..) => Value::Nil,
            Token::Bool(value) => Value::Bool(value),
            Token::Uint(number) => i64::try_from(number).map_or(Value::Wide(number), Value::Int),
            Token::Int(number) => Value::Int(number),
            Token::Float(number) => Value::Float(number),
            Token::Str(text) | Token::Bin(text) => self.copy_text(text)?,
            Token::Array(len) => {
                let mut list = self.heap.list();
                self.deeper(|machine| {
                    for _ in 0..len {
                        let value = machine.load(cursor, symbols, at)?;
                        list.push(value);
                    }
                    Ok(())
                })?;
                self.new_array(list)?
            }
            Token::Map(len) => {
                let mut pairs = self.heap.pair_list();
                self.deeper(|machine| {
                    for _ in 0..len {
                        let mut key = machine.load(cursor, symbols, at)?;
                        if let (true, Value::Text(text)) = (symbols, key) {
                            key = Value::Symbol(text);
                        }
                        let value = machine.load(cursor, symbols, at)?;
                        machine.put_pair(&mut pairs, key, value)?;
                    }
                    Ok(())
                })?;
                self.reserve(pairs.len() * 2 * size_of::<Value>())?;
                Value::Hash(self.heap.put(Object::Hash(pairs, Value::Nil)))
            }
        })
    }
}

/// Where `inner`, a part of `outer`, begins in it.
fn offset_in(outer: &[u8], inner: &[u8]) -> usize {
    (inner.as_ptr() as usize).wrapping_sub(outer.as_ptr() as usize)
}
