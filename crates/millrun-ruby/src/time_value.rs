//! Instants as Ruby's Time, DateTime and Date show them.

use millrun_pattern::Zone;

use crate::class::Class;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeValue {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
    pub(crate) zone: TimeZone,
    pub(crate) kind: TimeKind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TimeZone {
    #[default]
    Utc,
    Local,
    /// Seconds east of Greenwich.
    Offset(i32),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TimeKind {
    #[default]
    Time,
    DateTime,
    Date,
}

/// Year, month, day, hour, minute, second, weekday (Sunday is 0), day of the year.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) weekday: i64,
    pub(crate) year_day: i64,
}

impl TimeValue {
    pub(crate) fn class(self) -> Class {
        match self.kind {
            TimeKind::Time => Class::Time,
            TimeKind::DateTime => Class::DateTime,
            TimeKind::Date => Class::Date,
        }
    }

    pub(crate) fn offset(self, local: &Zone) -> i32 {
        match self.zone {
            TimeZone::Utc => 0,
            TimeZone::Local => local.offset_at(self.seconds),
            TimeZone::Offset(offset) => offset,
        }
    }

    pub(crate) fn as_float(self) -> f64 {
        self.nanos() as f64 / 1e9
    }

    pub(crate) fn nanos(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }

    /// The same instant moved by nanoseconds, if it still fits.
    pub(crate) fn moved(self, by: i128) -> Option<TimeValue> {
        let total = self.nanos().checked_add(by)?;
        Some(TimeValue {
            seconds: i64::try_from(total.div_euclid(1_000_000_000))
                .ok()
                .filter(|seconds| seconds.abs() < 1 << 40)?,
            nanoseconds: u32::try_from(total.rem_euclid(1_000_000_000)).ok()?,
            ..self
        })
    }

    /// The fields a calendar in its zone shows.
    pub(crate) fn civil(self, local: &Zone) -> Civil {
        let seconds = self.seconds.saturating_add(i64::from(self.offset(local)));
        let days = seconds.div_euclid(86_400);
        let rest = seconds.rem_euclid(86_400);
        // Days since 0000-03-01, in eras of 400 years.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil {
            year,
            month,
            day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest % 3600 / 60,
            second: rest % 60,
            weekday: (days + 4).rem_euclid(7),
            year_day: days - days_from_civil(year, 1, 1) + 1,
        }
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
