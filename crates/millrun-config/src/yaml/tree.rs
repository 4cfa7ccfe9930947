//! From nodes to elements.

use std::rc::Rc;

use crate::{
    Content, Diagnostic, Element, Entry, Json, Notation, Span, Value, evaluation, literal, nearest,
    parser::Parser,
    token::{Literal, Part, Written},
    yaml::{
        MAX_NODES,
        node::{Kind, Node, Tag},
        scalar,
    },
};

/// The keys of an item of `config`, in the order in which several of one item are read.
const DIRECTIVES: [&str; 5] = ["label", "source", "filter", "match", "worker"];

/// Keys of a section that stand for parameters with `@`, in the order in which they are put.
const RESERVED: [(&str, &str); 4] = [
    ("$type", "@type"),
    ("$label", "@label"),
    ("$id", "@id"),
    ("$log_level", "@log_level"),
];

/// A key of a mapping, its place, and its value, after merges.
struct Pair {
    key: String,
    span: Span,
    value: Rc<Node>,
    is_merged: bool,
}

pub(super) struct Builder<'a, 'p> {
    parser: &'a mut Parser<'p>,
    count: usize,
    /// An expression of the value that is being read has no result, which is said already.
    is_broken: bool,
}

impl<'a, 'p> Builder<'a, 'p> {
    pub(super) fn new(parser: &'a mut Parser<'p>) -> Self {
        Self {
            parser,
            count: 0,
            is_broken: false,
        }
    }

    /// Reads a document into the root.
    pub(super) fn root(&mut self, document: &Rc<Node>, root: &mut Element) {
        let what = "a mapping with the keys 'system' and 'config'";
        for Pair {
            key, span, value, ..
        } in self.pairs(document, what).unwrap_or_default()
        {
            match key.as_str() {
                "system" => {
                    if let Some(section) = self.section("system", span, &value, None) {
                        root.push(section);
                    }
                }
                "config" => self.config(&value, root),
                // A place to keep what is named elsewhere.
                _ if has_anchor(&value) => {}
                other => {
                    let message = format!("'{other}' is not used");
                    let mut warning = Diagnostic::warning(message);
                    warning.hint = nearest(other, ["system", "config"])
                        .map(|near| format!("did you mean '{near}'?"));
                    self.parser
                        .diagnostics
                        .push(warning.at(span, "expected system or config"));
                }
            }
        }
    }

    /// Reads a list of directives into the root, a label or a worker.
    fn config(&mut self, node: &Rc<Node>, parent: &mut Element) {
        let Kind::Sequence(items) = &node.kind else {
            return self.expected("a list of directives, each beginning with '- '", node);
        };
        for item in items {
            if !self.admit(item) {
                return;
            }
            // What an include among the items gave.
            if let Kind::Sequence(_) = &item.kind {
                self.config(item, parent);
                continue;
            }
            let what = "a mapping such as 'source: {…}'";
            let pairs = self.pairs(item, what).unwrap_or_default();
            for directive in DIRECTIVES {
                if let Some(pair) = pairs.iter().find(|pair| pair.key == directive) {
                    self.directive(pair, parent);
                }
            }
            for Pair { key, span, .. } in pairs {
                if !DIRECTIVES.contains(&key.as_str()) {
                    let mut error = Diagnostic::error(format!("'{key}' is no directive"));
                    error.hint =
                        nearest(&key, DIRECTIVES).map(|near| format!("did you mean '{near}'?"));
                    let label = format!("expected {}", DIRECTIVES.join(", "));
                    self.parser.diagnostics.push(error.at(span, label));
                }
            }
        }
    }

    fn directive(
        &mut self,
        Pair {
            key, span, value, ..
        }: &Pair,
        parent: &mut Element,
    ) {
        let section = match key.as_str() {
            "label" => self.container(key, *span, value, "$name"),
            "worker" => self.container(key, *span, value, "$arg"),
            "source" => self.section(key, *span, value, None),
            _ => self.section(key, *span, value, Some("$tag")),
        };
        if let Some(section) = section {
            parent.push(section);
        }
    }

