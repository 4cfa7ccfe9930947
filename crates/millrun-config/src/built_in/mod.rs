//! The evaluator for the forms nearly every file uses.
//!
//! ```text
//! or       = sum { "||" sum }
//! sum      = primary { "+" primary }
//! primary  = 'text' | "text" | integer | true | false | nil
//!          | ENV['X'] | ENV.fetch('X') | ENV.fetch('X', or)
//!          | hostname | Socket.gethostname | worker_id | use_nil | use_default | "(" or ")"
//! ```
//!
//! Anything else is an error with its place, never passed through.

mod expression;
mod token;

use crate::{
    Environment, Evaluate, EvaluateError, Evaluated,
    built_in::expression::{Expression, ExpressionKind, Ruby},
};

/// Evaluates with an [`Environment`] and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn<'a> {
    environment: &'a Environment,
}

impl<'a> BuiltIn<'a> {
    /// An evaluator that sees this environment.
    #[must_use]
    pub fn new(environment: &'a Environment) -> Self {
        Self { environment }
    }
}

impl Evaluate for BuiltIn<'_> {
    fn evaluate(&mut self, code: &str) -> Result<Evaluated, EvaluateError> {
        let expression = expression::parse(code)?;
        Ok(match self.run(&expression)? {
            Ruby::Text(text) => Evaluated::Text(text),
            Ruby::Integer(value) => Evaluated::Text(value.to_string()),
            Ruby::Bool(value) => Evaluated::Text(value.to_string()),
            Ruby::Nil => Evaluated::Text(String::new()),
            Ruby::UseNil => Evaluated::Nil,
            Ruby::UseDefault => Evaluated::Default,
        })
    }
}

impl BuiltIn<'_> {
    fn run(&self, expression: &Expression) -> Result<Ruby, EvaluateError> {
        let variable = |name: &str| {
            self.environment
                .variables
                .get(name)
                .cloned()
                .map(Ruby::Text)
        };
        match &expression.kind {
            ExpressionKind::Literal(value) => Ok(value.clone()),
            ExpressionKind::Variable { name } => Ok(variable(name).unwrap_or(Ruby::Nil)),
            ExpressionKind::Fetch { name, default } => match (variable(name), default) {
                (Some(value), _) => Ok(value),
                (None, Some(default)) => self.run(default),
                (None, None) => Err(EvaluateError {
                    message: format!("environment variable '{name}' is not set"),
                    label: String::new(),
                    hint: Some(format!("set it, or write ENV.fetch('{name}', 'default')")),
                    range: expression.range.clone(),
                }),
            },
            ExpressionKind::Hostname => Ok(Ruby::Text(self.environment.hostname.clone())),
            ExpressionKind::WorkerId => {
                let id = self.environment.worker_id;
                Ok(Ruby::Text(id.map_or_else(String::new, |id| id.to_string())))
            }
            ExpressionKind::Or(left, right) => match self.run(left)? {
                Ruby::Nil | Ruby::Bool(false) => self.run(right),
                value => Ok(value),
            },
            ExpressionKind::Sum(left, right) => {
                let (a, b) = (self.run(left)?, self.run(right)?);
                match (a, b) {
                    (marker @ (Ruby::UseNil | Ruby::UseDefault), _)
                    | (_, marker @ (Ruby::UseNil | Ruby::UseDefault)) => Ok(marker),
                    (Ruby::Text(a), Ruby::Text(b)) => Ok(Ruby::Text(a + &b)),
                    (Ruby::Integer(a), Ruby::Integer(b)) => a
                        .checked_add(b)
                        .map(Ruby::Integer)
                        .ok_or_else(|| too_large(expression)),
                    (a, b) => Err(EvaluateError {
                        message: format!("cannot add {} and {}", noun(&a), noun(&b)),
                        label: "expected two texts or two integers".to_owned(),
                        hint: Some("write ENV.fetch('X', '') where it may be unset".to_owned()),
                        range: expression.range.clone(),
                    }),
                }
            }
        }
    }
}

