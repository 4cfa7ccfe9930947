//! Floats as text, digit for digit as Ruby's writers print them.
//!
//! ```text
//!                 1e15                1.2e17                 1e20       0.00001    -0.0   NaN
//! Oj              1000000000000000.0  120000000000000000.0   1.0e+20    1.0e-05    0.0    null
//! Json            1.0e+15             1.2e+17                1.0e+20    1.0e-05    -0.0   null
//! Ruby (to_s)     1.0e+15             1.2e+17                1.0e+20    1.0e-05    -0.0   NaN
//! ```
//!
//! All print the shortest digits that read back as the same double, but Oj prints whole numbers
//! within 64 bits in full. `null` for what JSON has no word for is ours (Fluentd writes `NaN`, which
//! few readers take).

/// Which of Ruby's writers to print like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FloatText {
    /// The Oj library, Fluentd's default.
    #[default]
    Oj,
    /// The json and yajl libraries.
    Json,
    /// `Float#to_s`, for text that is not JSON.
    Ruby,
}

/// Floats without an exponent, in all styles.
const PLAIN: std::ops::Range<f64> = 1e-4..1e15;

/// What most floats of a record are, and what all styles print alike.
#[inline]
pub(super) fn plain_float(buffer: &mut zmij::Buffer, number: f64) -> Option<&[u8]> {
    if !PLAIN.contains(&number.abs()) {
        return None;
    }
    let text = buffer.format_finite(number).as_bytes();
    (!text.contains(&b'e')).then_some(text)
}

/// Appends `number` as text.
pub fn write_float(out: &mut Vec<u8>, number: f64, style: FloatText) {
    if !number.is_finite() {
        out.extend_from_slice(match style {
            FloatText::Oj | FloatText::Json => b"null",
            FloatText::Ruby if number.is_nan() => b"NaN",
            FloatText::Ruby if number > 0.0 => b"Infinity",
            FloatText::Ruby => b"-Infinity",
        });
        return;
    }
    let plain_up_to = match style {
        FloatText::Oj if is_whole_in_64_bits(number) => {
            // Also what turns -0.0 into 0.0.
            let mut buffer = itoa::Buffer::new();
            out.extend_from_slice(buffer.format(number as i64).as_bytes());
            out.extend_from_slice(b".0");
            return;
        }
        FloatText::Oj => 16,
        FloatText::Ruby | FloatText::Json => 15,
    };
    let mut buffer = zmij::Buffer::new();
    if let Some(text) = plain_float(&mut buffer, number) {
        out.extend_from_slice(text);
        return;
    }
    let decimal = Decimal::of(buffer.format_finite(number).as_bytes());
    if number.is_sign_negative() {
        out.push(b'-');
    }
    decimal.write(out, plain_up_to);
}

fn is_whole_in_64_bits(number: f64) -> bool {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (-LIMIT..LIMIT).contains(&number) && number.fract() == 0.0
}

/// `0.digits × 10^point`.
struct Decimal {
    digits: [u8; MAX_DIGITS],
    len: usize,
    point: i32,
}

/// A double needs no more digits to be read back.
const MAX_DIGITS: usize = 17;

impl Decimal {
    /// Reads the printed form of a finite float, in whatever notation.
    fn of(text: &[u8]) -> Self {
        let (mut digits, mut len) = ([b'0'; MAX_DIGITS], 0);
        let (mut point, mut behind_point) = (0, false);
        let mut rest = text.iter();
        for byte in rest.by_ref() {
            match byte {
                b'.' => behind_point = true,
                b'e' | b'E' => break,
                b'0' if len == 0 => point -= i32::from(behind_point),
                b'0'..=b'9' => {
                    // Zeros behind the last digit are counted in `point` and not kept.
                    point += i32::from(!behind_point);
                    if let Some(slot) = digits.get_mut(len) {
                        *slot = *byte;
                        len += 1;
                    }
                }
                _ => {}
            }
        }
        let exponent = std::str::from_utf8(rest.as_slice())
            .ok()
            .and_then(|exponent| exponent.parse::<i32>().ok())
            .unwrap_or(0);
        while len > 1 && digits.get(len - 1) == Some(&b'0') {
            len -= 1;
        }
        if len == 0 {
            (len, point) = (1, 1);
        }
        Self {
            digits,
            len,
            point: point + exponent,
        }
    }