    /// A section that holds directives.
    fn container(
        &mut self,
        name: &str,
        span: Span,
        node: &Rc<Node>,
        argument: &str,
    ) -> Option<Element> {
        let what = format!("a mapping with '{argument}' and 'config'");
        let pairs = self.pairs(node, &what)?;
        let text = self.argument(&pairs, argument);
        let mut element = Element::new(name, text, span);
        for Pair {
            key, span, value, ..
        } in pairs
        {
            match key.as_str() {
                "config" => self.config(&value, &mut element),
                key if key == argument => {}
                key => {
                    let warning = Diagnostic::warning(format!("'{key}' is not used"));
                    let label = format!("expected {argument} or config");
                    self.parser.diagnostics.push(warning.at(span, label));
                }
            }
        }
        Some(element)
    }

    /// A section with parameters. Its argument is under the key `argument`, if it has any.
    fn section(
        &mut self,
        name: &str,
        span: Span,
        node: &Rc<Node>,
        argument: Option<&str>,
    ) -> Option<Element> {
        let pairs = self.pairs(node, "a mapping of parameters")?;
        let text = argument.map_or(String::new(), |key| self.argument(&pairs, key));
        let mut element = Element::new(name, text, span);
        for (key, name) in RESERVED {
            if let Some(pair) = pairs.iter().find(|pair| pair.key == key) {
                self.parameter(&mut element, name, pair.span, &pair.value);
            }
        }
        for Pair {
            key, span, value, ..
        } in pairs
        {
            let is_reserved = RESERVED.iter().any(|(reserved, _)| *reserved == key);
            if !is_reserved && Some(key.as_str()) != argument {
                self.item(&mut element, &key, span, &value);
            }
        }
        Some(element)
    }

    /// A parameter, or one or several sections.
    fn item(&mut self, element: &mut Element, key: &str, span: Span, value: &Rc<Node>) {
        let is_mapping = |node: &Rc<Node>| matches!(node.kind, Kind::Mapping(_));
        let sections = match &value.kind {
            Kind::Mapping(_) if value.tag != Tag::Json => std::slice::from_ref(value),
            Kind::Sequence(items)
                if value.tag != Tag::Json && items.first().is_some_and(is_mapping) =>
            {
                items.as_slice()
            }
            Kind::Mapping(_) | Kind::Sequence(_) | Kind::Scalar { .. } => {
                return self.parameter(element, key, span, value);
            }
        };
        for section in sections {
            if let Some(section) = self.section(key, span, section, Some("$arg")) {
                element.push(section);
            }
        }
    }

    fn parameter(&mut self, element: &mut Element, name: &str, name_span: Span, node: &Rc<Node>) {
        if name.starts_with('$') && !name.starts_with("$.") && !name.starts_with("$[") {
            let mut warning = Diagnostic::warning(format!("'{name}' means nothing here"));
            warning.hint = nearest(name, RESERVED.map(|(reserved, _)| reserved))
                .map(|near| format!("did you mean '{near}'?"));
            self.parser.diagnostics.push(warning.at(name_span, ""));
        }
        let value = self.value(node);
        element.insert(Entry {
            name: name.to_owned(),
            name_span,
            value,
        });
    }

    fn value(&mut self, node: &Rc<Node>) -> Value {
        self.is_broken = false;
        let json = self.json(node);
        let (content, notation) = match (&node.kind, &node.tag, json) {
            (_, Tag::Json, json) => (Content::Text(json.to_text()), Notation::Json),
            (_, _, Json::Null) => (Content::Nil, Notation::Native),
            (Kind::Scalar { is_plain, .. }, _, Json::String(text)) => {
                let notation = match is_plain {
                    true => Notation::Bare,
                    false => Notation::Double,
                };
                (Content::Text(text), notation)
            }
            (_, _, json) => (Content::Text(json.to_string()), Notation::Native),
        };
        Value {
            content: match self.is_broken {
                true => Content::Broken,
                false => content,
            },
            notation,
            span: node.span,
        }
    }

