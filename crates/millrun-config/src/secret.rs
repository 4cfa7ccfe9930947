//! A value that must not be shown.

use std::fmt;

use crate::{Conversion, FromValue, Kind, ValueError};

/// What stands for a secret wherever a configuration is shown.
pub const MASK: &str = "xxxxxx";

/// A value that prints as [`MASK`], so that no log line or panic message can show it by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. The word is meant to be found by a search.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T: FromValue> FromValue for Secret<T> {
    const KIND: Kind = T::KIND;

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        // Neither errors nor remarks may quote the text.
        let mut silent = Conversion::new(conversion.strictness);
        T::from_text(text, &mut silent)
            .map(Self)
            .map_err(|_| ValueError::Other("the value does not fit the type".to_owned()))
    }
}
