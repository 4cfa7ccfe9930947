//! Makes a tree of a text, by recursive descent over its tokens.
//!
//! ```text
//! items     = { element | parameter | include }
//! element   = OpenTag [Argument] TagEnd LineEnd items CloseTag TagEnd LineEnd
//! parameter = Key [Value] LineEnd
//! include   = Include Value LineEnd          its items stand in its place
//! ```
//!
//! Nothing stops the parser: after an error it goes on with the next line. A closing tag that fits
//! an outer section closes the ones in between; one that fits none closes the innermost, since it
//! is then most likely a misspelt name.

use std::path::PathBuf;

use crate::{
    Diagnostic, Diagnostics, Element, Entry, Evaluate, FileId, Includes, MAX_ELEMENT_DEPTH,
    Notation, Sources, Span, Value,
    evaluation::{self, Text},
    include::{self, Including},
    lexer::tokenize,
    nearest,
    token::{Literal, Token, TokenKind, Tokens},
};

/// Keys with `@` that the language knows.
const RESERVED: [&str; 5] = ["@type", "@id", "@label", "@log_level", "@include"];

/// A configuration that was read, with whatever there is to say about it.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The tree. After an error it holds what could be understood.
    pub root: Element,
    /// The texts it was read from.
    pub sources: Sources,
    /// Errors and warnings.
    pub diagnostics: Diagnostics,
}

/// Reads a configuration from a text, with an evaluator of the caller's for embedded Ruby.
///
/// `name` is the path its relative includes start from and what messages call it. It need not
/// exist.
pub fn parse_str(
    name: impl Into<PathBuf>,
    text: &str,
    evaluate: &mut dyn Evaluate,
    includes: &mut dyn Includes,
) -> Parsed {
    let name = name.into();
    let mut sources = Sources::default();
    let file = sources.add(&name, text);
    let mut root = Element::new("ROOT", "", Span::new(file, 0, 0));
    let mut parser = Parser {
        sources,
        diagnostics: Diagnostics::default(),
        evaluate,
        includes,
        including: Including::new(&name),
    };
    parser.file(file, &mut root, 0);
    // The lexer speaks before the parser does; a reader wants the order of the lines.
    parser.diagnostics.sort_by_place();
    Parsed {
        root,
        sources: parser.sources,
        diagnostics: parser.diagnostics,
    }
}

pub(crate) struct Parser<'a> {
    pub(crate) sources: Sources,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) evaluate: &'a mut dyn Evaluate,
    pub(crate) includes: &'a mut dyn Includes,
    pub(crate) including: Including,
}

/// The sections open in one file, from the outermost in.
struct Open<'a> {
    name: &'a str,
    span: Span,
    outer: Option<&'a Open<'a>>,
}

impl Open<'_> {
    fn is_open(&self, name: &str) -> bool {
        self.name == name || self.outer.is_some_and(|outer| outer.is_open(name))
    }
}

