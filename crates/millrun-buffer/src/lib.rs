//! Chunks, the ledger, recovery and retry: the keeping of what was accepted.
#![forbid(unsafe_code)]
