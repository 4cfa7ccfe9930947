//! From the syntax tree to the text of an engine: PCRE2, or the `regex` crate where an expression allows.
//!
//! Options are resolved in the tree, so the text needs none but a case-insensitive group around single characters.
//! Group names become `n0`, `n1`, …: Ruby allows more in a name than the engines do.

use std::fmt::Write;

use super::{
    set::{Item, POSIX, Set},
    syntax::{Anchor, Greed, Node, Syntax},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Pcre,
    /// The `regex` crate: no look-around, no references, no possessive repeats, and captures are left out.
    Linear,
}

/// The text of an expression, or nothing if the dialect cannot say it.
pub(super) fn emit(syntax: &Syntax, dialect: Dialect) -> Option<String> {
    let mut emitter = Emitter {
        syntax,
        dialect,
        text: String::new(),
    };
    emitter.node(&syntax.node, true)?;
    Some(emitter.text)
}

struct Emitter<'s> {
    syntax: &'s Syntax,
    dialect: Dialect,
    text: String,
}

impl Emitter<'_> {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Writes to the text; writing to a string does not fail.
    fn format(&mut self, arguments: std::fmt::Arguments<'_>) -> Option<()> {
        self.text.write_fmt(arguments).ok()
    }

    /// Writes one node; `last` says that only the end of the expression can follow.
    fn node(&mut self, node: &Node, last: bool) -> Option<()> {
        match node {
            Node::Empty => self.push("(?:)"),
            Node::Char { value, fold } => self.folded(*fold, |this| this.char(*value))?,
            Node::Byte(byte) => match self.dialect {
                Dialect::Pcre => self.format(format_args!("\\x{{{byte:x}}}"))?,
                Dialect::Linear => self.format(format_args!("(?-u:\\x{byte:02x})"))?,
            },
            Node::Any { newline: true } => self.push("(?s:.)"),
            Node::Any { newline: false } => self.push("(?-s:.)"),
            Node::Set { set, fold } => self.folded(*fold, |this| this.set(set))?,
            Node::Anchor(anchor) => self.anchor(*anchor, last)?,
            Node::Group { ordinal, node } => self.group(*ordinal, node, last)?,
            Node::Concat(nodes) => {
                let end = nodes.len();
                for (index, node) in nodes.iter().enumerate() {
                    if matches!(node, Node::Anchor(Anchor::LineStart)) {
                        let mut following = nodes.iter().skip(index + 1);
                        self.line_start(following.any(consumes))?;
                        continue;
                    }
                    self.node(node, last && index + 1 == end)?;
                }
            }
            Node::Alternation(nodes) => {
                self.push("(?:");
                for (index, node) in nodes.iter().enumerate() {
                    if index > 0 {
                        self.push("|");
                    }
                    self.node(node, last)?;
                }
                self.push(")");
            }
            Node::Repeat {
                node,
                min,
                max,
                greed,
            } => self.repeat(node, *min, *max, *greed)?,
            Node::Look {
                ahead,
                negative,
                node,
            } => {
                self.only_pcre()?;
                self.push(if *ahead { "(?" } else { "(?<" });
                self.push(if *negative { "!" } else { "=" });
                self.node(node, false)?;
                self.push(")");
            }
            Node::Atomic(node) => {
                self.only_pcre()?;
                self.push("(?>");
                self.node(node, false)?;
                self.push(")");
            }
            Node::NumberReference(number) => {
                self.only_pcre()?;
                self.format(format_args!("\\g{{{number}}}"))?;
            }
            Node::NameReference { name, fold } => {
                self.only_pcre()?;
                let index = self.syntax.name_index(name)?;
                self.folded(*fold, |this| this.format(format_args!("\\k{{n{index}}}")))?;
            }
            Node::Call { name } => {
                self.only_pcre()?;
                if name.is_empty() {
                    self.push("(?R)");
                } else {
                    let index = self.syntax.name_index(name)?;
                    self.format(format_args!("(?&n{index})"))?;
                }
            }
            Node::Verbatim(text) => {
                self.only_pcre()?;
                self.push(text);
            }
        }
        Some(())
    }

    fn only_pcre(&self) -> Option<()> {
        (self.dialect == Dialect::Pcre).then_some(())
    }

    fn folded(&mut self, fold: bool, write: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.push(if fold { "(?i:" } else { "" });
        write(self)?;
        self.push(if fold { ")" } else { "" });
        Some(())
    }

    fn char(&mut self, value: char) -> Option<()> {
        match value {
            '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => self.text.push(value),
            // Without Unicode mode this is a run of bytes, which a repeat must take as one.
            _ if !value.is_ascii() => self.format(format_args!("(?:{value})"))?,
            _ => self.format(format_args!("\\x{{{:x}}}", u32::from(value)))?,
        }
        Some(())
    }

    fn anchor(&mut self, anchor: Anchor, last: bool) -> Option<()> {
        self.push(match (self.dialect, anchor) {
            (Dialect::Pcre, Anchor::LineStart) => "(?m:^)",
            (_, Anchor::LineEnd) => "(?m:$)",
            (_, Anchor::TextStart) => r"\A",
            (_, Anchor::TextEnd) => r"\z",
            (Dialect::Pcre, Anchor::TextEndOrNewline) => r"\Z",
            (Dialect::Linear, Anchor::TextEndOrNewline) if last => r"\x0a?\z",
            (Dialect::Pcre, Anchor::SearchStart) => r"\G",
            (Dialect::Pcre, Anchor::WordBoundary) => r"\b",
            (Dialect::Pcre, Anchor::NotWordBoundary) => r"\B",
            (Dialect::Linear, _) => return None,
        });
        Some(())
    }

    /// No line starts behind a newline that ends the text. PCRE2 knows that; the `regex` crate does not, but where
    /// bytes must follow it makes no difference.
    fn line_start(&mut self, bytes_follow: bool) -> Option<()> {
        if self.dialect == Dialect::Linear && !bytes_follow {
            return None;
        }
        self.push("(?m:^)");
        Some(())
    }

    fn group(&mut self, ordinal: usize, node: &Node, last: bool) -> Option<()> {
        let number = self.syntax.numbers.get(ordinal).copied().flatten();
        match number.filter(|_| self.dialect == Dialect::Pcre) {
            None => self.push("(?:"),
            Some(number) => match self.syntax.name_of(number) {
                None => self.push("("),
                Some(index) => self.format(format_args!("(?<n{index}>"))?,
            },
        }
        self.node(node, last)?;
        self.push(")");
        Some(())
    }

    fn repeat(&mut self, node: &Node, min: u32, max: Option<u32>, greed: Greed) -> Option<()> {
        self.push("(?:");
        self.node(node, false)?;
        self.push(")");
        match (min, max) {
            (0, None) => self.push("*"),
            (1, None) => self.push("+"),
            (0, Some(1)) => self.push("?"),
            (min, None) => self.format(format_args!("{{{min},}}"))?,
            (min, Some(max)) => self.format(format_args!("{{{min},{max}}}"))?,
        }
        match greed {
            Greed::Greedy => {}
            Greed::Lazy => self.push("?"),
            Greed::Possessive => {
                self.only_pcre()?;
                self.push("+");
            }
        }
        Some(())
    }

    /// Writes an expression for one character of the set: a class where it can be one, look-aheads otherwise.
    fn set(&mut self, set: &Set) -> Option<()> {
        if is_plain(set) {
            return self.plain_class(set);
        }
        self.only_pcre()?;
        if set.negated {
            self.push("(?:(?!");
        } else {
            self.push("(?:");
        }
        for operand in &set.and {
            self.push("(?=");
            self.set(operand)?;
            self.push(")");
        }
        self.union(&set.items)?;
        if set.negated {
            self.push(")(?s:.))");
        } else {
            self.push(")");
        }
        Some(())
    }

    fn union(&mut self, items: &[Item]) -> Option<()> {
        self.push("(?:");
        for item in items {
            match item {
                Item::Nested(set) => self.set(set)?,
                Item::Posix {
                    name,
                    negated: true,
                } => {
                    let items = vec![Item::Posix {
                        name,
                        negated: false,
                    }];
                    self.plain_class(&Set {
                        negated: true,
                        items,
                        and: Vec::new(),
                    })?;
                }
                plain => self.plain_class(&Set {
                    items: vec![plain.clone()],
                    ..Set::default()
                })?,
            }
            self.push("|");
        }
        self.push("(?!))");
        Some(())
    }

    fn plain_class(&mut self, set: &Set) -> Option<()> {
        self.push(if set.negated { "[^" } else { "[" });
        self.class_items(&set.items)?;
        self.push("]");
        Some(())
    }

    fn class_items(&mut self, items: &[Item]) -> Option<()> {
        for item in items {
            match item {
                Item::Range(first, last) => {
                    self.class_char(*first)?;
                    if last > first {
                        self.push("-");
                        self.class_char(*last)?;
                    }
                }
                Item::Byte(byte) => {
                    self.only_pcre()?;
                    self.format(format_args!("\\x{{{byte:x}}}"))?;
                }
                Item::Nested(set) => self.class_items(&set.items)?,
                Item::Posix { name, .. } => {
                    let (_, inside) = POSIX.iter().find(|(known, _)| known == name)?;
                    self.push(inside);
                }
                Item::Property { text, negated } => {
                    self.format(format_args!(
                        "\\{}{{{text}}}",
                        if *negated { 'P' } else { 'p' }
                    ))?;
                }
            }
        }
        Some(())
    }

    fn class_char(&mut self, value: char) -> Option<()> {
        self.format(format_args!("\\x{{{:x}}}", u32::from(value)))
    }
}

/// Whether the engines' own classes can say the set: no intersection, and nothing negated inside.
fn is_plain(set: &Set) -> bool {
    set.and.is_empty()
        && !set.items.is_empty()
        && set.items.iter().all(|item| match item {
            Item::Nested(set) => !set.negated && is_plain(set),
            Item::Posix { negated, .. } => !negated,
            Item::Range(..) | Item::Byte(_) | Item::Property { .. } => true,
        })
}

/// Whether a node matches no empty text.
fn consumes(node: &Node) -> bool {
    match node {
        Node::Char { .. } | Node::Byte(_) | Node::Any { .. } | Node::Set { .. } => true,
        Node::Group { node, .. } | Node::Atomic(node) => consumes(node),
        Node::Concat(nodes) => nodes.iter().any(consumes),
        Node::Alternation(nodes) => nodes.iter().all(consumes),
        Node::Repeat { node, min, .. } => *min > 0 && consumes(node),
        Node::Empty
        | Node::Anchor(_)
        | Node::Look { .. }
        | Node::NumberReference(_)
        | Node::NameReference { .. }
        | Node::Call { .. }
        | Node::Verbatim(_) => false,
    }
}
