//! Rules that no event reaches, and patterns that are read otherwise than they look.

use millrun_config::{Diagnostic, Diagnostics, Element};
use millrun_pattern::{TagCover, TagIndex, TagPatterns};

use crate::view::{Scope, View};

pub(super) fn lint(view: &View<'_>, diagnostics: &mut Diagnostics) {
    for scope in view.scopes() {
        order(&scope, diagnostics);
        for rule in scope.rules {
            list(rule, diagnostics);
        }
    }
}

/// Most matches that are said to take all tags of a rule together.
const TAKERS_MAX: usize = 16;

/// Filters and matches behind the matches that take all their tags.
fn order(scope: &Scope<'_>, diagnostics: &mut Diagnostics) {
    // Nothing is dead before a match, and most labels end with their first one.
    let is_match = |rule: &&Element| rule.name() == "match";
    if scope
        .rules
        .iter()
        .position(is_match)
        .is_none_or(|first| first + 1 == scope.rules.len())
    {
        return;
    }
    // A pattern that does not compile is reported where plugins are made.
    let rules = scope.rules.iter();
    let compiled =
        rules.filter_map(|rule| Some((*rule, TagPatterns::compile(rule.argument()).ok()?)));
    let compiled: Vec<(&Element, TagPatterns)> = compiled.collect();
    let Some(first_match) = compiled.iter().position(|(rule, _)| is_match(rule)) else {
        return;
    };
    let rules = Rules {
        index: TagIndex::new(compiled.iter().map(|(_, patterns)| patterns)),
        compiled: &compiled,
    };
    for (number, (rule, patterns)) in compiled.iter().enumerate().skip(first_match + 1) {
        if let Some(takers) = rules.takers(number, patterns) {
            diagnostics.push(dead(rule, &takers));
        }
    }
}

/// The filters and matches of a scope.
struct Rules<'a> {
    compiled: &'a [(&'a Element, TagPatterns)],
    index: TagIndex,
}

impl<'a> Rules<'a> {
    /// The matches before a rule that together take all tags of its patterns, if they do. Each tag that is left over
    /// names the next one to look at, so that hardly any pair of patterns is ever compared.
    fn takers(&self, number: usize, patterns: &TagPatterns) -> Option<Vec<&'a Element>> {
        let mut takers = Vec::new();
        let mut together = Vec::new();
        while takers.len() <= TAKERS_MAX {
            match patterns.covered_by(&together) {
                TagCover::Full => return Some(takers),
                TagCover::Unknown => return None,
                TagCover::Leaves(tag) => {
                    let (taker, by) = self.taker(number, &tag)?;
                    takers.push(taker);
                    together.push(by);
                }
            }
        }
        None
    }

    /// The first match before a rule that takes a tag.
    fn taker(&self, number: usize, tag: &str) -> Option<(&'a Element, &'a TagPatterns)> {
        let candidates = self.index.candidates(tag).into_iter();
        let before = candidates.take_while(|candidate| *candidate < number);
        let mut before = before.filter_map(|candidate| self.compiled.get(candidate));
        let (taker, by) = before.find(|(rule, by)| rule.name() == "match" && by.matches(tag))?;
        Some((taker, by))
    }
}

fn dead(rule: &Element, takers: &[&Element]) -> Diagnostic {
    let is_filter = rule.name() == "filter";
    let what = if is_filter { "applied" } else { "reached" };
    let by = match takers {
        [taker] => format!("{taker} takes all its tags"),
        takers => format!("{} matches before it take all its tags", takers.len()),
    };
    let mut warning = Diagnostic::warning(format!("{rule} is never {what}: {by}"));
    warning = warning.at(rule.span(), "no event comes here");
    for taker in takers {
        warning = warning.and(taker.span(), "events end here");
    }
    warning.hint(match is_filter {
        true => "write the filter before the match",
        false => "write the match with the narrower pattern first",
    })
}

/// `a,b` and `{a b}` are no lists.
fn list(rule: &Element, diagnostics: &mut Diagnostics) {
    let mut depth = 0_usize;
    let mut escaped = false;
    for character in rule.argument().chars() {
        let (found, hint) = match character {
            _ if std::mem::take(&mut escaped) => continue,
            '\\' => {
                escaped = true;
                continue;
            }
            '/' if depth == 0 => return,
            '{' => {
                depth += 1;
                continue;
            }
            '}' => {
                depth = depth.saturating_sub(1);
                continue;
            }
            ',' if depth == 0 => (
                "has a comma in it, which is a character of the tag here",
                "write a blank between two patterns, or {a,b}",
            ),
            ' ' | '\t' if depth > 0 => (
                "has a blank in braces, which ends the pattern",
                "write a comma between alternatives",
            ),
            _ => continue,
        };
        let warning = Diagnostic::warning(format!("the pattern of {rule} {found}"));
        return diagnostics.push(warning.at(rule.span(), "").hint(hint));
    }
}