impl Parser<'_> {
    /// Reads all items of a file into an element that may have some already.
    pub(crate) fn file(&mut self, file: FileId, element: &mut Element, depth: usize) {
        let text = self
            .sources
            .file(file)
            .map_or(String::new(), |source| source.text().to_owned());
        let (mut tokens, errors) = tokenize(file, &text);
        for error in errors {
            self.diagnostics.push(error);
        }
        tokens.retain(|token| token.kind != TokenKind::Comment);
        let end = Span::new(file, text.len(), text.len());
        let mut tokens = Tokens {
            tokens: tokens.into(),
            end,
            is_cut_off: false,
        };
        self.items(&mut tokens, element, None, depth);
    }

    /// Reads items up to the end of the section, or of the file where none is open. Returns where
    /// they end.
    fn items<'t>(
        &mut self,
        tokens: &mut Tokens<'t>,
        element: &mut Element,
        open: Option<&Open<'_>>,
        depth: usize,
    ) -> Span {
        while let Some(Token { kind, span }) = tokens.tokens.pop_front() {
            match kind {
                TokenKind::OpenTag(name) => {
                    self.element(tokens, element, (name, span), open, depth);
                }
                TokenKind::CloseTag(name) => {
                    if self.close(tokens, name, span, open) {
                        return span;
                    }
                }
                TokenKind::Key(key) => self.parameter(tokens, element, (key, span), open),
                TokenKind::Include => self.include(tokens, element, span, depth),
                TokenKind::End => break,
                TokenKind::LineEnd | TokenKind::Comment => {}
                TokenKind::TagEnd
                | TokenKind::Argument(_)
                | TokenKind::Value(_)
                | TokenKind::Junk => self.error("unexpected text", span, "expected end of line"),
            }
        }
        if let Some(open) = open.filter(|_| !tokens.is_cut_off) {
            let message = format!("expected end tag '</{}>' but got end of file", open.name);
            let error = Diagnostic::error(message).at(tokens.end, "the file ends here");
            self.diagnostics
                .push(error.and(open.span, "this section is never closed"));
        }
        tokens.end
    }

    fn element<'t>(
        &mut self,
        tokens: &mut Tokens<'t>,
        parent: &mut Element,
        (name, name_span): (&'t str, Span),
        outer: Option<&Open<'_>>,
        depth: usize,
    ) {
        if name.is_empty() {
            self.error(
                "expected tag name",
                name_span,
                "expected a name such as 'match' after '<'",
            );
        }
        let mut span = name_span;
        let mut argument = String::new();
        if let Some(Token {
            kind: TokenKind::Argument(literal),
            span: argument_span,
        }) = tokens.next_if(|kind| matches!(kind, TokenKind::Argument(_)))
        {
            span = span.to(argument_span);
            argument = self.text(&literal);
        }
        match tokens.next_if(|kind| *kind == TokenKind::TagEnd) {
            Some(end) => {
                span = span.to(end.span);
                self.line_end(tokens, "expected end of line after tag");
            }
            None => {
                let at = Span {
                    start: span.end,
                    ..span
                };
                self.error("expected '>'", at, "expected '>' at the end of the tag");
                tokens.skip_line();
            }
        }
        let mut element = Element::new(name, argument, span);
        if depth >= MAX_ELEMENT_DEPTH {
            let message = format!("sections are nested deeper than {MAX_ELEMENT_DEPTH}");
            self.error(&message, span, "this one is not read");
            // What follows could only repeat the complaint.
            tokens.cut_off();
            return;
        }
        let open = Open { name, span, outer };
        let end = self.items(tokens, &mut element, Some(&open), depth + 1);
        element.close(end);
        parent.push(element);
    }

    /// Reads a closing tag; whether it ends the innermost section.
    fn close<'t>(
        &mut self,
        tokens: &mut Tokens<'t>,
        name: &'t str,
        span: Span,
        open: Option<&Open<'_>>,
    ) -> bool {
        let Some(open) = open else {
            self.error("unmatched end tag", span, "there is no open section here");
            tokens.skip_line();
            return false;
        };
        let is_match = name == open.name;
        if !is_match {
            let expected = format!("expected '</{}>'", open.name);
            let error = Diagnostic::error("unmatched end tag").at(span, expected);
            self.diagnostics
                .push(error.and(open.span, "this section is open"));
            if open.outer.is_some_and(|outer| outer.is_open(name)) {
                // The outer section sees the same tag again.
                tokens.tokens.push_front(Token {
                    kind: TokenKind::CloseTag(name),
                    span,
                });
                return true;
            }
        }
        if tokens.next_if(|kind| *kind == TokenKind::TagEnd).is_some() {
            self.line_end(tokens, "expected end of line after end tag");
        } else {
            if is_match {
                let at = Span {
                    start: span.end,
                    ..span
                };
                self.error("expected '>'", at, "expected '>' at the end of the tag");
            }
            tokens.skip_line();
        }
        true
    }

    fn parameter(
        &mut self,
        tokens: &mut Tokens<'_>,
        element: &mut Element,
        (key, name_span): (Literal<'_>, Span),
        open: Option<&Open<'_>>,
    ) {
        let name = self.text(&key);
        self.check_reserved(&name, name_span, open);
        let value = match tokens.next_if(|kind| matches!(kind, TokenKind::Value(_))) {
            Some(Token {
                kind: TokenKind::Value(literal),
                span,
            }) => {
                self.check_comment(&name, &literal, span);
                let content = evaluation::content(self, &literal, span);
                Value {
                    content,
                    notation: literal.notation,
                    span,
                }
            }
            _ => {
                let span = Span {
                    start: name_span.end,
                    ..name_span
                };
                Value {
                    notation: Notation::Absent,
                    ..Value::text("", span)
                }
            }
        };
        self.line_end(tokens, "expected end of line");
        let span = value.span;
        if let Some(old) = element.insert(Entry {
            name,
            name_span,
            value,
        }) {
            let message = format!("parameter '{}' is written twice in {element}", old.name);
            let warning = Diagnostic::warning(message).at(name_span.to(span), "this one counts");
            self.diagnostics
                .push(warning.and(old.name_span, "this one does not"));
        }
    }

    /// Keys with `@` are the language's own at the top and in the sections it routes by.
    fn check_reserved(&mut self, name: &str, span: Span, open: Option<&Open<'_>>) {
        if !name.starts_with('@') || RESERVED.contains(&name) {
            return;
        }
        let message = format!("parameter '{name}' begins with '@', which is reserved");
        let is_strict =
            open.is_none_or(|open| matches!(open.name, "source" | "match" | "filter" | "system"));
        let mut finding = match is_strict {
            true => {
                Diagnostic::error(message).at(span, format!("expected {}", RESERVED.join(", ")))
            }
            false => Diagnostic::warning(message).at(span, ""),
        };
        finding.hint = nearest(name, RESERVED).map(|near| format!("did you mean '{near}'?"));
        self.diagnostics.push(finding);
    }

    /// `k  # note` has the comment as its value, in Fluentd too. Nobody means that.
    fn check_comment(&mut self, name: &str, literal: &Literal<'_>, span: Span) {
        let text = self.sources.text(span);
        let is_comment = literal.notation == Notation::Bare
            && (text == "#" || text.starts_with("# ") || text.starts_with("#\t"));
        if is_comment {
            let message = format!("the comment is the value of '{name}'");
            let warning = Diagnostic::warning(message).at(span, "");
            self.diagnostics
                .push(warning.hint("put the comment on a line of its own"));
        }
    }

    fn include(
        &mut self,
        tokens: &mut Tokens<'_>,
        element: &mut Element,
        span: Span,
        depth: usize,
    ) {
        let operand = match tokens.next_if(|kind| matches!(kind, TokenKind::Value(_))) {
            Some(Token {
                kind: TokenKind::Value(literal),
                span,
            }) if !literal.is_broken => Some((self.text(&literal), span)),
            Some(_) => None,
            None => {
                let label = "expected a path or a pattern";
                self.error("@include names no file", span, label);
                None
            }
        };
        if self.sources.text(span) == "include" {
            let warning = Diagnostic::warning("'include' is deprecated. Use '@include' instead");
            self.diagnostics.push(warning.at(span, ""));
        }
        self.line_end(tokens, "expected end of line");
        if let Some((operand, span)) = operand {
            include::include(self, &operand, span, element, depth);
        }
    }

    fn line_end(&mut self, tokens: &mut Tokens<'_>, message: &str) {
        let span = tokens.span();
        match tokens.tokens.front().map(|token| &token.kind) {
            None | Some(TokenKind::LineEnd | TokenKind::End) => tokens.skip_line(),
            Some(TokenKind::OpenTag(_) | TokenKind::CloseTag(_)) => {
                self.error(message, span, "this belongs on a line of its own");
            }
            Some(_) => {
                self.error(message, span, "only a comment may follow");
                tokens.skip_line();
            }
        }
    }

    /// A text that is no value: a key, an argument, a path.
    fn text(&mut self, literal: &Literal<'_>) -> String {
        let Text { text, .. } = evaluation::text(self, literal);
        text
    }

    fn error(&mut self, message: &str, span: Span, label: &str) {
        self.diagnostics
            .push(Diagnostic::error(message).at(span, label));
    }
}
