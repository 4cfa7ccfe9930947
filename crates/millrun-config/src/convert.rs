//! Text to value, for every type a parameter can have.
//!
//! These are pure functions with all of Fluentd's habits, because existing files depend on them:
//! sizes and times look for digits and a unit *anywhere* in the text (`1.5m` is 5 MiB, `100ms` is
//! 6000 seconds), numbers take what they can read from the start. Where the result is probably not
//! what was meant, the [`Conversion`] remembers a remark, which becomes a warning with its place.

use crate::{Json, Strictness, ValueError, number, value_error::range};

/// How texts are converted, and what there was to remark.
#[derive(Debug, Default)]
pub struct Conversion {
    /// Whether a doubtful text is an error.
    pub strictness: Strictness,
    /// What looks like a mistake although it was accepted.
    pub remarks: Vec<String>,
}

/// A time span as Fluentd keeps it: whole seconds when a unit was written, else a float.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TimeSpan {
    /// From digits with `s`, `m`, `h` or `d`.
    Whole(i64),
    /// From a plain number.
    Fraction(f64),
}

/// A regular expression taken apart; the pattern crate compiles it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regexp {
    /// The expression without its slashes.
    pub source: String,
    /// Flag `i`.
    pub ignore_case: bool,
    /// Flag `m`: the dot matches a newline.
    pub multi_line: bool,
}

/// Pairs of a hash parameter in their order. `None` stands for a key written without a colon.
pub type Pairs = Vec<(String, Option<Json>)>;

const SIZE_UNITS: [(char, u32); 4] = [('k', 10), ('m', 20), ('g', 30), ('t', 40)];
const TIME_UNITS: [(char, i64); 4] = [('s', 1), ('m', 60), ('h', 60 * 60), ('d', 24 * 60 * 60)];

impl Conversion {
    /// A conversion that remembers remarks.
    #[must_use]
    pub fn new(strictness: Strictness) -> Self {
        Self {
            strictness,
            remarks: Vec::new(),
        }
    }

    fn is_strict(&self) -> bool {
        self.strictness == Strictness::Strict
    }

    fn remark(&mut self, remark: impl Into<String>) {
        self.remarks.push(remark.into());
    }

    /// An integer. Lax: what can be read from the start, else 0. Strict: Ruby's `Integer()`.
    ///
    /// # Errors
    /// [`ValueError::Integer`] if strict, [`ValueError::Range`] beyond 64 bits.
    pub fn integer(&mut self, text: &str) -> Result<i64, ValueError> {
        if let Some(plain) = number::plain_integer(text) {
            return Ok(plain);
        }
        let range = |_| range(text, "a 64-bit integer");
        match number::strict_integer(text) {
            Some(value) if self.is_strict() => value.map_err(range),
            None if self.is_strict() => Err(ValueError::Integer(text.to_owned())),
            strict => {
                let lax = number::leading_integer(text).map_err(range)?;
                if strict != Some(Ok(lax)) {
                    self.remark(format!("{text:?} is no plain integer and is read as {lax}"));
                }
                Ok(lax)
            }
        }
    }

    /// A float. Lax: what can be read from the start, else 0. Strict: Ruby's `Float()`.
    ///
    /// # Errors
    /// [`ValueError::Float`] if strict.
    pub fn float(&mut self, text: &str) -> Result<f64, ValueError> {
        if let Some(plain) = number::plain_float(text) {
            return Ok(plain);
        }
        let strict = number::strict_float(text);
        if self.is_strict() {
            return strict.ok_or_else(|| ValueError::Float(text.to_owned()));
        }
        let lax = number::leading_float(text);
        if strict != Some(lax) {
            self.remark(format!("{text:?} is no plain number and is read as {lax}"));
        }
        Ok(lax)
    }

    /// A number of bytes: digits directly before `k`, `m`, `g` or `t` (powers of 1024), looked for
    /// in this order of units anywhere in the text; without any, an integer.
    ///
    /// # Errors
    /// As [`Conversion::integer`].
    pub fn size(&mut self, text: &str) -> Result<i64, ValueError> {
        for (unit, shift) in SIZE_UNITS {
            let Some(digits) = digits_before(text, |c| c.eq_ignore_ascii_case(&unit)) else {
                continue;
            };
            let bytes = digits
                .parse()
                .ok()
                .and_then(|count: i64| count.checked_mul(1 << shift));
            let bytes = bytes.ok_or_else(|| range(text, "a size below 8 exbibytes"))?;
            if digits.len() + 1 != text.len() {
                let read = format!("{digits}{unit}");
                self.remark(format!(
                    "the size {text:?} is read as {read} ({bytes} bytes)"
                ));
            }
            return Ok(bytes);
        }
        self.integer(text)
    }

