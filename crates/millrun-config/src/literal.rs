//! Finds the end of a quoted string or a JSON literal and takes it into parts.

use crate::{Diagnostic, FileId, Span, lexer::is_line_end, token::Part};

/// What was found from an opening character on.
pub(crate) struct Scanned {
    pub(crate) parts: Vec<Part>,
    pub(crate) errors: Vec<Diagnostic>,
    /// One past the closing character.
    pub(crate) end: Result<usize, Broken>,
}

/// The literal has no end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Broken;

struct Scanner<'a> {
    file: FileId,
    text: &'a str,
    offset: usize,
    parts: Vec<Part>,
    errors: Vec<Diagnostic>,
    /// Text collected since the last part, and where it began.
    pending: String,
    pending_start: usize,
}

/// `"…"`: over several lines, with escapes, line continuation and embedded Ruby.
pub(crate) fn double_quoted(file: FileId, text: &str, start: usize) -> Scanned {
    let mut scanner = Scanner::new(file, text, start + 1);
    loop {
        let at = scanner.offset;
        match scanner.bump() {
            None => {
                let message = "unexpected end of file in a double quoted string";
                return scanner.broken(message, start..start + 1, "this quote is never closed");
            }
            Some('"') => return scanner.done(at),
            Some('#') if scanner.peek() == Some('{') => {
                if let Err(Broken) = scanner.code(at) {
                    return scanner.finish(Err(Broken));
                }
            }
            Some('\\') => scanner.escape(at),
            Some(character) => scanner.pending.push(character),
        }
    }
}

/// `'…'`: on one line, `\'` and `\\` are the only escapes.
pub(crate) fn single_quoted(file: FileId, text: &str, start: usize) -> Scanned {
    let mut scanner = Scanner::new(file, text, start + 1);
    loop {
        let at = scanner.offset;
        match scanner.bump() {
            Some('\'') => return scanner.done(at),
            Some('\\') => match scanner.peek() {
                Some(character @ ('\'' | '\\')) => {
                    scanner.bump();
                    scanner.pending.push(character);
                }
                _ => scanner.pending.push('\\'),
            },
            Some(character) if !is_line_end(character) => scanner.pending.push(character),
            None | Some(_) => {
                let message = "unexpected end of line in a single quoted string";
                let mut scanned =
                    scanner.broken(message, start..start + 1, "this quote is never closed");
                let hint = "a string over several lines needs double quotes";
                scanned.errors = scanned.errors.into_iter().map(|e| e.hint(hint)).collect();
                return scanned;
            }
        }
    }
}

