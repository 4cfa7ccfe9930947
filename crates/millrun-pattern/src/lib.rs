//! Tag patterns, Ruby-flavoured regular expressions, times, record accessors.
#![forbid(unsafe_code)]