    /// A time span: digits directly before lower-case `s`, `m`, `h` or `d`, looked for in this
    /// order of units anywhere in the text; without any, a float of seconds.
    ///
    /// # Errors
    /// As [`Conversion::float`].
    pub fn time(&mut self, text: &str) -> Result<TimeSpan, ValueError> {
        for (unit, seconds) in TIME_UNITS {
            let Some(digits) = digits_before(text, |c| c == unit) else {
                continue;
            };
            let whole = digits
                .parse()
                .ok()
                .and_then(|count: i64| count.checked_mul(seconds));
            let whole = whole.ok_or_else(|| range(text, "a time in 64 bits of seconds"))?;
            if digits.len() + 1 != text.len() {
                let read = format!("{digits}{unit}");
                self.remark(format!(
                    "the time {text:?} is read as {read} ({whole} seconds)"
                ));
            }
            return Ok(TimeSpan::Whole(whole));
        }
        self.float(text).map(TimeSpan::Fraction)
    }

    /// A bool: `true`, `yes`, nothing or a comment is true, `false` or `no` is false.
    ///
    /// # Errors
    /// Anything else is [`ValueError::Nil`], if strict [`ValueError::Bool`].
    pub fn bool(&mut self, text: &str) -> Result<bool, ValueError> {
        match text {
            "true" | "yes" | "" => Ok(true),
            "false" | "no" => Ok(false),
            // A key followed by a comment has the comment as its value.
            comment if comment.starts_with('#') => Ok(true),
            other if self.is_strict() => Err(ValueError::Bool(other.to_owned())),
            other => {
                self.remark(format!(
                    "{other:?} is neither true nor false and is read as nothing"
                ));
                Err(ValueError::Nil)
            }
        }
    }

    /// A regular expression: `/source/flags`, or the bare source.
    ///
    /// # Errors
    /// [`ValueError::Regexp`] with more than two characters after the last slash.
    pub fn regexp(&mut self, text: &str) -> Result<Regexp, ValueError> {
        let Some(body) = text.strip_prefix('/') else {
            return Ok(Regexp {
                source: text.to_owned(),
                ignore_case: false,
                multi_line: false,
            });
        };
        // Without a second slash the opening one counts as the last: everything is "flags".
        let (source, flags) = body.rsplit_once('/').unwrap_or(("", body));
        if flags.chars().count() > 2 {
            return Err(ValueError::Regexp(text.to_owned()));
        }
        if !body.contains('/') {
            self.remark(format!(
                "{text:?} has no second slash and matches everything"
            ));
        } else if let Some(flag) = flags.chars().find(|flag| !matches!(flag, 'i' | 'm')) {
            self.remark(format!(
                "the flag '{flag}' after the regular expression has no effect"
            ));
        }
        Ok(Regexp {
            source: source.to_owned(),
            ignore_case: flags.contains('i'),
            multi_line: flags.contains('m'),
        })
    }

    /// A symbol: the text without a leading colon.
    ///
    /// # Errors
    /// [`ValueError::Nil`] for an empty text.
    pub fn symbol(&mut self, text: &str) -> Result<String, ValueError> {
        match text {
            "" => Err(ValueError::Nil),
            text => Ok(text.strip_prefix(':').unwrap_or(text).to_owned()),
        }
    }

