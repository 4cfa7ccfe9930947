//! From the text of a Ruby regular expression to its syntax tree.

use super::{
    Flags, REGEX_NESTING_MAX, REGEX_SOURCE_BYTES_MAX, RegexError,
    set::{Item, Set},
    syntax::{Anchor, Node, Syntax},
};

/// Parses `source`.
pub(super) fn parse(source: &str, flags: Flags) -> Result<Syntax, RegexError> {
    if source.len() > REGEX_SOURCE_BYTES_MAX {
        return Err(RegexError::TooLong {
            length: source.len(),
        });
    }
    let mut parser = Parser {
        source,
        at: 0,
        depth: 0,
        groups: Vec::new(),
        unicode: false,
        numbered: None,
        references: Vec::new(),
    };
    let node = parser.alternation(flags)?;
    if parser.peek().is_some() {
        return Err(parser.syntax("this `)` closes nothing; write `\\)` for the character itself"));
    }
    parser.finish(node)
}

pub(super) struct Parser<'s> {
    pub(super) source: &'s str,
    pub(super) at: usize,
    pub(super) depth: usize,
    /// By order of opening parentheses: the name, if any.
    pub(super) groups: Vec<Option<String>>,
    pub(super) unicode: bool,
    /// Where the first `\1` stands.
    numbered: Option<usize>,
    /// Names that `\k` and `\g` use, with their places.
    references: Vec<(String, usize)>,
}

