//! Whether some tag patterns leave anything over for another one.
//!
//! The patterns are run side by side over all tags at once: from each pair of places (where the
//! one can be, where the others can be) every byte leads to another pair. Where the one is at an
//! end and none of the others is, the way there spells a tag that is left over; without such a
//! pair there is none. Bytes that stand in no pattern behave alike, so one stands for all.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::{
    tag_glob::{Step, TagGlob},
    tag_pattern::{TagPattern, TagPatterns},
};

/// Most pairs of places looked at; patterns that need more are not decided.
pub const TAG_COVER_STATES_MAX: usize = 20_000;

/// What some patterns leave of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagCover {
    /// Nothing: every tag it matches is matched by one of them.
    Full,
    /// At least this tag.
    Leaves(String),
    /// Not known: a regular expression is in the way, or the patterns are too large.
    Unknown,
}

impl TagPatterns {
    /// What `others` together leave of this.
    #[must_use]
    pub fn covered_by(&self, others: &[&TagPatterns]) -> TagCover {
        let others: Vec<&TagPattern> = others
            .iter()
            .flat_map(|patterns| patterns.alternatives())
            .collect();
        let is_everything = others.iter().any(|one| one.is_everything());
        if is_everything {
            return TagCover::Full;
        }
        if let Some(tag) = self
            .simple_tags()
            .find(|tag| !others.iter().any(|one| one.matches(tag)))
        {
            return TagCover::Leaves(tag);
        }
        let others_globs: Vec<TagGlob> = others.iter().filter_map(|one| one.as_glob()).collect();
        let mut globs = Vec::new();
        for one in self.alternatives() {
            match one.as_glob() {
                Some(glob) => globs.push(glob),
                None => return TagCover::Unknown,
            }
        }
        match Search::new(&globs, &others_globs).run() {
            // Regular expressions were left out; they may match it.
            TagCover::Leaves(tag) if others.iter().any(|one| one.matches(&tag)) => {
                TagCover::Unknown
            }
            cover => cover,
        }
    }

    /// Some tags that these patterns match: what is left of each without its stars, where that is one. Mostly it answers
    /// already, and the search over all tags costs a thousand times as much.
    fn simple_tags(&self) -> impl Iterator<Item = String> {
        self.alternatives().iter().filter_map(|one| {
            let (start, end) = one.ends();
            let tag = format!("{start}{end}");
            one.matches(&tag).then_some(tag)
        })
    }
}

/// Places in the programs of several globs, before what they reach without a byte.
type Places = BTreeSet<(usize, usize)>;

struct Search<'a> {
    one: &'a [TagGlob],
    others: &'a [TagGlob],
    bytes: Vec<u8>,
}

/// How a pair of places was reached.
struct Visit {
    one: Places,
    others: Places,
    from: Option<(usize, u8)>,
}

impl<'a> Search<'a> {
    fn new(one: &'a [TagGlob], others: &'a [TagGlob]) -> Self {
        let mut bytes = BTreeSet::from([b'.']);
        for step in one.iter().chain(others).flat_map(TagGlob::program) {
            if let Step::Byte(byte) = step {
                bytes.insert(*byte);
            }
        }
        // Any other byte; a letter makes a tag that can be shown.
        bytes.extend((b'a'..=b'z').rev().find(|byte| !bytes.contains(byte)));
        Self {
            one,
            others,
            bytes: bytes.into_iter().collect(),
        }
    }

    fn run(&self) -> TagCover {
        let start = |globs: &[TagGlob]| (0..globs.len()).map(|glob| (glob, 0)).collect::<Places>();
        let mut visits = vec![Visit {
            one: start(self.one),
            others: start(self.others),
            from: None,
        }];
        let mut known = HashMap::new();
        let mut pending = VecDeque::from([0]);
        while let Some(index) = pending.pop_front() {
            let Some(Visit { one, others, .. }) = visits.get(index) else {
                continue;
            };
            let (one, others) = (one.clone(), others.clone());
            let is_start = index == 0;
            if is_end(self.one, &one, is_start) && !is_end(self.others, &others, is_start) {
                return TagCover::Leaves(spelled(&visits, index));
            }
            for &byte in &self.bytes {
                let next_one = after(self.one, &one, byte, is_start);
                if next_one.is_empty() {
                    continue;
                }
                let next_others = after(self.others, &others, byte, is_start);
                let pair = (next_one.clone(), next_others.clone());
                if known.insert(pair, ()).is_some() {
                    continue;
                }
                if visits.len() >= TAG_COVER_STATES_MAX {
                    return TagCover::Unknown;
                }
                pending.push_back(visits.len());
                visits.push(Visit {
                    one: next_one,
                    others: next_others,
                    from: Some((index, byte)),
                });
            }
        }
        TagCover::Full
    }
}

