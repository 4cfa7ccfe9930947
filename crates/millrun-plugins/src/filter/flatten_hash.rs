//! The `flatten_hash` filter: brings what lies in maps within the record to its surface.
//!
//! ```text
//! {"a": {"b": 1, "c": [2, {"d": 3}]}}     →     {"a.b": 1, "a.c.0": 2, "a.c.1.d": 3}
//! ```
//! Empty maps and arrays leave nothing behind.

use std::sync::{Arc, Mutex, PoisonError};

use millrun_config::{Element, parameters};
use millrun_core::{Assembly, Batch, Filter, PluginId, Report, text_of};
use millrun_event::{Cursor, EventBuffer, Malformed, Token, write};

use super::each_record::each_record;

parameters! {
    /// Brings what lies in maps within the record to its surface.
    pub struct FlattenHashParameters in "filter", type "flatten_hash" {
        /// What stands between the names.
        separator: String = ".";
        /// What lies in arrays, too, by its number.
        flatten_array: bool = "true";
    }
}

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = FlattenHashParameters::read(element, assembly.diagnostics)?;
    Some(Arc::new(FlattenHash {
        id: id.text.clone(),
        parameters,
        workspaces: Mutex::default(),
    }))
}

struct FlattenHash {
    id: Arc<str>,
    parameters: FlattenHashParameters,
    /// One for each thread that is at work here.
    workspaces: Mutex<Vec<Workspace>>,
}

#[derive(Default)]
struct Workspace {
    /// The names that lead to the value at hand, joined.
    path: Vec<u8>,
    pairs: Vec<u8>,
    count: u32,
}

impl Filter for FlattenHash {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let mut workspace = lock().pop().unwrap_or_default();
        each_record(&self.id, batch, out, report, |_, record, out| {
            workspace.path.clear();
            workspace.pairs.clear();
            workspace.count = 0;
            // The entry was walked, so its values are sound and nest no deeper than a walk goes.
            let _ = self.flatten(&mut Cursor::new(record.bytes()), &mut workspace);
            write::map(out, workspace.count);
            out.extend_from_slice(&workspace.pairs);
        });
        lock().push(workspace);
    }
}

impl FlattenHash {
    fn flatten(&self, cursor: &mut Cursor<'_>, work: &mut Workspace) -> Result<(), Malformed> {
        match cursor.clone().token()? {
            Token::Map(pairs) => {
                cursor.token()?;
                for _ in 0..pairs {
                    let key = cursor.value()?;
                    let length = self.step_in(&text_bytes(key), work);
                    self.flatten(cursor, work)?;
                    work.path.truncate(length);
                }
            }
            Token::Array(length) if self.parameters.flatten_array => {
                cursor.token()?;
                for number in 0..length {
                    let length = self.step_in(number.to_string().as_bytes(), work);
                    self.flatten(cursor, work)?;
                    work.path.truncate(length);
                }
            }
            _ => {
                write::str(&mut work.pairs, &work.path);
                work.pairs.extend_from_slice(cursor.value()?);
                work.count = work.count.saturating_add(1);
            }
        }
        Ok(())
    }

    /// Adds a name to the path and answers how long it was without.
    fn step_in(&self, name: &[u8], work: &mut Workspace) -> usize {
        let length = work.path.len();
        if length > 0 {
            work.path
                .extend_from_slice(self.parameters.separator.as_bytes());
        }
        work.path.extend_from_slice(name);
        length
    }
}

/// The text of a key; of one that is none, what it looks like.
fn text_bytes(key: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    match Cursor::new(key).token() {
        Ok(Token::Str(text) | Token::Bin(text)) => text.into(),
        _ => text_of(key).into_bytes().into(),
    }
}
