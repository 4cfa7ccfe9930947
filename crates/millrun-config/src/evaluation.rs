//! From a literal with embedded Ruby to the content of a value.

use crate::{
    Content, Diagnostic, EvaluateError, Evaluated, Json, Notation, Span,
    parser::Parser,
    token::{Literal, Part, Written},
};

/// A literal's text with its expressions evaluated.
pub(crate) struct Text {
    pub(crate) text: String,
    /// `use_nil` or `use_default`, the first that came up.
    marker: Option<Content>,
    /// Which bytes of the text came from where, in order: end in the text, span.
    origins: Vec<(usize, Span)>,
    is_broken: bool,
}

/// Puts the parts of a literal together. Errors are reported; their expression gives no text.
pub(crate) fn text(parser: &mut Parser<'_>, literal: &Literal<'_>) -> Text {
    let mut whole = Text {
        text: String::new(),
        marker: None,
        origins: Vec::new(),
        is_broken: literal.is_broken,
    };
    let parts = match &literal.content {
        // Its bytes are those of the file, and no message is about some of them.
        Written::Verbatim(text) => {
            whole.text = (*text).to_owned();
            return whole;
        }
        Written::Parts(parts) => parts,
    };
    for part in parts {
        let origin = match part {
            Part::Text { text, span } => {
                whole.text.push_str(text);
                *span
            }
            Part::Code { text, span } => {
                match parser.evaluate.evaluate(text) {
                    Ok(Evaluated::Text(result)) => whole.text.push_str(&result),
                    Ok(Evaluated::Nil) => whole.marker = whole.marker.or(Some(Content::Nil)),
                    Ok(Evaluated::Default) => {
                        whole.marker = whole.marker.or(Some(Content::Default));
                    }
                    Err(error) => {
                        whole.is_broken = true;
                        parser.diagnostics.push(located(error, text, *span));
                    }
                }
                *span
            }
        };
        whole.origins.push((whole.text.len(), origin));
    }
    whole
}

/// The content of a parameter's value.
pub(crate) fn content(parser: &mut Parser<'_>, literal: &Literal<'_>, span: Span) -> Content {
    let whole = text(parser, literal);
    if whole.is_broken {
        return Content::Broken;
    }
    if let Some(marker) = whole.marker {
        return marker;
    }
    if literal.notation != Notation::Json {
        return Content::Text(whole.text);
    }
    match Json::parse(&whole.text) {
        Ok(json) => Content::Text(json.to_string()),
        Err(error) => {
            let what = if whole.text.starts_with('{') {
                "hash"
            } else {
                "array"
            };
            let at = whole.origin(error.offset, span);
            let error = Diagnostic::error(format!("got incomplete JSON {what} configuration"))
                .at(at, format!("expected {}", error.expected));
            parser
                .diagnostics
                .push(error.hint("quote the whole value if it is not meant as JSON"));
            Content::Broken
        }
    }
}

impl Text {
    /// Where a byte of the text came from. Inside the result of an expression, the expression.
    fn origin(&self, offset: usize, whole: Span) -> Span {
        let mut start = 0;
        for (end, span) in &self.origins {
            if offset < *end {
                let is_verbatim = *end - start == span.range().len();
                return if is_verbatim {
                    let at = span.range().start + (offset - start);
                    let rest = self.text.get(offset..).unwrap_or("");
                    let length = rest.chars().next().map_or(0, char::len_utf8);
                    Span::new(span.file, at, at + length)
                } else {
                    *span
                };
            }
            start = *end;
        }
        Span {
            start: whole.end,
            ..whole
        }
    }
}

fn located(error: EvaluateError, code: &str, span: Span) -> Diagnostic {
    let start = code.floor_char_boundary(error.range.start.min(code.len()));
    let end = code
        .floor_char_boundary(error.range.end.min(code.len()))
        .max(start);
    let base = span.range().start;
    let at = Span::new(span.file, base + start, base + end);
    let mut finding = Diagnostic::error(error.message).at(at, error.label);
    finding.hint = error.hint;
    finding
}
