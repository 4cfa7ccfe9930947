//! Methods of integers and floats.

use std::cmp::Ordering;

use crate::{
    class::Class,
    error::Span,
    machine::{Invocation, Machine},
    method::Method,
    operate::{as_float, as_wide, compare_numbers},
    text::float_text,
    value::{Run, Value},
};

impl Machine<'_> {
    pub(crate) fn number_method(
        &mut self,
        number: Value,
        call: &Invocation<'_>,
    ) -> Run<Option<Value>> {
        let at = call.at;
        Ok(Some(match call.method {
            Method::Add
            | Method::Subtract
            | Method::Multiply
            | Method::Divide
            | Method::Modulo
            | Method::Power => {
                let other = self.number_argument(number, call)?;
                self.arithmetic(call.method, number, other, at)?
            }
            Method::Negate => self
                .arithmetic(Method::Subtract, Value::Int(0), number, at)
                .map(|value| match number {
                    // Zero has a sign among the floats.
                    Value::Float(float) => Value::Float(-float),
                    _ => value,
                })?,
            Method::Plus => number,
            Method::Less | Method::LessEqual | Method::Greater | Method::GreaterEqual => {
                let other = self.argument(call, 0)?;
                let order = match compare_numbers(number, other) {
                    Some(order) => order,
                    // Nothing compares with what is no number.
                    None if matches!(other, Value::Float(_))
                        || matches!((number, other), (Value::Float(_), Value::Int(_))) =>
                    {
                        return Ok(Some(Value::Bool(false)));
                    }
                    None => self.must_compare(number, other, at)?,
                };
                Value::Bool(match call.method {
                    Method::Less => order == Ordering::Less,
                    Method::LessEqual => order != Ordering::Greater,
                    Method::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                })
            }
            Method::ToText if !call.arguments.is_empty() => {
                let radix = self.int_argument(call, 0)?;
                let wide = as_wide(number).unwrap_or_default();
                let text = in_radix(wide, radix);
                match text {
                    Some(text) => self.copy_text(text.as_bytes())?,
                    None => {
                        return self.raise(
                            Class::ArgumentError,
                            at,
                            format!("invalid radix {radix}"),
                        );
                    }
                }
            }
            Method::ToInteger | Method::Truncate if call.arguments.is_empty() => match number {
                Value::Float(float) => self.integer_of(float.trunc(), at)?,
                other => other,
            },
            Method::ToFloat => Value::Float(as_float(number).unwrap_or_default()),
            Method::Abs => match number {
                Value::Float(float) => Value::Float(float.abs()),
                other => self.wide(as_wide(other).unwrap_or_default().abs(), at)?,
            },
            Method::Round | Method::Floor | Method::Ceil | Method::Truncate => {
                self.round(number, call)?
            }
            Method::IsZero => Value::Bool(as_float(number) == Some(0.0)),
            Method::NonZero => {
                if as_float(number) == Some(0.0) {
                    Value::Nil
                } else {
                    number
                }
            }
            Method::IsPositive => Value::Bool(as_float(number).is_some_and(|number| number > 0.0)),
            Method::IsNegative => Value::Bool(as_float(number).is_some_and(|number| number < 0.0)),
            Method::IsNan => Value::Bool(as_float(number).is_some_and(f64::is_nan)),
            Method::IsFinite => Value::Bool(as_float(number).is_some_and(f64::is_finite)),
            Method::IsInfinite => match as_float(number) {
                Some(number) if number.is_infinite() => {
                    Value::Int(if number > 0.0 { 1 } else { -1 })
                }
                _ => Value::Nil,
            },
            Method::IsInteger => Value::Bool(!matches!(number, Value::Float(_))),
            Method::Between => {
                let (low, high) = (self.argument(call, 0)?, self.argument(call, 1)?);
                let above = self.must_compare(number, low, at)? != Ordering::Less;
                Value::Bool(above && self.must_compare(number, high, at)? != Ordering::Greater)
            }
            Method::Clamp => {
                let (low, high) = match self.argument(call, 0)? {
                    Value::Range(id) => {
                        let (low, high, _) = self.range(id);
                        (low, high)
                    }
                    low => (low, self.argument(call, 1)?),
                };
                if !matches!(low, Value::Nil)
                    && self.must_compare(number, low, at)? == Ordering::Less
                {
                    low
                } else if !matches!(high, Value::Nil)
                    && self.must_compare(number, high, at)? == Ordering::Greater
                {
                    high
                } else {
                    number
                }
            }
            Method::IntegerDivide => {
                let other = self.number_argument(number, call)?;
                let quotient = self.arithmetic(Method::Divide, number, other, at)?;
                match quotient {
                    Value::Float(float) => self.integer_of(float.floor(), at)?,
                    other => other,
                }
            }
            Method::FloatDivide => {
                let other = self.number_argument(number, call)?;
                Value::Float(
                    as_float(number).unwrap_or_default() / as_float(other).unwrap_or_default(),
                )
            }
            Method::DivideModulo => {
                let other = self.number_argument(number, call)?;
                let mut quotient = self.arithmetic(Method::Divide, number, other, at)?;
                if let Value::Float(float) = quotient {
                    quotient = self.integer_of(float.floor(), at)?;
                }
                let rest = self.arithmetic(Method::Modulo, number, other, at)?;
                self.new_array(vec![quotient, rest])?
            }
            Method::Remainder => {
                let other = self.number_argument(number, call)?;
                match (as_wide(number), as_wide(other)) {
                    (Some(_), Some(0)) => {
                        return self.raise(Class::ZeroDivisionError, at, "divided by 0");
                    }
                    (Some(one), Some(two)) => self.wide(one % two, at)?,
                    _ => Value::Float(
                        as_float(number).unwrap_or_default() % as_float(other).unwrap_or_default(),
                    ),
                }
            }
            method => return self.integer_method(number, method, call),
        }))
    }

    fn integer_method(
        &mut self,
        number: Value,
        method: Method,
        call: &Invocation<'_>,
    ) -> Run<Option<Value>> {
        let at = call.at;
        let Value::Int(int) = number else {
            return match method {
                Method::Step => self.step(number, call).map(Some),
                _ => Ok(None),
            };
        };
        Ok(Some(match method {
            Method::IsEven => Value::Bool(int % 2 == 0),
            Method::IsOdd => Value::Bool(int % 2 != 0),
            Method::Successor => self.wide(i128::from(int) + 1, at)?,
            Method::Predecessor => self.wide(i128::from(int) - 1, at)?,
            Method::Chr => {
                let letter = u32::try_from(int).ok().and_then(char::from_u32);
                let Some(letter) = letter.filter(|_| int < 128 || !call.arguments.is_empty())
                else {
                    return match u8::try_from(int) {
                        Ok(byte) => self.copy_text(&[byte]).map(Some),
                        Err(_) => {
                            self.raise(Class::RangeError, at, format!("{int} out of char range"))
                        }
                    };
                };
                self.copy_text(letter.to_string().as_bytes())?
            }
            Method::Ord => number,
            Method::Length => Value::Int(8),
            Method::Digits => {
                let mut rest = int.unsigned_abs();
                let mut list = Vec::new();
                while rest > 0 || list.is_empty() {
                    list.push(Value::Int((rest % 10) as i64));
                    rest /= 10;
                }
                self.new_array(list)?
            }
            Method::Index => {
                let bit = self.int_argument(call, 0)?;
                Value::Int(if (0..64).contains(&bit) {
                    int >> bit & 1
                } else {
                    i64::from(int < 0)
                })
            }
            Method::BitAnd
            | Method::BitOr
            | Method::BitXor
            | Method::Append
            | Method::ShiftRight => {
                let other = self.int_argument(call, 0)?;
                match method {
                    Method::BitAnd => Value::Int(int & other),
                    Method::BitOr => Value::Int(int | other),
                    Method::BitXor => Value::Int(int ^ other),
                    _ => {
                        let left = if method == Method::Append {
                            other
                        } else {
                            other.saturating_neg()
                        };
                        let wide = i128::from(int);
                        let shifted = match left {
                            0..=64 => wide << left,
                            65.. if int != 0 => i128::MAX,
                            _ => wide >> left.unsigned_abs().min(127),
                        };
                        self.wide(shifted, at)?
                    }
                }
            }
            Method::Complement => Value::Int(!int),
            Method::Times => match call.block {
                Some(block) => {
                    for index in 0..int.max(0) {
                        self.call_block(block, &[Value::Int(index)], at)?;
                    }
                    number
                }
                None => self.counted(0, int.saturating_sub(1), at)?,
            },
            Method::Upto | Method::Downto => {
                let last = self.int_argument(call, 0)?;
                if method == Method::Upto {
                    match call.block {
                        Some(block) => {
                            for index in int..=last {
                                self.call_block(block, &[Value::Int(index)], at)?;
                            }
                            number
                        }
                        None => self.counted(int, last, at)?,
                    }
                } else {
                    let block = self.need_block(call)?;
                    for index in (last..=int).rev() {
                        self.call_block(block, &[Value::Int(index)], at)?;
                    }
                    number
                }
            }
            Method::Step => self.step(number, call)?,
            _ => return Ok(None),
        }))
    }

    fn step(&mut self, number: Value, call: &Invocation<'_>) -> Run<Value> {
        let last = self.argument(call, 0)?;
        let by = call.arguments.get(1).copied().unwrap_or(Value::Int(1));
        let block = self.need_block(call)?;
        if as_float(by) == Some(0.0) {
            return self.raise(Class::ArgumentError, call.at, "step can't be 0");
        }
        let up = as_float(by).is_some_and(|by| by > 0.0);
        let mut current = number;
        loop {
            let order = self.must_compare(current, last, call.at)?;
            if order
                == (if up {
                    Ordering::Greater
                } else {
                    Ordering::Less
                })
            {
                return Ok(number);
            }
            self.call_block(block, &[current], call.at)?;
            current = self.arithmetic(Method::Add, current, by, call.at)?;
        }
    }

    pub(crate) fn counted(&mut self, first: i64, last: i64, _at: Span) -> Run<Value> {
        let count = usize::try_from(last.saturating_sub(first).saturating_add(1).max(0))
            .unwrap_or(usize::MAX);
        self.reserve(count.saturating_mul(size_of::<Value>()))?;
        self.new_array((first..=last).map(Value::Int).collect())
    }

    fn number_argument(&self, number: Value, call: &Invocation<'_>) -> Run<Value> {
        let other = self.argument(call, 0)?;
        if as_float(other).is_some() {
            return Ok(other);
        }
        let class = if matches!(number, Value::Float(_)) {
            "Float"
        } else {
            "Integer"
        };
        self.raise_with(
            Class::TypeError,
            call.at,
            format!("{} can't be coerced into {class}", self.describe(other)),
            "`.to_i` and `.to_f` make numbers of strings",
        )
    }

    pub(crate) fn arithmetic(
        &mut self,
        method: Method,
        one: Value,
        two: Value,
        at: Span,
    ) -> Run<Value> {
        if let (Some(one), Some(two)) = (as_wide(one), as_wide(two)) {
            let result = match method {
                Method::Add => one + two,
                Method::Subtract => one - two,
                Method::Multiply => one.checked_mul(two).unwrap_or(i128::MAX),
                Method::Divide | Method::Modulo if two == 0 => {
                    return self.raise(Class::ZeroDivisionError, at, "divided by 0");
                }
                Method::Divide => {
                    let quotient = one / two;
                    if one % two != 0 && (one < 0) != (two < 0) {
                        quotient - 1
                    } else {
                        quotient
                    }
                }
                Method::Modulo => {
                    let rest = one % two;
                    if rest != 0 && (rest < 0) != (two < 0) {
                        rest + two
                    } else {
                        rest
                    }
                }
                _ => match u32::try_from(two) {
                    Ok(exponent) => one.checked_pow(exponent).unwrap_or(i128::MAX),
                    Err(_) if two < 0 => {
                        return self.raise_with(
                            Class::RangeError,
                            at,
                            "rational numbers are not part of the subset".to_owned(),
                            "write one of the two as a float",
                        );
                    }
                    Err(_) => match one {
                        0 | 1 => one,
                        -1 => {
                            if two % 2 == 0 {
                                1
                            } else {
                                -1
                            }
                        }
                        _ => i128::MAX,
                    },
                },
            };
            return self.wide(result, at);
        }
        let (Some(one), Some(two)) = (as_float(one), as_float(two)) else {
            return self.raise(Class::TypeError, at, "no number");
        };
        Ok(Value::Float(match method {
            Method::Add => one + two,
            Method::Subtract => one - two,
            Method::Multiply => one * two,
            Method::Divide => one / two,
            Method::Modulo => {
                let rest = one % two;
                if rest != 0.0 && (rest < 0.0) != (two < 0.0) {
                    rest + two
                } else {
                    rest
                }
            }
            _ => one.powf(two),
        }))
    }

    pub(crate) fn wide(&self, number: i128, at: Span) -> Run<Value> {
        if let Ok(number) = i64::try_from(number) {
            return Ok(Value::Int(number));
        }
        if let Ok(number) = u64::try_from(number) {
            return Ok(Value::Wide(number));
        }
        self.raise_with(
            Class::RangeError,
            at,
            "integers beyond 64 bits are not part of the subset".to_owned(),
            "calculate with floats, `.to_f`",
        )
    }

    pub(crate) fn integer_of(&self, number: f64, at: Span) -> Run<Value> {
        if !number.is_finite() {
            return self.raise(Class::FloatDomainError, at, float_text(number));
        }
        self.wide(number as i128, at)
    }

    fn round(&mut self, number: Value, call: &Invocation<'_>) -> Run<Value> {
        let digits = match call.arguments.first() {
            Some(Value::Int(digits)) => (*digits).clamp(-400, 400),
            _ => 0,
        };
        let even = match call.arguments.last() {
            Some(options @ Value::Hash(_)) => {
                let half = self.symbol_option(*options, b"half")?;
                matches!(half, Some(Value::Symbol(text) | Value::Text(text)) if self.text_equals(text, b"even"))
            }
            _ => false,
        };
        let method = call.method;
        let Value::Float(float) = number else {
            if digits >= 0 {
                return Ok(number);
            }
            let Some(unit) = 10i128
                .checked_pow(digits.unsigned_abs() as u32)
                .filter(|_| digits > -38)
            else {
                return Ok(Value::Int(0));
            };
            let wide = as_wide(number).unwrap_or_default();
            let floor = wide.div_euclid(unit) * unit;
            let rest = wide - floor;
            let result = match method {
                Method::Floor => floor,
                Method::Ceil => {
                    if rest == 0 {
                        floor
                    } else {
                        floor + unit
                    }
                }
                Method::Truncate => wide / unit * unit,
                _ if rest * 2 > unit || (rest * 2 == unit && wide >= 0) => floor + unit,
                _ => floor,
            };
            return self.wide(result, call.at);
        };
        if digits > 0 {
            if !float.is_finite() || digits > 17 {
                return Ok(number);
            }
            return Ok(Value::Float(round_decimal(
                float,
                digits as usize,
                method,
                even,
            )));
        }
        if digits < 0 {
            let whole = self.integer_of(float.floor(), call.at)?;
            let inner = Invocation {
                arguments: call.arguments,
                ..*call
            };
            return self.round(whole, &inner);
        }
        let rounded = match method {
            Method::Floor => float.floor(),
            Method::Ceil => float.ceil(),
            Method::Truncate => float.trunc(),
            _ if even => float.round_ties_even(),
            _ => float.round(),
        };
        self.integer_of(rounded, call.at)
    }

    /// An option of a trailing hash.
    pub(crate) fn symbol_option(&mut self, options: Value, name: &[u8]) -> Run<Option<Value>> {
        let Some(id) = self.hash_id(options)? else {
            return Ok(None);
        };
        Ok(self
            .heap
            .pairs(id)
            .iter()
            .find(|(key, _)| matches!(key, Value::Symbol(key) if self.bytes(*key) == name))
            .map(|(_, value)| *value))
    }
}

