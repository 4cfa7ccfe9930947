//! The fluent.conf language.
//!
//! Text becomes tokens, tokens become a tree of [`Element`]s in which everything knows where it
//! was written, and an element becomes the typed parameters a plugin declared with
//! [`parameters!`]. Every step reports all it has to say into [`Diagnostics`] and goes on; nothing
//! stops at the first error. YAML becomes the same tree. It does no I/O of its own: includes are read through [`Includes`],
//! embedded Ruby is left to an [`Evaluate`].
//!
//! ```
//! use millrun_config::{NoIncludes, NoRuby, RenderStyle, parse_str};
//!
//! let text = "<match app.**>\n  @type file\n  path \"/var/log/mill\"\n</match>\n";
//! let parsed = parse_str("fluent.conf", text, &mut NoRuby, &mut NoIncludes);
//!
//! let output = &parsed.root.elements()[0];
//! assert_eq!((output.name(), output.argument()), ("match", "app.**"));
//! assert_eq!(output.text("path"), Some("/var/log/mill"));
//! assert_eq!(parsed.diagnostics.render(&parsed.sources, RenderStyle::Plain), "");
//! ```
//!
//! It is not a checker of pipelines: it knows no plugin, and whether a tag or a label leads
//! anywhere is for others to say.
#![forbid(unsafe_code)]

mod common;
mod convert;
mod diagnostic;
mod dump;
mod element;
mod environment;
mod evaluate;
mod evaluation;
mod from_value;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod glob;
mod include;
mod includes;
mod intended;
mod json;
mod legacy;
mod lexer;
mod literal;
mod load;
mod macros;
mod number;
mod parser;
mod read;
mod reference;
mod render;
mod schema;
mod secret;
mod source;
mod suggestion;
mod token;
mod value;
mod value_error;
#[cfg(feature = "yaml")]
mod yaml;

pub use common::{Common, LogLevel};
pub use convert::{Conversion, Pairs, Regexp, TimeSpan};
pub use diagnostic::{
    Diagnostic, Diagnostics, Label, MAX_DIAGNOSTICS, RenderStyle, Severity, Strictness,
};
pub use dump::{SchemaOf, dump, print};
pub use element::{Element, Entry, MAX_ELEMENT_DEPTH};
pub use environment::Environment;
pub use evaluate::{Evaluate, EvaluateError, Evaluated, NoRuby};
pub use from_value::{FromValue, Hash, Mode, Size, SizeLimit, Symbol};
pub use include::{MAX_INCLUDE_DEPTH, MAX_INCLUDES};
pub use includes::{Disk, Includes, NoIncludes};
pub use json::{Json, JsonError, MAX_JSON_DEPTH};
pub use legacy::{Legacy, modernise};
pub use load::{
    DEFAULT_INCLUDE_DIRECTORY, FileKind, LoadError, LoadOptions, Loaded, inline_text, load,
};
pub use parser::{Parsed, parse_str};
pub use read::{
    FromElement, FromSections, SectionPath, meant_bool, read_parameter, read_sections, warn_unused,
};
pub use reference::{ReferencePage, summary};
pub use schema::{DefaultValue, Kind, Occurrence, Parameter, Schema, Section};
pub use secret::{MASK, Secret};
pub use source::{FileId, MAX_FILE_BYTES, Position, Source, Sources, Span};
pub use suggestion::nearest;
pub use value::{Content, Notation, Value};
pub use value_error::ValueError;
#[cfg(feature = "yaml")]
pub use yaml::YamlError;