    /// The value of a node as Ruby's parser gives it. A tag `!fluent/json` makes a text of it.
    fn json(&mut self, node: &Rc<Node>) -> Json {
        if !self.admit(node) {
            return Json::Null;
        }
        let json = match &node.kind {
            Kind::Scalar { text, is_plain } => match &node.tag {
                Tag::Embedded => Json::String(self.embedded(text, node.span)),
                Tag::Text => Json::String(text.clone()),
                _ if !is_plain => Json::String(text.clone()),
                _ => self.plain(text, node.span),
            },
            Kind::Sequence(items) => {
                Json::Array(items.iter().map(|item| self.json(item)).collect())
            }
            Kind::Mapping(_) => {
                let pairs = self.pairs(node, "a mapping").unwrap_or_default();
                let members = pairs.into_iter();
                Json::Object(
                    members
                        .map(|pair| (pair.key, self.json(&pair.value)))
                        .collect(),
                )
            }
        };
        match &node.tag {
            Tag::Json => Json::String(json.to_string()),
            Tag::Unknown(tag) => {
                let warning = Diagnostic::warning(format!("the tag '{tag}' means nothing here"));
                let label = "expected !fluent/s, !fluent/json or !include";
                self.parser.diagnostics.push(warning.at(node.span, label));
                json
            }
            Tag::Plain | Tag::Text | Tag::Embedded | Tag::Include => json,
        }
    }

    fn plain(&mut self, text: &str, span: Span) -> Json {
        let value = scalar::resolve(text);
        if let Json::Integer(number) = value {
            let is_octal = text.trim_start_matches(['+', '-']).starts_with('0')
                && text.bytes().all(|b| b.is_ascii_digit())
                && number != 0;
            if is_octal || text.contains(':') {
                let message = format!("{text} without quotes is the number {number} in YAML");
                let warning = Diagnostic::warning(message).at(span, "");
                let hint = format!("write \"{text}\" if the text is meant");
                self.parser.diagnostics.push(warning.hint(hint));
            }
        }
        value
    }

    /// The text of a Ruby string with these characters between double quotes.
    fn embedded(&mut self, text: &str, span: Span) -> String {
        let quoted = format!("\"{text}\"");
        let scanned = literal::double_quoted(span.file, &quoted, 0);
        let is_broken = !scanned.errors.is_empty();
        for mut error in scanned.errors {
            let words = error.primary.map_or(String::new(), |label| label.text);
            error = Diagnostic {
                primary: None,
                ..error
            };
            self.parser.diagnostics.push(error.at(span, words));
        }
        let parts = scanned.parts.into_iter().map(|part| match part {
            Part::Text { text, .. } => Part::Text { text, span },
            Part::Code { text, .. } => {
                let span = self.code_span(&text, span);
                Part::Code { text, span }
            }
        });
        let literal = Literal {
            notation: Notation::Double,
            content: Written::Parts(parts.collect()),
            is_broken,
        };
        match evaluation::content(self.parser, &literal, span) {
            Content::Text(text) => text,
            // What Fluentd makes of the markers here.
            Content::Nil => String::new(),
            Content::Broken => {
                self.is_broken = true;
                String::new()
            }
            Content::Default => ":default".to_owned(),
        }
    }

    /// Where an expression stands, unless YAML's escapes changed it.
    fn code_span(&self, code: &str, whole: Span) -> Span {
        let source = self.parser.sources.text(whole);
        match source.find(&format!("#{{{code}}}")) {
            Some(offset) => {
                let start = whole.range().start + offset + 2;
                Span::new(whole.file, start, start + code.len())
            }
            None => whole,
        }
    }

