//! Expressions that only say yes or no.

use memchr::memmem;

use super::{
    Flags, Level, MatchError, RegexError,
    emit::{Dialect, emit},
    level,
    parse::parse,
    pcre::Pcre,
    syntax::Node,
};

/// A Ruby-flavoured regular expression without captures.
///
/// A mere text is searched for as such. Where the expression allows, the engine is one whose time is linear in the text; look-around and references run on
/// PCRE2 under its step limit.
#[derive(Debug)]
pub struct Matcher {
    engine: Engine,
    level: Level,
}

#[derive(Debug)]
enum Engine {
    /// The expression is a text.
    Literal(Box<memmem::Finder<'static>>),
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
        let mut literal = Vec::new();
        if push_literal(&syntax.node, &mut literal) {
            let finder = memmem::Finder::new(&literal).into_owned();
            return Ok(Matcher {
                engine: Engine::Literal(Box::new(finder)),
                level: Level::Text,
            });
        }
        let linear = emit(&syntax, Dialect::Linear).and_then(|text| {
            regex::bytes::RegexBuilder::new(&text)
                .unicode(syntax.unicode)
                .build()
                .ok()
        });
        let (engine, level) = match linear {
            Some(linear) => (Engine::Linear(linear), Level::Linear),
            None => (
                Engine::Pcre(Pcre::compile(&syntax)?),
                level::not_linear(&syntax),
            ),
        };
        Ok(Matcher { engine, level })
    }

    /// Which engine runs this expression.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether the expression matches anywhere in `text`.
    ///
    /// # Errors
    /// A match that was given up, see [`MatchError`].
    pub fn is_match(&self, text: &[u8]) -> Result<bool, MatchError> {
        match &self.engine {
            Engine::Literal(finder) => Ok(finder.find(text).is_some()),
            Engine::Linear(linear) => Ok(linear.is_match(text)),
            Engine::Pcre(pcre) => pcre.is_match(text),
        }
    }
}

/// Adds the text that an expression is, if it is one.
fn push_literal(node: &Node, text: &mut Vec<u8>) -> bool {
    match node {
        Node::Empty => true,
        Node::Char { value, fold: false } => {
            text.extend_from_slice(value.encode_utf8(&mut [0; 4]).as_bytes());
            true
        }
        Node::Byte(byte) => {
            text.push(*byte);
            true
        }
        Node::Concat(nodes) => nodes.iter().all(|node| push_literal(node, text)),
        _ => false,
    }
}
