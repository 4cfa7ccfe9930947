//! The proleptic Gregorian calendar in integers.

pub(super) const DAY_SECONDS: i64 = 86_400;

/// Days from 1970-01-01 to a date. Days beyond the end of a month run on into the next, as Ruby reads February 30th.
pub(super) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    // Years begin in March, so that the leap day is the last of a year.
    let month = i64::from(month);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of the day so many days after 1970-01-01.
pub(super) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // Both are small by construction.
    (
        year,
        u32::try_from(month).unwrap_or(1),
        u32::try_from(day).unwrap_or(1),
    )
}

/// The day of the week, Sunday being 0.
pub(super) fn weekday(days: i64) -> i64 {
    (days + 4).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_the_calendar_of_jiff(days in -700_000_i64..2_900_000) {
            let date = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(days));
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!((year, month, day), (i64::from(date.year()), date.month() as u32, date.day() as u32));
            prop_assert_eq!(days_from_civil(year, month, day), days);
            prop_assert_eq!(weekday(days), i64::from(date.weekday().to_sunday_zero_offset()));
        }
    }
}
