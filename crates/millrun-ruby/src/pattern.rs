//! A regular expression as a value.

use std::sync::atomic::{AtomicU64, Ordering};

use millrun_pattern::{Flags, Regex, RegexError};

/// A compiled regular expression with its text.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    pub(crate) source: String,
    pub(crate) flags: Flags,
    /// Tells patterns apart, so that memory for matches can be kept between evaluations.
    pub(crate) id: u64,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Pattern {
    pub(crate) fn compile(source: &str, flags: Flags) -> Result<Self, RegexError> {
        Ok(Self {
            regex: Regex::compile(source, flags)?,
            source: source.to_owned(),
            flags,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        })
    }
}

/// `text` with everything escaped that means something in a regular expression.
pub(crate) fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        let letter = match byte {
            b'\n' => b'n',
            b'\t' => b't',
            b'\r' => b'r',
            0x0c => b'f',
            0x0b => b'v',
            b'.' | b'*' | b'?' | b'+' | b'^' | b'$' | b'|' | b'\\' | b'(' | b')' | b'[' | b']'
            | b'{' | b'}' | b'-' | b' ' | b'#' => byte,
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
    out
}
