//! The plugins of millrun: one plugin, one file or folder.
//!
//! ```text
//! input/      where events come from          tail, forward
//! parser/     what a line means               none, json, nginx, syslog, ltsv, multiline …
//! filter/     what happens on the way         grep, record_transformer, parser, dedot …
//! formatter/  what an event looks like        out_file, json, stdout …
//! output/     where events go                 forward, file, stdout, copy, relabel, rewrite_tag_filter …
//! transport/  TCP and TLS                     for what speaks over a network
//! joining/    parts of one event              for concat and detect_exceptions
//! ```
//!
//! Each declares its parameters once and brings its tests. What carries events between them, keeps
//! them and repeats them is `millrun-core`; nothing here starts a thread that core did not ask for.
//!
//! ```
//! let registry = millrun_plugins::registry();
//! assert!(registry.inputs().contains_key("tail"));
//! ```
#![forbid(unsafe_code)]

mod charset;
mod filter;
pub mod formatter;
mod input;
mod joining;
mod output;
pub mod parser;
mod patterns;
mod repeats;
mod time_section;
mod transport;

use millrun_core::{BufferParameters, LogParameters, Registry};

pub use self::patterns::patterns;

/// Every plugin of this build.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    input::register(&mut registry);
    filter::register(&mut registry);
    output::register(&mut registry);
    for (name, schema) in parser::PARSERS {
        registry.add_parser(name, schema);
    }
    for (name, schema) in formatter::FORMATTERS {
        registry.add_formatter(name, schema);
    }
    registry.add_section(BufferParameters::SCHEMA);
    registry.add_section(formatter::InjectParameters::SCHEMA);
    registry.add_section(LogParameters::SCHEMA);
    registry
}

/// A position file of in_tail, read and written anew; nothing if it is none. For tests of its
/// format only: not part of the interface.
#[doc(hidden)]
pub fn rewrite_position_file(content: &[u8]) -> Option<Vec<u8>> {
    input::rewritten_positions(content)
}