/// Rounds as Ruby does: by the value, with a check that the scaled number really lies beyond the half.
fn round_decimal(number: f64, digits: usize, method: Method, even: bool) -> f64 {
    let scale = 10f64.powi(digits as i32);
    let scaled = number * scale;
    if !scaled.is_finite() || scaled.abs() > 1e15 {
        return number;
    }
    let candidate = match method {
        Method::Floor => {
            let floor = scaled.floor();
            // The scaling itself may have fallen just short of an integer.
            if (floor + 1.0) / scale <= number {
                floor + 1.0
            } else {
                floor
            }
        }
        Method::Ceil => {
            let ceil = scaled.ceil();
            if (ceil - 1.0) / scale >= number {
                ceil - 1.0
            } else {
                ceil
            }
        }
        Method::Truncate => {
            let whole = scaled.trunc();
            let further = whole + 1f64.copysign(number);
            if (further / scale).abs() <= number.abs() {
                further
            } else {
                whole
            }
        }
        _ if even => scaled.round_ties_even(),
        _ => {
            let rounded = scaled.round();
            // 1.005 * 100 is 100.49999…: the number itself decides.
            let half = 0.5f64.copysign(number);
            if (rounded - scaled).abs() == 0.5
                || ((scaled.trunc() + half) / scale == number && rounded == scaled.trunc())
            {
                let away = scaled.trunc() + 1f64.copysign(number);
                if (scaled.trunc() + half) / scale == number {
                    away
                } else {
                    rounded
                }
            } else {
                rounded
            }
        }
    };
    candidate / scale
}

fn in_radix(number: i128, radix: i64) -> Option<String> {
    let radix = u32::try_from(radix)
        .ok()
        .filter(|radix| (2..=36).contains(radix))?;
    let mut rest = number.unsigned_abs();
    let mut digits = Vec::new();
    while rest > 0 || digits.is_empty() {
        digits.push(char::from_digit((rest % u128::from(radix)) as u32, radix)?);
        rest /= u128::from(radix);
    }
    if number < 0 {
        digits.push('-');
    }
    Some(digits.into_iter().rev().collect())
}
