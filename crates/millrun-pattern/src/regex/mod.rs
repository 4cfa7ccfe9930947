//! Ruby-flavoured regular expressions.
//!
//! ```text
//! source ─ parse ─► syntax tree ─┬─ splitter ─► a program of byte runs      (captures, the common log lines)
//!                                ├─ emit ─────► PCRE2, machine code, limits (captures, everything else)
//!                                └─ emit ─────► regex crate, linear time    (`Matcher`: yes or no)
//! ```
//! The dialect is Ruby's: `^` and `$` are line anchors, the `m` flag lets the dot match a newline, `\h` is a
//! hexadecimal digit, unnamed groups do not capture beside named ones, names may repeat. Lines are bytes and need not
//! be UTF-8; only an expression that can tell characters from bytes runs on characters.

mod emit;
mod error;
mod level;
mod literal;
mod matcher;
mod parse;
mod parse_class;
mod parse_group;
mod parse_repeat;
mod pcre;
mod scan;
mod set;
mod spans;
mod splitter;
mod splitter_run;
mod syntax;
#[cfg(test)]
mod tests;

pub use self::{
    error::{MatchError, RegexError},
    level::Level,
    literal::{LiteralError, split_literal},
    matcher::Matcher,
    scan::find_byte,
    spans::{CaptureName, Spans},
};
use self::{pcre::Pcre, splitter::Program, splitter_run::Outcome};

/// The longest expression accepted, in bytes.
pub const REGEX_SOURCE_BYTES_MAX: usize = 64 * 1024;

/// The deepest nesting of groups and classes accepted.
pub const REGEX_NESTING_MAX: usize = 100;

/// How often a match may try again before it is given up, in the engine's own count.
pub const REGEX_MATCH_STEPS_MAX: u32 = 1_000_000;

/// The options of an expression, named by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Ruby's `i`.
    pub ignore_case: bool,
    /// Ruby's `m`: the dot matches a newline too.
    pub multi_line: bool,
    /// Ruby's `x`: white space and `#` comments are left out.
    pub extended: bool,
}

/// A compiled regular expression with captures.
#[derive(Debug)]
pub struct Regex {
    names: Vec<CaptureName>,
    captures: usize,
    splitter: Option<Program>,
    pcre: Pcre,
    level: Level,
}

impl Regex {
    /// Compiles a Ruby regular expression, without the slashes of a literal ([`split_literal`] takes those off).
    ///
    /// # Errors
    /// What is no expression of Ruby's, what is not offered, and what exceeds a limit; with its place in `source`.
    pub fn compile(source: &str, flags: Flags) -> Result<Self, RegexError> {
        let syntax = parse::parse(source, flags)?;
        let pcre = Pcre::compile(&syntax)?;
        let splitter = splitter::compile(&syntax);
        let level = match &splitter {
            Some(_) => Level::Splitter,
            None => level::not_split(&syntax),
        };
        let names = syntax
            .names
            .into_iter()
            .map(|(name, numbers)| CaptureName {
                name: name.into(),
                numbers: numbers.into(),
            })
            .collect();
        Ok(Regex {
            names,
            captures: syntax.captures,
            splitter,
            pcre,
            level,
        })
    }

    /// The names of groups, each once, in the order of their first groups.
    #[must_use]
    pub fn capture_names(&self) -> &[CaptureName] {
        &self.names
    }

    /// The number of capturing groups.
    #[must_use]
    pub fn captures(&self) -> usize {
        self.captures
    }

    /// Memory for matches of this expression; made once, used for every line.
    #[must_use]
    pub fn spans(&self) -> Spans {
        Spans::new(self.captures)
    }

    /// Which engine takes lines apart by this expression, see the design at the top of the crate's `regex` module. What
    /// the splitter gives up on goes to PCRE2.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Finds the first match in `line` and notes where it and its captures lie; `spans` must come from this expression.
    ///
    /// Allocates nothing after the first lines.
    ///
    /// # Errors
    /// A match that was given up, see [`MatchError`].
    pub fn captures_into(&self, line: &[u8], spans: &mut Spans) -> Result<bool, MatchError> {
        if let Some(program) = &self.splitter {
            match splitter_run::run(program, line, &mut spans.slots, &mut spans.ways) {
                Outcome::Match => return Ok(true),
                Outcome::NoMatch => return Ok(false),
                Outcome::GaveUp => {}
            }
        }
        let locations = spans.locations.get_or_insert_with(|| self.pcre.locations());
        self.pcre.captures(line, locations, &mut spans.slots)
    }

    /// The same from byte `start` on; what lies before still counts for anchors and look-behinds.
    ///
    /// # Errors
    /// A match that was given up, see [`MatchError`].
    pub fn captures_from(
        &self,
        line: &[u8],
        start: usize,
        spans: &mut Spans,
    ) -> Result<bool, MatchError> {
        if start == 0 {
            return self.captures_into(line, spans);
        }
        if start > line.len() {
            return Ok(false);
        }
        let locations = spans.locations.get_or_insert_with(|| self.pcre.locations());
        self.pcre
            .captures_at(line, start, locations, &mut spans.slots)
    }

    /// Whether the expression matches anywhere in `text`; a [`Matcher`] does only this, and better.
    ///
    /// # Errors
    /// A match that was given up, see [`MatchError`].
    pub fn is_match(&self, text: &[u8]) -> Result<bool, MatchError> {
        self.pcre.is_match(text)
    }
}
