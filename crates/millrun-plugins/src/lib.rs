//! The inputs, filters, parsers, formatters and outputs of millrun.
#![forbid(unsafe_code)]
