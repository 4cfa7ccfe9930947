//! Numbered lines of the `grep` filter and of `rewrite_tag_filter` become sections.
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
//!
//! rewriterule1 a !^x y.$1     →     <rule>
//!                                     key a
//!                                     pattern /^x/
//!                                     tag y.$1
//!                                     invert true
//!                                   </rule>
//! ```
//!
//! The pattern stood there bare: a value in slashes asked for these slashes. In the new form, a pattern lies between its
//! first slash and its last.

use super::{entry::entry, section::warning};
use crate::{Diagnostic, Diagnostics, Element, Entry};

/// The highest number of a condition. Rules had no highest.
const CONDITION_MAX: usize = 20;

/// Puts sections in the place of grep's numbered conditions, with a warning that shows them.
pub(super) fn conditions(plugin: &mut Element, diagnostics: &mut Diagnostics) {
    let names = ["regexp", "exclude"];
    let numbered = names.map(|name| numbered(plugin, name, CONDITION_MAX));
    let found = names.into_iter().zip(numbered);
    let found = found.flat_map(|(name, entries)| entries.into_iter().map(move |one| (name, one)));
    rewrite(plugin, found, condition, diagnostics);
}

/// Puts sections in the place of rules in one line, with a warning that shows them.
pub(super) fn rules(plugin: &mut Element, diagnostics: &mut Diagnostics) {
    let found = numbered(plugin, "rewriterule", usize::MAX);
    let found = found.into_iter().map(|one| ("rule", one));
    rewrite(plugin, found, rule, diagnostics);
}

/// The lines of a name with a number behind it, by their numbers.
fn numbered(plugin: &mut Element, name: &str, number_max: usize) -> Vec<Entry> {
    let number_of = |entry: &Entry| {
        let digits = entry.name.strip_prefix(name)?;
        let is_number = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
        let number: usize = digits.parse().ok().filter(|_| is_number)?;
        (number <= number_max).then_some((number, entry.name.clone()))
    };
    let mut names: Vec<_> = plugin.parameters().iter().filter_map(number_of).collect();
    names.sort();
    let names = names.into_iter();
    names.filter_map(|(_, name)| plugin.remove(&name)).collect()
}

/// A section of a name, from a line; else what is wrong with that.
type Rewrite = fn(&str, &Entry, &str) -> Result<Element, Diagnostic>;

fn rewrite(
    plugin: &mut Element,
    found: impl Iterator<Item = (&'static str, Entry)>,
    section: Rewrite,
    diagnostics: &mut Diagnostics,
) {
    let mut sections = Vec::new();
    let mut sound = Vec::new();
    for (name, entry) in found {
        let Some(text) = entry.value.as_text() else {
            // Nothing was asked for.
            continue;
        };
        match section(name, &entry, text) {
            Ok(section) => {
                sections.push(section);
                sound.push(entry);
            }
            Err(fault) => diagnostics.push(fault),
        }
    }
    if !sound.is_empty() {
        let entries: Vec<_> = sound.iter().collect();
        diagnostics.push(warning(&sections, &entries));
    }
    for section in sections {
        plugin.push(section);
    }
}

/// The first space ends the key.
fn condition(name: &str, written: &Entry, text: &str) -> Result<Element, Diagnostic> {
    match text.split_once(' ') {
        Some((key, pattern)) => Ok(section(name, written, key, pattern)),
        None => Err(wrong(
            written,
            "a key and no pattern",
            "a key, a space and a pattern",
            "write a section <regexp> or <exclude> with the lines 'key KEY' and 'pattern /PATTERN/'",
        )),
    }
}

/// White space ends the key and begins the tag; what is between is the pattern, and a `!` before it turns it round.
fn rule(name: &str, written: &Entry, text: &str) -> Result<Element, Diagnostic> {
    let parts = || {
        let (key, rest) = text.trim().split_once(char::is_whitespace)?;
        let (pattern, tag) = rest.trim_start().rsplit_once(char::is_whitespace)?;
        Some((key, pattern.trim_end(), tag))
    };
    let Some((key, pattern, tag)) = parts() else {
        return Err(wrong(
            written,
            "fewer than three parts",
            "a key, a pattern and a tag",
            "write a section <rule> with the lines 'key KEY', 'pattern /PATTERN/' and 'tag TAG'",
        ));
    };
    let inverted = pattern.strip_prefix('!');
    let mut rule = section(name, written, key, inverted.unwrap_or(pattern));
    rule.insert(entry("tag", tag, written.value.span));
    if inverted.is_some() {
        rule.insert(entry("invert", "true", written.value.span));
    }
    Ok(rule)
}

fn section(name: &str, written: &Entry, key: &str, pattern: &str) -> Element {
    let span = written.value.span;
    let mut section = Element::new(name, "", written.name_span);
    section.insert(entry("key", key, span));
    section.insert(entry("pattern", &format!("/{pattern}/"), span));
    section
}

fn wrong(written: &Entry, what: &str, expected: &str, hint: &str) -> Diagnostic {
    Diagnostic::error(format!("'{}' has {what}", written.name))
        .at(written.value.span, format!("expected {expected}"))
        .hint(hint)
}
