//! From the events of a YAML text to a tree of nodes with their places.

use std::{borrow::Cow, collections::HashMap, rc::Rc};

use saphyr_parser::{Event, Parser as Yaml, ScalarStyle};

use crate::{Diagnostic, FileId, MAX_ELEMENT_DEPTH, Span, include, parser::Parser};

/// A value of YAML. Aliases share the node they name.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) tag: Tag,
    pub(super) span: Span,
    /// It has a name that an alias could use.
    pub(super) is_anchored: bool,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar { text: String, is_plain: bool },
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

/// What stands before a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tag {
    /// Nothing, or a tag of YAML's own that changes nothing.
    Plain,
    /// `!!str`
    Text,
    /// `!fluent/s`
    Embedded,
    /// `!fluent/json`
    Json,
    /// `!include`
    Include,
    /// Any other.
    Unknown(String),
}

/// A sequence or mapping that has not ended, and the key that waits for its value.
struct Open {
    kind: Kind,
    key: Option<Rc<Node>>,
    anchor: usize,
    tag: Tag,
    start: usize,
}

/// The first document of a file; `None` if it is empty or a diagnostic says what is wrong.
pub(super) fn compose(parser: &mut Parser<'_>, file: FileId) -> Option<Rc<Node>> {
    let text = parser.sources.file(file)?.text().to_owned();
    let mut composer = Composer {
        offsets: Offsets::new(&text),
        text: &text,
        file,
        anchors: HashMap::new(),
        open: Vec::new(),
        root: None,
    };
    let result = composer.run(parser);
    if let Err(error) = result {
        parser.diagnostics.push(error);
        return None;
    }
    if composer.root.is_none() {
        let error = Diagnostic::error("the file is empty").at(Span::new(file, 0, 0), "");
        let hint = "write a mapping with the keys 'system' and 'config'";
        parser.diagnostics.push(error.hint(hint));
    }
    composer.root
}

struct Composer<'a> {
    text: &'a str,
    offsets: Offsets,
    file: FileId,
    anchors: HashMap<usize, Rc<Node>>,
    open: Vec<Open>,
    root: Option<Rc<Node>>,
}

impl Composer<'_> {
    fn run(&mut self, parser: &mut Parser<'_>) -> Result<(), Diagnostic> {
        let mut yaml = Yaml::new_from_str(self.text);
        while let Some(event) = yaml.next_event() {
            let (event, place) = event.map_err(|error| {
                let at = self.span(error.marker().index(), error.marker().index() + 1);
                Diagnostic::error(format!("this is no YAML: {}", error.info())).at(at, "")
            })?;
            let span = self.span(place.start.index(), place.end.index());
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    self.scalar(parser, (text, style), anchor, &named(tag.as_deref()), span)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    let kind = Kind::Sequence(Vec::new());
                    self.begin(kind, anchor, named(tag.as_deref()), span)?;
                }
                Event::MappingStart(anchor, tag) => {
                    let kind = Kind::Mapping(Vec::new());
                    self.begin(kind, anchor, named(tag.as_deref()), span)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(span),
                Event::Alias(anchor) => {
                    let node = self.anchors.get(&anchor).map(Rc::clone);
                    let node = node.ok_or_else(|| {
                        let error = Diagnostic::error("an alias stands inside what it names");
                        error.at(span, "this would have no end")
                    })?;
                    self.add(node);
                }
                // What follows the first document is not looked at.
                Event::DocumentEnd => break,
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_) => {}
            }
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        parser: &mut Parser<'_>,
        (text, style): (Cow<'_, str>, ScalarStyle),
        anchor: usize,
        tag: &Tag,
        span: Span,
    ) -> Result<(), Diagnostic> {
        if *tag == Tag::Include {
            // Here and not later: what is included may include by its own path.
            let items = included(parser, &text, span);
            self.begin(Kind::Sequence(items), anchor, Tag::Plain, span)?;
            self.end(span);
            return Ok(());
        }
        let span = self.own(span, &text, style);
        let kind = Kind::Scalar {
            text: text.into_owned(),
            is_plain: style == ScalarStyle::Plain,
        };
        let node = Rc::new(Node {
            kind,
            tag: tag.clone(),
            span,
            is_anchored: anchor != 0,
        });
        self.anchors.insert(anchor, Rc::clone(&node));
        self.add(node);
        Ok(())
    }

    fn begin(&mut self, kind: Kind, anchor: usize, tag: Tag, span: Span) -> Result<(), Diagnostic> {
        if self.open.len() >= MAX_ELEMENT_DEPTH {
            let message = format!("values are nested deeper than {MAX_ELEMENT_DEPTH}");
            return Err(Diagnostic::error(message).at(span, "this one is not read"));
        }
        self.open.push(Open {
            kind,
            key: None,
            anchor,
            tag,
            start: span.range().start,
        });
        Ok(())
    }

    fn end(&mut self, span: Span) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let node = Rc::new(Node {
            kind: open.kind,
            tag: open.tag,
            span: self.trimmed(open.start, span.range().end),
            is_anchored: open.anchor != 0,
        });
        self.anchors.insert(open.anchor, Rc::clone(&node));
        self.add(node);
    }

    /// Hands a finished node to what it stands in.
    fn add(&mut self, node: Rc<Node>) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match (&mut open.kind, open.key.take()) {
            (Kind::Mapping(pairs), Some(key)) => pairs.push((key, node)),
            (Kind::Mapping(_), None) => open.key = Some(node),
            (Kind::Sequence(items), _) => items.push(node),
            (Kind::Scalar { .. }, _) => {}
        }
    }

    /// The part of a scalar's span that is its own: the YAML parser adds the tag before it and a
    /// comment behind it.
    fn own(&self, span: Span, text: &str, style: ScalarStyle) -> Span {
        let whole = self.text.get(span.range()).unwrap_or("");
        let mut covered = whole;
        while covered.starts_with(['!', '&']) {
            let end = covered.find(char::is_whitespace).unwrap_or(covered.len());
            covered = covered.get(end..).unwrap_or("").trim_start();
        }
        let length = match style {
            ScalarStyle::Plain if covered.starts_with(text) => text.len(),
            ScalarStyle::DoubleQuoted => quoted_length(covered, '"', '\\'),
            ScalarStyle::SingleQuoted => quoted_length(covered, '\'', '\''),
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => covered.len(),
        };
        let start = span.range().start + (whole.len() - covered.len());
        Span::new(span.file, start, start + length)
    }

    /// A span of the YAML parser, which counts characters.
    fn span(&self, start: usize, end: usize) -> Span {
        self.trimmed(self.offsets.byte(start), self.offsets.byte(end))
    }

    /// A span without the white space at its end.
    fn trimmed(&self, start: usize, end: usize) -> Span {
        let start = start.min(self.text.len());
        let covered = self.text.get(start..end.max(start)).unwrap_or("");
        Span::new(self.file, start, start + covered.trim_end().len())
    }
}

