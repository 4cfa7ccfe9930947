//! A framework for servers that do not die: supervision, restart, reload, shared sockets, signals.
#![forbid(unsafe_code)]
