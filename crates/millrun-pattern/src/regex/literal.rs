//! The text of a `regexp` parameter: `/source/flags`, or the source alone.

use thiserror::Error;

use super::Flags;

/// Separates the text of a `regexp` parameter into source and flags, by Fluentd's rules.
///
/// Without a leading slash the text itself is the source. Of the flags only `i` and `m` have effect; others are
/// ignored, and so is, up to two letters, whatever follows the last slash.
///
/// # Errors
/// Three or more characters after the last slash.
pub fn split_literal(text: &str) -> Result<(&str, Flags), LiteralError> {
    let Some(tail) = text.strip_prefix('/') else {
        return Ok((text, Flags::default()));
    };
    // Without a second slash the first one is also the last: the source is empty, as in Fluentd.
    let (source, letters) = tail.rsplit_once('/').unwrap_or(("", tail));
    if letters.chars().count() > 2 {
        return Err(LiteralError {
            text: text.to_owned(),
        });
    }
    let flags = Flags {
        ignore_case: letters.contains('i'),
        multi_line: letters.contains('m'),
        extended: false,
    };
    Ok((source, flags))
}

/// A literal that begins with a slash and has no end.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("invalid regexp: missing right slash: {text}")]
pub struct LiteralError {
    /// The text as written.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_follow_the_last_slash() {
        let flags = Flags {
            ignore_case: true,
            multi_line: true,
            extended: false,
        };
        assert_eq!(split_literal("/a/b/im"), Ok(("a/b", flags)));
        assert_eq!(split_literal("/a/x"), Ok(("a", Flags::default())));
        assert_eq!(split_literal("a/i"), Ok(("a/i", Flags::default())));
        assert_eq!(split_literal("/a"), Ok(("", Flags::default())));
        assert_eq!(
            split_literal("/a/imx").unwrap_err().to_string(),
            "invalid regexp: missing right slash: /a/imx"
        );
    }
}