impl Parser<'_> {
    fn finish(self, node: Node) -> Result<Syntax, RegexError> {
        let named = self.groups.iter().any(Option::is_some);
        if let (true, Some(offset)) = (named, self.numbered) {
            return Err(RegexError::Syntax {
                offset,
                message:
                    "a numbered reference is not allowed beside named groups; write `\\k<name>`"
                        .to_owned(),
            });
        }
        let mut numbers = Vec::new();
        let mut names: Vec<(String, Vec<usize>)> = Vec::new();
        let mut captures = 0;
        for name in self.groups {
            if named && name.is_none() {
                numbers.push(None);
                continue;
            }
            captures += 1;
            numbers.push(Some(captures));
            let Some(name) = name else { continue };
            match names.iter_mut().find(|(known, _)| *known == name) {
                Some((_, bearers)) => bearers.push(captures),
                None => names.push((name, vec![captures])),
            }
        }
        for (name, offset) in self.references {
            if !names.iter().any(|(known, _)| *known == name) {
                return Err(RegexError::Syntax {
                    offset,
                    message: format!("no group is named `{name}`"),
                });
            }
        }
        Ok(Syntax {
            node,
            numbers,
            names,
            captures,
            unicode: self.unicode,
        })
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    pub(super) fn syntax(&self, message: &str) -> RegexError {
        self.syntax_at(self.at, message)
    }

    pub(super) fn syntax_at(&self, offset: usize, message: &str) -> RegexError {
        RegexError::Syntax {
            offset,
            message: message.to_owned(),
        }
    }

    pub(super) fn unsupported(
        &self,
        offset: usize,
        construct: &str,
        advice: &'static str,
    ) -> RegexError {
        RegexError::Unsupported {
            offset,
            construct: construct.to_owned(),
            advice,
        }
    }

    pub(super) fn alternation(&mut self, flags: Flags) -> Result<Node, RegexError> {
        let mut branches = vec![self.concat(flags)?];
        while self.eat("|") {
            branches.push(self.concat(flags)?);
        }
        Ok(match branches.pop() {
            Some(only) if branches.is_empty() => only,
            last => {
                branches.extend(last);
                Node::Alternation(branches)
            }
        })
    }

    pub(super) fn concat(&mut self, flags: Flags) -> Result<Node, RegexError> {
        let mut nodes = Vec::new();
        loop {
            if flags.extended {
                self.skip_extended();
            }
            let Some(next) = self.peek() else { break };
            if matches!(next, '|' | ')') {
                break;
            }
            if let Some(flags) = self.isolated_options(flags)? {
                // The options hold to the end of the enclosing group, its further branches included.
                nodes.push(self.alternation(flags)?);
                break;
            }
            if self.eat("(?#") {
                let open = self.at - 3;
                while !self.eat(")") {
                    self.bump().ok_or_else(|| {
                        self.syntax_at(open, "this comment is never closed with `)`")
                    })?;
                }
                continue;
            }
            let atom = self.atom(flags)?;
            nodes.push(self.repeats(atom, flags)?);
        }
        Ok(match nodes.pop() {
            None => Node::Empty,
            Some(only) if nodes.is_empty() => only,
            last => {
                nodes.extend(last);
                Node::Concat(nodes)
            }
        })
    }

    pub(super) fn skip_extended(&mut self) {
        while let Some(next) = self.peek() {
            if next == '#' {
                let comment = self.rest().find('\n').unwrap_or(self.rest().len());
                self.at += comment;
            } else if next.is_ascii_whitespace() {
                self.at += 1;
            } else {
                break;
            }
        }
    }

    pub(super) fn atom(&mut self, flags: Flags) -> Result<Node, RegexError> {
        let start = self.at;
        let Some(next) = self.bump() else {
            return Ok(Node::Empty);
        };
        Ok(match next {
            '(' => {
                self.depth += 1;
                if self.depth > REGEX_NESTING_MAX {
                    return Err(RegexError::TooDeep { offset: start });
                }
                let node = self.group(start, flags)?;
                self.depth -= 1;
                if !self.eat(")") {
                    return Err(self.syntax_at(
                        start,
                        "this `(` is never closed; write `\\(` for the character itself",
                    ));
                }
                node
            }
            '[' => {
                let set = self.class(start)?;
                self.unicode |= set.needs_unicode();
                Node::Set {
                    set,
                    fold: flags.ignore_case,
                }
            }
            '.' => Node::Any {
                newline: flags.multi_line,
            },
            '^' => Node::Anchor(Anchor::LineStart),
            '$' => Node::Anchor(Anchor::LineEnd),
            '\\' => self.escape(start, flags)?,
            '*' | '+' | '?' => {
                return Err(self.syntax_at(
                    start,
                    &format!("`{next}` repeats nothing; write `\\{next}` for the character itself"),
                ));
            }
            value => self.character(value, flags),
        })
    }

    fn character(&mut self, value: char, flags: Flags) -> Node {
        let fold = flags.ignore_case && (value.is_ascii_alphabetic() || !value.is_ascii());
        self.unicode |= fold && !value.is_ascii();
        Node::Char { value, fold }
    }

    pub(super) fn escape(&mut self, start: usize, flags: Flags) -> Result<Node, RegexError> {
        let Some(letter) = self.bump() else {
            return Err(self.syntax_at(
                start,
                "a backslash ends the expression; write `\\\\` for the character itself",
            ));
        };
        if let Some(set) = Set::shorthand(letter) {
            return Ok(Node::Set { set, fold: false });
        }
        Ok(match letter {
            'A' => Node::Anchor(Anchor::TextStart),
            'Z' => Node::Anchor(Anchor::TextEndOrNewline),
            'z' => Node::Anchor(Anchor::TextEnd),
            'G' => Node::Anchor(Anchor::SearchStart),
            'b' => Node::Anchor(Anchor::WordBoundary),
            'B' => Node::Anchor(Anchor::NotWordBoundary),
            'K' => Node::Verbatim("\\K"),
            'R' => Node::Verbatim("(?>\\r\\n|[\\x0a-\\x0d])"),
            'X' => {
                self.unicode = true;
                Node::Verbatim("\\X")
            }
            'p' | 'P' => {
                let item = self.property(start, letter)?;
                self.unicode = true;
                let set = Set {
                    items: vec![item],
                    ..Set::default()
                };
                Node::Set {
                    set,
                    fold: flags.ignore_case,
                }
            }
            'k' => {
                let name = self.reference_name(start)?;
                Node::NameReference {
                    name,
                    fold: flags.ignore_case,
                }
            }
            'g' if self.eat("<0>") => Node::Call {
                name: String::new(),
            },
            'g' => Node::Call {
                name: self.reference_name(start)?,
            },
            '1'..='9' => {
                let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
                let text = self
                    .source
                    .get(start + 1..self.at + digits)
                    .unwrap_or_default();
                let number = text
                    .parse()
                    .map_err(|_| self.syntax_at(start, "no group has this number"))?;
                self.at += digits;
                self.numbered.get_or_insert(start);
                Node::NumberReference(number)
            }
            _ => match self.escaped_character(start, letter)? {
                Ok(value) => self.character(value, flags),
                Err(byte) => Node::Byte(byte),
            },
        })
    }

    pub(super) fn reference_name(&mut self, start: usize) -> Result<String, RegexError> {
        let closing = match self.bump() {
            Some('<') => '>',
            Some('\'') => '\'',
            _ => return Err(self.syntax_at(start, "expected `<name>` here")),
        };
        if self
            .rest()
            .starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+'))
        {
            return Err(self.unsupported(
                start,
                "a reference by number or level",
                "name the group and refer to its name",
            ));
        }
        let name = self.name(closing)?;
        self.references.push((name.clone(), start));
        Ok(name)
    }

    /// `{name}` or `{^name}` after `\p`.
    pub(super) fn property(&mut self, start: usize, letter: char) -> Result<Item, RegexError> {
        let closing = self
            .rest()
            .find('}')
            .filter(|_| self.rest().starts_with('{'));
        let Some(closing) = closing else {
            return Err(self.syntax_at(start, "expected `{property}` after this"));
        };
        let text = self.rest().get(1..closing).unwrap_or_default();
        let (caret, text) = text
            .strip_prefix('^')
            .map_or((false, text), |text| (true, text));
        let negated = caret != (letter == 'P');
        let lower = text.to_ascii_lowercase();
        let item = match super::set::POSIX.iter().find(|(name, ..)| *name == lower) {
            Some((name, ..)) => Item::Posix { name, negated },
            None if !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                Item::Property {
                    text: text.to_owned(),
                    negated,
                }
            }
            None => return Err(self.syntax_at(start, "expected the name of a property")),
        };
        self.at += closing + 1;
        Ok(item)
    }
}