    /// The text of an argument; a list is joined so that each item is a pattern of its own.
    fn argument(&mut self, pairs: &[Pair], key: &str) -> String {
        let Some(pair) = pairs.iter().find(|pair| pair.key == key) else {
            return String::new();
        };
        match self.json(&pair.value) {
            Json::Null => String::new(),
            Json::Array(items) => {
                let items: Vec<_> = items.iter().map(Json::to_text).collect();
                items.join(if key == "$tag" { " " } else { "," })
            }
            other => other.to_text(),
        }
    }

    /// The pairs of a mapping with merges done: a merge replaces what stands before it and is
    /// replaced by what follows, as in Ruby.
    fn pairs(&mut self, node: &Rc<Node>, what: &str) -> Option<Vec<Pair>> {
        let Kind::Mapping(written) = &node.kind else {
            self.expected(what, node);
            return None;
        };
        let mut pairs = Vec::new();
        for (key, value) in written {
            if !self.admit(value) {
                return None;
            }
            let Kind::Scalar { text, is_plain } = &key.kind else {
                self.expected("a word as the key", key);
                continue;
            };
            let is_merge = text == "<<" && key.tag != Tag::Text;
            match &value.kind {
                Kind::Mapping(_) if is_merge => self.merge(&mut pairs, value),
                Kind::Sequence(items) if is_merge => {
                    for item in items.iter().rev() {
                        self.merge(&mut pairs, item);
                    }
                }
                _ => {
                    let key_text = match is_plain {
                        true => scalar::resolve(text),
                        false => Json::String(text.clone()),
                    };
                    let pair = Pair {
                        key: match key_text {
                            Json::Null => String::new(),
                            other => other.to_text(),
                        },
                        span: key.span,
                        value: Rc::clone(value),
                        is_merged: false,
                    };
                    if let Some(old) = put(&mut pairs, pair).filter(|old| !old.is_merged) {
                        let message = format!("'{}' is written twice", old.key);
                        let warning = Diagnostic::warning(message).at(key.span, "this one counts");
                        let warning = warning.and(old.span, "this one does not");
                        self.parser.diagnostics.push(warning);
                    }
                }
            }
        }
        Some(pairs)
    }

    fn merge(&mut self, pairs: &mut Vec<Pair>, node: &Rc<Node>) {
        for mut pair in self.pairs(node, "a mapping to merge").unwrap_or_default() {
            pair.is_merged = true;
            put(pairs, pair);
        }
    }

    /// Counts a node; false when there are too many, which is reported once.
    fn admit(&mut self, node: &Rc<Node>) -> bool {
        self.count += 1;
        if self.count == MAX_NODES {
            let message = format!("the aliases stand for more than {MAX_NODES} values");
            let error = Diagnostic::error(message).at(node.span, "the rest is left out");
            self.parser.diagnostics.push(error);
        }
        self.count < MAX_NODES
    }

    fn expected(&mut self, what: &str, node: &Rc<Node>) {
        let found = match &node.kind {
            Kind::Scalar { .. } => "a single value",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        };
        let error = Diagnostic::error(format!("{found} does not fit here"));
        self.parser
            .diagnostics
            .push(error.at(node.span, format!("expected {what}")));
    }
}

/// Puts a pair in the place of an equal key, or behind the others.
fn put(pairs: &mut Vec<Pair>, pair: Pair) -> Option<Pair> {
    match pairs.iter_mut().find(|old| old.key == pair.key) {
        Some(old) => Some(std::mem::replace(old, pair)),
        None => {
            pairs.push(pair);
            None
        }
    }
}

fn has_anchor(node: &Rc<Node>) -> bool {
    node.is_anchored
        || match &node.kind {
            Kind::Scalar { .. } => false,
            Kind::Sequence(items) => items.iter().any(has_anchor),
            Kind::Mapping(pairs) => pairs.iter().any(|(_, value)| has_anchor(value)),
        }
}
