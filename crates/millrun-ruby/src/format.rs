//! `format` and `%`.

use crate::{
    class::Class,
    error::Span,
    machine::Machine,
    text,
    value::{Run, Text, Value},
};

/// The widest field and the longest fraction a format may ask for.
const WIDTH_MAX: usize = 64 * 1024;

#[derive(Default)]
struct Directive {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternative: bool,
    width: usize,
    precision: Option<usize>,
}

impl Machine<'_> {
    pub(crate) fn format(&mut self, format: Text, arguments: &[Value], at: Span) -> Run<Value> {
        let format = self.held(format).into_owned();
        let mut out = self.heap.buffer();
        let mut rest = format.as_slice();
        let mut next = 0;
        while let Some((&byte, tail)) = rest.split_first() {
            rest = tail;
            if byte != b'%' {
                out.push(byte);
                continue;
            }
            let mut directive = Directive::default();
            let mut named = None;
            loop {
                let Some((&byte, tail)) = rest.split_first() else {
                    return self.raise(
                        Class::ArgumentError,
                        at,
                        "incomplete format specifier; use %% (double %) instead",
                    );
                };
                rest = tail;
                match byte {
                    b'-' => directive.left = true,
                    b'+' => directive.plus = true,
                    b' ' => directive.space = true,
                    b'0' => directive.zero = true,
                    b'#' => directive.alternative = true,
                    b'1'..=b'9' => {
                        let mut number = usize::from(byte - b'0');
                        while let Some((digit @ b'0'..=b'9', tail)) = rest.split_first() {
                            number = number
                                .saturating_mul(10)
                                .saturating_add(usize::from(digit - b'0'));
                            rest = tail;
                        }
                        if rest.first() == Some(&b'$') {
                            rest = rest.get(1..).unwrap_or_default();
                            named = Some(
                                arguments
                                    .get(number.wrapping_sub(1))
                                    .copied()
                                    .unwrap_or(Value::Nil),
                            );
                        } else {
                            directive.width = number.min(WIDTH_MAX);
                        }
                    }
                    b'*' => {
                        let width = self.next_argument(arguments, &mut next, at)?;
                        let width = self.as_int(width, at)?;
                        directive.left |= width < 0;
                        directive.width = usize::try_from(width.unsigned_abs())
                            .unwrap_or(WIDTH_MAX)
                            .min(WIDTH_MAX);
                    }
                    b'.' => {
                        let mut number = 0usize;
                        while let Some((digit @ b'0'..=b'9', tail)) = rest.split_first() {
                            number = number
                                .saturating_mul(10)
                                .saturating_add(usize::from(digit - b'0'));
                            rest = tail;
                        }
                        directive.precision = Some(number.min(1024));
                    }
                    b'<' | b'{' => {
                        let close = if byte == b'<' { b'>' } else { b'}' };
                        let end = rest
                            .iter()
                            .position(|byte| *byte == close)
                            .unwrap_or(rest.len());
                        let name = rest.get(..end).unwrap_or_default();
                        let options = arguments.first().copied().unwrap_or(Value::Nil);
                        let Some(value) = self.symbol_option(options, name)? else {
                            let name = String::from_utf8_lossy(name).into_owned();
                            return self.raise(
                                Class::KeyError,
                                at,
                                format!("key<{name}> not found"),
                            );
                        };
                        rest = rest.get(end + 1..).unwrap_or_default();
                        if byte == b'{' {
                            let mut shown = Vec::new();
                            self.write_text(value, &mut shown)?;
                            pad(&mut out, &shown, &directive, false);
                            break;
                        }
                        named = Some(value);
                    }
                    b'%' => {
                        out.push(b'%');
                        break;
                    }
                    letter => {
                        let value = match named {
                            Some(value) => value,
                            None => self.next_argument(arguments, &mut next, at)?,
                        };
                        self.format_one(letter, value, &directive, &mut out, at)?;
                        break;
                    }
                }
            }
            self.check_size(out.len())?;
        }
        self.new_text(out)
    }

    fn next_argument(&self, arguments: &[Value], next: &mut usize, at: Span) -> Run<Value> {
        *next += 1;
        match arguments.get(*next - 1) {
            Some(value) => Ok(*value),
            None => self.raise(Class::ArgumentError, at, "too few arguments"),
        }
    }

    fn format_one(
        &mut self,
        letter: u8,
        value: Value,
        directive: &Directive,
        out: &mut Vec<u8>,
        at: Span,
    ) -> Run<()> {
        match letter {
            b's' | b'p' => {
                let mut shown = Vec::new();
                if letter == b's' {
                    self.write_text(value, &mut shown)?;
                } else {
                    self.write_inspect(value, &mut shown)?;
                }
                if let Some(end) = directive
                    .precision
                    .and_then(|most| text::char_offset(&shown, most))
                {
                    shown.truncate(end);
                }
                pad(out, &shown, directive, false);
            }
            b'c' => {
                let mut shown = Vec::new();
                match value {
                    Value::Int(number) => {
                        let letter = u32::try_from(number).ok().and_then(char::from_u32);
                        shown.extend_from_slice(
                            letter.map(String::from).unwrap_or_default().as_bytes(),
                        );
                    }
                    other => self.write_text(other, &mut shown)?,
                }
                pad(out, &shown, directive, false);
            }
            b'd' | b'i' | b'u' | b'x' | b'X' | b'o' | b'b' | b'B' => {
                let number = match value {
                    Value::Float(number) => self.integer_of(number.floor(), at)?,
                    Value::Text(_) => {
                        self.function(crate::method::Function::Integer, &[value], None, at)?
                    }
                    other => other,
                };
                let Some(number) = crate::operate::as_wide(number) else {
                    let shown = self.describe(number);
                    return self.raise(
                        Class::TypeError,
                        at,
                        format!("can't convert {shown} into Integer"),
                    );
                };
                let magnitude = number.unsigned_abs();
                let (prefix, mut digits) = match letter {
                    b'x' => ("0x", format!("{magnitude:x}")),
                    b'X' => ("0X", format!("{magnitude:X}")),
                    b'o' => ("0", format!("{magnitude:o}")),
                    b'b' | b'B' => ("0b", format!("{magnitude:b}")),
                    _ => ("", magnitude.to_string()),
                };
                if let Some(least) = directive.precision {
                    digits = format!("{digits:0>least$}");
                }
                let prefix = if directive.alternative { prefix } else { "" };
                signed(
                    out,
                    number < 0,
                    &(prefix.to_owned() + &digits),
                    directive,
                    directive.precision.is_none(),
                );
            }
            b'f' | b'e' | b'E' | b'g' | b'G' => {
                let number = match value {
                    Value::Text(_) => {
                        self.function(crate::method::Function::Float, &[value], None, at)?
                    }
                    other => other,
                };
                let Some(number) = crate::operate::as_float(number) else {
                    let shown = self.describe(number);
                    return self.raise(
                        Class::TypeError,
                        at,
                        format!("can't convert {shown} into Float"),
                    );
                };
                let magnitude = number.abs();
                let precision = directive.precision.unwrap_or(6);
                let shown = if number.is_nan() {
                    "NaN".to_owned()
                } else if number.is_infinite() {
                    "Inf".to_owned()
                } else {
                    match letter {
                        b'f' => format!("{magnitude:.precision$}"),
                        b'e' | b'E' => exponential(magnitude, precision),
                        _ => general(magnitude, precision.max(1)),
                    }
                };
                let shown = if letter.is_ascii_uppercase() {
                    shown.to_uppercase()
                } else {
                    shown
                };
                signed(
                    out,
                    number.is_sign_negative() && !number.is_nan(),
                    &shown,
                    directive,
                    number.is_finite(),
                );
            }
            other => {
                return self.raise(
                    Class::ArgumentError,
                    at,
                    format!("malformed format string - %{}", char::from(other)),
                );
            }
        }
        Ok(())
    }
}