    /// One of some words.
    ///
    /// # Errors
    /// [`ValueError::Word`].
    pub fn word(
        &mut self,
        text: &str,
        options: &'static [&'static str],
    ) -> Result<&'static str, ValueError> {
        let found = options.iter().find(|option| **option == text);
        found.copied().ok_or_else(|| ValueError::Word {
            text: text.to_owned(),
            options,
        })
    }

    /// An array: a JSON literal, or texts between commas with the blanks around them removed.
    ///
    /// # Errors
    /// [`ValueError::Json`] if the text starts with `[` and is no JSON array.
    pub fn array(&mut self, text: &str) -> Result<Vec<Json>, ValueError> {
        if text.starts_with('[') {
            return match json(text)? {
                Json::Array(items) => Ok(items),
                other => Ok(vec![other]),
            };
        }
        let items = text
            .split(',')
            .map(|item| item.trim_matches(number::is_blank));
        let mut items: Vec<_> = items.collect();
        while items.last().is_some_and(|item| item.is_empty()) {
            items.pop();
        }
        Ok(items
            .into_iter()
            .map(|item| Json::String(item.to_owned()))
            .collect())
    }

    /// A hash: a JSON literal, or `key:value` pairs between commas.
    ///
    /// # Errors
    /// [`ValueError::Json`] if the text starts with `{` and is no JSON object.
    pub fn hash(&mut self, text: &str) -> Result<Pairs, ValueError> {
        if text.starts_with('{') {
            return match json(text)? {
                Json::Object(members) => Ok(members
                    .into_iter()
                    .map(|(key, value)| (key, Some(value)))
                    .collect()),
                other => Err(ValueError::Other(format!("hash required but got {other}"))),
            };
        }
        let mut pairs = Pairs::new();
        for pair in text
            .split(',')
            .map(|pair| pair.trim_matches(number::is_blank))
            .filter(|pair| !pair.is_empty())
        {
            let (key, value) = match pair.split_once(':') {
                Some((key, value)) => (key, Some(Json::String(value.to_owned()))),
                None => (pair, None),
            };
            match pairs.iter_mut().find(|(name, _)| name == key) {
                Some((_, old)) => *old = value,
                None => pairs.push((key.to_owned(), value)),
            }
        }
        Ok(pairs)
    }
}

/// The digits directly before the first unit that has some.
fn digits_before(text: &str, is_unit: impl Fn(char) -> bool) -> Option<&str> {
    text.char_indices()
        .filter(|(_, character)| is_unit(*character))
        .find_map(|(end, _)| {
            let before = text.get(..end)?;
            let digits =
                before.get(before.trim_end_matches(|c: char| c.is_ascii_digit()).len()..)?;
            (!digits.is_empty()).then_some(digits)
        })
}

fn json(text: &str) -> Result<Json, ValueError> {
    Json::parse(text).map_err(|error| {
        let near = text
            .get(error.offset..)
            .unwrap_or("")
            .chars()
            .take(20)
            .collect();
        ValueError::Json { error, near }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lax<T>(convert: impl FnOnce(&mut Conversion) -> Result<T, ValueError>) -> (T, Vec<String>) {
        let mut conversion = Conversion::new(Strictness::Lax);
        let value = convert(&mut conversion).unwrap();
        (value, conversion.remarks)
    }

    #[test]
    fn a_doubtful_value_is_converted_and_remarked_upon() {
        assert_eq!(
            lax(|c| c.size("1.5m")),
            (
                5 << 20,
                vec!["the size \"1.5m\" is read as 5m (5242880 bytes)".to_owned()]
            )
        );
        assert_eq!(
            lax(|c| c.time("100ms")),
            (
                TimeSpan::Whole(6000),
                vec!["the time \"100ms\" is read as 100m (6000 seconds)".to_owned()]
            )
        );
        assert_eq!(lax(|c| c.size("8M")), (8 << 20, vec![]));
        assert_eq!(lax(|c| c.integer("24224")), (24224, vec![]));
        assert_eq!(
            lax(|c| c.integer("010")).1,
            ["\"010\" is no plain integer and is read as 10"]
        );
        assert_eq!(
            lax(|c| c.time("1w")).1,
            ["\"1w\" is no plain number and is read as 1"]
        );
    }

    #[test]
    fn numbers_beyond_64_bits_are_errors_and_not_wrapped() {
        let mut conversion = Conversion::new(Strictness::Lax);
        let message = "\"99999999999999999999\" is out of range: expected a 64-bit integer";
        assert_eq!(
            conversion
                .integer("99999999999999999999")
                .unwrap_err()
                .to_string(),
            message
        );
        assert!(conversion.size("9999999999999t").is_err());
        assert!(conversion.time("999999999999999999d").is_err());
    }
}
