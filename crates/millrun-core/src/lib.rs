//! Plugin traits, routing, transactions, pipelines.
#![forbid(unsafe_code)]
