//! Primary expressions: literals, names, brackets and the keyword forms.

use std::sync::Arc;

use millrun_pattern::Flags;

use crate::{
    class::Class,
    error::{RubyError, Span},
    method::{ClassMethod, Function, Method},
    node::{Kind, Node, Update},
    parser::{Parsed, Parser, is_update},
    pattern::Pattern,
    suggest,
    token::{Part, TokenKind},
};

impl Parser<'_> {
    pub(crate) fn primary(&mut self) -> Parsed<Node> {
        let at = self.span();
        let kind = match self.peek() {
            TokenKind::Operator(_) => return self.bracketed(at),
            TokenKind::Keyword(_) => return self.keyword(at),
            TokenKind::End | TokenKind::Eof | TokenKind::Label(_) => {
                return Err(self.unexpected("a value"));
            }
            _ => self.advance(),
        };
        Ok(match kind {
            TokenKind::Integer(number) => Node::new(Kind::Integer(number), at),
            TokenKind::Float(number) => Node::new(Kind::Float(number), at),
            TokenKind::Text(mut parts) => {
                // Literals beside each other are one.
                while let TokenKind::Text(_) = self.peek() {
                    if let TokenKind::Text(more) = self.advance() {
                        parts.extend(more);
                    }
                }
                let at = at.to(self.previous_span());
                let kind = match self.pieces(parts)? {
                    Pieces::Plain(text) => Kind::Text(self.literal(&text)),
                    Pieces::Mixed(nodes) => Kind::Interpolated(nodes),
                };
                Node::new(kind, at)
            }
            TokenKind::Symbol(parts) => {
                let kind = match self.pieces(parts)? {
                    Pieces::Plain(text) => Kind::Symbol(self.literal(&text)),
                    Pieces::Mixed(nodes) => Kind::InterpolatedSymbol(nodes),
                };
                Node::new(kind, at)
            }
            TokenKind::Regex(parts, flags) => self.regex(parts, flags, at)?,
            TokenKind::Words(words, symbols) => {
                let nodes = words
                    .iter()
                    .map(|word| {
                        let literal = self.literal(word.as_bytes());
                        let kind = if symbols {
                            Kind::Symbol(literal)
                        } else {
                            Kind::Text(literal)
                        };
                        Node::new(kind, at)
                    })
                    .collect();
                Node::new(Kind::Array(nodes), at)
            }
            TokenKind::Command(text) => self.command(&text, at)?,
            TokenKind::Global(name) => self.global(&name, at)?,
            TokenKind::Name(name) => self.name(&name, at)?,
            TokenKind::Constant(name) => self.constant(name, at)?,
            _ => return Err(self.unexpected("a value")),
        })
    }

    /// What the pieces of a quoted text come to.
    pub(crate) fn pieces(&mut self, parts: Vec<Part>) -> Parsed<Pieces> {
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            let text = parts
                .into_iter()
                .flat_map(|part| match part {
                    Part::Text(text) => text,
                    Part::Code(_) => Vec::new(),
                })
                .collect();
            return Ok(Pieces::Plain(text));
        }
        let mut nodes = Vec::with_capacity(parts.len());
        for part in parts {
            nodes.push(match part {
                Part::Text(text) => {
                    let literal = self.literal(&text);
                    Node::new(Kind::Text(literal), Span::default())
                }
                Part::Code(tokens) => self.nested(tokens)?,
            });
        }
        Ok(Pieces::Mixed(nodes))
    }

    fn regex(&mut self, parts: Vec<Part>, flags: Flags, at: Span) -> Parsed<Node> {
        let kind = match self.pieces(parts)? {
            Pieces::Plain(text) => {
                let source = String::from_utf8_lossy(&text).into_owned();
                let pattern = Pattern::compile(&source, flags).map_err(|error| {
                    Box::new(
                        RubyError::syntax(at, error.to_string())
                            .label("this regular expression cannot be used"),
                    )
                })?;
                Kind::Regex(Arc::new(pattern))
            }
            Pieces::Mixed(nodes) => Kind::InterpolatedRegex(nodes, flags),
        };
        Ok(Node::new(kind, at))
    }

    fn command(&mut self, text: &str, at: Span) -> Parsed<Node> {
        if text.trim() != "hostname" {
            return Err(Box::new(
                RubyError::outside(at, "commands are never run")
                    .hint("pass what the command prints in an environment variable or a file"),
            ));
        }
        // What the command prints ends with a newline.
        let newline = self.literal(b"\n");
        Ok(Node::new(
            Kind::Interpolated(vec![
                Node::new(Kind::ClassCall(ClassMethod::Hostname, Vec::new(), None), at),
                Node::new(Kind::Text(newline), at),
            ]),
            at,
        ))
    }

    fn global(&mut self, name: &str, at: Span) -> Parsed<Node> {
        let kind = match name {
            "~" => Kind::LastMatch,
            "&" => Kind::Group(0),
            _ => match name.parse::<u32>() {
                Ok(number) if number > 0 => Kind::Group(number),
                _ => {
                    return Err(self.outside(
                        at,
                        &format!("`${name}`"),
                        "of the global variables only those of a match are there: $~, $&, $1 …",
                    ));
                }
            },
        };
        Ok(Node::new(kind, at))
    }

    /// A variable, a function or an assignment.
    fn name(&mut self, name: &str, at: Span) -> Parsed<Node> {
        if let TokenKind::Operator(operator) = self.peek() {
            let operator = *operator;
            if operator == "=" {
                self.advance();
                let slot = self.declare(name);
                let value = self.assigned()?;
                let at = at.to(value.at);
                return Ok(Node::new(Kind::SetLocal(slot, Box::new(value)), at));
            }
            if is_update(operator) {
                self.advance();
                let slot = self.declare(name);
                let update = self.update(operator, at)?;
                let value = Box::new(self.assigned()?);
                let at = at.to(value.at);
                let old = Box::new(Node::new(Kind::Local(slot), at));
                let set = |value: Box<Node>| Node::new(Kind::SetLocal(slot, value), at);
                let kind = match update {
                    Update::Or => Kind::Or(old, Box::new(set(value))),
                    Update::And => Kind::And(old, Box::new(set(value))),
                    Update::Method(method) => Kind::SetLocal(
                        slot,
                        Box::new(Node::new(Kind::Operation(method, old, value), at)),
                    ),
                };
                return Ok(Node::new(kind, at));
            }
        }
        if let Some(slot) = self.local(name) {
            return Ok(Node::new(Kind::Local(slot), at));
        }
        if let Some(variable) = self.variable(name) {
            return Ok(Node::new(Kind::Variable(variable), at));
        }
        if let (Some(number), Some(slots)) = (numbered(name), self.numbered.last_mut()) {
            let slot = slots.get(number).copied();
            if let Some(slot) = slot {
                return Ok(Node::new(Kind::Local(slot), at));
            }
            let slot = self.slots;
            self.slots += 1;
            slots.push(slot);
            if slots.len() == number + 1 {
                return Ok(Node::new(Kind::Local(slot), at));
            }
            return Err(self.outside(
                at,
                "`_2` before `_1`",
                "name the parameters: `{ |a, b| … }`",
            ));
        }
        if let Some(function) = Function::find(name) {
            let (arguments, block) = self.arguments_and_block(true)?;
            let at = at.to(self.previous_span());
            return Ok(Node::new(
                Kind::Function(function, arguments, block.map(Box::new)),
                at,
            ));
        }
        let called = self.is_operator("(") && !self.spaced(0) || self.starts_command_argument();
        if called || suggest::is_kernel(name) {
            return Err(suggest::unknown_function(name, at));
        }
        self.undefined.push((name.to_owned(), at));
        let literal = self.literal(name.as_bytes());
        Ok(Node::new(Kind::Undefined(literal), at))
    }

    /// A class, and a method of it when one is called.
    fn constant(&mut self, mut name: String, start: Span) -> Parsed<Node> {
        let mut at = start;
        while self.is_operator("::") && matches!(self.peek_at(1), TokenKind::Constant(_)) {
            self.advance();
            at = start.to(self.span());
            if let TokenKind::Constant(part) = self.advance() {
                name.push_str("::");
                name.push_str(&part);
            }
        }
        if let Some(kind) = value_of(&name) {
            return Ok(Node::new(kind, at));
        }
        // `Integer("5")`.
        if self.is_operator("(") && !self.spaced(0) {
            let Some(function) = Function::find(&name) else {
                return Err(suggest::unknown_function(&name, at));
            };
            let (arguments, block) = self.arguments_and_block(false)?;
            return Ok(Node::new(
                Kind::Function(function, arguments, block.map(Box::new)),
                at.to(self.previous_span()),
            ));
        }
        let Some(class) = Class::find(&name) else {
            return Err(suggest::unknown_constant(&name, at));
        };
        if self.is_operator("[") && !self.spaced(0) {
            let full = format!("{name}.[]");
            if let Some(method) = ClassMethod::find(&full) {
                self.advance();
                let arguments = self.list("]")?;
                return Ok(Node::new(
                    Kind::ClassCall(method, arguments, None),
                    at.to(self.previous_span()),
                ));
            }
        }
        let dotted = self.is_operator(".") || self.is_operator("&.") || self.is_operator("::");
        let (TokenKind::Name(method) | TokenKind::Constant(method)) = self.peek_at(1) else {
            return Ok(Node::new(Kind::Class(class), at));
        };
        if !dotted {
            return Ok(Node::new(Kind::Class(class), at));
        }
        let full = format!("{name}.{method}");
        let Some(found) = ClassMethod::find(&full) else {
            // The methods of every object are asked of the class itself.
            let inspects = matches!(
                Method::find(method),
                Some(
                    Method::Name
                        | Method::ToText
                        | Method::Inspect
                        | Method::IsNil
                        | Method::ClassOf
                )
            );
            if inspects {
                return Ok(Node::new(Kind::Class(class), at));
            }
            if class == Class::Env && Method::find(method).is_some() {
                return Ok(Node::new(
                    Kind::ClassCall(ClassMethod::EnvToHash, Vec::new(), None),
                    at,
                ));
            }
            let method_at = {
                self.advance();
                self.span()
            };
            return Err(suggest::unknown_class_method(&full, at.to(method_at)));
        };
        self.advance();
        self.advance();
        let (arguments, block) = self.arguments_and_block(true)?;
        Ok(Node::new(
            Kind::ClassCall(found, arguments, block.map(Box::new)),
            at.to(self.previous_span()),
        ))
    }

    fn bracketed(&mut self, at: Span) -> Parsed<Node> {
        if self.take_operator("(") {
            let inner = self.deeper(|parser| parser.statements(&[]))?;
            self.expect_operator(")")?;
            return Ok(Node::new(inner.kind, at.to(self.previous_span())));
        }
        if self.take_operator("[") {
            let elements = self.deeper(|parser| parser.list("]"))?;
            return Ok(Node::new(
                Kind::Array(elements),
                at.to(self.previous_span()),
            ));
        }
        if self.take_operator("{") {
            self.skip_ends();
            let pairs = self.deeper(|parser| parser.pairs("}"))?;
            self.expect_operator("}")?;
            return Ok(Node::new(Kind::Hash(pairs), at.to(self.previous_span())));
        }
        if self.is_operator("-")
            && let TokenKind::Integer(_) | TokenKind::Float(_) = self.peek_at(1)
        {
            self.advance();
            let at = at.to(self.span());
            return Ok(match self.advance() {
                TokenKind::Integer(number) => Node::new(Kind::Integer(number.wrapping_neg()), at),
                TokenKind::Float(number) => Node::new(Kind::Float(-number), at),
                _ => return Err(self.unexpected("a number")),
            });
        }
        if self.is_operator("..") || self.is_operator("...") {
            let exclusive = self.is_operator("...");
            self.advance();
            let last = Box::new(self.deeper(Self::expression)?);
            let at = at.to(last.at);
            return Ok(Node::new(
                Kind::Range {
                    first: None,
                    last: Some(last),
                    exclusive,
                },
                at,
            ));
        }
        if self.take_operator("::") {
            return match self.advance() {
                TokenKind::Constant(name) => self.constant(name, at.to(self.previous_span())),
                _ => Err(self.unexpected("a constant")),
            };
        }
        Err(self.unexpected("a value"))
    }
}

