//! The evaluator for a documented subset of Ruby.
//!
//! Configurations of Fluentd hold expressions: `#{…}` in their values, evaluated once, and `${…}` in the filters that
//! change records, evaluated for every event. This crate compiles them once and runs them under limits, over the msgpack
//! bytes of a record. It is no Ruby: there are no definitions, no threads, no commands, nothing that writes. What is
//! outside the subset (docs/ruby-subset.md) is an error with its place when it is compiled, never a surprise later.
//!
//! ```
//! use millrun_event::{EventTime, Record, write};
//! use millrun_pattern::Zone;
//! use millrun_ruby::{Evaluated, Evaluator, Place, Program, SystemWorld};
//!
//! let mut evaluator = Evaluator::new(SystemWorld::new("web1", "0", Zone::UTC, 1));
//! let program = Program::expression(r#"(ENV["NOBODY_SET_THIS"] || hostname).upcase"#, Place::Configuration)?;
//! assert_eq!(evaluator.text(&program)?, Evaluated::Text("WEB1".to_owned()));
//!
//! let mut record = Vec::new();
//! write::map(&mut record, 1);
//! write::str(&mut record, b"level");
//! write::str(&mut record, b"warn");
//! let program = Program::template(r#"${record["level"].upcase}"#, true, Place::Record)?;
//! let mut value = Vec::new();
//! let mut event = evaluator.event(Record::new(&record), "app.web", EventTime::new(1_700_000_000, 0));
//! event.evaluate(&program, &mut value)?;
//! assert_eq!(value, b"\xa4WARN");
//! # Ok::<(), millrun_ruby::RubyError>(())
//! ```
#![forbid(unsafe_code)]

mod base64;
mod call;
mod class;
mod class_call;
mod class_file;
#[cfg(feature = "configuration")]
mod configuration;
mod digest;
mod error;
mod eval;
mod evaluator;
mod format;
mod hash;
mod heap;
mod leading;
mod lexer;
mod lexer_text;
mod limits;
mod list;
mod list_change;
mod machine;
mod matching;
mod matching_all;
mod method;
mod node;
mod number;
mod object;
mod operate;
mod parser;
mod parser_call;
mod parser_keyword;
mod parser_primary;
mod parser_statement;
mod pattern;
mod program;
mod record;
#[cfg(test)]
mod reference;
mod show;
mod string;
mod string_change;
mod string_letters;
mod suggest;
mod text;
mod time_methods;
mod time_value;
mod token;
mod value;
mod walk;
mod world;

pub use crate::error::{ErrorKind, RubyError};
pub use crate::evaluator::{Evaluated, Evaluator, Event};
pub use crate::leading::{leading_float, leading_integer};
pub use crate::limits::{
    CODE_BYTES_MAX, DYNAMIC_REGEXES_MAX, FILE_BYTES_MAX, Limits, NESTING_MAX, TIME_FORMATS_MAX,
};
pub use crate::program::{Place, Program};
pub use crate::world::{SystemWorld, World};
