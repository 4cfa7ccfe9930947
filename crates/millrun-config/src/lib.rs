//! The fluent.conf language.
//!
//! Text becomes tokens, tokens become a tree of [`Element`]s in which everything knows where it
//! was written, and an element becomes the typed parameters a plugin declared with
//! [`parameters!`]. Every step reports all it has to say into [`Diagnostics`] and goes on; nothing
//! stops at the first error. It does no I/O of its own: includes are read through [`Includes`],
//! the process is seen through [`Environment`], and embedded Ruby is left to an [`Evaluate`].
//!
//! It is not a checker of pipelines: it knows no plugin, and whether a tag or a label leads
//! anywhere is for others to say.
#![forbid(unsafe_code)]

mod common;
mod convert;
mod diagnostic;
mod element;
mod environment;
mod from_value;
mod json;
mod macros;
mod number;
mod read;
mod render;
mod schema;
mod secret;
mod source;
mod suggestion;
mod value;

pub use common::{Common, LogLevel};
pub use convert::{Conversion, Pairs, Regexp, TimeSpan, ValueError};
pub use diagnostic::{
    Diagnostic, Diagnostics, Label, MAX_DIAGNOSTICS, RenderStyle, Severity, Strictness,
};
pub use element::{Element, Entry, MAX_ELEMENT_DEPTH};
pub use environment::Environment;
pub use from_value::{FromValue, Hash, Mode, Size, SizeLimit, Symbol};
pub use json::{Json, JsonError, MAX_JSON_DEPTH};
pub use read::{
    FromElement, FromSections, SectionPath, read_parameter, read_sections, warn_unused,
};
pub use schema::{DefaultValue, Kind, Occurrence, Parameter, Schema, Section};
pub use secret::{MASK, Secret};
pub use source::{FileId, MAX_FILE_BYTES, Position, Source, Sources, Span};
pub use suggestion::nearest;
pub use value::{Content, Notation, Value};
