//! One parameter's value as the file gives it, before the type a plugin declared is applied.

use crate::Span;

/// A value, where it was written, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub content: Content,
    /// How it was written.
    pub notation: Notation,
    /// Where it was written, with its quotes.
    pub span: Span,
}

/// What a value is once embedded Ruby has been evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, still to be converted to the declared type.
    Text(String),
    /// `use_nil`: explicitly nothing. An error unless the parameter's default is nothing too.
    Nil,
    /// `use_default`: as if the parameter had not been written.
    Default,
    /// What was written has no value. The error that says why is among the diagnostics; nothing more
    /// is said about the value, since whatever came of it would not be what was written.
    Broken,
}

/// How a value was written. It never changes the meaning, only messages and printing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// Bare text to the end of the line.
    Bare,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// A `[…]` or `{…}` literal, stored in its compact form.
    Json,
    /// Nothing after the key; the text is empty.
    Absent,
    /// A number, a bool or a list of YAML; the text is the JSON of it.
    Native,
}

impl Value {
    /// A bare text, for elements built by code.
    #[must_use]
    pub fn text(text: impl Into<String>, span: Span) -> Self {
        Self {
            content: Content::Text(text.into()),
            notation: Notation::Bare,
            span,
        }
    }

    /// The text, unless the value is one of the two markers.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Nil | Content::Default | Content::Broken => None,
        }
    }
}
