//! What was read of a time, and how it becomes a point in time.

use super::{
    Timestamp,
    civil::{DAY_SECONDS, civil_from_days, days_from_civil, weekday},
    zone::Zone,
};

/// The parts that a text gives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    pub(super) year: Option<i64>,
    pub(super) month: Option<u32>,
    pub(super) day: Option<u32>,
    pub(super) day_of_year: Option<u32>,
    pub(super) week: Option<Week>,
    /// From 0, Sunday, to 6.
    pub(super) weekday: Option<u32>,
    /// The year that the weeks of ISO 8601 belong to.
    pub(super) week_year: Option<i64>,
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

/// The number of a week, by how weeks are counted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Week {
    /// Weeks begin on Sunday, the first with the first Sunday of the year.
    Sunday(u32),
    /// The same for Monday.
    Monday(u32),
    /// Of ISO 8601: weeks begin on Monday, the first has the first Thursday.
    Iso(u32),
}

impl Week {
    /// The day of this week in days since 1970; without a weekday the first one.
    fn day(self, year: i64, weekday_wanted: Option<u32>) -> i64 {
        let new_year = days_from_civil(year, 1, 1);
        let behind_monday = i64::from(weekday_wanted.map_or(0, |day| (day + 6) % 7));
        match self {
            Week::Sunday(week) => {
                let first = new_year + (7 - weekday(new_year)) % 7;
                first + 7 * (i64::from(week) - 1) + i64::from(weekday_wanted.unwrap_or(0))
            }
            Week::Monday(week) => {
                let first = new_year + (8 - weekday(new_year)) % 7;
                first + 7 * (i64::from(week) - 1) + behind_monday
            }
            Week::Iso(week) => {
                let fourth = new_year + 3;
                let first = fourth - (weekday(fourth) + 6) % 7;
                first + 7 * (i64::from(week) - 1) + behind_monday
            }
        }
    }
}

impl Parts {
    /// Whether each of the parts goes with the others: a day has no time behind its 24:00:00, 366 days only a leap year,
    /// and an offset is less than a day.
    pub(super) fn is_possible(&self) -> bool {
        let is_zero = |part: Option<u32>| part.unwrap_or(0) == 0;
        let ends_day = self.hour != Some(24)
            || (is_zero(self.minute) && is_zero(self.second) && self.nanoseconds == 0);
        let fits_year = match (self.year, self.day_of_year) {
            (Some(year), Some(366)) => {
                days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1) == 366
            }
            _ => true,
        };
        let is_near = self
            .offset
            .is_none_or(|offset| i64::from(offset).abs() < DAY_SECONDS);
        ends_day && fits_year && is_near
    }

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
            Some(century * 100 + self.year.unwrap_or(0).rem_euclid(100))
        });

        let week = self
            .week
            .filter(|_| self.month.is_none() && self.day.is_none());
        let days = match (year, self.day_of_year, self.month, self.day) {
            (year, None, ..) if let Some(week) = week => {
                let year = self.week_year.or(year).unwrap_or(now_year);
                week.day(year, self.weekday)
            }
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
        self.epoch.is_some()
            || self.year.is_some()
            || self.century.is_some()
            || self.week_year.is_some()
    }
}

/// The year that two digits mean: 69 and later belong to the last century.
pub(super) fn of_century(year: u32) -> i64 {
    i64::from(year) + if year >= 69 { 1900 } else { 2000 }
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
