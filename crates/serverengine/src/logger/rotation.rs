//! When a log file is put aside, and what it is called then.
//!
//! ```text
//!   keep 5, by size       log ─► log.0 ─► log.1 ─► log.2 ─► log.3 ─► (removed)
//!   daily, on the 21st    log ─► log.20261120, or log.20261120.1 if that is there
//! ```

use super::format::{LocalTime, civil_date};

/// When a log file is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotation {
    /// Never by this process. When somebody else moves the file, a new one is begun within a second of
    /// the next line.
    Never,
    /// Before a line that would make the file larger than `bytes`. With the one that is written to,
    /// `keep` files remain.
    Size {
        /// Largest size of a file. A single longer line makes it longer.
        bytes: u64,
        /// Number of files, at least 2.
        keep: u32,
    },
    /// With the first line of a new day, week or month of local time. Old files are not removed.
    Period(Period),
}

/// Length of what one log file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Period {
    /// From midnight to midnight.
    Daily,
    /// From Sunday to Saturday.
    Weekly,
    /// A calendar month.
    Monthly,
}

impl Default for Rotation {
    /// ServerEngine's: 5 files of 1 MiB.
    fn default() -> Self {
        Self::Size {
            bytes: 1_048_576,
            keep: 5,
        }
    }
}

impl Period {
    /// Returns the number of the period a moment lies in: it grows with time.
    pub(crate) fn number(self, time: LocalTime) -> u64 {
        let days = time.local_seconds() / 86_400;
        match self {
            Self::Daily => days,
            // 1970-01-01 was a Thursday.
            Self::Weekly => (days + 4) / 7,
            Self::Monthly => {
                let (year, month, _) = civil_date(days);
                year * 12 + month - 1
            }
        }
    }

    /// Returns the name part of the file that held the period before this moment's: its last day.
    pub(crate) fn suffix(self, time: LocalTime) -> String {
        let days = time.local_seconds() / 86_400;
        let first = match self {
            Self::Daily => days,
            Self::Weekly => days - (days + 4) % 7,
            Self::Monthly => {
                let (_, _, day) = civil_date(days);
                days - (day - 1)
            }
        };
        let (year, month, day) = civil_date(first.saturating_sub(1));
        format!("{year:04}{month:02}{day:02}")
    }
}

/// Returns the renames that make room for a new file, in order: from suffix to suffix, `None` being the
/// file itself.
pub(crate) fn shifts(keep: u32) -> Vec<(Option<u32>, u32)> {
    let oldest = keep.max(2) - 2;
    let mut shifts: Vec<_> = (0..oldest).rev().map(|it| (Some(it), it + 1)).collect();
    shifts.push((None, 0));
    shifts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn day(days: u64) -> LocalTime {
        LocalTime {
            since_epoch: Duration::from_secs(days * 86_400 + 5),
            offset_seconds: 0,
        }
    }

    #[test]
    fn five_files_are_the_one_and_four_old_ones() {
        assert_eq!(
            shifts(5),
            [(Some(2), 3), (Some(1), 2), (Some(0), 1), (None, 0)]
        );
        assert_eq!(shifts(2), [(None, 0)]);
        assert_eq!(shifts(0), [(None, 0)]);
    }

    #[test]
    fn periods_change_at_midnight_on_sunday_and_on_the_first() {
        let midnight = 20_778; // 2026-11-21, a Saturday
        assert_eq!(Period::Daily.suffix(day(midnight)), "20261120");
        assert_ne!(
            Period::Daily.number(day(midnight)),
            Period::Daily.number(day(midnight - 1))
        );
        let weekly = |days| Period::Weekly.number(day(days));
        assert_eq!(weekly(midnight - 6), weekly(midnight));
        assert_eq!(weekly(midnight) + 1, weekly(midnight + 1));
        assert_eq!(Period::Weekly.suffix(day(midnight + 1)), "20261121");
        assert_eq!(Period::Weekly.suffix(day(midnight)), "20261114");
        let monthly = |days| Period::Monthly.number(day(days));
        assert_eq!(monthly(midnight + 9), monthly(midnight));
        assert_eq!(monthly(midnight + 10), monthly(midnight) + 1);
        assert_eq!(Period::Monthly.suffix(day(midnight)), "20261031");
    }

    #[test]
    fn local_midnight_counts() {
        let late = LocalTime {
            since_epoch: Duration::from_secs(86_400 - 60),
            offset_seconds: 3_600,
        };
        assert_eq!(Period::Daily.number(late), 1);
    }
}
