//! Which engine runs an expression, and what about the expression decided so.

use std::fmt;

use super::{
    REGEX_MATCH_STEPS_MAX,
    syntax::{Anchor, Greed, Node, Syntax},
};

/// The engine of an expression, from the cheapest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Level {
    /// A search for a text.
    Text,
    /// The splitter: runs of bytes between delimiters.
    Splitter,
    /// The `regex` crate: time linear in the text.
    Linear,
    /// PCRE2 as machine code, under a limit of steps; and why no cheaper engine does.
    Pcre2(&'static str),
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Text => out.write_str("text search: the pattern is a mere text"),
            Level::Splitter => {
                out.write_str("splitter: the pattern takes lines apart at delimiters")
            }
            Level::Linear => out.write_str("regex, linear time: no captures are needed"),
            Level::Pcre2(reason) => write!(
                out,
                "PCRE2, at most {REGEX_MATCH_STEPS_MAX} steps a match: {reason}"
            ),
        }
    }
}

/// Why the splitter does not take the expression.
pub(super) fn not_split(syntax: &Syntax) -> Level {
    let first = match &syntax.node {
        Node::Concat(nodes) => nodes.first(),
        only => Some(only),
    };
    let is_anchored = matches!(
        first,
        Some(Node::Anchor(Anchor::LineStart | Anchor::TextStart))
    );
    let reason = match special(&syntax.node, true) {
        Some(reason) => reason,
        None if syntax.unicode => "it tells characters from bytes",
        None if !is_anchored => r"it does not begin with ^ or \A",
        None => "it is too large for the splitter, or has sets beyond ASCII",
    };
    Level::Pcre2(reason)
}

/// Why the `regex` crate cannot say the expression.
pub(super) fn not_linear(syntax: &Syntax) -> Level {
    let other = "it has an anchor or a set that linear time does not offer, or is too large for it";
    Level::Pcre2(special(&syntax.node, false).unwrap_or(other))
}

/// The first thing in a node that only PCRE2 does; `splits`: or that the splitter does not do.
fn special(node: &Node, splits: bool) -> Option<&'static str> {
    match node {
        Node::Look { .. } => Some("it looks ahead or behind"),
        Node::NumberReference(_) | Node::NameReference { .. } => {
            Some("it refers to what a group matched")
        }
        Node::Call { .. } => Some("it calls a group"),
        Node::Atomic(_) => Some("it has an atomic group"),
        Node::Verbatim(_) => Some(r"it uses \K, \R or \X"),
        Node::Anchor(Anchor::WordBoundary | Anchor::NotWordBoundary) => {
            Some(r"it has a word boundary")
        }
        Node::Anchor(Anchor::SearchStart) => Some(r"it uses \G"),
        Node::Repeat {
            node, max, greed, ..
        } => match greed {
            _ if splits && *max != Some(1) && is_group(node) => Some("it repeats a group"),
            Greed::Possessive if !splits => Some("it has a possessive repeat"),
            _ => special(node, splits),
        },
        Node::Group { node, .. } => special(node, splits),
        Node::Concat(nodes) | Node::Alternation(nodes) => {
            nodes.iter().find_map(|node| special(node, splits))
        }
        Node::Empty | Node::Char { .. } | Node::Byte(_) | Node::Any { .. } | Node::Set { .. } => {
            None
        }
        Node::Anchor(
            Anchor::LineStart
            | Anchor::LineEnd
            | Anchor::TextStart
            | Anchor::TextEndOrNewline
            | Anchor::TextEnd,
        ) => None,
    }
}

fn is_group(node: &Node) -> bool {
    matches!(
        node,
        Node::Group { .. } | Node::Concat(_) | Node::Alternation(_) | Node::Repeat { .. }
    )
}

#[cfg(test)]
mod tests {
    use crate::{Flags, Matcher, Regex};

    #[test]
    fn each_level_says_why() {
        let limit = "PCRE2, at most 1000000 steps a match: ";
        for (source, with_captures, without) in [
            (
                "disk full",
                format!(r"{limit}it does not begin with ^ or \A"),
                "text search: the pattern is a mere text".to_owned(),
            ),
            (
                r"^(?<a>[^ ]*) (?<b>.*)$",
                "splitter: the pattern takes lines apart at delimiters".to_owned(),
                "regex, linear time: no captures are needed".to_owned(),
            ),
            (
                r"^(?<a>(?:\d+ )+)x",
                format!("{limit}it repeats a group"),
                "regex, linear time: no captures are needed".to_owned(),
            ),
            (
                r"^(?<a>\w+) \k<a>$",
                format!("{limit}it refers to what a group matched"),
                format!("{limit}it refers to what a group matched"),
            ),
            (
                r"^a(?!b)",
                format!("{limit}it looks ahead or behind"),
                format!("{limit}it looks ahead or behind"),
            ),
            (
                r"\Ax\b",
                format!("{limit}it has a word boundary"),
                format!("{limit}it has a word boundary"),
            ),
            (
                r"^(?<a>[^é]*) x",
                format!("{limit}it tells characters from bytes"),
                "regex, linear time: no captures are needed".to_owned(),
            ),
        ] {
            let regex = Regex::compile(source, Flags::default()).unwrap();
            assert_eq!(regex.level().to_string(), with_captures, "{source}");
            let matcher = Matcher::compile(source, Flags::default()).unwrap();
            assert_eq!(matcher.level().to_string(), without, "{source}");
        }
    }
}
