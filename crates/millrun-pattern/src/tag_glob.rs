//! The glob of a tag pattern, compiled to a small automaton that is simulated in time linear in the tag.
//!
//! ```text
//! *        any run of bytes but dots, possibly empty
//! **.      zero or more leading parts: nothing at the start of the tag, or anything that ends in a dot
//! **       anything, dots included
//! .**      as above, and the dot becomes optional: what follows is a dot or the end of the tag
//! {a,b}    alternatives, nested at will; a brace left open is closed by the end
//! \x       x itself
//! ```
//! Everything else stands for itself, a comma outside braces too.

/// A glob over whole tags.
#[derive(Clone, Debug)]
pub(crate) struct TagGlob {
    program: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Byte(u8),
    NotDot,
    Any,
    /// Holds before a dot and at the end of the tag.
    BeforeDotOrEnd,
    /// Holds at the start of the tag.
    Start,
    Fork(usize, usize),
    Jump(usize),
    Match,
}

/// The target of a fork whose second way does not exist.
const NOWHERE: usize = usize::MAX;

impl TagGlob {
    /// Compiles `source`; every text is a glob.
    pub(crate) fn compile(source: &str) -> Self {
        let mut compiler = Compiler::default();
        compiler.run(source.as_bytes());
        TagGlob {
            program: compiler.program,
        }
    }

    /// The program; it starts at its first step.
    pub(crate) fn program(&self) -> &[Step] {
        &self.program
    }

    /// A glob of one text without any meaning.
    pub(crate) fn exact(text: &str) -> Self {
        let bytes = text.bytes().map(Step::Byte);
        TagGlob {
            program: bytes.chain([Step::Match]).collect(),
        }
    }

    /// Whether the whole of `tag` matches.
    pub(crate) fn matches(&self, tag: &[u8]) -> bool {
        let mut current = Threads::new(self.program.len());
        let mut following = Threads::new(self.program.len());
        current.add(&self.program, 0, 0, tag);

        for (position, &byte) in tag.iter().enumerate() {
            following.clear();
            for &at in &current.list {
                let steps = match self.program.get(at) {
                    Some(Step::Byte(expected)) => *expected == byte,
                    Some(Step::NotDot) => byte != b'.',
                    Some(Step::Any) => true,
                    _ => false,
                };
                if steps {
                    following.add(&self.program, at + 1, position + 1, tag);
                }
            }
            std::mem::swap(&mut current, &mut following);
            if current.list.is_empty() {
                return false;
            }
        }
        current
            .list
            .iter()
            .any(|&at| matches!(self.program.get(at), Some(Step::Match)))
    }
}

/// The places of the program that are alive at one position of the tag.
struct Threads {
    list: Vec<usize>,
    seen: Vec<bool>,
    pending: Vec<usize>,
}

impl Threads {
    fn new(places: usize) -> Self {
        Threads {
            list: Vec::new(),
            seen: vec![false; places],
            pending: Vec::new(),
        }
    }

    fn clear(&mut self) {
        self.list.clear();
        self.seen.fill(false);
    }

    /// Adds a place and all that can be reached from it without consuming a byte.
    fn add(&mut self, program: &[Step], at: usize, position: usize, tag: &[u8]) {
        self.pending.push(at);
        while let Some(at) = self.pending.pop() {
            let (Some(step), Some(seen)) = (program.get(at), self.seen.get_mut(at)) else {
                continue;
            };
            if std::mem::replace(seen, true) {
                continue;
            }
            match *step {
                Step::Fork(one, other) => self.pending.extend([one, other]),
                Step::Jump(target) => self.pending.push(target),
                Step::Start if position == 0 => self.pending.push(at + 1),
                Step::BeforeDotOrEnd if tag.get(position).is_none_or(|&byte| byte == b'.') => {
                    self.pending.push(at + 1);
                }
                Step::Start | Step::BeforeDotOrEnd => {}
                Step::Byte(_) | Step::NotDot | Step::Any | Step::Match => self.list.push(at),
            }
        }
    }
}

#[derive(Default)]
struct Compiler {
    program: Vec<Step>,
    /// The open braces: the fork at the start of the running alternative, the jumps to the end.
    braces: Vec<(usize, Vec<usize>)>,
}

impl Compiler {
    fn run(&mut self, source: &[u8]) {
        let mut rest = source;
        let mut dot_pending = false;
        while let Some((&byte, tail)) = rest.split_first() {
            let deep = byte == b'*' && tail.first() == Some(&b'*');
            if std::mem::take(&mut dot_pending) {
                self.push(if deep {
                    Step::BeforeDotOrEnd
                } else {
                    Step::Byte(b'.')
                });
            }
            rest = tail;
            match byte {
                b'.' => dot_pending = true,
                b'*' if deep => {
                    rest = rest.get(1..).unwrap_or_default();
                    if rest.first() == Some(&b'.') {
                        rest = rest.get(1..).unwrap_or_default();
                        self.leading_parts();
                    } else {
                        self.any_run(Step::Any);
                    }
                }
                b'*' => self.any_run(Step::NotDot),
                b'{' => {
                    let fork = self.push(Step::Fork(self.program.len() + 1, NOWHERE));
                    self.braces.push((fork, Vec::new()));
                }
                b',' if !self.braces.is_empty() => self.next_alternative(),
                b'}' if !self.braces.is_empty() => self.close_brace(),
                b'\\' => {
                    let (&literal, tail) = rest.split_first().unwrap_or((&b'\\', &[]));
                    self.push(Step::Byte(literal));
                    rest = tail;
                }
                _ => {
                    self.push(Step::Byte(byte));
                }
            }
        }
        if dot_pending {
            self.push(Step::Byte(b'.'));
        }
        while !self.braces.is_empty() {
            self.close_brace();
        }
        self.push(Step::Match);
    }

