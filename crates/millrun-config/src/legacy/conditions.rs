//! The numbered conditions of the `grep` filter become sections.
//!
//! ```text
//! regexp1 level warn|error          <regexp>
//! exclude1 path ^/health              key level
//!                             →       pattern /warn|error/
//!                                   </regexp>
//!                                   <exclude>
//!                                     key path
//!                                     pattern /^/health/
//!                                   </exclude>
//! ```
//!
//! The first space ends the key; all behind it is the pattern, slashes included: a value in slashes
//! asked for these slashes. In the new form, a pattern lies between its first slash and its last.

use super::{entry::entry, section::warning};
use crate::{Diagnostic, Diagnostics, Element, Entry};

/// The highest number of a parameter.
const NUMBER_MAX: usize = 20;

/// Puts sections in the place of the numbered parameters, with a warning that shows them.
pub(super) fn rewrite(plugin: &mut Element, diagnostics: &mut Diagnostics) {
    let mut sections = Vec::new();
    let mut found = Vec::new();
    for name in ["regexp", "exclude"] {
        for number in 1..=NUMBER_MAX {
            let Some(entry) = plugin.remove(&format!("{name}{number}")) else {
                continue;
            };
            let Some(text) = entry.value.as_text() else {
                // Nothing was asked for.
                continue;
            };
            match text.split_once(' ') {
                Some((key, pattern)) => {
                    sections.push(section(name, key, pattern, &entry));
                    found.push(entry);
                }
                None => diagnostics.push(no_pattern(name, &entry)),
            }
        }
    }
    if !found.is_empty() {
        let entries: Vec<_> = found.iter().collect();
        diagnostics.push(warning(&sections, &entries));
    }
    for section in sections {
        plugin.push(section);
    }
}

fn section(name: &str, key: &str, pattern: &str, written: &Entry) -> Element {
    let (at, span) = (written.name_span, written.value.span);
    let mut section = Element::new(name, "", at);
    section.insert(entry("key", key, span));
    section.insert(entry("pattern", &format!("/{pattern}/"), span));
    section
}

fn no_pattern(name: &str, entry: &Entry) -> Diagnostic {
    let message = format!("'{}' has a key and no pattern", entry.name);
    Diagnostic::error(message)
        .at(entry.value.span, "expected a key, a space and a pattern")
        .hint(format!(
            "write a section <{name}> with the lines 'key KEY' and 'pattern /PATTERN/'"
        ))
}
