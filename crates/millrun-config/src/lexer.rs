//! Cuts a text into tokens.
//!
//! What a character means depends on where it stands in its statement (a `#` in a value is not
//! one in a tag), so there is one function per position: statement, tag, value. White space is
//! blank, tab, CR and LF; CR, LF and CRLF each end a line. Errors here are only about what cannot
//! be cut: strings and literals without an end, escapes that do not exist. After one the lexer
//! goes on at the end of the line where the broken text began.

use crate::{
    Diagnostic, FileId, MAX_DIAGNOSTICS, Notation, Span,
    literal::{self, Broken},
    token::{Literal, Token, TokenKind, Written},
};

/// Texts without an end are each read up to the end of the file. After this many the lexer gives
/// up, so that reading takes time in proportion to the file.
const MAX_UNCLOSED: usize = 16;

/// Cuts the whole text. The errors are at most [`MAX_DIAGNOSTICS`]; the lexer gives up there.
pub(crate) fn tokenize(file: FileId, text: &str) -> (Vec<Token<'_>>, Vec<Diagnostic>) {
    let mut lexer = Lexer {
        file,
        text,
        offset: 0,
        depth: 0,
        unclosed: 0,
        tokens: Vec::new(),
        errors: Vec::new(),
    };
    while lexer.skip_to_statement() && lexer.errors.len() < MAX_DIAGNOSTICS {
        lexer.statement();
    }
    let end = lexer.text.len();
    lexer.push(TokenKind::End, end..end);
    (lexer.tokens, lexer.errors)
}

struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    offset: usize,
    /// Sections open in this file, for `include` without `@`.
    depth: usize,
    /// Texts so far that the end of the file cut.
    unclosed: usize,
    tokens: Vec<Token<'a>>,
    errors: Vec<Diagnostic>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, kind: TokenKind<'a>, range: std::ops::Range<usize>) {
        let span = Span::new(self.file, range.start, range.end);
        self.tokens.push(Token { kind, span });
    }

    /// Takes characters while they fit and returns them.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest
            .get(..rest.find(|c| !fits(c)).unwrap_or(rest.len()))
            .unwrap_or("");
        self.offset += taken.len();
        taken
    }

    /// Skips white space and comments; whether anything is left.
    fn skip_to_statement(&mut self) -> bool {
        loop {
            self.take_while(is_white);
            match self.peek() {
                None => return false,
                Some('#') => self.comment(),
                Some(_) => return true,
            }
        }
    }

    fn statement(&mut self) {
        let start = self.offset;
        if self.rest().starts_with("</") {
            self.offset += 2;
            let name = self.take_while(is_name);
            self.depth = self.depth.saturating_sub(1);
            self.push(TokenKind::CloseTag(name), start..self.offset);
            self.tag_end();
            self.tag_line_end();
        } else if self.rest().starts_with('<') {
            self.offset += 1;
            let name = self.take_while(is_name);
            self.depth += 1;
            self.push(TokenKind::OpenTag(name), start..self.offset);
            self.argument();
            self.tag_end();
            self.tag_line_end();
        } else {
            self.parameter();
            self.line_end();
        }
    }

    fn argument(&mut self) {
        self.take_while(is_white);
        let start = self.offset;
        let literal = match self.peek() {
            None | Some('>' | '#') => return,
            Some('"' | '\'') => self.quoted(),
            Some(_) => {
                let text = self
                    .take_while(|c| c != '>' && !is_line_end(c))
                    .trim_end_matches(is_white);
                self.offset = start + text.len();
                bare(text)
            }
        };
        self.push(TokenKind::Argument(literal), start..self.offset);
    }

    fn tag_end(&mut self) {
        let start = self.offset;
        self.take_while(is_white);
        if self.peek() == Some('>') {
            self.offset += 1;
            self.push(TokenKind::TagEnd, self.offset - 1..self.offset);
        } else {
            self.offset = start;
        }
    }

    fn parameter(&mut self) {
        let start = self.offset;
        let (literal, is_include) = match self.peek() {
            Some('"' | '\'') => (self.quoted(), false),
            _ => {
                let key = self.take_while(|c| !is_white(c));
                let has_operand = self.peek().is_some();
                let is_include = key == "@include" || (key == "include" && self.depth == 0);
                (bare(key), is_include && has_operand)
            }
        };
        let kind = if is_include {
            TokenKind::Include
        } else {
            TokenKind::Key(literal)
        };
        self.push(kind, start..self.offset);
        self.take_while(is_blank);
        let start = self.offset;
        let literal = match self.peek() {
            None => return,
            Some(character) if is_line_end(character) => return,
            Some('"' | '\'') => self.quoted(),
            Some('[' | '{') if !is_include => self.json(),
            Some(_) => self.bare_value(),
        };
        self.push(TokenKind::Value(literal), start..self.offset);
    }

    /// A value without quotes: up to the end of the line or a `#` after white space. A `#` as the
    /// very first character belongs to the value, a habit of Fluentd that files rely on.
    fn bare_value(&mut self) -> Literal<'a> {
        let start = self.offset;
        let line = self.take_while(|c| !is_line_end(c));
        let mut after_blank = false;
        let mut end = line.len();
        for (index, character) in line.char_indices() {
            if character == '#' && after_blank {
                end = index;
                break;
            }
            after_blank = is_blank(character);
        }
        let text = line.get(..end).unwrap_or(line).trim_end_matches(is_blank);
        self.offset = start + text.len();
        bare(text)
    }

    fn quoted(&mut self) -> Literal<'a> {
        if self.peek() == Some('"') {
            self.finish(
                Notation::Double,
                literal::double_quoted(self.file, self.text, self.offset),
            )
        } else {
            self.finish(
                Notation::Single,
                literal::single_quoted(self.file, self.text, self.offset),
            )
        }
    }

    fn json(&mut self) -> Literal<'a> {
        self.finish(
            Notation::Json,
            literal::json(self.file, self.text, self.offset),
        )
    }

    fn finish(&mut self, notation: Notation, scanned: literal::Scanned) -> Literal<'a> {
        let is_broken = !scanned.errors.is_empty();
        self.errors.extend(scanned.errors);
        match scanned.end {
            Ok(end) => self.offset = end,
            Err(Broken) => {
                self.take_while(|c| !is_line_end(c));
                // A single quoted string ends with its line.
                self.unclosed += usize::from(notation != Notation::Single);
            }
        }
        if self.unclosed == MAX_UNCLOSED {
            self.give_up();
        }
        Literal {
            notation,
            content: Written::Parts(scanned.parts),
            is_broken,
        }
    }

    fn give_up(&mut self) {
        self.offset = self.text.len();
        let hint = format!(
            "this is text number {MAX_UNCLOSED} without an end, what follows in this file is not read"
        );
        if let Some(last) = self.errors.pop() {
            self.errors.push(last.hint(hint));
        }
    }

    fn comment(&mut self) {
        let start = self.offset;
        self.take_while(|c| !is_line_end(c));
        self.push(TokenKind::Comment, start..self.offset);
    }

    /// The end of a tag's line. Another tag on the same line is an error the parser reports, but
    /// it is still a tag.
    fn tag_line_end(&mut self) {
        self.take_while(is_blank);
        if self.peek() != Some('<') {
            self.line_end();
        }
    }

    fn line_end(&mut self) {
        self.take_while(is_blank);
        let start = self.offset;
        match self.peek() {
            Some('#') => self.comment(),
            Some(character) if !is_line_end(character) => {
                let text = self
                    .take_while(|c| !is_line_end(c))
                    .trim_end_matches(is_blank);
                self.push(TokenKind::Junk, start..start + text.len());
            }
            _ => {}
        }
        self.push(TokenKind::LineEnd, self.offset..self.offset);
    }
}

