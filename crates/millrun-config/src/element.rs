//! The tree a configuration is read into.
//!
//! ```text
//! <match app.**>        name "match", argument "app.**"
//!   @type file          parameter
//!   <buffer time>       element
//!   </buffer>
//! </match>
//! ```
//!
//! The root is an element named `ROOT` without an argument. Parameters keep the order of their
//! first appearance; a later one of the same name replaces the value only, as in Fluentd.

use std::collections::HashMap;
use std::fmt;

use crate::{Span, Value};

/// Sections with more parameters than this find them by an index: else a file of nothing but keys
/// would take time by the square of its length.
const INDEXED_FROM: usize = 32;

/// Deepest nesting of elements; also what keeps recursion over a tree bounded.
pub const MAX_ELEMENT_DEPTH: usize = 100;

/// A section with its parameters and the sections inside it, both in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    name: String,
    argument: String,
    parameters: Vec<Entry>,
    /// Where each parameter stands, once there are many.
    index: Option<HashMap<String, usize>>,
    elements: Vec<Element>,
    span: Span,
    extent: Span,
}

/// A parameter of an [`Element`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, unquoted.
    pub name: String,
    /// Where the key was written (the last time, if it was repeated).
    pub name_span: Span,
    /// The value (the last one, if the key was repeated).
    pub value: Value,
}

impl Element {
    /// An empty section; `span` is its opening tag.
    #[must_use]
    pub fn new(name: impl Into<String>, argument: impl Into<String>, span: Span) -> Self {
        Self {
            name: name.into(),
            argument: argument.into(),
            parameters: Vec::new(),
            index: None,
            elements: Vec::new(),
            span,
            extent: span,
        }
    }

    /// The word after `<`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What follows the name in the tag, unquoted and evaluated; empty if nothing does.
    #[must_use]
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// Gives the section another argument, for a form that is rewritten.
    pub(crate) fn set_argument(&mut self, argument: String) {
        self.argument = argument;
    }

    /// The opening tag, or the start of the file for a root.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// The opening tag to the closing one, or to where it is missing. For editors; YAML, which has
    /// no tags, gives what [`span`](Self::span) gives.
    #[must_use]
    pub fn extent(&self) -> Span {
        self.extent
    }

    /// Says where the section ends.
    pub(crate) fn close(&mut self, end: Span) {
        self.extent = self.span.to(end);
    }

    /// Parameters in the order of their first appearance.
    #[must_use]
    pub fn parameters(&self) -> &[Entry] {
        &self.parameters
    }

    /// Sections in the order of the file.
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// Sections of one name, in the order of the file.
    pub fn elements_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.elements
            .iter()
            .filter(move |element| element.name == name)
    }

    /// The parameter of a name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.parameters.get(self.place_of(name)?)
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        match &self.index {
            None => self.parameters.iter().position(|entry| entry.name == name),
            Some(index) => index.get(name).copied(),
        }
    }

    fn build_index(&mut self) {
        self.index = (self.parameters.len() > INDEXED_FROM).then(|| {
            let names = self.parameters.iter().map(|entry| entry.name.clone());
            names.zip(0..).collect()
        });
    }

    /// The value of a parameter.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.entry(name).map(|entry| &entry.value)
    }

    /// The text of a parameter, if it is there and no marker.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name).and_then(Value::as_text)
    }

    /// Where a parameter's value stands; the section's tag if the parameter is not there. For
    /// complaints about what a value means.
    #[must_use]
    pub fn span_of(&self, name: &str) -> Span {
        self.value(name).map_or(self.span, |value| value.span)
    }

    /// The plugin's name: `@type`, or the old `type`.
    #[must_use]
    pub fn plugin_type(&self) -> Option<&str> {
        self.text("@type").or_else(|| self.text("type"))
    }

    /// Sets a parameter and returns what it replaces. The order of first appearance stays.
    pub fn insert(&mut self, entry: Entry) -> Option<Entry> {
        let place = self.place_of(&entry.name);
        if let Some(old) = place.and_then(|place| self.parameters.get_mut(place)) {
            return Some(std::mem::replace(old, entry));
        }
        if let Some(index) = &mut self.index {
            index.insert(entry.name.clone(), self.parameters.len());
        }
        self.parameters.push(entry);
        if self.index.is_none() {
            self.build_index();
        }
        None
    }

    /// Takes a parameter out, for example to move an old flat one into its section.
    pub fn remove(&mut self, name: &str) -> Option<Entry> {
        let place = self.place_of(name)?;
        let entry = self.parameters.remove(place);
        self.build_index();
        Some(entry)
    }

    /// Adds a section after the others.
    pub fn push(&mut self, element: Element) {
        self.elements.push(element);
    }

    /// The sections, to be changed in place.
    pub fn elements_mut(&mut self) -> &mut Vec<Element> {
        &mut self.elements
    }
}

/// The opening tag in its short form: `<match app.**>`, the way messages name a section.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.argument.is_empty() {
            write!(f, "<{}>", self.name)
        } else {
            write!(f, "<{} {}>", self.name, self.argument)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;

    #[test]
    fn a_repeated_parameter_keeps_its_first_place_and_its_last_value() {
        let span = Span::new(Sources::default().add("t.conf", ""), 0, 0);
        let entry = |name: &str, text: &str| Entry {
            name: name.to_owned(),
            name_span: span,
            value: Value::text(text, span),
        };
        let mut element = Element::new("match", "a", span);
        assert!(element.insert(entry("x", "1")).is_none());
        assert!(element.insert(entry("y", "2")).is_none());
        assert_eq!(
            element.insert(entry("x", "3")).unwrap().value.as_text(),
            Some("1")
        );
        let names: Vec<_> = element
            .parameters()
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        assert_eq!(names, ["x", "y"]);
        assert_eq!(element.text("x"), Some("3"));
        assert_eq!(element.to_string(), "<match a>");
    }

    #[test]
    fn many_parameters_are_found_as_few_are() {
        let span = Span::new(Sources::default().add("t.conf", ""), 0, 0);
        let mut element = Element::new("record", "", span);
        for number in (0..100).chain(50..150) {
            let text = format!("{number}");
            let entry = Entry {
                name: format!("k{number}"),
                name_span: span,
                value: Value::text(text, span),
            };
            element.insert(entry);
        }
        assert_eq!(element.parameters().len(), 150);
        assert_eq!(
            element.remove("k3").map(|entry| entry.name).as_deref(),
            Some("k3")
        );
        assert!(element.entry("k3").is_none());
        assert_eq!(element.text("k149"), Some("149"));
        for number in (0..150).filter(|number| *number != 3) {
            assert!(element.remove(&format!("k{number}")).is_some());
        }
        assert!(element.parameters().is_empty());
    }
}
