//! The argument of `<match>` and `<filter>`: alternatives between white space, each a glob or a `/regular expression/`.

use thiserror::Error;

use crate::{
    regex::{Flags, Matcher, RegexError},
    tag_glob::TagGlob,
    tag_shortcut::TagShortcut,
};

/// The longest argument accepted, in bytes.
pub const TAG_PATTERN_BYTES_MAX: usize = 64 * 1024;

/// The patterns of one directive; a tag matches when any of them does.
///
/// White space separates patterns before anything else is looked at, so neither a regular expression nor a brace group
/// can contain any. An empty argument matches every tag.
#[derive(Debug)]
pub struct TagPatterns {
    alternatives: Vec<TagPattern>,
}

impl TagPatterns {
    /// Compiles the argument as written.
    ///
    /// # Errors
    /// An argument that is too long, or a regular expression that does not end or does not compile; the offset counts
    /// bytes from the start of `argument`.
    pub fn compile(argument: &str) -> Result<Self, TagPatternError> {
        if argument.len() > TAG_PATTERN_BYTES_MAX {
            return Err(TagPatternError::TooLong {
                length: argument.len(),
            });
        }
        let mut alternatives = Vec::new();
        let mut offset = 0;
        for part in argument.split(|c: char| c.is_ascii_whitespace()) {
            if !part.is_empty() {
                alternatives.push(TagPattern::compile_at(part, offset)?);
            }
            offset += part.len() + 1;
        }
        if alternatives.is_empty() {
            alternatives.push(TagPattern {
                kind: Kind::Everything,
            });
        }
        Ok(TagPatterns { alternatives })
    }

    /// The patterns, in the order written.
    pub(crate) fn alternatives(&self) -> &[TagPattern] {
        &self.alternatives
    }

    /// Whether any of the patterns matches the whole of `tag`.
    #[must_use]
    pub fn matches(&self, tag: &str) -> bool {
        self.alternatives.iter().any(|pattern| pattern.matches(tag))
    }
}

/// One pattern over whole tags.
#[derive(Debug)]
pub struct TagPattern {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Everything,
    Exact(Box<str>),
    Glob(TagGlob, TagShortcut),
    Regex(Box<Matcher>),
}

impl TagPattern {
    /// Compiles one alternative; white space in it stands for itself.
    ///
    /// # Errors
    /// As [`TagPatterns::compile`].
    pub fn compile(pattern: &str) -> Result<Self, TagPatternError> {
        if pattern.len() > TAG_PATTERN_BYTES_MAX {
            return Err(TagPatternError::TooLong {
                length: pattern.len(),
            });
        }
        TagPattern::compile_at(pattern, 0)
    }

    fn compile_at(pattern: &str, offset: usize) -> Result<Self, TagPatternError> {
        let kind = if pattern == "**" {
            Kind::Everything
        } else if let Some(tail) = pattern.strip_prefix('/') {
            let Some(source) = tail.strip_suffix('/') else {
                return Err(TagPatternError::OpenRegex {
                    offset,
                    pattern: pattern.to_owned(),
                });
            };
            // The anchors are glued to the text without a group, as Fluentd does: `/a|b/` means `\Aa` or `b\Z`.
            let matcher = Matcher::compile(&format!(r"\A{source}\Z"), Flags::default());
            Kind::Regex(Box::new(matcher.map_err(|source| {
                TagPatternError::Regex {
                    offset: offset + 1,
                    pattern: pattern.to_owned(),
                    source,
                }
            })?))
        } else if pattern
            .bytes()
            .any(|byte| matches!(byte, b'*' | b'{' | b'\\'))
        {
            Kind::Glob(TagGlob::compile(pattern), TagShortcut::of(pattern))
        } else {
            Kind::Exact(pattern.into())
        };
        Ok(TagPattern { kind })
    }

    /// Whether it was written to match every tag.
    pub(crate) fn is_everything(&self) -> bool {
        matches!(self.kind, Kind::Everything)
    }

