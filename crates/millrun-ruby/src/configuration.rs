//! Embedded Ruby of a configuration: the evaluator behind the seam of `millrun-config`.

use millrun_config::{Evaluate, EvaluateError};

use crate::{Evaluated, Evaluator, Place, Program, RubyError, World};

impl<W: World> Evaluate for Evaluator<W> {
    fn evaluate(&mut self, code: &str) -> Result<millrun_config::Evaluated, EvaluateError> {
        let program = Program::expression(code, Place::Configuration).map_err(located)?;
        let result = self.text(&program).map_err(located)?;
        Ok(match result {
            Evaluated::Text(text) => millrun_config::Evaluated::Text(text),
            Evaluated::Nil => millrun_config::Evaluated::Nil,
            Evaluated::Default => millrun_config::Evaluated::Default,
        })
    }
}

fn located(error: RubyError) -> EvaluateError {
    EvaluateError {
        message: error.message,
        label: error.label,
        hint: error.hint,
        range: error.range,
    }
}
