//! The fluent.conf language: lexer, element tree with spans, typed parameters, diagnostics.
#![forbid(unsafe_code)]
