//! Methods that change a string in place.

use crate::{
    class::Class,
    machine::{Invocation, Machine},
    method::Method,
    string::find,
    text,
    value::{Run, Text, Value},
};

impl Machine<'_> {
    /// Methods that change the string itself.
    pub(crate) fn change_text(&mut self, text: Text, call: &Invocation<'_>) -> Run<Value> {
        let at = call.at;
        let id = self.own_text(text)?;
        let own = Text::Heap(id);
        let plain = match call.method {
            Method::UpcaseBang => Method::Upcase,
            Method::DowncaseBang => Method::Downcase,
            Method::CapitalizeBang => Method::Capitalize,
            Method::SwapcaseBang => Method::Swapcase,
            Method::ReverseBang => Method::Reverse,
            Method::StripBang => Method::Strip,
            Method::LstripBang => Method::Lstrip,
            Method::RstripBang => Method::Rstrip,
            Method::ChompBang => Method::Chomp,
            Method::GsubBang => Method::Gsub,
            Method::SubBang => Method::Sub,
            Method::TrBang => Method::Tr,
            Method::DeleteBang => Method::Delete,
            Method::SliceBang => Method::Slice,
            other => other,
        };
        let new = match call.method {
            Method::Append | Method::Concat => {
                let mut added = Vec::new();
                for value in call.arguments {
                    match value {
                        Value::Int(number) => {
                            let letter = u32::try_from(*number).ok().and_then(char::from_u32);
                            added.extend_from_slice(
                                letter.map(String::from).unwrap_or_default().as_bytes(),
                            );
                        }
                        other => {
                            let other = self.as_text(*other, at)?;
                            added.extend_from_slice(self.bytes(other));
                        }
                    }
                }
                self.reserve(added.len())?;
                if let Some(text) = self.heap.text_mut(id) {
                    text.extend_from_slice(&added);
                }
                return Ok(Value::Text(own));
            }
            Method::Prepend => {
                let first = self.text_argument(call, 0)?;
                [self.bytes(first), self.bytes(own)].concat()
            }
            Method::Replace => {
                let other = self.text_argument(call, 0)?;
                self.held(other).into_owned()
            }
            Method::Clear => Vec::new(),
            Method::Insert => {
                let index = self.int_argument(call, 0)?;
                let other = self.text_argument(call, 1)?;
                let count = text::char_count(self.bytes(own)) as i64;
                let index = if index < 0 { index + count + 1 } else { index };
                let Some(offset) = usize::try_from(index)
                    .ok()
                    .and_then(|index| text::char_offset(self.bytes(own), index))
                else {
                    return self.raise(
                        Class::IndexError,
                        at,
                        format!("index {index} out of string"),
                    );
                };
                let mut out = self.held(own).into_owned();
                out.splice(offset..offset, self.bytes(other).iter().copied());
                out
            }
            Method::SetIndex => {
                let value = self.text_argument(call, call.arguments.len().saturating_sub(1))?;
                let inner = Invocation {
                    arguments: call
                        .arguments
                        .get(..call.arguments.len().saturating_sub(1))
                        .unwrap_or_default(),
                    ..*call
                };
                let Some((start, end)) = self.text_place(own, &inner)? else {
                    return self.raise(Class::IndexError, at, "string not matched");
                };
                let mut out = self.held(own).into_owned();
                out.splice(start..end, self.bytes(value).iter().copied());
                out
            }
            Method::SliceBang => {
                let Some((start, end)) = self.text_place(own, call)? else {
                    return Ok(Value::Nil);
                };
                let cut = self.part(own, start, end)?;
                if let Some(text) = self.heap.text_mut(id) {
                    text.drain(start..end);
                }
                return Ok(cut);
            }
            _ if plain != call.method => {
                let inner = Invocation {
                    method: plain,
                    ..*call
                };
                match self.text_method(own, &inner)? {
                    Some(Value::Text(new)) => {
                        let new = self.held(new).into_owned();
                        if new == self.bytes(own) {
                            return Ok(Value::Nil);
                        }
                        new
                    }
                    _ => return Ok(Value::Nil),
                }
            }
            _ => return self.object_method(Value::Text(text), call),
        };
        self.reserve(new.len())?;
        if let Some(text) = self.heap.text_mut(id) {
            *text = new;
        }
        Ok(Value::Text(own))
    }

    /// Where the part that an index names lies, in bytes.
    fn text_place(&mut self, text: Text, call: &Invocation<'_>) -> Run<Option<(usize, usize)>> {
        let bytes = self.held(text);
        let count = text::char_count(&bytes);
        let window = match self.argument(call, 0)? {
            Value::Text(wanted) => {
                let wanted = self.bytes(wanted);
                return Ok(find(&bytes, wanted, 0).map(|start| (start, start + wanted.len())));
            }
            Value::Regex(id) => {
                let found = self.find_in(id, text, 0, call.at)?;
                return Ok(found.and_then(|found| found.groups.first().copied().flatten()));
            }
            Value::Range(id) => self.range_window(id, count, call.at)?,
            other => {
                let length = match call.arguments.get(1) {
                    Some(length) => self.as_int(*length, call.at)?,
                    None => 1,
                };
                text::window(self.as_int(other, call.at)?, length, count)
            }
        };
        Ok(window.map(|(start, end)| {
            (
                text::char_offset(&bytes, start).unwrap_or_default(),
                text::char_offset(&bytes, end).unwrap_or(bytes.len()),
            )
        }))
    }
}
