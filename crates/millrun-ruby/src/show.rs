//! Values as text: `to_s`, `inspect`, `to_json`.

use millrun_event::json;

use crate::{
    class::Class,
    error::Span,
    heap::Object,
    machine::Machine,
    pattern::Pattern,
    text::{self, float_text},
    value::{Run, Value},
};

impl Machine<'_> {
    /// Appends what `to_s` gives.
    pub(crate) fn write_text(&mut self, value: Value, out: &mut Vec<u8>) -> Run<()> {
        match self.settled(value) {
            Value::Nil => {}
            Value::Text(text) | Value::Symbol(text) => {
                let bytes = self.bytes(text);
                out.extend_from_slice(bytes);
                let len = bytes.len();
                self.charge(len)?;
            }
            Value::Time(id) => {
                let time = self.heap.time(id);
                self.write_time(time, out)?;
            }
            Value::Error(id) => {
                if let Some(Object::Error(error)) = self.heap.object(id) {
                    out.extend_from_slice(error.message.as_bytes());
                }
            }
            Value::Regex(id) => {
                if let Some(pattern) = self.heap.pattern(id) {
                    out.extend_from_slice(self.pattern_text(&pattern).as_bytes());
                }
            }
            Value::Match(id) => {
                let whole = self.match_group(id, 0)?;
                return self.write_text(whole, out);
            }
            Value::Range(id) => {
                let (first, last, exclusive) = self.range(id);
                self.write_text(first, out)?;
                out.extend_from_slice(if exclusive { b"..." } else { b".." });
                return self.write_text(last, out);
            }
            other => return self.write_inspect(other, out),
        }
        Ok(())
    }

    /// Appends what `inspect` gives, in the form of Ruby before 3.4.
    pub(crate) fn write_inspect(&mut self, value: Value, out: &mut Vec<u8>) -> Run<()> {
        self.check_size(out.len())?;
        self.charge(0)?;
        match self.settled(value) {
            Value::Nil => out.extend_from_slice(b"nil"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Wide(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Float(number) => out.extend_from_slice(float_text(number).as_bytes()),
            Value::Text(text) => {
                let bytes = self.bytes(text);
                inspect_text(bytes, out);
                let len = bytes.len();
                self.charge(len)?;
            }
            Value::Symbol(text) => {
                out.push(b':');
                let bytes = self.bytes(text);
                if is_plain_symbol(bytes) {
                    out.extend_from_slice(bytes);
                } else {
                    inspect_text(bytes, out);
                }
            }
            value @ (Value::Array(_) | Value::RawArray(_)) => {
                let Some(id) = self.array_id(value)? else {
                    return Ok(());
                };
                let list = self.heap.array(id).to_vec();
                out.push(b'[');
                self.deeper(|machine| {
                    for (index, value) in list.into_iter().enumerate() {
                        if index > 0 {
                            out.extend_from_slice(b", ");
                        }
                        machine.write_inspect(value, out)?;
                    }
                    Ok(())
                })?;
                out.push(b']');
            }
            value @ (Value::Hash(_) | Value::RawHash(_)) => {
                let Some(id) = self.hash_id(value)? else {
                    return Ok(());
                };
                let pairs = self.heap.pairs(id).to_vec();
                out.push(b'{');
                self.deeper(|machine| {
                    for (index, (key, value)) in pairs.into_iter().enumerate() {
                        if index > 0 {
                            out.extend_from_slice(b", ");
                        }
                        machine.write_inspect(key, out)?;
                        out.extend_from_slice(b"=>");
                        machine.write_inspect(value, out)?;
                    }
                    Ok(())
                })?;
                out.push(b'}');
            }
            Value::Opaque(_) => out.extend_from_slice(b"#<MessagePack::ExtensionValue>"),
            Value::Range(id) => {
                let (first, last, exclusive) = self.range(id);
                if !matches!(first, Value::Nil) {
                    self.write_inspect(first, out)?;
                }
                out.extend_from_slice(if exclusive { b"..." } else { b".." });
                if !matches!(last, Value::Nil) {
                    self.write_inspect(last, out)?;
                }
            }
            Value::Regex(id) => {
                if let Some(pattern) = self.heap.pattern(id) {
                    out.push(b'/');
                    out.extend_from_slice(
                        pattern
                            .source
                            .replace('/', "\\/")
                            .replace("\\\\/", "\\/")
                            .as_bytes(),
                    );
                    out.push(b'/');
                    out.extend_from_slice(letters(&pattern).as_bytes());
                }
            }
            Value::Match(id) => {
                out.extend_from_slice(b"#<MatchData ");
                let groups = self.heap.found(id).map_or(0, |found| found.groups.len());
                for number in 0..groups {
                    if number > 0 {
                        let name = self.heap.found(id).and_then(|found| {
                            let names = found.pattern.regex.capture_names();
                            names
                                .iter()
                                .find(|name| name.numbers().contains(&number))
                                .map(|name| name.as_str().to_owned())
                        });
                        out.push(b' ');
                        out.extend_from_slice(
                            name.unwrap_or_else(|| number.to_string()).as_bytes(),
                        );
                        out.push(b':');
                    }
                    let group = self.match_group(id, number)?;
                    self.write_inspect(group, out)?;
                }
                out.push(b'>');
            }
            Value::Time(id) => {
                let time = self.heap.time(id);
                self.write_time_inspect(time, out)?;
            }
            Value::Error(id) => {
                if let Some(Object::Error(error)) = self.heap.object(id) {
                    out.extend_from_slice(
                        format!("#<{}: {}>", error.class.name(), error.message).as_bytes(),
                    );
                }
            }
            Value::Class(class) => out.extend_from_slice(class.name().as_bytes()),
        }
        Ok(())
    }

    /// A regular expression as it stands in another one.
    pub(crate) fn pattern_text(&self, pattern: &Pattern) -> String {
        let on = letters(pattern);
        let off: String = "mix"
            .chars()
            .filter(|letter| !on.contains(*letter))
            .collect();
        let dash = if off.is_empty() { "" } else { "-" };
        format!("(?{on}{dash}{off}:{})", pattern.source)
    }

    /// Appends JSON as Ruby's generator writes it; `indent` is the depth of a pretty document.
    pub(crate) fn write_json(
        &mut self,
        value: Value,
        indent: Option<usize>,
        out: &mut Vec<u8>,
        at: Span,
    ) -> Run<()> {
        self.check_size(out.len())?;
        self.charge(0)?;
        match self.settled(value) {
            Value::Nil => out.extend_from_slice(b"null"),
            Value::Float(number) if !number.is_finite() => {
                return self.raise(
                    Class::JsonGeneratorError,
                    at,
                    format!("{} not allowed in JSON", float_text(number)),
                );
            }
            Value::Text(text) | Value::Symbol(text) => {
                let bytes = self.bytes(text);
                json::write_str(out, bytes);
                let len = bytes.len();
                self.charge(len)?;
            }
            value @ (Value::Array(_) | Value::RawArray(_)) => {
                let Some(id) = self.array_id(value)? else {
                    return Ok(());
                };
                let list = self.heap.array(id).to_vec();
                out.push(b'[');
                let empty = list.is_empty();
                self.deeper(|machine| {
                    for (index, value) in list.into_iter().enumerate() {
                        if index > 0 {
                            out.push(b',');
                        }
                        new_line(indent.map(|depth| depth + 1), out);
                        machine.write_json(value, indent.map(|depth| depth + 1), out, at)?;
                    }
                    Ok(())
                })?;
                if empty && indent.is_some() {
                    out.push(b'\n');
                }
                if !empty || indent.is_some() {
                    new_line(indent, out);
                }
                out.push(b']');
            }
            value @ (Value::Hash(_) | Value::RawHash(_)) => {
                let Some(id) = self.hash_id(value)? else {
                    return Ok(());
                };
                let pairs = self.heap.pairs(id).to_vec();
                out.push(b'{');
                self.deeper(|machine| {
                    for (index, (key, value)) in pairs.into_iter().enumerate() {
                        if index > 0 {
                            out.push(b',');
                        }
                        new_line(indent.map(|depth| depth + 1), out);
                        let mut name = Vec::new();
                        machine.write_text(key, &mut name)?;
                        json::write_str(out, &name);
                        out.extend_from_slice(if indent.is_some() { b": " } else { b":" });
                        machine.write_json(value, indent.map(|depth| depth + 1), out, at)?;
                    }
                    Ok(())
                })?;
                new_line(indent, out);
                out.push(b'}');
            }
            value @ (Value::Bool(_) | Value::Int(_) | Value::Wide(_) | Value::Float(_)) => {
                return self.write_inspect(value, out);
            }
            other => {
                let mut shown = Vec::new();
                self.write_text(other, &mut shown)?;
                json::write_str(out, &shown);
            }
        }
        Ok(())
    }
}

fn new_line(indent: Option<usize>, out: &mut Vec<u8>) {
    if let Some(depth) = indent {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    }
}

fn letters(pattern: &Pattern) -> String {
    let mut letters = String::new();
    if pattern.flags.multi_line {
        letters.push('m');
    }
    if pattern.flags.ignore_case {
        letters.push('i');
    }
    if pattern.flags.extended {
        letters.push('x');
    }
    letters
}

fn is_plain_symbol(bytes: &[u8]) -> bool {
    const OPERATORS: &[&[u8]] = &[
        b"[]", b"[]=", b"+", b"-", b"*", b"/", b"%", b"**", b"==", b"=~", b"<=>", b"===", b"<<",
        b">>", b"<", b"<=", b">", b">=", b"!", b"!=", b"&", b"|", b"^", b"~",
    ];
    if OPERATORS.contains(&bytes) {
        return true;
    }
    let name = match bytes {
        [name @ .., b'?' | b'!' | b'='] => name,
        _ => bytes,
    };
    !name.is_empty()
        && !name.first().is_some_and(u8::is_ascii_digit)
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80)
}

pub(crate) fn inspect_text(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for (start, letter) in text::chars(bytes) {
        let escaped: &[u8] = match letter {
            b"\"" => b"\\\"",
            b"\\" => b"\\\\",
            b"\n" => b"\\n",
            b"\t" => b"\\t",
            b"\r" => b"\\r",
            b"\x07" => b"\\a",
            b"\x08" => b"\\b",
            b"\x0b" => b"\\v",
            b"\x0c" => b"\\f",
            b"\x1b" => b"\\e",
            // Only where an interpolation would begin.
            b"#" if matches!(bytes.get(start + 1), Some(b'{' | b'$' | b'@')) => b"\\#",
            [byte @ (0..=0x1f | 0x7f)] => {
                out.extend_from_slice(format!("\\u{byte:04X}").as_bytes());
                continue;
            }
            [byte @ 0x80..=0xff] => {
                out.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
                continue;
            }
            other => other,
        };
        out.extend_from_slice(escaped);
    }
    out.push(b'"');
}
