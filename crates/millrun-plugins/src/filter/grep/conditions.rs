//! From the sections of a `grep` to its rules, in one pass that tells all that is wrong.

use millrun_config::{Diagnostic, Diagnostics, Element, Span};
use millrun_pattern::{Accessor, Flags, Matcher, RegexError};

use super::{Condition, GrepParameters, Rule, Test};

/// The rules by which events stay and those by which they go; `None` if one is wrong, which is said.
pub(super) fn rules(
    element: &Element,
    parameters: &GrepParameters,
    diagnostics: &mut Diagnostics,
) -> Option<(Vec<Rule>, Vec<Rule>)> {
    let mut conditions = Conditions {
        diagnostics,
        is_sound: true,
    };
    let [mut keep_all, mut keep_any, mut drop_all, mut drop_any] = [(); 4].map(|()| Set::default());
    conditions.add(element, "regexp", &parameters.regexp, &mut keep_all);
    conditions.add(element, "exclude", &parameters.exclude, &mut drop_any);
    for (section, group) in element.elements_named("and").zip(&parameters.and) {
        conditions.expect_one_kind(section);
        conditions.add(section, "regexp", &group.regexp, &mut keep_all);
        conditions.add(section, "exclude", &group.exclude, &mut drop_all);
    }
    for (section, group) in element.elements_named("or").zip(&parameters.or) {
        conditions.expect_one_kind(section);
        conditions.add(section, "regexp", &group.regexp, &mut keep_any);
        conditions.add(section, "exclude", &group.exclude, &mut drop_any);
    }
    if !conditions.is_sound {
        return None;
    }
    let keep = [(keep_all, Rule::All as MakeRule), (keep_any, Rule::Any)];
    let drop = [(drop_all, Rule::All as MakeRule), (drop_any, Rule::Any)];
    Some((rules_of(keep), rules_of(drop)))
}

type MakeRule = fn(Vec<Test>) -> Rule;

fn rules_of(sets: [(Set, MakeRule); 2]) -> Vec<Rule> {
    let sets = sets.into_iter().filter(|(set, _)| !set.tests.is_empty());
    sets.map(|(set, rule)| rule(set.tests)).collect()
}

/// The tests of which all or any must hold, and the keys they ask for.
#[derive(Default)]
struct Set {
    tests: Vec<Test>,
    keys: Vec<(String, Span)>,
}

/// The pattern of a condition.
pub(super) fn matcher(condition: &Condition) -> Result<Matcher, RegexError> {
    let flags = Flags {
        ignore_case: condition.pattern.ignore_case,
        multi_line: condition.pattern.multi_line,
        ..Flags::default()
    };
    Matcher::compile(&condition.pattern.source, flags)
}

/// Makes tests of conditions; what is wrong with one is reported at its place.
struct Conditions<'a> {
    diagnostics: &'a mut Diagnostics,
    is_sound: bool,
}

impl Conditions<'_> {
    /// Adds the tests of the conditions of a name in a section.
    fn add(&mut self, outer: &Element, name: &str, conditions: &[Condition], set: &mut Set) {
        for (section, condition) in outer.elements_named(name).zip(conditions) {
            let at = section.span_of("key");
            match set.keys.iter().find(|(key, _)| *key == condition.key) {
                Some((key, first)) => self.refuse(
                    Diagnostic::error(format!("the field '{key}' is asked for twice"))
                        .at(at, "the second one")
                        .and(*first, "the first one")
                        .hint("write one pattern for both: /A|B/ where one is enough"),
                ),
                None => set.keys.push((condition.key.clone(), at)),
            }
            let key = self.sound(Accessor::parse(&condition.key), at, "this key");
            let pattern = section.span_of("pattern");
            let matcher = self.sound(matcher(condition), pattern, "this pattern");
            let (Some(key), Some(matcher)) = (key, matcher) else {
                continue;
            };
            set.tests.push(Test {
                key: None,
                path: key.segments().to_vec(),
                matcher,
            });
        }
    }

    /// A group whose events are kept by one half and dropped by the other would be two groups.
    fn expect_one_kind(&mut self, group: &Element) {
        let first = |name| group.elements_named(name).next().map(Element::span);
        if let (Some(kept), Some(dropped)) = (first("regexp"), first("exclude")) {
            let name = group.name();
            self.refuse(
                Diagnostic::error(format!(
                    "<{name}> holds both <regexp> and <exclude>, of which it may hold one"
                ))
                .at(dropped, "these drop events")
                .and(kept, "these keep them")
                .hint(format!("write an <{name}> for each")),
            );
        }
    }

    fn refuse(&mut self, error: Diagnostic) {
        self.is_sound = false;
        self.diagnostics.push(error);
    }

    fn sound<T, E: ToString>(&mut self, made: Result<T, E>, at: Span, label: &str) -> Option<T> {
        made.map_err(|error| {
            self.refuse(Diagnostic::error(error.to_string()).at(at, label));
        })
        .ok()
    }
}