    fn write(&self, out: &mut Vec<u8>, plain_up_to: i32) {
        let digits = self.digits.get(..self.len).unwrap_or_default();
        if (1..=plain_up_to).contains(&self.point) {
            let whole = self.point.unsigned_abs() as usize;
            let (before, behind) = digits.split_at(whole.min(digits.len()));
            out.extend_from_slice(before);
            out.resize(out.len() + whole - before.len(), b'0');
            out.push(b'.');
            out.extend_from_slice(if behind.is_empty() { b"0" } else { behind });
        } else if (-3..=0).contains(&self.point) {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + self.point.unsigned_abs() as usize, b'0');
            out.extend_from_slice(digits);
        } else {
            let (first, behind) = digits.split_at(1);
            out.extend_from_slice(first);
            out.push(b'.');
            out.extend_from_slice(if behind.is_empty() { b"0" } else { behind });
            let exponent = self.point - 1;
            out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
            if exponent.unsigned_abs() < 10 {
                out.push(b'0');
            }
            let mut buffer = itoa::Buffer::new();
            out.extend_from_slice(buffer.format(exponent.unsigned_abs()).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(number: f64, style: FloatText) -> String {
        let mut out = Vec::new();
        write_float(&mut out, number, style);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prints_as_rubys_writers_do() {
        let table = [
            (1e15, "1000000000000000.0", "1.0e+15", "1.0e+15"),
            (
                999_999_999_999_999.0,
                "999999999999999.0",
                "999999999999999.0",
                "999999999999999.0",
            ),
            (
                1_234_567_890_123_456.7,
                "1234567890123456.8",
                "1.2345678901234568e+15",
                "1.2345678901234568e+15",
            ),
            (1e16, "10000000000000000.0", "1.0e+16", "1.0e+16"),
            (1.2e17, "120000000000000000.0", "1.2e+17", "1.2e+17"),
            (1e20, "1.0e+20", "1.0e+20", "1.0e+20"),
            (-1e100, "-1.0e+100", "-1.0e+100", "-1.0e+100"),
            (0.0001, "0.0001", "0.0001", "0.0001"),
            (0.000_012_5, "1.25e-05", "1.25e-05", "1.25e-05"),
            (5e-324, "5.0e-324", "5.0e-324", "5.0e-324"),
            (-0.0, "0.0", "-0.0", "-0.0"),
            (3.0, "3.0", "3.0", "3.0"),
            (100.25, "100.25", "100.25", "100.25"),
            (
                -9_223_372_036_854_775_808.0,
                "-9223372036854775808.0",
                "-9.223372036854776e+18",
                "-9.223372036854776e+18",
            ),
            (
                9_223_372_036_854_775_808.0,
                "9.223372036854776e+18",
                "9.223372036854776e+18",
                "9.223372036854776e+18",
            ),
            (f64::NAN, "null", "null", "NaN"),
            (f64::INFINITY, "null", "null", "Infinity"),
            (f64::NEG_INFINITY, "null", "null", "-Infinity"),
        ];
        for (number, oj, gem, ruby) in table {
            assert_eq!(text(number, FloatText::Oj), oj);
            assert_eq!(text(number, FloatText::Json), gem);
            assert_eq!(text(number, FloatText::Ruby), ruby);
        }
    }

    proptest! {
        #[test]
        fn the_short_way_prints_what_the_long_one_does(mantissa in -1e6..1e6, power in -9..20) {
            let number: f64 = mantissa * 10f64.powi(power);
            for (style, plain_up_to) in [(FloatText::Json, 15), (FloatText::Ruby, 15)] {
                let mut long = Vec::new();
                let mut buffer = zmij::Buffer::new();
                if number.is_sign_negative() {
                    long.push(b'-');
                }
                Decimal::of(buffer.format_finite(number).as_bytes()).write(&mut long, plain_up_to);
                prop_assert_eq!(text(number, style), String::from_utf8(long).unwrap());
            }
        }

        #[test]
        fn reads_back_as_the_same_double(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            for style in [FloatText::Oj, FloatText::Json, FloatText::Ruby] {
                prop_assert_eq!(text(number, style).parse::<f64>().unwrap(), number);
            }
        }
    }
}
