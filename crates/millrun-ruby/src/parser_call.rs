//! What follows a value: calls, arguments, blocks, indexes and assignments to them.

use crate::{
    error::Span,
    limits::NESTING_MAX,
    method::Method,
    node::{Block, Call, Kind, Node, Target, Variable},
    parser::{Parsed, Parser, is_update},
    token::{Keyword, TokenKind},
};

impl Parser<'_> {
    pub(crate) fn postfix(&mut self) -> Parsed<Node> {
        let mut node = self.primary()?;
        let mut links = 0usize;
        loop {
            let TokenKind::Operator(text) = self.peek() else {
                return Ok(node);
            };
            node = match *text {
                "." | "&." => self.method_call(node)?,
                "::" => {
                    return Err(self.outside(
                        self.span(),
                        "`::` on a value",
                        "call methods with a dot",
                    ));
                }
                "[" if !self.spaced(0) || indexes_spaced(&node) => self.index(node)?,
                _ => return Ok(node),
            };
            // Chains nest to the left, where they are evaluated by recursion.
            links += 1;
            if links > NESTING_MAX {
                return Err(self.too_deep());
            }
        }
    }

    pub(crate) fn call(
        &self,
        receiver: Node,
        method: Method,
        arguments: Vec<Node>,
        at: Span,
    ) -> Node {
        Node::new(
            Kind::Call(Box::new(Call {
                receiver,
                method,
                arguments,
                block: None,
                safe: false,
            })),
            at,
        )
    }

    fn method_call(&mut self, receiver: Node) -> Parsed<Node> {
        let safe = self.is_operator("&.");
        self.advance();
        self.skip_ends();
        let name_at = self.span();
        let name = match self.peek() {
            TokenKind::Name(_) | TokenKind::Constant(_) => match self.advance() {
                TokenKind::Name(name) | TokenKind::Constant(name) => name,
                _ => return Err(self.unexpected("the name of a method")),
            },
            TokenKind::Operator("(") => {
                return Err(self.outside(name_at, "calling a lambda", ""));
            }
            TokenKind::Operator(text) if Method::find(text).is_some() => {
                let name = (*text).to_owned();
                self.advance();
                name
            }
            _ => return Err(self.unexpected("the name of a method")),
        };
        if self.is_operator("=") {
            return Err(self.outside(
                name_at,
                "assigning to an attribute",
                "assign to a key: `record[\"key\"] = value`",
            ));
        }
        if matches!(
            name.as_str(),
            "with_index" | "each_with_index" | "with_object"
        ) {
            if let Some(node) = self.fused(&receiver, &name) {
                return self.finish_fused(receiver, node, safe);
            }
            if name != "each_with_index" {
                return Err(self.outside(
                    name_at,
                    &format!("`{name}` here"),
                    "it follows `each`, `map` or `select` without a block",
                ));
            }
        }
        let method = self.method(&name, name_at)?;
        let (arguments, block) = self.arguments_and_block(true)?;
        let at = receiver.at.to(self.previous_span());
        Ok(Node::new(
            Kind::Call(Box::new(Call {
                receiver,
                method,
                arguments,
                block,
                safe,
            })),
            at,
        ))
    }

    /// The one method that `map.with_index` and the like are.
    fn fused(&self, receiver: &Node, name: &str) -> Option<Method> {
        let Kind::Call(call) = &receiver.kind else {
            return None;
        };
        if call.block.is_some() || !call.arguments.is_empty() {
            return None;
        }
        match (call.method, name) {
            (Method::Map, "with_index" | "each_with_index") => Some(Method::MapWithIndex),
            (
                Method::Each | Method::EachWithIndex | Method::EachChar | Method::EachLine,
                "with_index",
            ) => Some(Method::EachWithIndexFrom),
            (Method::Select, "with_index" | "each_with_index") => Some(Method::SelectWithIndex),
            (Method::Each, "with_object") => Some(Method::EachWithObject),
            _ => None,
        }
    }

    fn finish_fused(&mut self, receiver: Node, method: Method, safe: bool) -> Parsed<Node> {
        let at = receiver.at;
        let (arguments, block) = self.arguments_and_block(true)?;
        let receiver = match receiver.kind {
            // Of characters and lines the list is what is walked.
            Kind::Call(call) if !matches!(call.method, Method::EachChar | Method::EachLine) => {
                call.receiver
            }
            kind => Node::new(kind, at),
        };
        Ok(Node::new(
            Kind::Call(Box::new(Call {
                receiver,
                method,
                arguments,
                block,
                safe,
            })),
            at.to(self.previous_span()),
        ))
    }

    fn index(&mut self, receiver: Node) -> Parsed<Node> {
        self.expect_operator("[")?;
        let mut arguments = self.deeper(|parser| parser.list("]"))?;
        let at = receiver.at.to(self.previous_span());
        if let TokenKind::Operator(operator) = self.peek() {
            let operator = *operator;
            if operator == "=" {
                self.advance();
                self.mutates = true;
                let value = self.assigned()?;
                let at = at.to(value.at);
                return Ok(Node::new(
                    Kind::SetIndex(Box::new(receiver), arguments, Box::new(value)),
                    at,
                ));
            }
            if is_update(operator) {
                self.advance();
                self.mutates = true;
                let update = self.update(operator, at)?;
                let value = self.assigned()?;
                let at = at.to(value.at);
                return Ok(Node::new(
                    Kind::UpdateIndex(Box::new(receiver), arguments, update, Box::new(value)),
                    at,
                ));
            }
        }
        let single = arguments.len() == 1
            && !matches!(
                arguments.first().map(|node| &node.kind),
                Some(Kind::Splat(_))
            );
        if single && let Some(argument) = arguments.pop() {
            if let (Kind::Variable(Variable::Record), Kind::Text(key)) =
                (&receiver.kind, &argument.kind)
            {
                return Ok(Node::new(Kind::Field(*key), at));
            }
            return Ok(Node::new(
                Kind::Index(Box::new(receiver), Box::new(argument)),
                at,
            ));
        }
        Ok(self.call(receiver, Method::Index, arguments, at))
    }

    /// Elements or arguments up to `close`, which is taken.
    pub(crate) fn list(&mut self, close: &'static str) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            self.skip_ends();
            if self.take_operator(close) {
                return Ok(nodes);
            }
            if self.starts_pair() {
                let start = self.span();
                let pairs = self.pairs(close)?;
                let at = start.to(self.previous_span());
                nodes.push(Node::new(Kind::Hash(pairs), at));
            } else {
                let node = self.argument()?;
                self.skip_ends();
                if self.is_operator("=>") {
                    let pairs = self.pairs_from(node, close)?;
                    let at = self.previous_span();
                    nodes.push(Node::new(Kind::Hash(pairs), at));
                } else {
                    nodes.push(node);
                }
            }
            self.skip_ends();
            if !self.take_operator(",") {
                self.skip_ends();
                if self.take_operator(close) {
                    return Ok(nodes);
                }
                return Err(self.unexpected(&format!("`,` or `{close}`")));
            }
        }
    }

    fn starts_pair(&self) -> bool {
        matches!(self.peek(), TokenKind::Label(_) | TokenKind::Operator("**"))
    }

    /// Pairs of a hash up to `close`, which stays.
    pub(crate) fn pairs(&mut self, close: &'static str) -> Parsed<Vec<(Node, Node)>> {
        let mut pairs = Vec::new();
        self.more_pairs(&mut pairs, close)?;
        Ok(pairs)
    }

    fn pairs_from(&mut self, key: Node, close: &'static str) -> Parsed<Vec<(Node, Node)>> {
        self.expect_operator("=>")?;
        self.skip_ends();
        let mut pairs = vec![(key, self.expression()?)];
        self.skip_ends();
        if self.is_operator(",") {
            self.advance();
            self.more_pairs(&mut pairs, close)?;
        }
        Ok(pairs)
    }

    fn more_pairs(&mut self, pairs: &mut Vec<(Node, Node)>, close: &'static str) -> Parsed<()> {
        loop {
            self.skip_ends();
            if close.is_empty() && !self.starts_pair() || self.is_operator(close) {
                return Ok(());
            }
            let at = self.span();
            if self.take_operator("**") {
                let hash = self.expression()?;
                let splat = Node::new(Kind::Splat(Box::new(hash)), at);
                pairs.push((splat, Node::nil(at)));
            } else if let TokenKind::Label(_) = self.peek() {
                let TokenKind::Label(name) = self.advance() else {
                    return Err(self.unexpected("a key"));
                };
                let literal = self.literal(name.as_bytes());
                self.skip_ends();
                if self.is_operator(",") || self.is_operator("}") || self.is_operator(")") {
                    return Err(self.outside(at, "a label without a value", "write `name: name`"));
                }
                let value = self.expression()?;
                pairs.push((Node::new(Kind::Symbol(literal), at), value));
            } else {
                let key = self.expression()?;
                self.skip_ends();
                self.expect_operator("=>")?;
                self.skip_ends();
                pairs.push((key, self.expression()?));
            }
            if !close.is_empty() {
                self.skip_ends();
            }
            if !self.take_operator(",") {
                return Ok(());
            }
        }
    }

    /// What a name is called with. With `command`, arguments may stand without parentheses.
    pub(crate) fn arguments_and_block(
        &mut self,
        command: bool,
    ) -> Parsed<(Vec<Node>, Option<Block>)> {
        let mut block = None;
        let mut arguments = Vec::new();
        if self.is_operator("(") && !self.spaced(0) {
            self.advance();
            (arguments, block) = self.deeper(Self::parenthesised)?;
        } else if command && self.starts_command_argument() {
            self.deeper(|parser| {
                loop {
                    if parser.starts_pair() {
                        let at = parser.span();
                        let pairs = parser.pairs("")?;
                        arguments.push(Node::new(Kind::Hash(pairs), at));
                    } else {
                        let node = parser.argument()?;
                        if parser.is_operator("=>") {
                            let at = node.at;
                            let pairs = parser.pairs_from(node, "")?;
                            arguments.push(Node::new(Kind::Hash(pairs), at));
                        } else {
                            arguments.push(node);
                        }
                    }
                    if !parser.take_operator(",") {
                        return Ok(());
                    }
                    parser.skip_ends();
                }
            })?;
        }
        if block.is_none() {
            block = self.block()?;
        }
        Ok((arguments, block))
    }

    fn parenthesised(&mut self) -> Parsed<(Vec<Node>, Option<Block>)> {
        let mut arguments = Vec::new();
        loop {
            self.skip_ends();
            if self.take_operator(")") {
                return Ok((arguments, None));
            }
            if self.is_operator("&") {
                self.advance();
                let block = self.block_argument()?;
                self.skip_ends();
                self.expect_operator(")")?;
                return Ok((arguments, Some(block)));
            }
            if self.starts_pair() {
                let at = self.span();
                let pairs = self.pairs(")")?;
                arguments.push(Node::new(Kind::Hash(pairs), at));
            } else {
                let node = self.argument()?;
                self.skip_ends();
                if self.is_operator("=>") {
                    let at = node.at;
                    let pairs = self.pairs_from(node, ")")?;
                    arguments.push(Node::new(Kind::Hash(pairs), at));
                } else {
                    arguments.push(node);
                }
            }
            self.skip_ends();
            if !self.take_operator(",") && !self.is_operator(")") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
    }

    fn block_argument(&mut self) -> Parsed<Block> {
        let at = self.span();
        if let TokenKind::Symbol(parts) = self.peek()
            && let [crate::token::Part::Text(name)] = parts.as_slice()
        {
            let name = String::from_utf8_lossy(name).into_owned();
            self.advance();
            return Ok(Block::Method(self.method(&name, at)?));
        }
        Err(self.outside(
            at,
            "a block that is not written out",
            "write `&:name` or `{ |x| … }`",
        ))
    }

    fn block(&mut self) -> Parsed<Option<Block>> {
        let close = if self.is_operator("{") {
            self.advance();
            None
        } else if self.is_keyword(Keyword::Do) && !self.do_is_taken() {
            self.advance();
            Some(Keyword::End)
        } else {
            return Ok(None);
        };
        let depth = self.scopes.len();
        self.scopes.push(Vec::new());
        let block = self.with_do(|parser| parser.deeper(|parser| parser.block_body(close)));
        self.scopes.truncate(depth);
        block.map(Some)
    }

    fn block_body(&mut self, close: Option<Keyword>) -> Parsed<Block> {
        let mut parameters = Vec::new();
        let mut comma = false;
        let named = self.take_operator("|");
        if named {
            (parameters, comma) = self.parameters("|")?;
        } else {
            self.take_operator("||");
        }
        self.numbered.push(Vec::new());
        let body = match close {
            None => {
                let body = self.statements(&[])?;
                self.expect_operator("}")?;
                body
            }
            Some(_) => {
                let start = self.span();
                let body = self.statements(&[Keyword::End, Keyword::Rescue, Keyword::Ensure])?;
                if !self.is_keyword(Keyword::End) {
                    return Err(self.outside(
                        start,
                        "`rescue` of a block",
                        "write begin … rescue … end inside",
                    ));
                }
                self.expect_keyword(Keyword::End)?;
                body
            }
        };
        let slots = self.numbered.pop().unwrap_or_default();
        if !named && !slots.is_empty() {
            parameters = slots.into_iter().map(Target::Slot).collect();
        }
        let spreads =
            comma || parameters.len() > 1 || matches!(parameters.first(), Some(Target::Nested(_)));
        Ok(Block::Code {
            parameters,
            spreads,
            body,
        })
    }

    fn parameters(&mut self, close: &'static str) -> Parsed<(Vec<Target>, bool)> {
        let mut targets = Vec::new();
        let mut comma = false;
        loop {
            self.skip_ends();
            if self.take_operator(close) {
                return Ok((targets, comma));
            }
            let at = self.span();
            if self.take_operator("(") {
                let (nested, _) = self.deeper(|parser| parser.parameters(")"))?;
                targets.push(Target::Nested(nested));
            } else if self.take_operator("*") {
                let slot = if let TokenKind::Name(name) = self.peek().clone() {
                    self.advance();
                    Some(self.declare_here(&name))
                } else {
                    None
                };
                targets.push(Target::Splat(slot));
            } else if let TokenKind::Name(name) = self.peek().clone() {
                self.advance();
                if self.is_operator("=") {
                    return Err(self.outside(
                        at,
                        "a parameter with a default",
                        "write `x = x || default` in the block",
                    ));
                }
                let slot = self.declare_here(&name);
                targets.push(Target::Slot(slot));
            } else if let TokenKind::Label(_) = self.peek() {
                return Err(self.outside(at, "a keyword parameter", ""));
            } else {
                return Err(self.unexpected("a parameter"));
            }
            comma = self.take_operator(",");
            if !comma && !self.is_operator(close) {
                return Err(self.unexpected(&format!("`,` or `{close}`")));
            }
        }
    }

    /// Whether the next token opens an argument without parentheses.
    pub(crate) fn starts_command_argument(&self) -> bool {
        if !self.spaced(0) {
            return false;
        }
        match self.peek() {
            TokenKind::Integer(_)
            | TokenKind::Float(_)
            | TokenKind::Text(_)
            | TokenKind::Label(_)
            | TokenKind::Symbol(_)
            | TokenKind::Regex(..)
            | TokenKind::Words(..)
            | TokenKind::Command(_)
            | TokenKind::Name(_)
            | TokenKind::Constant(_)
            | TokenKind::Global(_) => true,
            TokenKind::Keyword(word) => matches!(
                word,
                Keyword::Nil | Keyword::True | Keyword::False | Keyword::SelfWord
            ),
            TokenKind::Operator(text) => {
                matches!(*text, "-" | "*" | "!" | "::" | "->") && !self.spaced(1)
            }
            TokenKind::End | TokenKind::Eof => false,
        }
    }
}

/// After these a `[` indexes even behind a blank.
fn indexes_spaced(node: &Node) -> bool {
    matches!(
        node.kind,
        Kind::Local(_) | Kind::Variable(_) | Kind::Index(..) | Kind::Field(_) | Kind::Array(_)
    )
}
