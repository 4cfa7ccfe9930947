//! The language from outside: what a person sees of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the house's exception for tests does not reach their helpers"
)]

mod dump;
mod errors;
mod include_errors;
mod includes;
mod legacy;
mod loading;
mod parameters;
mod reference;
#[path = "../ruby/mod.rs"]
mod ruby;
mod support;
mod syntax;
#[cfg(feature = "yaml")]
mod yaml;