    fn push(&mut self, step: Step) -> usize {
        self.program.push(step);
        self.program.len() - 1
    }

    fn set(&mut self, at: usize, step: Step) {
        if let Some(slot) = self.program.get_mut(at) {
            *slot = step;
        }
    }

    fn any_run(&mut self, step: Step) {
        let start = self.program.len();
        self.push(Step::Fork(start + 1, start + 3));
        self.push(step);
        self.push(Step::Jump(start));
    }

    fn leading_parts(&mut self) {
        let fork = self.push(Step::Fork(0, 0));
        self.any_run(Step::Any);
        self.push(Step::Byte(b'.'));
        let jump = self.push(Step::Jump(0));
        let start = self.push(Step::Start);
        self.set(fork, Step::Fork(fork + 1, start));
        self.set(jump, Step::Jump(start + 1));
    }

    fn next_alternative(&mut self) {
        let jump = self.push(Step::Jump(NOWHERE));
        let fork = self.push(Step::Fork(jump + 2, NOWHERE));
        let Some((previous, jumps)) = self.braces.last_mut() else {
            return;
        };
        jumps.push(jump);
        let previous = std::mem::replace(previous, fork);
        self.set(previous, Step::Fork(previous + 1, fork));
    }

    fn close_brace(&mut self) {
        let Some((_, jumps)) = self.braces.pop() else {
            return;
        };
        let end = self.program.len();
        for jump in jumps {
            self.set(jump, Step::Jump(end));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The slow obvious meaning: all ways to read the pattern are tried, one after the other.
    fn naive(pattern: &[u8], tag: &[u8], start: bool) -> bool {
        let Some((&byte, rest)) = pattern.split_first() else {
            return tag.is_empty();
        };
        let literal = |expected: u8, rest: &[u8]| {
            tag.first() == Some(&expected) && naive(rest, &tag[1..], false)
        };
        match byte {
            b'.' if rest.starts_with(b"**") => {
                tag.first().is_none_or(|&b| b == b'.') && naive(rest, tag, start)
            }
            b'*' if rest.starts_with(b"*.") => {
                (start && naive(&rest[2..], tag, start))
                    || (0..tag.len())
                        .any(|i| tag[i] == b'.' && naive(&rest[2..], &tag[i + 1..], false))
            }
            b'*' if rest.starts_with(b"*") => {
                (0..=tag.len()).any(|i| naive(&rest[1..], &tag[i..], start && i == 0))
            }
            b'*' => {
                let run = tag.iter().position(|&b| b == b'.').unwrap_or(tag.len());
                (0..=run).any(|i| naive(rest, &tag[i..], start && i == 0))
            }
            b'{' => alternatives(rest)
                .iter()
                .any(|whole| naive(whole, tag, start)),
            b'\\' if !rest.is_empty() => literal(rest[0], &rest[1..]),
            _ => literal(byte, rest),
        }
    }

    /// Each alternative of an open brace with what follows the closing one.
    fn alternatives(pattern: &[u8]) -> Vec<Vec<u8>> {
        let (mut depth, mut at, mut parts, mut part) = (0, 0, Vec::new(), Vec::new());
        while at < pattern.len() {
            match pattern[at] {
                b'\\' => {
                    part.push(b'\\');
                    at += 1;
                }
                b'{' => depth += 1,
                b'}' if depth == 0 => break,
                b'}' => depth -= 1,
                b',' if depth == 0 => {
                    parts.push(std::mem::take(&mut part));
                    at += 1;
                    continue;
                }
                _ => {}
            }
            part.extend(pattern.get(at));
            at += 1;
        }
        parts.push(part);
        let rest = pattern.get(at + 1..).unwrap_or_default();
        parts
            .into_iter()
            .map(|part| [&part, rest].concat())
            .collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_meaning(
            // A dot that meets `**` only across a brace is left out: gluing the texts reads it otherwise.
            pattern in r"(a|b|\.|\*|\*\*|\*\*\.|\.\*\*|\{(a|b\.b|\*|a\*\*b)(,(b|\*a|\{a,b\}))?\}[ab]|\\[a{*]){0,7}",
            tag in r"[ab.{*]{0,9}",
        ) {
            prop_assert_eq!(
                TagGlob::compile(&pattern).matches(tag.as_bytes()),
                naive(pattern.as_bytes(), tag.as_bytes(), true),
                "{} ~ {}", pattern, tag
            );
        }
    }

    #[test]
    fn a_brace_left_open_is_closed_by_the_end() {
        let glob = TagGlob::compile("{a,{b,c");
        assert!(
            ["a", "b", "c"]
                .iter()
                .all(|tag| glob.matches(tag.as_bytes()))
        );
        assert!(!glob.matches(b"{a"));
    }

    #[test]
    fn many_stars_cost_no_more_than_their_product() {
        let glob = TagGlob::compile(&"*a".repeat(200));
        assert!(!glob.matches(&[b'a'; 199]));
    }
}
