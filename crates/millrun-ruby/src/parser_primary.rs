//! Primary expressions: literals, names, brackets and the keyword forms.

use std::sync::Arc;

use millrun_pattern::Flags;

use crate::{
    class::Class,
    error::{RubyError, Span},
    method::{ClassMethod, Function, Method},
    node::{Begin, Kind, Node, Rescue, Update},
    parser::{Parsed, Parser, is_update},
    pattern::Pattern,
    suggest,
    token::{Keyword, Part, TokenKind},
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

    fn keyword(&mut self, at: Span) -> Parsed<Node> {
        let TokenKind::Keyword(word) = *self.peek() else {
            return Err(self.unexpected("a value"));
        };
        let kind = match word {
            Keyword::Nil => Kind::Nil,
            Keyword::True => Kind::Bool(true),
            Keyword::False => Kind::Bool(false),
            Keyword::If | Keyword::Unless => {
                self.advance();
                return self.deeper(|parser| parser.conditional(word == Keyword::Unless, at));
            }
            Keyword::Case => {
                self.advance();
                return self.deeper(|parser| parser.case(at));
            }
            Keyword::Begin => {
                self.advance();
                return self.deeper(|parser| parser.begin(at));
            }
            Keyword::While | Keyword::Until => {
                self.advance();
                return self.deeper(|parser| parser.while_loop(word == Keyword::Until, at));
            }
            Keyword::Next | Keyword::Break | Keyword::Return => {
                self.advance();
                let ends = matches!(
                    self.peek(),
                    TokenKind::End
                        | TokenKind::Eof
                        | TokenKind::Operator("}" | ")" | ":")
                        | TokenKind::Keyword(
                            Keyword::If | Keyword::Unless | Keyword::End | Keyword::Else
                        )
                );
                let value = if ends {
                    None
                } else {
                    Some(Box::new(self.expression()?))
                };
                let kind = match word {
                    Keyword::Next => Kind::Next(value),
                    Keyword::Break => Kind::Break(value),
                    _ => Kind::Return(value),
                };
                return Ok(Node::new(kind, at.to(self.previous_span())));
            }
            Keyword::Not => {
                self.advance();
                let value = self.deeper(Self::expression)?;
                let at = at.to(value.at);
                return Ok(Node::new(Kind::Not(Box::new(value)), at));
            }
            Keyword::Defined => {
                return Err(self.outside(at, "`defined?`", "ask with `.nil?` or `||`"));
            }
            Keyword::For => return Err(self.outside(at, "`for`", "use `each`")),
            Keyword::SelfWord
            | Keyword::Def
            | Keyword::Class
            | Keyword::Module
            | Keyword::Yield
            | Keyword::Redo
            | Keyword::Retry
            | Keyword::Super
            | Keyword::Undef
            | Keyword::Alias
            | Keyword::FileName
            | Keyword::Line
            | Keyword::Method => {
                return Err(self.outside(at, &format!("`{}`", word.as_str()), ""));
            }
            Keyword::Elsif
            | Keyword::Else
            | Keyword::End
            | Keyword::Then
            | Keyword::When
            | Keyword::In
            | Keyword::Do
            | Keyword::Rescue
            | Keyword::Ensure
            | Keyword::And
            | Keyword::Or => {
                return Err(self.unexpected("a value"));
            }
        };
        self.advance();
        Ok(Node::new(kind, at))
    }

    fn then(&mut self) -> Parsed<()> {
        let ended = *self.peek() == TokenKind::End;
        self.skip_ends();
        if self.take_keyword(Keyword::Then) || ended {
            return Ok(());
        }
        Err(self.unexpected("`then`, `;` or a new line"))
    }

    fn conditional(&mut self, negated: bool, start: Span) -> Parsed<Node> {
        let condition = self.expression_statement()?;
        self.then()?;
        let body = self.statements(&[Keyword::Elsif, Keyword::Else, Keyword::End])?;
        let otherwise_at = self.span();
        let otherwise = if self.take_keyword(Keyword::Elsif) {
            self.deeper(|parser| parser.conditional(false, otherwise_at))?
        } else {
            let otherwise = if self.take_keyword(Keyword::Else) {
                self.statements(&[Keyword::End])?
            } else {
                Node::nil(otherwise_at)
            };
            self.expect_keyword(Keyword::End)?;
            otherwise
        };
        let at = start.to(self.previous_span());
        let (yes, no) = if negated {
            (otherwise, body)
        } else {
            (body, otherwise)
        };
        Ok(Node::new(
            Kind::If(Box::new(condition), Box::new(yes), Box::new(no)),
            at,
        ))
    }

    fn case(&mut self, start: Span) -> Parsed<Node> {
        let subject = if *self.peek() == TokenKind::End || self.is_keyword(Keyword::When) {
            None
        } else {
            Some(Box::new(self.expression_statement()?))
        };
        self.skip_ends();
        if self.is_keyword(Keyword::In) {
            return Err(self.outside(self.span(), "pattern matching", "use `when`"));
        }
        let mut branches = Vec::new();
        while self.take_keyword(Keyword::When) {
            let mut conditions = vec![self.argument()?];
            while self.take_operator(",") {
                self.skip_ends();
                conditions.push(self.argument()?);
            }
            self.then()?;
            let body = self.statements(&[Keyword::When, Keyword::Else, Keyword::End])?;
            branches.push((conditions, body));
        }
        if branches.is_empty() {
            return Err(self.unexpected("`when`"));
        }
        let otherwise = if self.take_keyword(Keyword::Else) {
            self.statements(&[Keyword::End])?
        } else {
            Node::nil(self.span())
        };
        self.expect_keyword(Keyword::End)?;
        Ok(Node::new(
            Kind::Case {
                subject,
                branches,
                otherwise: Box::new(otherwise),
            },
            start.to(self.previous_span()),
        ))
    }

    fn while_loop(&mut self, until: bool, start: Span) -> Parsed<Node> {
        let condition = self.without_do(Self::expression_statement)?;
        if !self.take_keyword(Keyword::Do) && *self.peek() != TokenKind::End {
            return Err(self.unexpected("`do`, `;` or a new line"));
        }
        let body = self.statements(&[Keyword::End])?;
        self.expect_keyword(Keyword::End)?;
        Ok(Node::new(
            Kind::While {
                condition: Box::new(condition),
                body: Box::new(body),
                until,
            },
            start.to(self.previous_span()),
        ))
    }

    fn begin(&mut self, start: Span) -> Parsed<Node> {
        const ENDS: &[Keyword] = &[
            Keyword::Rescue,
            Keyword::Else,
            Keyword::Ensure,
            Keyword::End,
        ];
        let body = self.statements(ENDS)?;
        let mut rescues = Vec::new();
        while self.take_keyword(Keyword::Rescue) {
            let mut classes = Vec::new();
            while let TokenKind::Constant(_) = self.peek() {
                let at = self.span();
                let node = self.primary()?;
                let Kind::Class(class) = node.kind else {
                    return Err(Box::new(RubyError::syntax(
                        at,
                        "the class of an exception must stand here",
                    )));
                };
                classes.push(class);
                if !self.take_operator(",") {
                    break;
                }
                self.skip_ends();
            }
            let slot = if self.take_operator("=>") {
                let TokenKind::Name(name) = self.advance() else {
                    return Err(self.unexpected("a variable"));
                };
                Some(self.declare(&name))
            } else {
                None
            };
            self.take_keyword(Keyword::Then);
            let body = self.statements(ENDS)?;
            rescues.push(Rescue {
                classes,
                slot,
                body,
            });
        }
        let otherwise = if self.take_keyword(Keyword::Else) {
            Some(self.statements(ENDS)?)
        } else {
            None
        };
        let ensure = if self.take_keyword(Keyword::Ensure) {
            Some(self.statements(ENDS)?)
        } else {
            None
        };
        self.expect_keyword(Keyword::End)?;
        let at = start.to(self.previous_span());
        if rescues.is_empty() && otherwise.is_none() && ensure.is_none() {
            return Ok(Node::new(body.kind, at));
        }
        Ok(Node::new(
            Kind::Begin(Box::new(Begin {
                body,
                rescues,
                otherwise,
                ensure,
            })),
            at,
        ))
    }

    /// `node rescue value`, at the `rescue`.
    pub(crate) fn rescue_modifier(&mut self, node: Node) -> Parsed<Node> {
        self.expect_keyword(Keyword::Rescue)?;
        let body = self.expression()?;
        let at = node.at.to(body.at);
        Ok(Node::new(
            Kind::Begin(Box::new(Begin {
                body: node,
                rescues: vec![Rescue {
                    classes: Vec::new(),
                    slot: None,
                    body,
                }],
                otherwise: None,
                ensure: None,
            })),
            at,
        ))
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
