//! The tokens of an expression.

use millrun_pattern::Flags;

use crate::error::Span;

/// One token with its place.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) at: Span,
    /// White space stands before it; Ruby reads `a -1` and `a - 1` differently.
    pub(crate) spaced: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    Integer(i64),
    Float(f64),
    /// A quoted text.
    Text(Vec<Part>),
    /// `name:` or `"name":` before a value in a hash.
    Label(String),
    Symbol(Vec<Part>),
    Regex(Vec<Part>, Flags),
    /// `%w(…)` and, with true, `%i(…)`.
    Words(Vec<String>, bool),
    /// A text in back-ticks.
    Command(String),
    Name(String),
    Constant(String),
    /// `$1`, `$~` …
    Global(String),
    Keyword(Keyword),
    Operator(&'static str),
    /// A line end or `;`.
    End,
    /// The end of the text.
    Eof,
}

/// A piece of a quoted text.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(Vec<u8>),
    /// What stands between `#{` and `}`.
    Code(Vec<Token>),
}

impl PartialEq for Part {
    /// Only texts compare; no rule of the grammar asks whether two pieces of code are the same.
    fn eq(&self, other: &Self) -> bool {
        matches!((self, other), (Part::Text(one), Part::Text(two)) if one == two)
    }
}

macro_rules! keywords {
    ($($variant:ident $text:literal),* $(,)?) => {
        /// The reserved words that the parser knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Keyword { $($variant),* }

        impl Keyword {
            pub(crate) fn find(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }

            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

keywords! {
    Nil "nil", True "true", False "false", SelfWord "self", If "if", Unless "unless", Elsif "elsif",
    Else "else", End "end", Then "then", Case "case", When "when", In "in", While "while", Until "until",
    Do "do", Begin "begin", Rescue "rescue", Ensure "ensure", And "and", Or "or", Not "not",
    Next "next", Break "break", Return "return", Defined "defined?", Def "def", Class "class",
    Module "module", For "for", Yield "yield", Redo "redo", Retry "retry", Super "super",
    Undef "undef", Alias "alias", FileName "__FILE__", Line "__LINE__", Method "__method__",
}

impl TokenKind {
    /// A value ends here: what follows is an operator rather than another value.
    pub(crate) fn ends_value(&self) -> bool {
        match self {
            TokenKind::Integer(_)
            | TokenKind::Float(_)
            | TokenKind::Text(_)
            | TokenKind::Symbol(_)
            | TokenKind::Regex(..)
            | TokenKind::Words(..)
            | TokenKind::Command(_)
            | TokenKind::Name(_)
            | TokenKind::Constant(_)
            | TokenKind::Global(_) => true,
            TokenKind::Keyword(word) => matches!(
                word,
                Keyword::Nil | Keyword::True | Keyword::False | Keyword::SelfWord | Keyword::End
            ),
            TokenKind::Operator(text) => matches!(*text, ")" | "]" | "}"),
            TokenKind::Label(_) | TokenKind::End | TokenKind::Eof => false,
        }
    }

    /// The token in an error message.
    pub(crate) fn describe(&self) -> String {
        match self {
            TokenKind::Integer(_) | TokenKind::Float(_) => "a number".to_owned(),
            TokenKind::Text(_) => "a string".to_owned(),
            TokenKind::Label(name) => format!("`{name}:`"),
            TokenKind::Symbol(_) => "a symbol".to_owned(),
            TokenKind::Regex(..) => "a regular expression".to_owned(),
            TokenKind::Words(..) => "a list of words".to_owned(),
            TokenKind::Command(_) => "a command in back-ticks".to_owned(),
            TokenKind::Name(name) | TokenKind::Constant(name) => format!("`{name}`"),
            TokenKind::Global(name) => format!("`${name}`"),
            TokenKind::Keyword(word) => format!("`{}`", word.as_str()),
            TokenKind::Operator(text) => format!("`{text}`"),
            TokenKind::End => "the end of the line".to_owned(),
            TokenKind::Eof => "end of the expression".to_owned(),
        }
    }
}
