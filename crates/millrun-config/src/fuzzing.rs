//! The lexer as its fuzz target sees it; only with the feature `fuzzing`.

use std::ops::Range;

use crate::{Diagnostic, Sources, lexer::tokenize};

/// The bytes of each token of a text, in order, and what the lexer has to say. The text that was cut is that of the only
/// source: it has no byte-order mark any more.
#[must_use]
pub fn tokens(text: &str) -> (Vec<Range<usize>>, Vec<Diagnostic>, Sources) {
    let mut sources = Sources::default();
    let file = sources.add("f.conf", text);
    let text = sources.file(file).map_or("", |source| source.text());
    let (tokens, errors) = tokenize(file, text);
    let ranges = tokens.iter().map(|token| token.span.range());
    (ranges.collect(), errors, sources)
}
