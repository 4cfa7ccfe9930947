//! What is near to a name that is not there, and why some names never will be.

use crate::{
    class::Class,
    error::{RubyError, Span},
    method::{ClassMethod, Function, Method},
};

/// Functions of Ruby that are left out, so that they are not taken for forgotten variables.
pub(crate) fn is_kernel(name: &str) -> bool {
    matches!(
        name,
        "__dir__"
            | "__send__"
            | "binding"
            | "caller"
            | "eval"
            | "exec"
            | "exit"
            | "exit!"
            | "abort"
            | "fork"
            | "gets"
            | "lambda"
            | "load"
            | "open"
            | "p"
            | "pp"
            | "print"
            | "printf"
            | "proc"
            | "putc"
            | "puts"
            | "require_relative"
            | "select"
            | "send"
            | "sleep"
            | "spawn"
            | "srand"
            | "syscall"
            | "system"
            | "test"
            | "throw"
            | "catch"
            | "trap"
            | "warn"
            | "block_given?"
            | "instance_variable_get"
            | "instance_variable_set"
            | "instance_eval"
            | "log"
            | "freeze"
            | "method"
            | "methods"
    )
}

pub(crate) fn unknown_function(name: &str, at: Span) -> Box<RubyError> {
    let error = RubyError::outside(at, format!("there is no function `{name}` in the subset"));
    let hint = match name {
        "system" | "exec" | "spawn" | "fork" | "open" => Some(
            "commands are never run; pass what they print in an environment variable or a file"
                .to_owned(),
        ),
        "puts" | "p" | "pp" | "print" | "printf" | "warn" | "log" => Some(
            "write the value into a field and look at the events with `@type stdout`".to_owned(),
        ),
        "lambda" | "proc" => Some("write the code where it is used, or in a block".to_owned()),
        "sleep" => Some("an expression cannot wait: events wait behind it".to_owned()),
        _ => nearest(name, Function::NAMES.iter().copied())
            .map(|near| format!("did you mean `{near}`?")),
    };
    Box::new(with_hint(error, hint))
}

pub(crate) fn unknown_method(name: &str, at: Span) -> Box<RubyError> {
    let error = RubyError::outside(at, format!("there is no method `{name}` in the subset"));
    let hint = match name {
        "send"
        | "public_send"
        | "method"
        | "instance_variable_get"
        | "instance_variable_set"
        | "instance_eval"
        | "eval"
        | "define_method" => Some("methods are called by their names".to_owned()),
        "tap_each" => None,
        _ => nearest(name, Method::TABLE.iter().map(|(name, _)| *name))
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| Some("docs/ruby-subset.md lists what there is".to_owned())),
    };
    Box::new(with_hint(error, hint))
}

pub(crate) fn unknown_constant(name: &str, at: Span) -> Box<RubyError> {
    let error = RubyError::outside(
        at,
        format!("there is no class or module `{name}` in the subset"),
    );
    let hint = nearest(name, Class::NAMES.iter().copied())
        .map(|near| format!("did you mean `{near}`?"))
        .or_else(|| Some("docs/ruby-subset.md lists what there is".to_owned()));
    Box::new(with_hint(error, hint))
}

pub(crate) fn unknown_class_method(name: &str, at: Span) -> Box<RubyError> {
    let error = RubyError::outside(at, format!("there is no `{name}` in the subset"));
    let hint = if name.starts_with("File.") || name.starts_with("Dir.") || name.starts_with("IO.") {
        Some("files are only read, and asked whether they are there".to_owned())
    } else {
        nearest(name, ClassMethod::NAMES.iter().copied())
            .map(|near| format!("did you mean `{near}`?"))
    };
    Box::new(with_hint(error, hint))
}

fn with_hint(error: RubyError, hint: Option<String>) -> RubyError {
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The name most like `name`, if one is like it at all.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let most = name.len() / 3;
    known
        .filter_map(|other| {
            let distance = distance(name.as_bytes(), other.as_bytes());
            (distance <= most.max(1) && distance < other.len()).then_some((distance, other))
        })
        .min()
        .map(|(_, other)| other)
}

/// How many letters must be put in, left out or changed; only short names are compared.
fn distance(one: &[u8], two: &[u8]) -> usize {
    if one.len() > 64 || two.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (index, left) in one.iter().enumerate() {
        let mut diagonal = index;
        let mut last = index + 1;
        let mut next = vec![last];
        for (right, above) in two.iter().zip(row.iter().skip(1)) {
            let changed = diagonal + usize::from(left != right);
            diagonal = *above;
            last = changed.min(last + 1).min(above + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}
