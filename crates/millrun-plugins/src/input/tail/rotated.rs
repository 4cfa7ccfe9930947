//! Which names a rotation gives.
//!
//! ```text
//! suffix  = "." number                        in.log.1, in.log.1763700000
//!         | ( "." | "-" ) date { sep digits } in.log-20261121, in.log.2026-11-21, in.log-20261121_05
//! number  = 1 to 10 digits
//! date    = YYYYMMDD | YYYY-MM-DD             of a year from 1970 on
//! sep     = one of  - _ . : T                 the whole at most 40 characters
//! ```
//!
//! Nothing else: what is compressed (`.gz`), put aside (`.bak`, `.old`, `~`) or in the making
//! (`.swp`, `.tmp`) is no generation as it was written.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Longer suffixes are none.
const SUFFIX_BYTES_MAX: usize = 40;

/// Most digits of a number: seconds since 1970 have ten.
const NUMBER_DIGITS_MAX: usize = 10;

/// Whether `sibling` is named as a rotation names what stood at `path`; directories aside.
pub(crate) fn is_rotation_of(sibling: &Path, path: &Path) -> bool {
    let name = path.file_name().map(OsStrExt::as_bytes);
    let sibling = sibling.file_name().map(OsStrExt::as_bytes);
    let (Some(name), Some(sibling)) = (name, sibling) else {
        return false;
    };
    sibling.strip_prefix(name).is_some_and(is_rotation_suffix)
}

/// Whether the file is named as compressed ones are.
pub(crate) fn is_packed(path: &Path) -> bool {
    let packed = ["gz", "zst", "xz", "bz2", "lz4", "zip"];
    path.extension()
        .is_some_and(|extension| packed.iter().any(|packed| extension == *packed))
}

/// Whether what follows the name of a followed file is what a rotation appends.
fn is_rotation_suffix(suffix: &[u8]) -> bool {
    let (separator, rest) = match suffix.split_first() {
        Some((separator @ (b'.' | b'-'), rest)) if suffix.len() <= SUFFIX_BYTES_MAX => {
            (*separator, rest)
        }
        _ => return false,
    };
    let is_number =
        !rest.is_empty() && rest.len() <= NUMBER_DIGITS_MAX && rest.iter().all(u8::is_ascii_digit);
    if is_number && separator == b'.' {
        return true;
    }
    let Some(mut rest) = after_date(rest) else {
        return false;
    };
    while let Some((separator, more)) = rest.split_first() {
        let digits = more.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !b"-_.:T".contains(separator) || digits == 0 {
            return false;
        }
        rest = more.get(digits..).unwrap_or_default();
    }
    true
}

/// What follows the date that `text` begins with.
fn after_date(text: &[u8]) -> Option<&[u8]> {
    let mut digits = Vec::with_capacity(8);
    let mut rest = text;
    let dashed = text.get(4) == Some(&b'-');
    for length in [4, 2, 2] {
        if dashed && !digits.is_empty() {
            rest = rest.strip_prefix(b"-")?;
        }
        let (part, after) = rest.split_at_checked(length)?;
        let number = std::str::from_utf8(part).ok()?;
        let is_number = part.iter().all(u8::is_ascii_digit);
        digits.push(number.parse::<u32>().ok().filter(|_| is_number)?);
        rest = after;
    }
    let is_date = matches!(*digits, [1970..=9999, 1..=12, 1..=31]);
    // A ninth digit makes it a number.
    let is_longer = rest.first().is_some_and(u8::is_ascii_digit);
    (is_date && !is_longer).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_dates_are_what_rotations_append() {
        for suffix in [
            ".1",
            ".0",
            ".10",
            ".1763700000",
            "-20261121",
            ".20261121",
            ".2026-11-21",
            "-2026-11-21",
            "-20261121-1763700000",
            ".2026-11-21_05",
            ".2026-11-21T05:10:43",
            "-20261121.1",
        ] {
            assert!(is_rotation_suffix(suffix.as_bytes()), "{suffix}");
        }
        for suffix in [
            "",
            ".",
            "-",
            "1",
            "-1",
            ".gz",
            ".1.gz",
            ".bak",
            ".1.bak",
            ".swp",
            ".old",
            "~",
            ".tmp",
            ".1~",
            ".10.0.0.1",
            ".17637000001",
            ".2026-13-01",
            ".2026-11-32",
            ".2026-11",
            "-20261121x",
            "-20261121-",
            "-20261121--1",
            ".offset",
            ".2026-1121",
            "-+2261121",
        ] {
            assert!(!is_rotation_suffix(suffix.as_bytes()), "{suffix}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_panic(suffix in prop::collection::vec(prop_oneof![Just(b'-'), Just(b'1'), any::<u8>()], 0..50)) {
            is_rotation_suffix(&suffix);
        }
    }
}
