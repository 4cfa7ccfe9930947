//! The two ends against a slow decoder, against each other and
//! against hostile bytes.

mod hostile;
mod oracle;
mod pair;
mod rules;
