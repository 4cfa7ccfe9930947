//! What was read of a time, and how it becomes a point in time.

use super::{
    Timestamp,
    civil::{DAY_SECONDS, civil_from_days, days_from_civil},
    zone::Zone,
};

/// The parts that a text gives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub(super) year: Option<i64>,
    pub(super) month: Option<u32>,
    pub(super) day: Option<u32>,
    pub(super) day_of_year: Option<u32>,
    pub(super) hour: Option<u32>,
    pub(super) minute: Option<u32>,
    pub(super) second: Option<u32>,
    pub(super) nanoseconds: u32,
    /// Afternoon, for hours of twelve.
    pub(super) afternoon: Option<bool>,
    pub(super) offset: Option<i32>,
    /// Seconds since 1970, which say all.
    pub(super) epoch: Option<i64>,
    /// Years modulo 100, where the century stands apart.
    pub(super) century: Option<i64>,
}

impl Parts {
    /// The point in time. Parts that are missing in front (year, month, day …) are those of `now`, parts missing
    /// behind are the first ones (January, the 1st, midnight), as in Ruby.
    pub(super) fn resolve(&self, now: i64, zone: &Zone) -> Timestamp {
        let nanoseconds = self.nanoseconds;
        if let Some(seconds) = self.epoch {
            return Timestamp {
                seconds,
                nanoseconds,
            };
        }
        let now_local = now + i64::from(self.offset.unwrap_or_else(|| zone.offset_at(now)));
        let (now_year, now_month, now_day) = civil_from_days(now_local.div_euclid(DAY_SECONDS));
        let year = self.century.map_or(self.year, |century| {
            Some(century * 100 + self.year.unwrap_or(0))
        });

        let days = match (year, self.day_of_year, self.month, self.day) {
            (year, Some(day), None, None) => {
                days_from_civil(year.unwrap_or(now_year), 1, 1) + i64::from(day) - 1
            }
            (Some(year), _, month, day) => {
                days_from_civil(year, month.unwrap_or(1), day.unwrap_or(1))
            }
            (None, _, Some(month), day) => days_from_civil(now_year, month, day.unwrap_or(1)),
            (None, _, None, day) => days_from_civil(now_year, now_month, day.unwrap_or(now_day)),
        };
        let hour = self.hour.unwrap_or(0);
        let hour = match self.afternoon {
            Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
            None => hour,
        };
        let time = hour * 3600 + self.minute.unwrap_or(0) * 60 + self.second.unwrap_or(0);
        let local = days * DAY_SECONDS + i64::from(time);
        let seconds = self
            .offset
            .map_or_else(|| zone.instant(local), |offset| local - i64::from(offset));
        Timestamp {
            seconds,
            nanoseconds,
        }
    }

    /// Whether the point in time does not depend on today.
    pub(super) fn is_absolute(&self) -> bool {
        self.epoch.is_some() || self.year.is_some() || self.century.is_some()
    }
}

/// Takes up to `digits_max` digits off the front; nothing without any.
pub(super) fn take_number(text: &[u8], digits_max: usize) -> Option<(u32, &[u8])> {
    let digits = text
        .iter()
        .take(digits_max.min(9))
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, rest) = text
        .split_at_checked(digits)
        .filter(|(number, _)| !number.is_empty())?;
    Some((
        number
            .iter()
            .fold(0, |value, byte| value * 10 + u32::from(byte - b'0')),
        rest,
    ))
}

/// Takes the digits of a fraction off the front, as nanoseconds; digits beyond the ninth are dropped.
pub(super) fn take_fraction(text: &[u8], digits_max: usize) -> Option<(u32, &[u8])> {
    let digits = text
        .iter()
        .take(digits_max)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, rest) = text
        .split_at_checked(digits)
        .filter(|(number, _)| !number.is_empty())?;
    let padded = number
        .iter()
        .copied()
        .chain(std::iter::repeat(b'0'))
        .take(9);
    Some((
        padded.fold(0, |value, byte| value * 10 + u32::from(byte - b'0')),
        rest,
    ))
}

/// Takes an English name off the front, in full or its first three letters: its index in `names`.
pub(super) fn take_name<'t>(text: &'t [u8], names: &[&str]) -> Option<(usize, &'t [u8])> {
    names.iter().enumerate().find_map(|(index, name)| {
        let starts = |name: &str| {
            text.get(..name.len())
                .is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()))
        };
        let length = if starts(name) {
            name.len()
        } else if starts(name.get(..3)?) {
            3
        } else {
            return None;
        };
        Some((index, text.get(length..)?))
    })
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