/// The length of a quoted text with its quotes.
fn quoted_length(covered: &str, quote: char, escape: char) -> usize {
    let mut characters = covered.char_indices().skip(1).peekable();
    while let Some((offset, character)) = characters.next() {
        let is_escape = character == escape
            && (escape != quote || characters.peek().is_some_and(|(_, next)| *next == quote));
        if is_escape {
            characters.next();
        } else if character == quote {
            return offset + character.len_utf8();
        }
    }
    covered.len()
}

/// The items of all files a pattern means, as one sequence.
fn included(parser: &mut Parser<'_>, operand: &str, span: Span) -> Vec<Rc<Node>> {
    let mut items = Vec::new();
    for path in include::expand(parser, operand, span) {
        let Some(file) = include::enter(parser, &path, span) else {
            continue;
        };
        let document = compose(parser, file);
        include::leave(parser);
        let Some(document) = document else {
            continue;
        };
        match &document.kind {
            Kind::Sequence(more) => items.extend(more.iter().map(Rc::clone)),
            Kind::Scalar { .. } | Kind::Mapping(_) => {
                let error = Diagnostic::error("an included file must hold a sequence");
                let error = error.at(document.span, "expected items that begin with '- '");
                parser.diagnostics.push(error.and(span, "included here"));
            }
        }
    }
    items
}

fn named(tag: Option<&saphyr_parser::Tag>) -> Tag {
    let Some(tag) = tag else {
        return Tag::Plain;
    };
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("tag:yaml.org,2002:", "str") => Tag::Text,
        ("tag:yaml.org,2002:", _) => Tag::Plain,
        ("!", "fluent/s") => Tag::Embedded,
        ("!", "fluent/json") => Tag::Json,
        ("!", "include") => Tag::Include,
        (handle, suffix) => Tag::Unknown(format!("{handle}{suffix}")),
    }
}

/// Where characters begin, in bytes.
struct Offsets {
    /// Empty while every character is one byte.
    starts: Vec<u32>,
    bytes: usize,
}

impl Offsets {
    fn new(text: &str) -> Self {
        let starts = if text.is_ascii() {
            Vec::new()
        } else {
            let starts = text.char_indices();
            starts
                .map(|(start, _)| u32::try_from(start).unwrap_or(u32::MAX))
                .collect()
        };
        Self {
            starts,
            bytes: text.len(),
        }
    }

    fn byte(&self, character: usize) -> usize {
        if self.starts.is_empty() {
            return character.min(self.bytes);
        }
        let start = self.starts.get(character);
        start.map_or(self.bytes, |start| *start as usize)
    }
}
