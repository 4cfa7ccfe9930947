//! The syntax tree of a Ruby regular expression, options already resolved.
//!
//! One parser makes it; the splitter compiler, the PCRE2 text and the `regex` text are made from it.

use super::set::Set;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Empty,
    /// One character; `fold` ignores its case.
    Char {
        value: char,
        fold: bool,
    },
    /// `\xHH` from 0x80 on.
    Byte(u8),
    /// A dot; `newline` when it matches that too.
    Any {
        newline: bool,
    },
    Set {
        set: Set,
        fold: bool,
    },
    Anchor(Anchor),
    /// A capturing group, if `ordinal` has a number in [`Syntax::numbers`].
    Group {
        ordinal: usize,
        node: Box<Node>,
    },
    Concat(Vec<Node>),
    Alternation(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        greed: Greed,
    },
    Look {
        ahead: bool,
        negative: bool,
        node: Box<Node>,
    },
    Atomic(Box<Node>),
    /// `\1`
    NumberReference(u32),
    /// `\k<name>`: the index of the name.
    NameReference {
        name: String,
        fold: bool,
    },
    /// `\g<name>`; the empty name calls the whole expression.
    Call {
        name: String,
    },
    /// `\K`, `\X`, `\R`: the same letters in PCRE2.
    Verbatim(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    LineStart,
    LineEnd,
    TextStart,
    /// `\Z`: before a last newline, too.
    TextEndOrNewline,
    TextEnd,
    SearchStart,
    WordBoundary,
    NotWordBoundary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greed {
    Greedy,
    Lazy,
    Possessive,
}

/// A parsed expression.
#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) node: Node,
    /// By order of opening parentheses: the capture number, if the group captures.
    pub(super) numbers: Vec<Option<usize>>,
    /// Each name once, in order, with the numbers of the groups that bear it.
    pub(super) names: Vec<(String, Vec<usize>)>,
    /// Captures without the whole match.
    pub(super) captures: usize,
    /// Something in it means characters, not bytes.
    pub(super) unicode: bool,
}

impl Syntax {
    /// The index of a name in [`Syntax::names`].
    pub(super) fn name_index(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|(known, _)| known == name)
    }

    /// The name of a capture number.
    pub(super) fn name_of(&self, number: usize) -> Option<usize> {
        self.names
            .iter()
            .position(|(_, numbers)| numbers.contains(&number))
    }
}
