//! Which Rust types a parameter can have, and how a text becomes one.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use crate::{Conversion, Json, Kind, Regexp, TimeSpan, ValueError, value_error::range};

/// A type that a parameter can have.
pub trait FromValue: Sized {
    /// The type in words.
    const KIND: Kind;
    /// Whether the type has a value for "nothing", which makes a parameter optional.
    const IS_NULLABLE: bool = false;

    /// The value of a text. What is accepted although it looks like a mistake goes into the
    /// conversion's remarks.
    ///
    /// # Errors
    /// If the text is no value of the type.
    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError>;

    /// The value for "nothing", if the type has one.
    #[must_use]
    fn nil() -> Option<Self> {
        None
    }

    /// The value of an item of a JSON list or hash.
    ///
    /// # Errors
    /// If the item is no value of the type.
    fn from_json(json: &Json, conversion: &mut Conversion) -> Result<Self, ValueError> {
        match json {
            Json::Null => Self::nil().ok_or(ValueError::Nil),
            other => Self::from_text(&other.to_text(), conversion),
        }
    }
}

/// A number of bytes, written with `k`, `m`, `g` or `t` for powers of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

/// A number of bytes, or no limit, which is written as a negative number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SizeLimit(pub Option<u64>);

/// Permission bits, written in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mode(pub u32);

/// A word without its colon.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Symbol(pub String);

/// Pairs in the order written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash<T>(pub Vec<(String, T)>);

impl<T: FromValue> FromValue for Option<T> {
    const KIND: Kind = T::KIND;
    const IS_NULLABLE: bool = true;

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        match T::from_text(text, conversion) {
            Err(ValueError::Nil) => Ok(None),
            other => other.map(Some),
        }
    }

    fn nil() -> Option<Self> {
        Some(None)
    }
}

impl FromValue for String {
    const KIND: Kind = Kind::String;

    fn from_text(text: &str, _: &mut Conversion) -> Result<Self, ValueError> {
        Ok(text.to_owned())
    }
}

impl FromValue for PathBuf {
    const KIND: Kind = Kind::Path;

    fn from_text(text: &str, _: &mut Conversion) -> Result<Self, ValueError> {
        Ok(text.into())
    }
}

impl FromValue for bool {
    const KIND: Kind = Kind::Bool;

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        conversion.bool(text)
    }
}

/// An integer type with its limits in the error.
macro_rules! integer {
    ($($integer:ty),*) => {$(
        impl FromValue for $integer {
            const KIND: Kind = Kind::Integer;

            fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
                let value = conversion.integer(text)?;
                Self::try_from(value).map_err(|_| within(text, Self::MIN..=Self::MAX))
            }
        }
    )*};
}
integer!(i64, i32, u64, u32, u16, u8, usize);

fn within<T: std::fmt::Display>(text: &str, limits: RangeInclusive<T>) -> ValueError {
    range(text, format!("{} to {}", limits.start(), limits.end()))
}

impl FromValue for f64 {
    const KIND: Kind = Kind::Float;

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        conversion.float(text)
    }
}

impl FromValue for Size {
    const KIND: Kind = Kind::Size;

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        let bytes = u64::try_from(conversion.size(text)?);
        bytes
            .map(Self)
            .map_err(|_| range(text, "a size that is not negative"))
    }
}

impl FromValue for SizeLimit {
    const KIND: Kind = Kind::Size;

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        Ok(Self(u64::try_from(conversion.size(text)?).ok()))
    }
}

impl FromValue for Duration {
    const KIND: Kind = Kind::Time;

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        let duration = match conversion.time(text)? {
            TimeSpan::Whole(seconds) => u64::try_from(seconds).ok().map(Self::from_secs),
            TimeSpan::Fraction(seconds) => Self::try_from_secs_f64(seconds).ok(),
        };
        duration.ok_or_else(|| range(text, "a time that is not negative"))
    }
}

impl FromValue for Mode {
    const KIND: Kind = Kind::Mode;

    fn from_text(text: &str, _: &mut Conversion) -> Result<Self, ValueError> {
        let mode = u32::from_str_radix(text.trim(), 8)
            .ok()
            .filter(|mode| *mode <= 0o7777);
        mode.map(Self)
            .ok_or_else(|| range(text, "permission bits up to 7777"))
    }
}

impl FromValue for Symbol {
    const KIND: Kind = Kind::Symbol;

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        conversion.symbol(text).map(Self)
    }
}

impl FromValue for Regexp {
    const KIND: Kind = Kind::Regexp;

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        conversion.regexp(text)
    }
}

impl FromValue for Json {
    const KIND: Kind = Kind::Json;

    /// Text that is no JSON stands for itself.
    fn from_text(text: &str, _: &mut Conversion) -> Result<Self, ValueError> {
        Ok(Json::parse(text).unwrap_or_else(|_| Json::String(text.to_owned())))
    }

    fn from_json(json: &Json, _: &mut Conversion) -> Result<Self, ValueError> {
        Ok(json.clone())
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    const KIND: Kind = Kind::Array(&T::KIND);

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        let items = conversion.array(text)?;
        items
            .iter()
            .map(|item| T::from_json(item, conversion))
            .collect()
    }
}

impl<T: FromValue> FromValue for Hash<T> {
    const KIND: Kind = Kind::Hash(&T::KIND);

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        let pairs = conversion.hash(text)?;
        let value = |value: Option<Json>, conversion: &mut Conversion| {
            T::from_json(&value.unwrap_or(Json::Null), conversion)
        };
        let pairs = pairs
            .into_iter()
            .map(|(key, v)| value(v, conversion).map(|v| (key, v)));
        pairs.collect::<Result<_, _>>().map(Self)
    }
}
