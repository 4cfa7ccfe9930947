//! From tokens to the compiled form, in one pass: precedence climbing, names resolved on the way.
//!
//! What is Ruby but not of the subset is refused here, with its place, so that nothing is found out in the middle of
//! the night. Only what Ruby itself decides while it runs (the class of a receiver, an unknown bare name) waits.

use crate::{
    error::{RubyError, Span},
    limits::NESTING_MAX,
    method::Method,
    node::{Kind, Literal, Node, Update, Variable},
    token::{Keyword, Token, TokenKind},
};

pub(crate) type Parsed<T> = Result<T, Box<RubyError>>;

pub(crate) struct Parser<'d> {
    tokens: Vec<Token>,
    at: usize,
    pub(crate) depth: usize,
    /// Names the surroundings bring.
    variables: &'d [(&'static str, Variable)],
    /// Local variables, the innermost block last.
    pub(crate) scopes: Vec<Vec<(String, u32)>>,
    /// How many slots are in use.
    pub(crate) slots: u32,
    /// All literal texts, one behind the other.
    pub(crate) pool: Vec<u8>,
    /// Something in the program changes a value in place.
    pub(crate) mutates: bool,
    /// `do` belongs to the `while` around.
    no_do: bool,
    /// The most `_1` … of the innermost block without parameters.
    pub(crate) numbered: Vec<Vec<u32>>,
    /// Names that nothing defines.
    pub(crate) undefined: Vec<(String, Span)>,
}

