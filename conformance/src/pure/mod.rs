//! Players of the kinds that are functions: the libraries' public functions, called with what a
//! case gives, answer in the notation of the cases.

mod accessor;
mod bytes;
mod configuration;
mod element;
mod filter;
mod formatter;
mod parser;
mod placeholder;
mod retry;
mod tag;
mod time;
mod types;
mod wire;

use serde_json::{Value, json};

use crate::case::{Case, Unplayable};
use crate::difference::Difference;

pub(crate) use accessor::{accessor, accessor_delete, accessor_path};
pub(crate) use bytes::bytes;
pub(crate) use configuration::{config, value, yaml};
pub(crate) use filter::filter;
pub(crate) use formatter::formatter;
pub(crate) use parser::{parser, parser_config_error};
pub(crate) use placeholder::placeholder;
pub(crate) use retry::retry;
pub(crate) use tag::{match_pattern, rule};
pub(crate) use time::{time_format, time_parse, timezone};
pub(crate) use types::types;
pub(crate) use wire::wire;

/// Plays a case of one kind.
pub(crate) type Player = fn(&Case) -> Result<Answer, Unplayable>;

/// What millrun makes of the input of a case.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A result, in the notation of the cases.
    Out(Value),
    /// An error, with its words.
    Error(String),
}

impl Answer {
    /// The answer of a function that may refuse its input.
    fn of<E: ToString>(result: Result<impl Into<Value>, E>) -> Self {
        match result {
            Ok(value) => Self::Out(value.into()),
            Err(error) => Self::Error(error.to_string()),
        }
    }
}

/// Where an answer is not the recorded one. Of an error only the fact is compared.
pub(crate) fn difference(case: &Case, answer: Answer) -> Option<Difference> {
    let recorded = if case.has("out") {
        case.get("out")
    } else {
        // The recorded bytes are both what is put in and what must come out.
        &bytes::recorded(case)
    };
    match (case.error(), answer) {
        (Some(_), Answer::Error(_)) => None,
        (Some(error), Answer::Out(ours)) => {
            let recorded = json!({"error": error, "message": case.get("message")});
            Some(Difference::new("/error", recorded, ours))
        }
        (None, Answer::Error(message)) => {
            let ours = json!({"error": message});
            Some(Difference::new("/out", recorded.clone(), ours))
        }
        // An object without a neutral form cannot be compared, only that there is one.
        (None, Answer::Out(_)) if recorded.to_string().contains("\"$obj\"") => None,
        (None, Answer::Out(ours)) => {
            (*recorded != ours).then(|| Difference::new("/out", recorded.clone(), ours))
        }
    }
}
