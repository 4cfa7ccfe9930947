//! Expressions that only say yes or no.

use super::{
    Flags, MatchError, RegexError,
    emit::{Dialect, emit},
    parse::parse,
    pcre::Pcre,
};

/// A Ruby-flavoured regular expression without captures.
///
/// Where the expression allows, the engine is one whose time is linear in the text; look-around and references run on
/// PCRE2 under its step limit.
#[derive(Debug)]
pub struct Matcher {
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Linear(regex::bytes::Regex),
    Pcre(Pcre),
}

impl Matcher {
    /// Compiles a Ruby regular expression.
    ///
    /// # Errors
    /// As [`Regex::compile`](crate::Regex::compile).
    pub fn compile(source: &str, flags: Flags) -> Result<Self, RegexError> {
        let syntax = parse(source, flags)?;
        let linear = emit(&syntax, Dialect::Linear).and_then(|text| {
            regex::bytes::RegexBuilder::new(&text)
                .unicode(syntax.unicode)
                .build()
                .ok()
        });
        Ok(Matcher {
            engine: match linear {
                Some(linear) => Engine::Linear(linear),
                None => Engine::Pcre(Pcre::compile(&syntax)?),
            },
        })
    }

    /// Whether the expression matches anywhere in `text`.
    ///
    /// # Errors
    /// A match that was given up, see [`MatchError`].
    pub fn is_match(&self, text: &[u8]) -> Result<bool, MatchError> {
        match &self.engine {
            Engine::Linear(linear) => Ok(linear.is_match(text)),
            Engine::Pcre(pcre) => pcre.is_match(text),
        }
    }
}
