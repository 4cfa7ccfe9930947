//! Statements: their modifiers, `and` and `or`, several assignments at once.

use crate::{
    limits::NESTING_MAX,
    node::{Kind, Node, Target},
    parser::{Parsed, Parser},
    token::{Keyword, TokenKind},
};

impl Parser<'_> {
    /// Statements up to one of `ends`, which stays, or to a token that ends every list of statements.
    pub(crate) fn statements(&mut self, ends: &[Keyword]) -> Parsed<Node> {
        let start = self.span();
        let mut nodes = Vec::new();
        loop {
            self.skip_ends();
            let at_end = match self.peek() {
                TokenKind::Eof | TokenKind::Operator(")" | "}") => true,
                TokenKind::Keyword(word) => ends.contains(word),
                _ => false,
            };
            if at_end {
                break;
            }
            nodes.push(self.statement()?);
            match self.peek() {
                TokenKind::End | TokenKind::Eof | TokenKind::Operator(")" | "}") => {}
                TokenKind::Keyword(word) if ends.contains(word) => {}
                _ => return Err(self.unexpected("an operator or the end of the expression")),
            }
        }
        let at = start.to(self.previous_span());
        Ok(match nodes.len() {
            0 => Node::nil(start),
            1 => nodes.pop().unwrap_or_else(|| Node::nil(start)),
            _ => Node::new(Kind::Sequence(nodes), at),
        })
    }

    fn statement(&mut self) -> Parsed<Node> {
        let mut node = self.expression_statement()?;
        loop {
            let TokenKind::Keyword(word) = self.peek() else {
                return Ok(node);
            };
            let word = *word;
            let at = node.at;
            match word {
                Keyword::If | Keyword::Unless => {
                    self.advance();
                    let condition = self.expression_statement()?;
                    let at = at.to(condition.at);
                    let (yes, no) = if word == Keyword::If {
                        (node, Node::nil(at))
                    } else {
                        (Node::nil(at), node)
                    };
                    node = Node::new(
                        Kind::If(Box::new(condition), Box::new(yes), Box::new(no)),
                        at,
                    );
                }
                Keyword::While | Keyword::Until => {
                    self.advance();
                    let condition = self.expression_statement()?;
                    let at = at.to(condition.at);
                    node = Node::new(
                        Kind::While {
                            condition: Box::new(condition),
                            body: Box::new(node),
                            until: word == Keyword::Until,
                        },
                        at,
                    );
                }
                Keyword::Rescue => node = self.rescue_modifier(node)?,
                _ => return Ok(node),
            }
        }
    }

    pub(crate) fn expression_statement(&mut self) -> Parsed<Node> {
        self.deeper(|parser| {
            let mut left = parser.not_expression()?;
            let mut links = 0usize;
            loop {
                links += 1;
                if links > NESTING_MAX {
                    return Err(parser.too_deep());
                }
                let and = match parser.peek() {
                    TokenKind::Keyword(Keyword::And) => true,
                    TokenKind::Keyword(Keyword::Or) => false,
                    _ => return Ok(left),
                };
                parser.advance();
                parser.skip_ends();
                let right = parser.not_expression()?;
                let at = left.at.to(right.at);
                let (left_box, right) = (Box::new(left), Box::new(right));
                left = Node::new(
                    if and {
                        Kind::And(left_box, right)
                    } else {
                        Kind::Or(left_box, right)
                    },
                    at,
                );
            }
        })
    }

    fn not_expression(&mut self) -> Parsed<Node> {
        let start = self.span();
        if self.take_keyword(Keyword::Not) {
            let value = self.deeper(Self::not_expression)?;
            let at = start.to(value.at);
            return Ok(Node::new(Kind::Not(Box::new(value)), at));
        }
        if let Some(node) = self.multiple_assignment()? {
            return Ok(node);
        }
        self.expression()
    }

    /// `a, b = list`.
    fn multiple_assignment(&mut self) -> Parsed<Option<Node>> {
        let mut ahead = 0;
        let mut names = 0;
        loop {
            let splat = *self.peek_at(ahead) == TokenKind::Operator("*");
            ahead += usize::from(splat);
            if !matches!(self.peek_at(ahead), TokenKind::Name(_)) {
                return Ok(None);
            }
            names += 1;
            match self.peek_at(ahead + 1) {
                TokenKind::Operator(",") => ahead += 2,
                TokenKind::Operator("=") if names > 1 || splat => break,
                _ => return Ok(None),
            }
        }
        let start = self.span();
        let mut targets = Vec::new();
        loop {
            let splat = self.take_operator("*");
            let TokenKind::Name(name) = self.advance() else {
                return Err(self.unexpected("a variable"));
            };
            let slot = self.declare(&name);
            targets.push(if splat {
                Target::Splat(Some(slot))
            } else {
                Target::Slot(slot)
            });
            if !self.take_operator(",") {
                break;
            }
        }
        self.expect_operator("=")?;
        self.skip_ends();
        let mut values = vec![self.argument()?];
        while self.take_operator(",") {
            self.skip_ends();
            values.push(self.argument()?);
        }
        let at = start.to(self.previous_span());
        let alone = values.len() == 1
            && !matches!(values.first().map(|node| &node.kind), Some(Kind::Splat(_)));
        let value = match values.pop() {
            Some(value) if alone => value,
            Some(value) => {
                values.push(value);
                Node::new(Kind::Array(values), at)
            }
            None => Node::nil(at),
        };
        Ok(Some(Node::new(
            Kind::MultiAssign(targets, Box::new(value)),
            at,
        )))
    }

    /// An element or argument: an expression, or one behind `*`.
    pub(crate) fn argument(&mut self) -> Parsed<Node> {
        let start = self.span();
        if self.take_operator("*") {
            let list = self.expression()?;
            let at = start.to(list.at);
            return Ok(Node::new(Kind::Splat(Box::new(list)), at));
        }
        self.expression()
    }

    /// The value on the right of an assignment, which a `rescue` belongs to.
    pub(crate) fn assigned(&mut self) -> Parsed<Node> {
        self.skip_ends();
        let mut value = self.deeper(Self::expression)?;
        if self.is_keyword(Keyword::Rescue) {
            value = self.rescue_modifier(value)?;
        }
        Ok(value)
    }
}
