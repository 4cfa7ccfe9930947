//! Repeats: `*`, `+`, `?`, `{n,m}`, lazy and possessive.

use super::{
    Flags, RegexError,
    parse::Parser,
    syntax::{Greed, Node},
};

impl Parser<'_> {
    pub(super) fn repeats(&mut self, mut node: Node, flags: Flags) -> Result<Node, RegexError> {
        let mut repeated = false;
        loop {
            if flags.extended {
                self.skip_extended();
            }
            let Some((min, max, braces)) = self.repeat()? else {
                break;
            };
            let mut greed = Greed::Greedy;
            if !braces && self.eat("+") {
                greed = Greed::Possessive;
            } else if braces && max == Some(min) && self.eat("?") {
                // In Ruby `{n}?` is no lazy repeat but an optional one.
                node = Node::Repeat {
                    node: Box::new(node),
                    min,
                    max,
                    greed,
                };
                node = Node::Repeat {
                    node: Box::new(node),
                    min: 0,
                    max: Some(1),
                    greed: Greed::Greedy,
                };
                repeated = true;
                continue;
            } else if self.eat("?") {
                greed = Greed::Lazy;
            }
            // A byte-wise dot is as good as a character-wise one only where it may go on.
            self.unicode |= is_wide(&node) && max.is_some();
            node = Node::Repeat {
                node: Box::new(node),
                min,
                max,
                greed,
            };
            repeated = true;
        }
        self.unicode |= !repeated && is_wide(&node);
        Ok(node)
    }

    /// `*`, `+`, `?` or a counted repeat; a brace that is none stands for itself.
    fn repeat(&mut self) -> Result<Option<(u32, Option<u32>, bool)>, RegexError> {
        for (sign, min, max) in [("*", 0, None), ("+", 1, None), ("?", 0, Some(1))] {
            if self.eat(sign) {
                return Ok(Some((min, max, false)));
            }
        }
        let Some(end) = self
            .rest()
            .find('}')
            .filter(|_| self.rest().starts_with('{'))
        else {
            return Ok(None);
        };
        let inside = self.rest().get(1..end).unwrap_or_default();
        let (min, max) = inside.split_once(',').unwrap_or((inside, inside));
        let counts = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !counts(min) || !counts(max) || (min.is_empty() && max.is_empty()) {
            return Ok(None);
        }
        let count = |text: &str| {
            text.parse::<u32>()
                .ok()
                .filter(|&count| count <= REPEAT_MAX)
        };
        let min = if min.is_empty() { Some(0) } else { count(min) };
        let most = count(max);
        let (Some(min), true) = (min, max.is_empty() || most.is_some()) else {
            return Err(self.syntax(&format!(
                "too big a number of repeats, at most {REPEAT_MAX} are accepted"
            )));
        };
        if most.is_some_and(|most| most < min) {
            return Err(
                self.syntax("the repeat ends before it begins; write the smaller number first")
            );
        }
        self.at += end + 1;
        Ok(Some((min, most, true)))
    }
}

/// The most repeats a counted repeat may ask for; the engine allows 65 535.
const REPEAT_MAX: u32 = 65_535;

/// Whether the node matches one character that may be several bytes.
fn is_wide(node: &Node) -> bool {
    match node {
        Node::Any { .. } => true,
        Node::Set { set, .. } => set.is_wide(),
        _ => false,
    }
}
