//! Where millrun deviates on purpose.
//!
//! A rule recognises its cases by what they contain and how they differ, never by a name or a line
//! number, so that recordings nobody here has seen are judged by it, too. It explains one
//! difference; a case deviates only if all of its differences are explained. Rules are for what is
//! better so: where Fluentd loses, doubles or crashes, and where its words are Ruby's. What is not
//! built yet is no deviation.

mod pure;
mod scenario;

use crate::case::Case;
use crate::difference::Difference;

/// A kind of difference that is wanted.
pub(crate) struct Rule {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Why ours is right, or why equality says nothing.
    pub(crate) reason: &'static str,
    /// The kinds of cases it may be found in.
    kinds: &'static [&'static str],
    /// Whether a difference is one of this kind.
    explains: fn(&Case, &Difference) -> bool,
}

/// All rules.
pub(crate) fn all() -> impl Iterator<Item = &'static Rule> {
    pure::RULES.iter().chain(scenario::RULES)
}

/// The names of all rules: each must be found in some case.
pub fn rule_names() -> Vec<&'static str> {
    all().map(|rule| rule.name).collect()
}

/// The rule that explains a difference in a case of this kind.
pub(crate) fn recognise(kind: &str, case: &Case, difference: &Difference) -> Option<&'static Rule> {
    all().find(|rule| rule.kinds.contains(&kind) && (rule.explains)(case, difference))
}

/// Why a rule is one.
pub(crate) fn reason(name: &str) -> &'static str {
    all()
        .find(|rule| rule.name == name)
        .map_or("", |rule| rule.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_a_name_of_its_own_and_a_reason() {
        for rule in all() {
            assert_eq!(all().filter(|other| other.name == rule.name).count(), 1);
            assert!(rule.reason.len() > 40, "{}", rule.name);
            assert!(!rule.kinds.is_empty(), "{}", rule.name);
        }
    }
}