/// The tag that leads to a visit.
fn spelled(visits: &[Visit], mut index: usize) -> String {
    let mut bytes = Vec::new();
    while let Some((before, byte)) = visits.get(index).and_then(|visit| visit.from) {
        bytes.push(byte);
        index = before;
    }
    bytes.reverse();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All places reached without a byte when `next` follows.
fn reached(globs: &[TagGlob], places: &Places, next: Option<u8>, is_start: bool) -> Places {
    let mut seen = Places::new();
    let mut pending: Vec<_> = places.iter().copied().collect();
    while let Some((glob, at)) = pending.pop() {
        let step = globs.get(glob).and_then(|glob| glob.program().get(at));
        let Some(step) = step.filter(|_| seen.insert((glob, at))) else {
            continue;
        };
        match *step {
            Step::Fork(one, other) => pending.extend([(glob, one), (glob, other)]),
            Step::Jump(target) => pending.push((glob, target)),
            Step::Start if is_start => pending.push((glob, at + 1)),
            Step::BeforeDotOrEnd if matches!(next, None | Some(b'.')) => {
                pending.push((glob, at + 1));
            }
            Step::Start
            | Step::BeforeDotOrEnd
            | Step::Byte(_)
            | Step::NotDot
            | Step::Any
            | Step::Match => {}
        }
    }
    seen
}

fn step<'a>(globs: &'a [TagGlob], place: &(usize, usize)) -> Option<&'a Step> {
    globs.get(place.0)?.program().get(place.1)
}

fn is_end(globs: &[TagGlob], places: &Places, is_start: bool) -> bool {
    let reached = reached(globs, places, None, is_start);
    reached
        .iter()
        .any(|place| matches!(step(globs, place), Some(Step::Match)))
}

fn after(globs: &[TagGlob], places: &Places, byte: u8, is_start: bool) -> Places {
    let reached = reached(globs, places, Some(byte), is_start);
    let takes = |place: &&(usize, usize)| match step(globs, place) {
        Some(Step::Byte(expected)) => *expected == byte,
        Some(Step::NotDot) => byte != b'.',
        Some(Step::Any) => true,
        _ => false,
    };
    let taken = reached.iter().filter(takes);
    taken.map(|(glob, at)| (*glob, at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cover(one: &str, others: &[&str]) -> TagCover {
        let compile = |text: &str| TagPatterns::compile(text).unwrap();
        let others: Vec<_> = others.iter().map(|text| compile(text)).collect();
        compile(one).covered_by(&others.iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_is_left_over() {
        let leaves = |tag: &str| TagCover::Leaves(tag.to_owned());
        assert_eq!(cover("a.b", &["a.**"]), TagCover::Full);
        assert_eq!(cover("a.*", &["a.**"]), TagCover::Full);
        assert_eq!(cover("a.**", &["a.*"]), leaves("a"));
        assert_eq!(cover("a.**", &["a", "a.*"]), leaves("a.."));
        assert_eq!(cover("a.{b,c}", &["a.b", "x", "a.c"]), TagCover::Full);
        assert_eq!(cover("**", &["*"]), leaves("."));
        assert_eq!(cover("**", &["*", "**.*"]), TagCover::Full);
        assert_eq!(cover("a b", &["b a"]), TagCover::Full);
        assert_eq!(cover("/a/", &["a"]), TagCover::Unknown);
        assert_eq!(cover("/a/", &["**"]), TagCover::Full);
        assert_eq!(cover("a*", &["/a.*/"]), TagCover::Unknown);
        assert_eq!(cover("b*", &["/a.*/"]), leaves("b"));
        assert_eq!(cover("é", &["*"]), TagCover::Full);
        assert_eq!(cover("é*", &["x"]), leaves("é"));
    }

    proptest! {
        #[test]
        fn agrees_with_matching(
            one in r"(a|b|\.|\*|\*\*|\{a,b\}){1,5}",
            other in r"(a|b|\.|\*|\*\*|\{a,b\}){1,5}",
            tags in prop::collection::vec(r"[ab.]{0,6}", 1..20),
        ) {
            let compile = |text: &str| TagPatterns::compile(text).unwrap();
            let (one, other) = (compile(&one), compile(&other));
            match one.covered_by(&[&other]) {
                TagCover::Full => for tag in &tags {
                    prop_assert!(!one.matches(tag) || other.matches(tag), "{}", tag);
                },
                TagCover::Leaves(tag) => {
                    prop_assert!(one.matches(&tag) && !other.matches(&tag), "{}", tag);
                }
                TagCover::Unknown => prop_assert!(false, "small patterns are decided"),
            }
        }
    }
}