fn exponential(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn general(number: f64, precision: usize) -> String {
    let scientific = exponential(number, precision - 1);
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or_default();
    let trim = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    if exponent < -4 || exponent >= precision as i32 {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{exponent}", trim(mantissa));
    }
    let digits = usize::try_from(precision as i32 - 1 - exponent).unwrap_or_default();
    trim(&format!("{number:.digits$}"))
}

fn signed(
    out: &mut Vec<u8>,
    negative: bool,
    digits: &str,
    directive: &Directive,
    zero_fills: bool,
) {
    let sign = match (negative, directive.plus, directive.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    };
    let missing = directive.width.saturating_sub(sign.len() + digits.len());
    if directive.zero && !directive.left && zero_fills {
        out.extend_from_slice(sign.as_bytes());
        out.resize(out.len() + missing, b'0');
        out.extend_from_slice(digits.as_bytes());
        return;
    }
    pad(out, (sign.to_owned() + digits).as_bytes(), directive, true);
}

fn pad(out: &mut Vec<u8>, shown: &[u8], directive: &Directive, ascii: bool) {
    let count = if ascii {
        shown.len()
    } else {
        text::char_count(shown)
    };
    let missing = directive.width.saturating_sub(count);
    if !directive.left {
        out.resize(out.len() + missing, b' ');
    }
    out.extend_from_slice(shown);
    if directive.left {
        out.resize(out.len() + missing, b' ');
    }
}