    /// What every tag begins with that the pattern matches, and what every such tag ends with.
    pub(crate) fn ends(&self) -> (&str, &str) {
        match &self.kind {
            Kind::Exact(text) => (text, ""),
            Kind::Glob(_, shortcut) => shortcut.ends(),
            Kind::Everything | Kind::Regex(_) => ("", ""),
        }
    }

    /// The pattern as a glob, unless it is a regular expression.
    pub(crate) fn as_glob(&self) -> Option<TagGlob> {
        match &self.kind {
            Kind::Everything => Some(TagGlob::compile("**")),
            Kind::Exact(text) => Some(TagGlob::exact(text)),
            Kind::Glob(glob, _) => Some(glob.clone()),
            Kind::Regex(_) => None,
        }
    }

    /// Whether the pattern matches the whole of `tag`.
    ///
    /// A regular expression that gives up on its step limit does not match.
    #[must_use]
    pub fn matches(&self, tag: &str) -> bool {
        match &self.kind {
            Kind::Everything => true,
            Kind::Exact(exact) => **exact == *tag,
            Kind::Glob(glob, shortcut) => shortcut
                .answer(tag)
                .unwrap_or_else(|| glob.matches(tag.as_bytes())),
            Kind::Regex(matcher) => matcher.is_match(tag.as_bytes()).unwrap_or(false),
        }
    }
}

/// Why an argument is no tag pattern: the user's configuration is at fault.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TagPatternError {
    /// The argument exceeds [`TAG_PATTERN_BYTES_MAX`].
    #[error("the tag pattern has {length} bytes, at most {TAG_PATTERN_BYTES_MAX} are accepted")]
    TooLong {
        /// Bytes of the argument.
        length: usize,
    },
    /// A pattern begins with a slash and does not end with one.
    #[error(
        "invalid match - regex: `{pattern}` begins with `/` and must end with `/`; a space in it would end the pattern, \
         write `\\s` for one"
    )]
    OpenRegex {
        /// Bytes before the pattern in the argument.
        offset: usize,
        /// The pattern as written.
        pattern: String,
    },
    /// The regular expression does not compile.
    #[error("invalid match - regex `{pattern}`: {source}")]
    Regex {
        /// Bytes before the regular expression in the argument.
        offset: usize,
        /// The pattern as written, with its slashes.
        pattern: String,
        /// What is wrong with it; its own offset counts from `\A`, which is put in front of the text.
        source: RegexError,
    },
}

impl TagPatternError {
    /// Bytes of the argument before the place the error is about.
    #[must_use]
    pub fn offset(&self) -> usize {
        match self {
            TagPatternError::TooLong { .. } => TAG_PATTERN_BYTES_MAX,
            TagPatternError::OpenRegex { offset, .. } => *offset,
            // The two bytes are the `\A` in front.
            TagPatternError::Regex { offset, source, .. } => {
                offset + source.offset().unwrap_or(0).saturating_sub(2)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_regular_expression_is_refused_with_its_place() {
        let error = TagPatterns::compile("a /x y/").unwrap_err();
        assert_eq!(error.offset(), 2);
        assert_eq!(
            error.to_string(),
            "invalid match - regex: `/x` begins with `/` and must end with `/`; a space in it would end the pattern, \
             write `\\s` for one"
        );
    }

    #[test]
    fn a_broken_regular_expression_is_refused_with_its_place() {
        let error = TagPatterns::compile("a /x(y/").unwrap_err();
        assert_eq!(error.offset(), 4);
        assert_eq!(
            error.to_string(),
            "invalid match - regex `/x(y/`: at byte 3: this `(` is never closed; write `\\(` for the character itself"
        );
    }

    #[test]
    fn an_empty_argument_matches_everything() {
        assert!(TagPatterns::compile(" ").unwrap().matches(""));
    }
}
