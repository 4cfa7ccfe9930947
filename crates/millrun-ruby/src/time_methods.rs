//! Methods of times and dates.

use std::{cmp::Ordering, sync::Arc};

use millrun_pattern::{TimeFormat, TimeParser, TimeType, Zone};

use crate::{
    class::Class,
    error::Span,
    machine::{Invocation, Machine},
    method::Method,
    operate::{as_float, as_wide},
    time_value::{TimeKind, TimeValue, TimeZone, days_from_civil},
    value::{Id, Run, Text, Value},
};

impl Machine<'_> {
    pub(crate) fn time_method(&mut self, id: Id, call: &Invocation<'_>) -> Run<Option<Value>> {
        let at = call.at;
        let time = self.heap.time(id);
        let local = self.world.zone().clone();
        let civil = time.civil(&local);
        Ok(Some(match call.method {
            Method::Strftime => {
                let format = self.text_argument(call, 0)?;
                let format = self.held(format);
                let mut out = Vec::new();
                self.strftime(time, &format, &mut out, at)?;
                self.new_text(out)?
            }
            Method::Iso8601 => {
                let digits = match call.arguments.first() {
                    Some(digits) => usize::try_from(self.as_int(*digits, at)?)
                        .unwrap_or_default()
                        .min(18),
                    None => 0,
                };
                let fraction = if digits > 0 {
                    format!(".%{digits}N")
                } else {
                    String::new()
                };
                let zone = if time.zone == TimeZone::Utc && time.kind == TimeKind::Time {
                    "Z"
                } else {
                    "%:z"
                };
                let format = match time.kind {
                    TimeKind::Date => "%Y-%m-%d".to_owned(),
                    _ => format!("%Y-%m-%dT%H:%M:%S{fraction}{zone}"),
                };
                let mut out = Vec::new();
                self.strftime(time, format.as_bytes(), &mut out, at)?;
                self.new_text(out)?
            }
            Method::ToInteger => Value::Int(time.seconds),
            Method::ToFloat => Value::Float(time.as_float()),
            Method::ToRational => {
                return self.raise_with(
                    Class::RangeError,
                    at,
                    "rational numbers are not part of the subset".to_owned(),
                    "use `to_f`, or `to_i` and `nsec`",
                );
            }
            Method::Nsec => Value::Int(i64::from(time.nanoseconds)),
            Method::Usec => Value::Int(i64::from(time.nanoseconds / 1000)),
            Method::Year => Value::Int(civil.year),
            Method::Month => Value::Int(civil.month),
            Method::Day => Value::Int(civil.day),
            Method::Hour => Value::Int(civil.hour),
            Method::Minute | Method::Min => Value::Int(civil.minute),
            Method::Second => Value::Int(civil.second),
            Method::Weekday => Value::Int(civil.weekday),
            Method::YearDay => Value::Int(civil.year_day),
            Method::IsSunday => Value::Bool(civil.weekday == 0),
            Method::IsMonday => Value::Bool(civil.weekday == 1),
            Method::IsTuesday => Value::Bool(civil.weekday == 2),
            Method::IsWednesday => Value::Bool(civil.weekday == 3),
            Method::IsThursday => Value::Bool(civil.weekday == 4),
            Method::IsFriday => Value::Bool(civil.weekday == 5),
            Method::IsSaturday => Value::Bool(civil.weekday == 6),
            Method::IsUtc => Value::Bool(time.zone == TimeZone::Utc),
            Method::UtcOffset => Value::Int(i64::from(time.offset(&local))),
            Method::ZoneName => {
                let mut out = Vec::new();
                self.strftime(time, b"%Z", &mut out, at)?;
                self.new_text(out)?
            }
            Method::ToUtc => self.new_time(TimeValue {
                zone: TimeZone::Utc,
                ..time
            })?,
            Method::ToLocal => {
                let zone = match call.arguments.first() {
                    Some(Value::Text(text)) => {
                        let shown = self.lossy(*text);
                        match offset_of(&shown) {
                            Some(offset) => TimeZone::Offset(offset),
                            None => {
                                return self.raise(
                                    Class::ArgumentError,
                                    at,
                                    format!("\"+HH:MM\", \"-HH:MM\" or \"UTC\" expected for utc_offset: {shown}"),
                                );
                            }
                        }
                    }
                    Some(Value::Int(offset)) => {
                        TimeZone::Offset(i32::try_from(*offset).unwrap_or_default())
                    }
                    _ => TimeZone::Local,
                };
                self.new_time(TimeValue { zone, ..time })?
            }
            Method::ToTime => self.new_time(TimeValue {
                kind: TimeKind::Time,
                ..time
            })?,
            Method::ToDateTime => {
                let zone = match time.zone {
                    TimeZone::Local => TimeZone::Offset(time.offset(&local)),
                    other => other,
                };
                self.new_time(TimeValue {
                    kind: TimeKind::DateTime,
                    zone,
                    ..time
                })?
            }
            Method::ToDate => {
                let days = days_from_civil(civil.year, civil.month, civil.day);
                self.new_time(TimeValue {
                    seconds: days * 86_400,
                    nanoseconds: 0,
                    zone: TimeZone::Utc,
                    kind: TimeKind::Date,
                })?
            }
            Method::ToArray => {
                let parts = [
                    civil.second,
                    civil.minute,
                    civil.hour,
                    civil.day,
                    civil.month,
                    civil.year,
                ]
                .map(Value::Int);
                self.new_array(parts.to_vec())?
            }
            Method::Round | Method::Floor | Method::Ceil => {
                let digits = match call.arguments.first() {
                    Some(digits) => self.as_int(*digits, at)?.clamp(0, 9) as u32,
                    None => 0,
                };
                let unit = 10i128.pow(9 - digits);
                let nanos = time.nanos();
                let floor = nanos.div_euclid(unit) * unit;
                let rest = nanos - floor;
                let up = match call.method {
                    Method::Round => rest * 2 >= unit,
                    Method::Ceil => rest > 0,
                    _ => false,
                };
                let by = floor + if up { unit } else { 0 } - nanos;
                self.new_time(time.moved(by).unwrap_or(time))?
            }
            Method::Add | Method::Subtract => {
                let other = self.argument(call, 0)?;
                let sign = if call.method == Method::Add { 1 } else { -1 };
                if let (Value::Time(other), -1) = (other, sign) {
                    if time.kind != TimeKind::Time {
                        return self.raise_with(
                            Class::RangeError,
                            at,
                            "rational numbers are not part of the subset".to_owned(),
                            "subtract times, `.to_time`",
                        );
                    }
                    return Ok(Some(Value::Float(
                        (time.nanos() - self.heap.time(other).nanos()) as f64 / 1e9,
                    )));
                }
                // Times count in seconds, dates in days.
                let unit: i128 = if time.kind == TimeKind::Time {
                    1_000_000_000
                } else {
                    86_400_000_000_000
                };
                let by = match (as_wide(other), as_float(other)) {
                    (Some(whole), _) => whole.saturating_mul(unit),
                    (None, Some(float)) => (float * unit as f64) as i128,
                    _ => {
                        let shown = self.describe(other);
                        return self.raise(
                            Class::TypeError,
                            at,
                            format!("can't convert {shown} into an exact number"),
                        );
                    }
                };
                match time.moved(by.saturating_mul(sign)) {
                    Some(moved) => self.new_time(moved)?,
                    None => return self.raise(Class::RangeError, at, "time out of range"),
                }
            }
            Method::Less | Method::LessEqual | Method::Greater | Method::GreaterEqual => {
                let other = self.argument(call, 0)?;
                let order = self.must_compare(Value::Time(id), other, at)?;
                Value::Bool(match call.method {
                    Method::Less => order == Ordering::Less,
                    Method::LessEqual => order != Ordering::Greater,
                    Method::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                })
            }
            Method::Between => {
                let (low, high) = (self.argument(call, 0)?, self.argument(call, 1)?);
                let above = self.must_compare(Value::Time(id), low, at)? != Ordering::Less;
                Value::Bool(
                    above && self.must_compare(Value::Time(id), high, at)? != Ordering::Greater,
                )
            }
            _ => return Ok(None),
        }))
    }

    fn zone_of(&mut self, time: TimeValue) -> Zone {
        match time.zone {
            TimeZone::Utc => Zone::UTC,
            TimeZone::Local => self.world.zone().clone(),
            TimeZone::Offset(offset) => {
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.unsigned_abs() / 60;
                Zone::parse(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))
                    .unwrap_or(Zone::UTC)
            }
        }
    }

    pub(crate) fn strftime(
        &mut self,
        time: TimeValue,
        format: &[u8],
        out: &mut Vec<u8>,
        at: Span,
    ) -> Run<()> {
        let compiled = match self.heap.known_format(format) {
            Some(compiled) => compiled,
            None => {
                let text = String::from_utf8_lossy(format);
                match TimeFormat::compile(&text) {
                    Ok(compiled) => {
                        let compiled = Arc::new(compiled);
                        self.heap.keep_format(format, &compiled);
                        compiled
                    }
                    Err(error) => return self.raise(Class::ArgumentError, at, error.to_string()),
                }
            }
        };
        let zone = self.zone_of(time);
        self.charge(format.len() * 8)?;
        let mut text = String::new();
        compiled.write(time.seconds, time.nanoseconds, &zone, &mut text);
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// `to_s`.
    pub(crate) fn write_time(&mut self, time: TimeValue, out: &mut Vec<u8>) -> Run<()> {
        let format: &[u8] = match (time.kind, time.zone) {
            (TimeKind::Date, _) => b"%Y-%m-%d",
            (TimeKind::DateTime, _) => b"%Y-%m-%dT%H:%M:%S%:z",
            (TimeKind::Time, TimeZone::Utc) => b"%Y-%m-%d %H:%M:%S UTC",
            (TimeKind::Time, _) => b"%Y-%m-%d %H:%M:%S %z",
        };
        self.strftime(time, format, out, Span::default())
    }

    /// `inspect`: with the fraction, without its zeros.
    pub(crate) fn write_time_inspect(&mut self, time: TimeValue, out: &mut Vec<u8>) -> Run<()> {
        if time.kind != TimeKind::Time {
            return self.write_time(time, out);
        }
        let mut fraction = String::new();
        if time.nanoseconds > 0 {
            let digits = format!("{:09}", time.nanoseconds);
            fraction = format!(".{}", digits.trim_end_matches('0'));
        }
        let zone = if time.zone == TimeZone::Utc {
            "UTC"
        } else {
            "%z"
        };
        let format = format!("%Y-%m-%d %H:%M:%S{fraction} {zone}");
        self.strftime(time, format.as_bytes(), out, Span::default())
    }

    /// `Time.parse`, `Time.strptime` and their relatives.
    pub(crate) fn parse_time(
        &mut self,
        text: Text,
        format: Option<Text>,
        kind: TimeKind,
        at: Span,
    ) -> Run<Value> {
        let shown = self.held(text).into_owned();
        let format = format.map(|format| self.lossy(format));
        self.charge(4096 + shown.len())?;
        let local = self.world.zone().clone();
        // DateTime takes a time without a zone for one in Greenwich.
        let zone = if kind == TimeKind::Time {
            local.clone()
        } else {
            Zone::UTC
        };
        let (now, _) = self.world.now();
        let named = match format.as_deref() {
            Some("%iso8601") => None,
            Some(format) => Some(format),
            None => None,
        };
        let parsed = match TimeParser::new(TimeType::Text, named, &[], zone) {
            Ok(mut parser) => parser.parse_text(&shown, now),
            Err(error) => return self.raise(Class::ArgumentError, at, error.to_string()),
        };
        let Ok(stamp) = parsed else {
            let shown = String::from_utf8_lossy(&shown).into_owned();
            let (class, message) = match (kind, format.as_deref()) {
                (TimeKind::Time, None) => (
                    Class::ArgumentError,
                    format!("no time information in {shown:?}"),
                ),
                (TimeKind::Time, Some(format)) => (
                    Class::ArgumentError,
                    format!("invalid date or strptime format - `{shown}' `{format}'"),
                ),
                _ => (Class::DateError, "invalid date".to_owned()),
            };
            return self.raise(class, at, message);
        };
        let trailing = trailing_offset(&shown);
        let zone = match (trailing, kind) {
            (Some(TimeZone::Utc), TimeKind::Time) => TimeZone::Utc,
            (Some(zone), _) => zone,
            (None, TimeKind::Time) => TimeZone::Local,
            (None, _) => TimeZone::Offset(0),
        };
        let time = TimeValue {
            seconds: stamp.seconds,
            nanoseconds: stamp.nanoseconds,
            zone,
            kind,
        };
        if kind == TimeKind::Date {
            let civil = time.civil(&local);
            return self.new_time(TimeValue {
                seconds: days_from_civil(civil.year, civil.month, civil.day) * 86_400,
                nanoseconds: 0,
                zone: TimeZone::Utc,
                kind,
            });
        }
        self.new_time(time)
    }

    /// A time from year, month, day, hour, minute and second.
    pub(crate) fn civil_time(&mut self, arguments: &[Value], utc: bool, at: Span) -> Run<Value> {
        let mut parts = [1970, 1, 1, 0, 0, 0];
        for (part, argument) in parts.iter_mut().zip(arguments) {
            *part = self.as_int(*argument, at)?;
        }
        let [year, month, day, hour, minute, second] = parts;
        let sound = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..=24).contains(&hour)
            && (0..=59).contains(&minute)
            && (0..=60).contains(&second)
            && year.abs() < 10_000;
        if !sound {
            return self.raise(Class::ArgumentError, at, "argument out of range");
        }
        let naive = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        let zone = match arguments.get(6) {
            Some(Value::Text(zone)) => offset_of(&self.lossy(*zone)).map(TimeZone::Offset),
            _ => None,
        };
        let (offset, zone) = match (zone, utc) {
            (Some(TimeZone::Offset(offset)), _) => (offset, TimeZone::Offset(offset)),
            (_, true) => (0, TimeZone::Utc),
            _ => {
                let local = self.world.zone();
                let guess = local.offset_at(naive);
                (local.offset_at(naive - i64::from(guess)), TimeZone::Local)
            }
        };
        self.new_time(TimeValue {
            seconds: naive - i64::from(offset),
            nanoseconds: 0,
            zone,
            kind: TimeKind::Time,
        })
    }
}

/// `+09:00`, `-0130`, `UTC`, `Z`, in seconds.
fn offset_of(text: &str) -> Option<i32> {
    if matches!(text, "UTC" | "Z" | "GMT") {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits: String = rest.chars().filter(|letter| *letter != ':').collect();
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits.get(2..)?.parse().ok()?;
    (hours <= 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// The zone a text ends with.
fn trailing_offset(text: &[u8]) -> Option<TimeZone> {
    let text = std::str::from_utf8(text).ok()?.trim_end();
    if text.ends_with('Z') || text.ends_with("UTC") || text.ends_with("GMT") {
        return Some(TimeZone::Utc);
    }
    let at = text.rfind(['+', '-'])?;
    // A sign within a date is none of a zone: there must be a time of day before it.
    if !text.get(..at)?.contains(':') && !text.get(..at)?.contains('T') {
        return None;
    }
    offset_of(text.get(at..)?).map(TimeZone::Offset)
}
