//! `<replace>`: texts that are put in the place of others, by an expression of Ruby.

use millrun_config::{Regexp, parameters};
use millrun_ruby::{Place, Program, RubyError};

parameters! {
    /// A text that is put in another's place.
    pub struct ReplaceParameters in "replace" {
        /// The field.
        key: String = required;
        /// What is looked for in its text.
        expression: Regexp = required;
        /// What stands there then; `\1` is a capture.
        replace: String = required;
    }
}

/// The expression that a replacement is.
pub(super) fn replacing(replace: &ReplaceParameters) -> Result<Program, RubyError> {
    let mut pattern = String::new();
    let mut characters = replace.expression.source.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                pattern.push('\\');
                pattern.extend(characters.next());
            }
            '/' => pattern.push_str("\\/"),
            '#' => pattern.push_str("\\#"),
            other => pattern.push(other),
        }
    }
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let flags = [
        (replace.expression.ignore_case, 'i'),
        (replace.expression.multi_line, 'm'),
    ];
    let flags: String = flags
        .iter()
        .filter_map(|(is_set, flag)| is_set.then_some(*flag))
        .collect();
    let code = format!(
        "record['{}'].gsub(/{pattern}/{flags}, '{}')",
        quoted(&replace.key),
        quoted(&replace.replace)
    );
    Program::expression(&code, Place::Record)
}
