//! Groups, their names and their options.

use super::{Flags, RegexError, parse::Parser, syntax::Node};

impl Parser<'_> {
    /// `(?i-m)`: the options for what follows.
    pub(super) fn isolated_options(&mut self, flags: Flags) -> Result<Option<Flags>, RegexError> {
        let start = self.at;
        if !self.eat("(?") {
            return Ok(None);
        }
        let options = self.options(flags)?;
        if let (Some(options), true) = (options, self.eat(")")) {
            return Ok(Some(options));
        }
        self.at = start;
        Ok(None)
    }

    /// `i-mx` up to what is no option; nothing if there is none.
    pub(super) fn options(&mut self, mut flags: Flags) -> Result<Option<Flags>, RegexError> {
        let start = self.at;
        let mut on = true;
        while let Some(letter) = self.peek() {
            match letter {
                '-' => on = false,
                'i' => flags.ignore_case = on,
                'm' => flags.multi_line = on,
                'x' => flags.extended = on,
                'a' | 'u' | 'd' => {
                    return Err(self.unsupported(
                        self.at,
                        &format!("the option `(?{letter})`"),
                        "write the characters out as a class",
                    ));
                }
                _ => break,
            }
            self.at += 1;
        }
        Ok((self.at > start).then_some(flags))
    }

    pub(super) fn group(&mut self, start: usize, flags: Flags) -> Result<Node, RegexError> {
        if !self.eat("?") {
            let ordinal = self.groups.len();
            self.groups.push(None);
            return Ok(Node::Group {
                ordinal,
                node: Box::new(self.alternation(flags)?),
            });
        }
        if self.eat(":") {
            return self.alternation(flags);
        }
        if self.eat(">") {
            return Ok(Node::Atomic(Box::new(self.alternation(flags)?)));
        }
        for (opening, ahead, negative) in [
            ("=", true, false),
            ("!", true, true),
            ("<=", false, false),
            ("<!", false, true),
        ] {
            if self.eat(opening) {
                return Ok(Node::Look {
                    ahead,
                    negative,
                    node: Box::new(self.alternation(flags)?),
                });
            }
        }
        for (opening, closing) in [("<", '>'), ("'", '\'')] {
            if self.eat(opening) {
                let name = self.name(closing)?;
                let ordinal = self.groups.len();
                self.groups.push(Some(name));
                return Ok(Node::Group {
                    ordinal,
                    node: Box::new(self.alternation(flags)?),
                });
            }
        }
        if self.eat("~") {
            return Err(self.unsupported(
                start,
                "the absence operator `(?~`",
                "write a lazy repeat up to the text",
            ));
        }
        if self.eat("(") {
            return Err(self.unsupported(
                start,
                "the condition `(?(`",
                "write the two cases as alternatives",
            ));
        }
        if let Some(options) = self.options(flags)?
            && self.eat(":")
        {
            return self.alternation(options);
        }
        Err(self.syntax_at(
            start,
            "`(?` begins no known group; write `\\(\\?` for the characters themselves",
        ))
    }

    pub(super) fn name(&mut self, closing: char) -> Result<String, RegexError> {
        let start = self.at;
        let length = self.rest().find([closing, ')']).unwrap_or(0);
        let name = self.rest().get(..length).unwrap_or_default().to_owned();
        self.at += length;
        let valid = name
            .chars()
            .next()
            .is_some_and(|first| !first.is_ascii_digit() && first != '-');
        if valid && self.bump() == Some(closing) {
            return Ok(name);
        }
        Err(self.syntax_at(
            start,
            &format!("expected the name of a group and `{closing}`"),
        ))
    }
}
