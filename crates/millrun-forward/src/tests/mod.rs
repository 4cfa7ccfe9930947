//! The two ends against Fluentd's recordings, against a slow decoder, against each other and
//! against hostile bytes.

mod conformance;
mod hostile;
mod oracle;
mod pair;
mod rules;