/// `[…]` or `{…}` up to the matching bracket. Comments are left out, embedded Ruby inside strings
/// is taken apart, the rest stays as it is for the JSON reader.
pub(crate) fn json(file: FileId, text: &str, start: usize) -> Scanned {
    let mut scanner = Scanner::new(file, text, start);
    let mut depth = 0_usize;
    let mut in_string = false;
    loop {
        let at = scanner.offset;
        let Some(character) = scanner.bump() else {
            break;
        };
        match character {
            '#' if in_string && scanner.peek() == Some('{') => {
                if let Err(Broken) = scanner.code(at) {
                    return scanner.finish(Err(Broken));
                }
                continue;
            }
            '#' if !in_string => {
                scanner.flush(at);
                scanner.skip_line();
                scanner.pending_start = scanner.offset;
                continue;
            }
            '/' if !in_string && matches!(scanner.peek(), Some('/' | '*')) => {
                scanner.offset = at;
                scanner.flush(at);
                scanner.skip_json_comment();
                scanner.pending_start = scanner.offset;
                continue;
            }
            '\\' if in_string => {
                scanner.pending.push('\\');
                if let Some(escaped) = scanner.bump() {
                    scanner.pending.push(escaped);
                }
                continue;
            }
            '"' => in_string = !in_string,
            '[' | '{' if !in_string => depth += 1,
            ']' | '}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        scanner.pending.push(character);
        if depth == 0 {
            let end = scanner.offset;
            scanner.flush(end);
            return scanner.finish(Ok(end));
        }
    }
    let (what, close) = match text.get(start..).and_then(|rest| rest.chars().next()) {
        Some('{') => ("hash", '}'),
        _ => ("array", ']'),
    };
    let message = format!("got incomplete JSON {what} configuration");
    let label = format!("expected a matching '{close}' somewhere below");
    scanner.broken(&message, start..start + 1, &label)
}

impl<'a> Scanner<'a> {
    fn new(file: FileId, text: &'a str, offset: usize) -> Self {
        Self {
            file,
            text,
            offset,
            parts: Vec::new(),
            errors: Vec::new(),
            pending: String::new(),
            pending_start: offset,
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.offset += character.len_utf8();
        Some(character)
    }

    fn span(&self, range: std::ops::Range<usize>) -> Span {
        Span::new(self.file, range.start, range.end)
    }

    fn flush(&mut self, end: usize) {
        if !self.pending.is_empty() {
            let span = self.span(self.pending_start..end);
            self.parts.push(Part::Text {
                text: std::mem::take(&mut self.pending),
                span,
            });
        }
    }

    fn done(mut self, closing_quote: usize) -> Scanned {
        self.flush(closing_quote);
        self.finish(Ok(closing_quote + 1))
    }

    fn finish(self, end: Result<usize, Broken>) -> Scanned {
        Scanned {
            parts: self.parts,
            errors: self.errors,
            end,
        }
    }

    fn broken(mut self, message: &str, at: std::ops::Range<usize>, label: &str) -> Scanned {
        let span = self.span(at);
        self.errors.push(Diagnostic::error(message).at(span, label));
        self.finish(Err(Broken))
    }

    /// Embedded Ruby whose `#` is at `start`.
    fn code(&mut self, start: usize) -> Result<(), Broken> {
        self.flush(start);
        let code_start = start + 2;
        let Some(length) = self.text.get(code_start..).and_then(code_length) else {
            let span = self.span(start..code_start);
            let message = "unexpected end of file in embedded Ruby";
            let error = Diagnostic::error(message).at(span, "expected a matching '}'");
            self.errors
                .push(error.hint("write '\\#{' for the characters themselves"));
            return Err(Broken);
        };
        let code_end = code_start + length;
        let text = self.text.get(code_start..code_end).unwrap_or("").to_owned();
        self.parts.push(Part::Code {
            text,
            span: self.span(code_start..code_end),
        });
        self.offset = code_end + 1;
        self.pending_start = self.offset;
        Ok(())
    }

    /// An escape of a double-quoted string whose backslash is at `start`.
    fn escape(&mut self, start: usize) {
        let Some(character) = self.bump() else { return };
        self.pending.push(match character {
            '\n' => return,
            '\r' => {
                if self.peek() == Some('\n') {
                    self.bump();
                }
                return;
            }
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\u{c}',
            'b' => '\u{8}',
            '0' => '\0',
            'a'..='z' | 'A'..='Z' | '1'..='9' => {
                let message = format!("unexpected back-slash escape character '{character}'");
                let label = "expected one of \\\" \\' \\\\ \\n \\r \\t \\f \\b \\0";
                let error = Diagnostic::error(message).at(self.span(start..self.offset), label);
                self.errors
                    .push(error.hint("write '\\\\' for a backslash, or use single quotes"));
                return;
            }
            other => other,
        });
    }

    fn skip_line(&mut self) {
        let rest = self.rest();
        self.offset += rest.find(is_line_end).unwrap_or(rest.len());
    }

    fn skip_json_comment(&mut self) {
        if self.rest().starts_with("//") {
            return self.skip_line();
        }
        // Without an end it swallows the rest, and the literal has no end either.
        let rest = self.rest();
        self.offset += rest.find("*/").map_or(rest.len(), |length| length + 2);
    }
}

/// How a character inside embedded Ruby is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nest {
    /// Between braces: code.
    Brace,
    /// Between two of the same quotes; in all but single ones `#{` is code again.
    Quote(char),
}

/// The length of the code up to its closing brace, braces and quotes inside it matched.
fn code_length(text: &str) -> Option<usize> {
    let mut nest = vec![Nest::Brace];
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        match (*nest.last()?, character) {
            (Nest::Brace, '}') => {
                nest.pop();
                if nest.is_empty() {
                    return Some(index);
                }
            }
            (Nest::Brace, '{') => nest.push(Nest::Brace),
            (Nest::Brace, '"' | '\'' | '`') => nest.push(Nest::Quote(character)),
            (Nest::Brace, _) => {}
            (Nest::Quote(_), '\\') => {
                characters.next();
            }
            (Nest::Quote(quote), '#') if quote != '\'' => {
                if characters.next_if(|(_, next)| *next == '{').is_some() {
                    nest.push(Nest::Brace);
                }
            }
            (Nest::Quote(quote), character) if character == quote => {
                nest.pop();
            }
            (Nest::Quote(_), _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::code_length;

    #[test]
    fn embedded_ruby_ends_at_its_own_brace() {
        for (text, code) in [
            ("1}", "1"),
            ("ENV[\"X\"]} y", "ENV[\"X\"]"),
            ("{'}' => 1}}", "{'}' => 1}"),
            ("\"a#{b}c\"}", "\"a#{b}c\""),
            ("'#{'}", "'#{'"),
            ("\"\\\"}\"}", "\"\\\"}\""),
        ] {
            assert_eq!(
                code_length(text).map(|length| &text[..length]),
                Some(code),
                "{text}"
            );
        }
        assert_eq!(code_length("it's}"), None);
    }
}
