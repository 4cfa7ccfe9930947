//! Event streams as msgpack bytes: times, records, cursors, writers.
#![forbid(unsafe_code)]
