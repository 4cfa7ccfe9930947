//! Character classes and the escapes of single characters.

use super::{
    REGEX_NESTING_MAX, RegexError,
    parse::Parser,
    set::{Item, POSIX, Set},
};

/// A character, or a byte from 0x80 on written as `\xHH`.
type CharOrByte = Result<char, u8>;

impl Parser<'_> {
    /// The rest of a class whose bracket at `start` is read.
    pub(super) fn class(&mut self, start: usize) -> Result<Set, RegexError> {
        self.depth += 1;
        if self.depth > REGEX_NESTING_MAX {
            return Err(RegexError::TooDeep { offset: start });
        }
        let negated = self.eat("^");
        let mut operands = vec![Set::default()];
        // A bracket right at the start stands for itself, if another one closes the class.
        let mut first = self.rest().starts_with(']')
            && self.rest().get(1..).is_some_and(|rest| rest.contains(']'));
        loop {
            let at = self.at;
            if self.eat("&&") {
                operands.push(Set::default());
                continue;
            }
            let Some(next) = self.bump() else {
                return Err(self.syntax_at(
                    start,
                    "this `[` is never closed; write `\\[` for the character itself",
                ));
            };
            let item = match next {
                ']' if !std::mem::take(&mut first) => break,
                '[' if self.rest().starts_with(':') => match self.posix() {
                    Some(item) => item,
                    None => Item::Nested(self.class(at)?),
                },
                '[' => Item::Nested(self.class(at)?),
                _ => self.class_item(at, next)?,
            };
            if let Some(set) = operands.last_mut() {
                set.items.push(item);
            }
        }
        self.depth -= 1;
        let mut operands = operands.into_iter();
        let mut set = operands.next().unwrap_or_default();
        set.and = operands.collect();
        set.negated = negated;
        Ok(set)
    }

    /// `[:alpha:]` after its first bracket; any other text is an ordinary class.
    fn posix(&mut self) -> Option<Item> {
        let (text, _) = self.rest().strip_prefix(':')?.split_once(":]")?;
        let (negated, wanted) = text
            .strip_prefix('^')
            .map_or((false, text), |text| (true, text));
        let name = POSIX
            .iter()
            .find_map(|(name, ..)| (*name == wanted).then_some(*name))?;
        self.at += text.len() + 3;
        Some(Item::Posix { name, negated })
    }

    fn class_item(&mut self, at: usize, next: char) -> Result<Item, RegexError> {
        let first = match self.class_character(at, next)? {
            ClassCharacter::Item(item) => return Ok(item),
            ClassCharacter::One(first) => first,
        };
        let ranges = self.rest().starts_with('-')
            && !self.rest().starts_with("-]")
            && !self.rest().starts_with("-[")
            && !self.rest().starts_with("-&&");
        if !ranges {
            return Ok(match first {
                Ok(first) => Item::Range(first, first),
                Err(byte) => Item::Byte(byte),
            });
        }
        self.at += 1;
        let end = self.at;
        let Some(next) = self.bump() else {
            return Err(self.syntax_at(at, "this range has no end"));
        };
        match (first, self.class_character(end, next)?) {
            (Ok(first), ClassCharacter::One(Ok(last))) if first <= last => {
                Ok(Item::Range(first, last))
            }
            (Ok(_), ClassCharacter::One(Ok(_))) => Err(self.syntax_at(
                at,
                "this range ends before it begins; write the smaller character first",
            )),
            (_, ClassCharacter::One(_)) => {
                Err(self.unsupported(at, "a range of bytes beyond ASCII", "list the bytes"))
            }
            (Ok(first), ClassCharacter::Item(item)) => {
                // `[a-\d]`: no range, but the three of them.
                let items = vec![Item::Range(first, first), Item::Range('-', '-'), item];
                Ok(Item::Nested(Set {
                    items,
                    ..Set::default()
                }))
            }
            (Err(_), ClassCharacter::Item(_)) => Err(self.syntax_at(at, "this range has no end")),
        }
    }

    fn class_character(&mut self, at: usize, next: char) -> Result<ClassCharacter, RegexError> {
        if next != '\\' {
            return Ok(ClassCharacter::One(Ok(next)));
        }
        let Some(letter) = self.bump() else {
            return Err(self.syntax_at(
                at,
                "a backslash ends the expression; write `\\\\` for the character itself",
            ));
        };
        if let Some(set) = Set::shorthand(letter) {
            return Ok(ClassCharacter::Item(Item::Nested(set)));
        }
        Ok(match letter {
            'p' | 'P' => ClassCharacter::Item(self.property(at, letter)?),
            'b' => ClassCharacter::One(Ok('\x08')),
            'R' | 'X' => {
                return Err(self.unsupported(
                    at,
                    &format!("`\\{letter}` in a class"),
                    "put it outside as an alternative",
                ));
            }
            _ => ClassCharacter::One(self.escaped_character(at, letter)?),
        })
    }

    /// The character of an escape that stands for one; an unknown letter stands for itself.
    pub(super) fn escaped_character(
        &mut self,
        start: usize,
        letter: char,
    ) -> Result<CharOrByte, RegexError> {
        let code = match letter {
            't' => 0x09,
            'n' => 0x0a,
            'v' => 0x0b,
            'f' => 0x0c,
            'r' => 0x0d,
            'a' => 0x07,
            'e' => 0x1b,
            'x' => {
                let code = self
                    .number(16, 2)
                    .ok_or_else(|| self.syntax_at(start, "expected hexadecimal digits"))?;
                if let Some(byte) = u8::try_from(code).ok().filter(|byte| !byte.is_ascii()) {
                    return Ok(Err(byte));
                }
                code
            }
            '0'..='7' => {
                self.at -= 1;
                self.number(8, 3).unwrap_or(0)
            }
            'u' => {
                let braces = self.eat("{");
                let digits = self.number(16, if braces { 6 } else { 4 });
                if braces && !self.eat("}") {
                    return Err(self.unsupported(
                        start,
                        "`\\u{…}` with several numbers",
                        "write one `\\u{…}` for each",
                    ));
                }
                digits.ok_or_else(|| self.syntax_at(start, "expected hexadecimal digits"))?
            }
            'c' | 'C' | 'M' | 'N' | 'O' => {
                return Err(self.unsupported(
                    start,
                    &format!("`\\{letter}`"),
                    "write the character as `\\xHH`",
                ));
            }
            other => u32::from(other),
        };
        match char::from_u32(code) {
            // Octal can name bytes beyond ASCII, `\u` and characters mean characters.
            Some(value) if letter.is_ascii_digit() && !value.is_ascii() => {
                Ok(u8::try_from(code).map_or(Ok(value), Err))
            }
            Some(value) => Ok(Ok(value)),
            None => Err(self.syntax_at(start, "no character has this number")),
        }
    }

    fn number(&mut self, radix: u32, digits_max: usize) -> Option<u32> {
        let digits = self
            .rest()
            .chars()
            .take(digits_max)
            .take_while(|c| c.is_digit(radix))
            .count();
        let value = u32::from_str_radix(self.rest().get(..digits)?, radix).ok()?;
        self.at += digits;
        Some(value)
    }
}

enum ClassCharacter {
    One(CharOrByte),
    Item(Item),
}
