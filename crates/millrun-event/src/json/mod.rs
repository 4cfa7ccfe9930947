//! JSON text to msgpack and back, without a tree in between.
//!
//! ```text
//! transcode     JSON text      → one msgpack value   containers' headers patched when their end is seen
//! write_value   msgpack value  → JSON text           as Fluentd's json formatter prints it; write_next in a stream
//! ```
//!
//! The reader is our own because the dialect is: Fluentd's reader (Oj) takes comments, raw control
//! characters within strings, bytes that are not UTF-8, `NaN` and numbers beyond a double's range,
//! and collectors meet all of them; a strict reader would turn each such line into a loss. It is
//! also twice as fast as a visitor driven through a general deserialiser, since a string without an
//! escape is found with one search and copied once.
//!
//! Sources: fluentd.md sections 3.8 and 3.9, RFC 8259.

mod error;
mod float;
mod lanes;
mod number;
mod read;
mod scan;
mod sheet;
mod string;
mod write;

pub use error::JsonError;
pub use float::{FloatText, write_float};
pub use read::{
    DUPLICATE_SCAN_KEYS, MAX_DUPLICATES, Wanted, transcode, transcode_prefix, transcode_wanting,
};
pub use write::{write_next, write_str, write_value};

#[cfg(test)]
mod tests;