/// A quoted text.
pub(crate) enum Pieces {
    Plain(Vec<u8>),
    Mixed(Vec<Node>),
}

fn numbered(name: &str) -> Option<usize> {
    match name {
        "_1" | "it" => Some(0),
        "_2" => Some(1),
        "_3" => Some(2),
        _ => None,
    }
}

/// Constants that are values.
fn value_of(name: &str) -> Option<Kind> {
    Some(match name {
        "Float::INFINITY" => Kind::Float(f64::INFINITY),
        "Float::NAN" => Kind::Float(f64::NAN),
        "Float::EPSILON" => Kind::Float(f64::EPSILON),
        "Float::MAX" => Kind::Float(f64::MAX),
        "Math::PI" => Kind::Float(std::f64::consts::PI),
        "Math::E" => Kind::Float(std::f64::consts::E),
        "Regexp::IGNORECASE" => Kind::Integer(1),
        "Regexp::EXTENDED" => Kind::Integer(2),
        "Regexp::MULTILINE" => Kind::Integer(4),
        "Process::CLOCK_REALTIME" | "Process::CLOCK_MONOTONIC" => Kind::Integer(0),
        // Texts are bytes here and UTF-8 where characters matter; which encoding is named makes no difference.
        "Encoding::UTF_8" | "Encoding::ASCII_8BIT" | "Encoding::BINARY" | "Encoding::US_ASCII" => {
            Kind::Nil
        }
        _ => return None,
    })
}
