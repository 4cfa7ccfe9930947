//! The `dedot` filter: replaces the dots in the names of fields.
//!
//! ```text
//! {"app.name": 1, "x": {"y.z": 2}}     →     {"app_name": 1, "x": {"y.z": 2}}      de_dot_nested: {"y_z": 2}
//! ```
//! Of two names that become one the last counts for who reads the record.

use std::sync::Arc;

use millrun_config::{Diagnostic, Element, parameters};
use millrun_core::{Assembly, Batch, Filter, PluginId, Report};
use millrun_event::{Cursor, EventBuffer, Malformed, Token, write};

use super::each_record::each_record;

parameters! {
    /// Replaces the dots in the names of fields.
    pub struct DedotParameters in "filter", type "dedot" {
        /// Whether it does.
        de_dot: bool = "true";
        /// In maps within the record, too.
        de_dot_nested: bool = "false";
        /// What stands for a dot.
        de_dot_separator: String = "_";
    }
}

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = DedotParameters::read(element, assembly.diagnostics)?;
    if parameters.de_dot && parameters.de_dot_separator.contains('.') {
        let fault = Diagnostic::error("Invalid de_dot_separator: cannot be or contain '.'");
        let place = fault.at(element.span_of("de_dot_separator"), "this one does");
        assembly.diagnostics.push(place);
        return None;
    }
    Some(Arc::new(Dedot {
        id: id.text.clone(),
        parameters,
    }))
}

struct Dedot {
    id: Arc<str>,
    parameters: DedotParameters,
}

impl Filter for Dedot {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        if !self.parameters.de_dot {
            return out.extend(batch.events.bytes, batch.events.count);
        }
        each_record(&self.id, batch, out, report, |_, record, out| {
            // The entry was walked, so its values are sound and nest no deeper than a walk goes.
            let _ = self.write_map(&mut Cursor::new(record.bytes()), out);
        });
    }
}

impl Dedot {
    fn write_map(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let start = cursor.position();
        let Token::Map(pairs) = cursor.token()? else {
            return Ok(());
        };
        out.extend_from_slice(cursor.since(start));
        for _ in 0..pairs {
            self.write_key(cursor, out)?;
            if self.parameters.de_dot_nested {
                self.write_nested(cursor, out)?;
            } else {
                out.extend_from_slice(cursor.value()?);
            }
        }
        Ok(())
    }

    fn write_key(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
        let start = cursor.position();
        let text = match cursor.token()? {
            Token::Str(text) | Token::Bin(text) if text.contains(&b'.') => text,
            other => {
                cursor.skip_values(other.children())?;
                out.extend_from_slice(cursor.since(start));
                return Ok(());
            }
        };
        let separator = self.parameters.de_dot_separator.as_bytes();
        let dots = memchr::memchr_iter(b'.', text).count();
        let length = text.len() - dots + dots * separator.len();
        write::str_header(out, u32::try_from(length).unwrap_or(u32::MAX));
        for (index, part) in text.split(|byte| *byte == b'.').enumerate() {
            if index > 0 {
                out.extend_from_slice(separator);
            }
            out.extend_from_slice(part);
        }
        Ok(())
    }

    fn write_nested(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match cursor.clone().token()? {
            Token::Map(_) => self.write_map(cursor, out),
            Token::Array(length) => {
                let start = cursor.position();
                cursor.token()?;
                out.extend_from_slice(cursor.since(start));
                (0..length).try_for_each(|_| self.write_nested(cursor, out))
            }
            _ => {
                out.extend_from_slice(cursor.value()?);
                Ok(())
            }
        }
    }
}