fn noun(value: &Ruby) -> &'static str {
    match value {
        Ruby::Text(_) => "a text",
        Ruby::Integer(_) => "an integer",
        Ruby::Bool(_) => "a bool",
        Ruby::Nil | Ruby::UseNil | Ruby::UseDefault => "nil",
    }
}

fn too_large(expression: &Expression) -> EvaluateError {
    EvaluateError {
        message: "the sum does not fit into 64 bits".to_owned(),
        label: String::new(),
        hint: None,
        range: expression.range.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment() -> Environment {
        Environment {
            variables: [("X".to_owned(), "x".to_owned())].into(),
            hostname: "mill".to_owned(),
            worker_id: Some(3),
        }
    }

    fn evaluate(code: &str) -> Result<Evaluated, EvaluateError> {
        BuiltIn::new(&environment()).evaluate(code)
    }

    #[test]
    fn the_documented_forms_work() {
        for (code, expected) in [
            ("ENV['X']", "x"),
            ("ENV[\"X\"]", "x"),
            ("ENV['Y']", ""),
            (" ", ""),
            ("ENV.fetch('X')", "x"),
            ("ENV.fetch('Y', 'd')", "d"),
            ("ENV.fetch(\"Y\", ENV['X'])", "x"),
            ("ENV['Y'] || 'd'", "d"),
            ("ENV['Y'] || 9_200", "9200"),
            ("ENV['Y'] || ENV['Z'] || true", "true"),
            ("ENV['X'] || use_default", "x"),
            ("'https://' + ENV['X'] + ':' + \"\\t\"", "https://x:\t"),
            ("hostname", "mill"),
            ("Socket.gethostname", "mill"),
            ("worker_id", "3"),
            ("(nil || 'a') + 'b'", "ab"),
            ("1 + 1", "2"),
            ("'it\\'s'", "it's"),
        ] {
            assert_eq!(
                evaluate(code),
                Ok(Evaluated::Text(expected.to_owned())),
                "{code}"
            );
        }
        assert_eq!(evaluate("use_nil"), Ok(Evaluated::Nil));
        assert_eq!(evaluate("ENV['Y'] || use_default"), Ok(Evaluated::Default));
    }

    #[test]
    fn everything_else_is_an_error_with_its_place() {
        for (code, message, range) in [
            ("`hostname`", "this Ruby expression is not supported", 0..1),
            (
                "ENV['X'].strip",
                "this Ruby expression is not supported",
                8..9,
            ),
            ("hostnam", "this Ruby expression is not supported", 0..7),
            (
                "ENV.fetch('Y')",
                "environment variable 'Y' is not set",
                0..14,
            ),
            ("ENV['Y'] + 'a'", "cannot add nil and a text", 0..14),
            ("ENV[", "this Ruby expression is incomplete", 4..4),
            ("1 +", "this Ruby expression is incomplete", 3..3),
            ("'a", "this string is never closed", 0..2),
            (
                "'a' || \"#{1}\"",
                "interpolation inside embedded Ruby is not supported",
                8..10,
            ),
        ] {
            let error = evaluate(code).unwrap_err();
            assert_eq!(
                (error.message.as_str(), error.range),
                (message, range),
                "{code}"
            );
        }
        assert_eq!(
            evaluate("hostnam").unwrap_err().hint.unwrap(),
            "did you mean 'hostname'?"
        );
        assert!(evaluate(&"(".repeat(100_000)).is_err());
        let error = evaluate(&"1+".repeat(100_000)).unwrap_err();
        assert_eq!(error.message, "this Ruby expression is too long");
    }

    proptest! {
        #[test]
        fn never_panics(code in r#"[EVN.fetché'"\\|+()\[\],0-9#{} ]{0,30}"#) {
            let _ = evaluate(&code);
        }
    }
}