impl<'d> Parser<'d> {
    pub(crate) fn new(variables: &'d [(&'static str, Variable)]) -> Self {
        Self {
            tokens: Vec::new(),
            at: 0,
            depth: 0,
            variables,
            scopes: vec![Vec::new()],
            slots: 0,
            pool: Vec::new(),
            mutates: false,
            no_do: false,
            numbered: Vec::new(),
            undefined: Vec::new(),
        }
    }

    /// A whole program.
    pub(crate) fn program(&mut self, tokens: Vec<Token>) -> Parsed<Node> {
        self.nested(tokens)
    }

    /// The code of an interpolation; names are shared with what is around.
    pub(crate) fn nested(&mut self, tokens: Vec<Token>) -> Parsed<Node> {
        let outer = std::mem::replace(&mut self.tokens, tokens);
        let at = std::mem::replace(&mut self.at, 0);
        let no_do = std::mem::replace(&mut self.no_do, false);
        let body = self.deeper(|parser| parser.statements(&[]));
        let body = match body {
            Ok(body) if *self.peek() == TokenKind::Eof => Ok(body),
            Ok(_) => Err(self.unexpected("the end of the expression or an operator")),
            Err(error) => Err(error),
        };
        self.tokens = outer;
        self.at = at;
        self.no_do = no_do;
        body
    }

    // Tokens.

    pub(crate) fn peek(&self) -> &TokenKind {
        self.peek_at(0)
    }

    pub(crate) fn peek_at(&self, ahead: usize) -> &TokenKind {
        self.tokens
            .get(self.at + ahead)
            .map_or(&TokenKind::Eof, |token| &token.kind)
    }

    pub(crate) fn span(&self) -> Span {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .map(|token| token.at)
            .unwrap_or_default()
    }

    pub(crate) fn previous_span(&self) -> Span {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map(|token| token.at)
            .unwrap_or_default()
    }

    pub(crate) fn spaced(&self, ahead: usize) -> bool {
        self.tokens
            .get(self.at + ahead)
            .is_some_and(|token| token.spaced)
    }

    /// Takes the token out; nothing looks back at it.
    pub(crate) fn advance(&mut self) -> TokenKind {
        let Some(token) = self.tokens.get_mut(self.at) else {
            return TokenKind::Eof;
        };
        if token.kind == TokenKind::Eof {
            return TokenKind::Eof;
        }
        self.at += 1;
        std::mem::replace(&mut token.kind, TokenKind::End)
    }

    pub(crate) fn is_operator(&self, text: &str) -> bool {
        matches!(self.peek(), TokenKind::Operator(operator) if *operator == text)
    }

    pub(crate) fn is_keyword(&self, word: Keyword) -> bool {
        *self.peek() == TokenKind::Keyword(word)
    }

    pub(crate) fn take_operator(&mut self, text: &str) -> bool {
        let is = self.is_operator(text);
        if is {
            self.advance();
        }
        is
    }

    pub(crate) fn take_keyword(&mut self, word: Keyword) -> bool {
        let is = self.is_keyword(word);
        if is {
            self.advance();
        }
        is
    }

    pub(crate) fn expect_operator(&mut self, text: &'static str) -> Parsed<()> {
        if self.take_operator(text) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{text}`")))
    }

    pub(crate) fn expect_keyword(&mut self, word: Keyword) -> Parsed<()> {
        if self.take_keyword(word) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{}`", word.as_str())))
    }

    pub(crate) fn skip_ends(&mut self) {
        while *self.peek() == TokenKind::End {
            self.advance();
        }
    }

    pub(crate) fn unexpected(&self, expected: &str) -> Box<RubyError> {
        Box::new(
            RubyError::syntax(
                self.span(),
                format!("unexpected {}", self.peek().describe()),
            )
            .label(format!("expected {expected}")),
        )
    }

    pub(crate) fn outside(&self, at: Span, what: &str, hint: &str) -> Box<RubyError> {
        let error = RubyError::outside(at, format!("{what} is not part of the subset"));
        Box::new(if hint.is_empty() {
            error
        } else {
            error.hint(hint)
        })
    }

    pub(crate) fn too_deep(&self) -> Box<RubyError> {
        Box::new(
            RubyError::limit(
                self.span(),
                format!("expressions nest deeper than {NESTING_MAX} levels"),
            )
            .hint("use local variables"),
        )
    }

    /// Runs `parse` one level deeper.
    pub(crate) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= NESTING_MAX {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    // Names.

    pub(crate) fn literal(&mut self, text: &[u8]) -> Literal {
        let fit = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let literal = Literal {
            start: fit(self.pool.len()),
            len: fit(text.len()),
        };
        self.pool.extend_from_slice(text);
        literal
    }

    pub(crate) fn local(&self, name: &str) -> Option<u32> {
        self.scopes
            .iter()
            .rev()
            .flat_map(|scope| scope.iter().rev())
            .find_map(|(known, slot)| (known == name).then_some(*slot))
    }

    pub(crate) fn declare(&mut self, name: &str) -> u32 {
        self.local(name).unwrap_or_else(|| self.declare_here(name))
    }

    /// A variable of the innermost scope, as parameters of blocks are.
    pub(crate) fn declare_here(&mut self, name: &str) -> u32 {
        let slot = self.fresh_slot();
        if let Some(scope) = self.scopes.last_mut() {
            scope.push((name.to_owned(), slot));
        }
        slot
    }

    pub(crate) fn fresh_slot(&mut self) -> u32 {
        let slot = self.slots;
        self.slots += 1;
        slot
    }

    pub(crate) fn variable(&self, name: &str) -> Option<Variable> {
        self.variables
            .iter()
            .find_map(|(known, variable)| (*known == name).then_some(*variable))
    }

    pub(crate) fn variable_names(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        self.variables.iter().map(|(name, _)| *name)
    }

    // Expressions.

    /// Everything that binds closer than `not`, `and` and modifiers.
    pub(crate) fn expression(&mut self) -> Parsed<Node> {
        self.deeper(|parser| {
            let condition = parser.binary(0)?;
            if !parser.take_operator("?") {
                return Ok(condition);
            }
            parser.skip_ends();
            let yes = parser.expression()?;
            parser.skip_ends();
            if !parser.take_operator(":") {
                return Err(parser.unexpected("the `:` of the ternary"));
            }
            parser.skip_ends();
            let no = parser.expression()?;
            let at = condition.at.to(no.at);
            Ok(Node::new(
                Kind::If(Box::new(condition), Box::new(yes), Box::new(no)),
                at,
            ))
        })
    }

    fn binary(&mut self, least: u8) -> Parsed<Node> {
        let mut left = self.unary()?;
        let mut links = 0usize;
        loop {
            // Chains nest to the left, where they are evaluated by recursion.
            links += 1;
            if links > NESTING_MAX {
                return Err(self.too_deep());
            }
            let TokenKind::Operator(text) = self.peek() else {
                return Ok(left);
            };
            let text = *text;
            let Some((level, right_binds)) = precedence(text) else {
                return Ok(left);
            };
            if level < least {
                return Ok(left);
            }
            let operator_at = self.span();
            self.advance();
            let endless = matches!(text, ".." | "...") && self.ends_range();
            if endless {
                let at = left.at.to(operator_at);
                left = Node::new(
                    Kind::Range {
                        first: Some(Box::new(left)),
                        last: None,
                        exclusive: text == "...",
                    },
                    at,
                );
                continue;
            }
            self.skip_ends();
            let right = self.deeper(|parser| parser.binary(right_binds))?;
            left = self.operation(text, left, right)?;
        }
    }

    fn ends_range(&self) -> bool {
        matches!(
            self.peek(),
            TokenKind::Operator(")" | "]") | TokenKind::End | TokenKind::Eof
        ) || self.is_keyword(Keyword::Then)
    }

    fn operation(&mut self, text: &str, left: Node, right: Node) -> Parsed<Node> {
        let at = left.at.to(right.at);
        let (left, right) = (Box::new(left), Box::new(right));
        let kind = match text {
            "||" => Kind::Or(left, right),
            "&&" => Kind::And(left, right),
            ".." | "..." => Kind::Range {
                first: Some(left),
                last: Some(right),
                exclusive: text == "...",
            },
            _ => {
                let method = self.method(text, at)?;
                Kind::Operation(method, left, right)
            }
        };
        Ok(Node::new(kind, at))
    }

    /// The method of that name, remembering whether it changes something.
    pub(crate) fn method(&mut self, name: &str, at: Span) -> Parsed<Method> {
        let method = Method::find(name).ok_or_else(|| crate::suggest::unknown_method(name, at))?;
        self.mutates |= method.mutates();
        Ok(method)
    }

    fn unary(&mut self) -> Parsed<Node> {
        let start = self.span();
        let TokenKind::Operator(text) = self.peek() else {
            return self.power();
        };
        let method = match *text {
            "!" => {
                self.advance();
                let value = self.deeper(Self::unary)?;
                let at = start.to(value.at);
                return Ok(Node::new(Kind::Not(Box::new(value)), at));
            }
            "-" => {
                // `-2.abs` is a number, `-2 ** 2` is not.
                let number = matches!(self.peek_at(1), TokenKind::Integer(_) | TokenKind::Float(_))
                    && !self.spaced(1);
                if number && *self.peek_at(2) != TokenKind::Operator("**") {
                    return self.power();
                }
                Method::Negate
            }
            "+" => Method::Plus,
            "~" => Method::Complement,
            "->" => {
                return Err(self.outside(
                    start,
                    "a lambda",
                    "write the code where it is used, or in a block",
                ));
            }
            _ => return self.power(),
        };
        self.advance();
        let value = self.deeper(Self::unary)?;
        let at = start.to(value.at);
        Ok(self.call(value, method, Vec::new(), at))
    }

    fn power(&mut self) -> Parsed<Node> {
        let base = self.postfix()?;
        if !self.take_operator("**") {
            return Ok(base);
        }
        self.skip_ends();
        let exponent = self.deeper(Self::unary)?;
        self.operation("**", base, exponent)
    }

    /// What `target op= value` does with the old value.
    pub(crate) fn update(&mut self, operator: &str, at: Span) -> Parsed<Update> {
        Ok(match operator {
            "||=" => Update::Or,
            "&&=" => Update::And,
            _ => Update::Method(self.method(operator.strip_suffix('=').unwrap_or(operator), at)?),
        })
    }
}

