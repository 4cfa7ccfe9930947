//! The expressions of the program's own parsers: each is compiled once, however many sections name the parser.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use millrun_pattern::{Flags, Regex, RegexError};

/// What was compiled so far. There are only as many as the program has expressions.
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);

/// An expression of the program's own.
///
/// # Errors
/// As [`Regex::compile`].
pub(super) fn built_in(source: &str) -> Result<Arc<Regex>, RegexError> {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = compiled.get(source) {
        return Ok(Arc::clone(regex));
    }
    let regex = Arc::new(Regex::compile(source, Flags::default())?);
    compiled.insert(source.to_owned(), Arc::clone(&regex));
    Ok(regex)
}
