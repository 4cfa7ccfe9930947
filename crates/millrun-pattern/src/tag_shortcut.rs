//! What most globs can be answered by without their automaton: text at the start and the end.
//!
//! ```text
//! app.web.**     app.web, or app.web. and anything      answered
//! app.*          app. and one part                      answered
//! app**          app and anything                       answered
//! **.log         log, or anything and .log              answered
//! app.*.log      not without app. before and .log behind: most tags are answered
//! ```
//!
//! A router with hundreds of patterns asks nearly all of them about tags they do not match, so what
//! counts is to say no quickly.

/// The part of a glob that plain comparisons can see.
#[derive(Clone, Debug)]
pub(crate) struct TagShortcut {
    /// What every tag begins with that the glob matches.
    start: Box<str>,
    /// What every such tag ends with.
    end: Box<str>,
    /// What may stand behind the start, if that is all there is to the glob.
    rest: Option<Rest>,
    /// What may stand before the end, if that is.
    lead: Option<Lead>,
}

/// What may come before an end.
#[derive(Clone, Copy, Debug)]
enum Lead {
    /// Nothing, or anything and a dot.
    Parts,
    /// Anything.
    Anything,
}

/// What may follow a start.
#[derive(Clone, Copy, Debug)]
enum Rest {
    /// Nothing, or a dot and anything.
    Parts,
    /// Anything.
    Anything,
    /// Anything without a dot.
    Part,
}

impl TagShortcut {
    /// The shortcut of a glob.
    pub(crate) fn of(pattern: &str) -> Self {
        let rests = [
            (".**", Rest::Parts),
            ("**", Rest::Anything),
            ("*", Rest::Part),
        ];
        // The longest tail is the one that is meant.
        let mut tails = rests.into_iter();
        let tail = tails.find_map(|(tail, rest)| Some((pattern.strip_suffix(tail)?, rest)));
        if let Some((start, rest)) = tail
            && !start.is_empty()
            && !start.contains(SPECIAL)
        {
            return Self {
                start: start.into(),
                end: "".into(),
                rest: Some(rest),
                lead: None,
            };
        }
        let leads = [("**.", Lead::Parts), ("**", Lead::Anything)];
        let mut heads = leads.into_iter();
        let head = heads.find_map(|(head, lead)| Some((pattern.strip_prefix(head)?, lead)));
        if let Some((end, lead)) = head
            && !end.is_empty()
            && !end.contains(SPECIAL)
        {
            return Self {
                start: "".into(),
                end: end.into(),
                rest: None,
                lead: Some(lead),
            };
        }
        Self {
            start: literal_start(pattern).into(),
            end: literal_end(pattern).into(),
            rest: None,
            lead: None,
        }
    }

    /// What every tag begins with that the glob matches, and what every such tag ends with.
    pub(crate) fn ends(&self) -> (&str, &str) {
        (&self.start, &self.end)
    }

    /// Whether the glob matches the whole of `tag`, if that can be told.
    pub(crate) fn answer(&self, tag: &str) -> Option<bool> {
        let Some(behind) = tag.strip_prefix(&*self.start) else {
            return Some(false);
        };
        if let Some(lead) = self.lead {
            let before = behind.strip_suffix(&*self.end);
            return Some(before.is_some_and(|before| match lead {
                Lead::Parts => before.is_empty() || before.ends_with('.'),
                Lead::Anything => true,
            }));
        }
        match self.rest {
            Some(Rest::Parts) => Some(behind.is_empty() || behind.starts_with('.')),
            Some(Rest::Anything) => Some(true),
            Some(Rest::Part) => Some(!behind.contains('.')),
            None if !behind.ends_with(&*self.end) => Some(false),
            None => None,
        }
    }
}

/// Characters that may mean something.
const SPECIAL: [char; 5] = ['*', '{', '}', ',', '\\'];

/// The text before everything that means something. A dot before `**` is optional.
fn literal_start(pattern: &str) -> &str {
    let end = pattern.find(SPECIAL).unwrap_or(pattern.len());
    let (start, rest) = pattern.split_at_checked(end).unwrap_or_default();
    match rest.starts_with("**") {
        true => start.strip_suffix('.').unwrap_or(start),
        false => start,
    }
}

/// The text behind everything that means something. A dot behind `**` belongs to it; braces and
/// escapes are left to the automaton.
fn literal_end(pattern: &str) -> &str {
    if pattern.contains(['{', '}', ',', '\\']) {
        return "";
    }
    match pattern.rsplit_once('*') {
        Some((before, end)) if before.ends_with('*') => end.strip_prefix('.').unwrap_or(end),
        Some((_, end)) => end,
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag_glob::TagGlob;

    /// All texts of up to so many characters.
    fn texts(alphabet: &str, length_max: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut longest = all.clone();
        for _ in 0..length_max {
            let longer = |text: &String| {
                let text = text.clone();
                alphabet.chars().map(move |next| format!("{text}{next}"))
            };
            longest = longest.iter().flat_map(longer).collect();
            all.extend(longest.iter().cloned());
        }
        all
    }

    /// The automaton is the oracle, over every short pattern and every short tag.
    #[test]
    fn a_shortcut_says_what_the_automaton_says() {
        let tags = texts("a.b", 4);
        for pattern in texts("a.*{},", 5) {
            let (glob, shortcut) = (TagGlob::compile(&pattern), TagShortcut::of(&pattern));
            // Where the shortcut leaves it open there is nothing to compare, and most are such.
            for tag in &tags {
                if let Some(answer) = shortcut.answer(tag) {
                    assert_eq!(answer, glob.matches(tag.as_bytes()), "{pattern} and {tag}");
                }
            }
        }
    }

    #[test]
    fn the_usual_globs_need_no_automaton() {
        for pattern in ["app.**", "app.web.*", "app**", "app.*", "**.app", "**app"] {
            assert!(
                TagShortcut::of(pattern).answer("app.web.x").is_some(),
                "{pattern}"
            );
        }
        assert_eq!(
            TagShortcut::of("app.*.log").answer("app.web.txt"),
            Some(false)
        );
        assert_eq!(TagShortcut::of("app.*.log").answer("app.web.log"), None);
    }
}