/// How strongly an operator binds, and how strongly what stands on its right must.
fn precedence(text: &str) -> Option<(u8, u8)> {
    Some(match text {
        ".." | "..." => (1, 2),
        "||" => (2, 3),
        "&&" => (3, 4),
        "<=>" | "==" | "===" | "!=" | "=~" | "!~" => (5, 6),
        "<" | "<=" | ">" | ">=" => (6, 7),
        "|" | "^" => (7, 8),
        "&" => (8, 9),
        "<<" | ">>" => (9, 10),
        "+" | "-" => (10, 11),
        "*" | "/" | "%" => (11, 12),
        _ => return None,
    })
}

/// Operators that assign and compute.
pub(crate) fn is_update(text: &str) -> bool {
    matches!(
        text,
        "+=" | "-="
            | "*="
            | "/="
            | "%="
            | "**="
            | "||="
            | "&&="
            | "<<="
            | ">>="
            | "|="
            | "&="
            | "^="
    )
}

impl Parser<'_> {
    /// Runs `parse` where a `do` belongs to the loop around.
    pub(crate) fn without_do<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        let outer = std::mem::replace(&mut self.no_do, true);
        let parsed = parse(self);
        self.no_do = outer;
        parsed
    }

    /// Runs `parse` where a `do` opens a block again.
    pub(crate) fn with_do<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let outer = std::mem::replace(&mut self.no_do, false);
        let parsed = parse(self);
        self.no_do = outer;
        parsed
    }

    pub(crate) fn do_is_taken(&self) -> bool {
        self.no_do
    }
}
