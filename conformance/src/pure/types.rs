//! `types`: text → typed parameter.

use std::fmt::Display;

use millrun_config::{
    Conversion, FromValue, Json, Pairs, Size, Strictness, Symbol, TimeSpan, ValueError,
};
use millrun_pattern::{Flags, Regex};
use serde_json::{Map, Value, json};

use super::Answer;
use crate::case::{Case, Unplayable};

pub(crate) fn types(case: &Case) -> Result<Answer, Unplayable> {
    let strictness = match case.get("strict").as_bool() {
        Some(true) => Strictness::Strict,
        _ => Strictness::Lax,
    };
    let mut conversion = Conversion::new(strictness);
    let text = case.need_text("in")?;
    Ok(match convert(case, text, &mut conversion)? {
        Ok(value) => Answer::Out(value),
        // Nil is a value of every type.
        Err(Refusal::Value(ValueError::Nil)) => Answer::Out(Value::Null),
        Err(Refusal::Value(error)) => Answer::Error(error.to_string()),
        Err(Refusal::Regexp(error)) => Answer::Error(error),
    })
}

enum Refusal {
    Value(ValueError),
    Regexp(String),
}

impl From<ValueError> for Refusal {
    fn from(error: ValueError) -> Self {
        Self::Value(error)
    }
}

fn convert(
    case: &Case,
    text: &str,
    conversion: &mut Conversion,
) -> Result<Result<Value, Refusal>, Unplayable> {
    Ok(match case.need_text("fn")? {
        "size" => value(conversion.size(text)),
        "time" => value(conversion.time(text).map(|span| match span {
            TimeSpan::Whole(seconds) => json!(seconds),
            TimeSpan::Fraction(seconds) => json!(seconds),
        })),
        "bool" => value(conversion.bool(text)),
        "integer" => value(conversion.integer(text)),
        "float" => value(conversion.float(text)),
        "string" => value(String::from_text(text, conversion)),
        "symbol" => value(
            conversion
                .symbol(text)
                .map(|symbol| json!({"$sym": symbol})),
        ),
        "regexp" => regexp(text, conversion),
        "hash" => value(conversion.hash(text).map(members)),
        "array" => array(case, text, conversion)?,
        "enum" => {
            let words = case.texts("list").into_iter();
            // The words of an enum are of the program text; here they live as long as it.
            let words: Vec<&'static str> = words.map(|word| &*word.to_owned().leak()).collect();
            let word = conversion.word(text, words.leak());
            value(word.map(|word| json!({"$sym": word})))
        }
        other => return Err(Unplayable::new(format!("unknown type {other}"))),
    })
}

fn value(converted: Result<impl Into<Value>, ValueError>) -> Result<Value, Refusal> {
    Ok(converted?.into())
}

/// Taken apart by the configuration, compiled by its user: both may refuse it.
fn regexp(text: &str, conversion: &mut Conversion) -> Result<Value, Refusal> {
    let regexp = conversion.regexp(text)?;
    let flags = Flags {
        ignore_case: regexp.ignore_case,
        multi_line: regexp.multi_line,
        ..Flags::default()
    };
    Regex::compile(&regexp.source, flags).map_err(|error| Refusal::Regexp(said(&error)))?;
    let options = u8::from(regexp.ignore_case) + 4 * u8::from(regexp.multi_line);
    Ok(json!({"$re": regexp.source, "opt": options}))
}

fn array(
    case: &Case,
    text: &str,
    conversion: &mut Conversion,
) -> Result<Result<Value, Refusal>, Unplayable> {
    let name = case.text("value_type");
    Ok(match name {
        None => value(
            conversion
                .array(text)
                .map(|items| items.iter().map(plain).collect::<Vec<_>>()),
        ),
        Some("string") => value(Vec::<Option<String>>::from_text(text, conversion)),
        Some("bool") => {
            value(Vec::<Option<bool>>::from_text(text, conversion).map(|items| json!(items)))
        }
        Some("integer") => value(Vec::<Option<i64>>::from_text(text, conversion)),
        Some("float") => value(Vec::<Option<f64>>::from_text(text, conversion)),
        Some("size") => value(
            Vec::<Size>::from_text(text, conversion)
                .map(|sizes| sizes.iter().map(|size| size.0).collect::<Vec<_>>()),
        ),
        Some("symbol") => value(Vec::<Symbol>::from_text(text, conversion).map(|symbols| {
            let symbols = symbols.iter().map(|symbol| json!({"$sym": symbol.0}));
            symbols.collect::<Vec<_>>()
        })),
        Some(other) => {
            return Err(Unplayable::new(format!("unknown type of elements {other}")));
        }
    })
}

fn members(pairs: Pairs) -> Value {
    let member = |(key, value): (String, Option<Json>)| {
        (key, value.map_or(Value::Null, |value| plain(&value)))
    };
    pairs.into_iter().map(member).collect::<Map<_, _>>().into()
}

fn plain(json: &Json) -> Value {
    serde_json::from_str(&json.to_string()).unwrap_or_default()
}

fn said(error: &dyn Display) -> String {
    error.to_string()
}
