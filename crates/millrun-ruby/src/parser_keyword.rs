//! Forms that a keyword begins: conditions, loops, `begin`.

use crate::{
    error::{RubyError, Span},
    node::{Begin, Kind, Node, Rescue},
    parser::{Parsed, Parser},
    token::{Keyword, TokenKind},
};

impl Parser<'_> {
    pub(crate) fn keyword(&mut self, at: Span) -> Parsed<Node> {
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