fn bare(text: &str) -> Literal<'_> {
    Literal {
        notation: Notation::Bare,
        content: Written::Verbatim(text),
        is_broken: false,
    }
}

pub(crate) fn is_line_end(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn is_white(character: char) -> bool {
    is_blank(character) || is_line_end(character)
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;

    /// The tokens of a text, each as its kind and the text under it.
    fn shape(text: &str) -> String {
        let mut sources = Sources::default();
        let file = sources.add("t.conf", text);
        let (tokens, errors) = tokenize(file, text);
        assert!(errors.is_empty(), "{errors:?}");
        let shape = tokens.iter().map(|token| {
            let under = sources.text(token.span);
            match &token.kind {
                TokenKind::OpenTag(_) => format!("open({under})"),
                TokenKind::CloseTag(_) => format!("close({under})"),
                TokenKind::TagEnd => "end".to_owned(),
                TokenKind::Argument(_) => format!("argument({under})"),
                TokenKind::Key(_) => format!("key({under})"),
                TokenKind::Value(_) => format!("value({under})"),
                TokenKind::Include => "include".to_owned(),
                TokenKind::Comment => format!("comment({under})"),
                TokenKind::Junk => format!("junk({under})"),
                TokenKind::LineEnd => ";".to_owned(),
                TokenKind::End => ".".to_owned(),
            }
        });
        shape.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_position_has_its_own_rules() {
        assert_eq!(shape(""), ".");
        assert_eq!(shape("k v#w # c"), "key(k) value(v#w) comment(# c) ; .");
        assert_eq!(shape("k   # note"), "key(k) value(# note) ; .");
        assert_eq!(shape("k\rl"), "key(k) ; key(l) ; .");
        assert_eq!(
            shape("<match a.{b,c} > # c\r\n</match>x"),
            "open(<match) argument(a.{b,c}) end comment(# c) ; close(</match) end junk(x) ; ."
        );
        assert_eq!(shape("<a \"b>c\">"), "open(<a) argument(\"b>c\") end ; .");
        assert_eq!(shape("include [ab].conf"), "include value([ab].conf) ; .");
        assert_eq!(
            shape("<a>\ninclude [1]"),
            "open(<a) end ; key(include) value([1]) ; ."
        );
        assert_eq!(
            shape("k [1, # one\n 2] x"),
            "key(k) value([1, # one\n 2]) junk(x) ; ."
        );
    }
}
