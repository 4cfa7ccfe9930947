//! Time zones of configurations.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use super::{
    civil::{DAY_SECONDS, civil_from_days},
    error::ZoneError,
};

/// Where a time without an offset belongs, or how a time is written.
#[derive(Clone, Debug)]
pub struct Zone {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Utc,
    Fixed(i32),
    Named(TimeZone),
    Local(TimeZone),
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone { kind: Kind::Utc };

    /// The zone of this process: the variable `TZ` or the system's setting. Read once, by configuration code.
    #[must_use]
    pub fn local() -> Zone {
        Zone {
            kind: Kind::Local(TimeZone::system()),
        }
    }

    /// Reads a `timezone` parameter: `+09:00`, `+0900`, `+09`, or `Area/City` as the zone database spells it.
    ///
    /// # Errors
    /// Anything else, abbreviations such as `JST` and `UTC` included.
    pub fn parse(text: &str) -> Result<Zone, ZoneError> {
        let unknown = || ZoneError {
            zone: text.to_owned(),
        };
        if let Some(offset) = fixed_offset(text.as_bytes()) {
            return Ok(Zone {
                kind: Kind::Fixed(offset),
            });
        }
        if !text.contains('/') {
            return Err(unknown());
        }
        let zone = TimeZone::get(text).map_err(|_| unknown())?;
        // The database is searched without regard to case, the parameter is not.
        if zone.iana_name() != Some(text) {
            return Err(unknown());
        }
        Ok(Zone {
            kind: Kind::Named(zone),
        })
    }

    /// Whether this is UTC itself, which is written `Z`.
    pub(super) fn is_utc(&self) -> bool {
        matches!(self.kind, Kind::Utc)
    }

    /// Seconds east of Greenwich at a point in time.
    pub fn offset_at(&self, seconds: i64) -> i32 {
        match &self.kind {
            Kind::Utc => 0,
            Kind::Fixed(offset) => *offset,
            // Beyond the years of the database no zone has rules.
            Kind::Named(zone) | Kind::Local(zone) => {
                Timestamp::from_second(seconds).map_or(0, |time| zone.to_offset(time).seconds())
            }
        }
    }

    /// What `%Z` prints: a `timezone` parameter is a bare offset to Ruby and has no name.
    pub(super) fn abbreviation_at(&self, seconds: i64) -> String {
        match &self.kind {
            Kind::Utc => "UTC".to_owned(),
            Kind::Fixed(_) | Kind::Named(_) => String::new(),
            Kind::Local(zone) => Timestamp::from_second(seconds).map_or(String::new(), |time| {
                zone.to_offset_info(time).abbreviation().to_owned()
            }),
        }
    }

    /// The point in time at which clocks of the zone show `local`, seconds since 1970-01-01T00:00:00 on them.
    ///
    /// In the hour that is shown twice the first one counts, in the hour that is skipped clocks are taken as not yet
    /// changed.
    pub(super) fn instant(&self, local: i64) -> i64 {
        match &self.kind {
            Kind::Utc => local,
            Kind::Fixed(offset) => local - i64::from(*offset),
            Kind::Named(zone) | Kind::Local(zone) => civil(local)
                .and_then(|civil| zone.to_ambiguous_timestamp(civil).compatible().ok())
                .map_or(local, Timestamp::as_second),
        }
    }
}

fn civil(local: i64) -> Option<DateTime> {
    let (year, month, day) = civil_from_days(local.div_euclid(DAY_SECONDS));
    let second = local.rem_euclid(DAY_SECONDS);
    let small = |value: i64| i8::try_from(value).ok();
    DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        small(second / 3600)?,
        small(second / 60 % 60)?,
        small(second % 60)?,
        0,
    )
    .ok()
}

/// `+09`, `+0900` or `+09:00`, in seconds.
fn fixed_offset(text: &[u8]) -> Option<i32> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
    let (&sign, rest) = text.split_first()?;
    let (h1, h2, m1, m2) = match *rest {
        [h1, h2] => (h1, h2, b'0', b'0'),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (h1, h2, m1, m2),
        _ => return None,
    };
    let hours = digit(h1)? * 10 + digit(h2)?;
    let minutes = digit(m1)? * 10 + digit(m2)?;
    let offset = hours * 3600 + minutes * 60;
    match sign {
        b'+' => Some(offset),
        b'-' => Some(-offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_that_is_skipped_or_doubled_has_an_answer() {
        let zone = Zone::parse("America/New_York").unwrap();
        let local = |hour: i64, day: u32| {
            super::super::civil::days_from_civil(2024, day / 100, day % 100) * 86_400 + hour * 1800
        };
        // 2024-03-10 02:30 does not exist: 03:30 EDT. 2024-11-03 01:30 comes twice: EDT first.
        assert_eq!(zone.instant(local(5, 310)), 1_710_055_800);
        assert_eq!(zone.instant(local(3, 1103)), 1_730_611_800);
    }

    #[test]
    fn an_unknown_zone_is_refused_with_advice() {
        assert_eq!(
            Zone::parse("JST").unwrap_err().to_string(),
            "invalid timezone \"JST\": write an offset such as +09:00, +0900 or +09, or a place such as Asia/Tokyo"
        );
    }
}
