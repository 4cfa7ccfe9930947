//! What the lexer makes of a text.
//!
//! ```text
//! <match app.**>        OpenTag("match") Argument TagEnd LineEnd
//!   path "a b" # why    Key Value Comment LineEnd
//!   @include x.conf     Include Value LineEnd
//! </match>              CloseTag("match") TagEnd LineEnd
//! ```
//!
//! Every statement ends with `LineEnd`, the file with `End`. Blank lines leave no token.

use std::collections::VecDeque;

use crate::{Notation, Span};

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token<'t> {
    pub(crate) kind: TokenKind<'t>,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenKind<'t> {
    /// `<` and the name; the name may be missing.
    OpenTag(&'t str),
    /// `</` and the name; the name may be missing.
    CloseTag(&'t str),
    /// `>`
    TagEnd,
    /// What stands between the name and `>`.
    Argument(Literal<'t>),
    /// The first word of a parameter.
    Key(Literal<'t>),
    /// What follows a key or an include.
    Value(Literal<'t>),
    /// `@include`, at the top of a file also `include`.
    Include,
    /// `#` to the end of the line.
    Comment,
    /// What stands where nothing should, to the end of the line.
    Junk,
    /// The end of a statement.
    LineEnd,
    /// The end of the file.
    End,
}

/// A text before its embedded Ruby is evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal<'t> {
    pub(crate) notation: Notation,
    pub(crate) content: Written<'t>,
    /// The lexer has reported an error inside; nobody needs to complain about the content again.
    pub(crate) is_broken: bool,
}

/// What a literal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written<'t> {
    /// These characters of the file, as they stand there. Most literals are such, and cost no memory of their own.
    Verbatim(&'t str),
    /// Parts, put together.
    Parts(Vec<Part>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text with its escapes decoded. In JSON literals nothing is decoded and the span is exactly
    /// as long as the text.
    Text { text: String, span: Span },
    /// The expression between `#{` and `}`.
    Code { text: String, span: Span },
}

/// The tokens of a file that are still to come.
pub(crate) struct Tokens<'t> {
    /// What is still to come, without comments.
    pub(crate) tokens: VecDeque<Token<'t>>,
    /// Where the file ends, for what is missing there.
    pub(crate) end: Span,
    /// The rest was given up.
    pub(crate) is_cut_off: bool,
}

impl<'t> Tokens<'t> {
    /// Takes the next token if it fits.
    pub(crate) fn next_if(
        &mut self,
        fits: impl FnOnce(&TokenKind<'t>) -> bool,
    ) -> Option<Token<'t>> {
        self.tokens.pop_front_if(|token| fits(&token.kind))
    }

    /// The span of the next token.
    pub(crate) fn span(&self) -> Span {
        self.tokens.front().map_or(self.end, |token| token.span)
    }

    /// Gives up the rest of the file.
    pub(crate) fn cut_off(&mut self) {
        self.tokens.clear();
        self.is_cut_off = true;
    }

    /// Goes on behind the end of the statement.
    pub(crate) fn skip_line(&mut self) {
        while self
            .next_if(|kind| !matches!(kind, TokenKind::LineEnd | TokenKind::End))
            .is_some()
        {}
        self.next_if(|kind| *kind == TokenKind::LineEnd);
    }
}
