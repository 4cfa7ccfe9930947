//! What was measured in one turn.

use std::fmt;
use std::time::Duration;

/// A time for each number of workers. `None`: not within the time.
pub(crate) type Times = Vec<(usize, Option<Duration>)>;

/// Figures of one contender in one round.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// From the start of the program to the last worker's word, by number of workers.
    pub(crate) starts: Times,
    /// From the signal to the last new worker's word.
    pub(crate) restarts: Times,
    /// From the kill to the new worker's word.
    pub(crate) replacements: Vec<Duration>,
    pub(crate) not_replaced: u32,
    /// Of each idle worker.
    pub(crate) workers: Vec<Cost>,
    /// Of each other process, by its title.
    pub(crate) control: Vec<(String, Cost)>,
}

/// What an idle process costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) pss_kib: u64,
    pub(crate) wakeups_per_second: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, list) in [("start", &self.starts), ("restart", &self.restarts)] {
            write!(formatter, "  {what:<12}")?;
            for (workers, took) in list {
                match took {
                    Some(took) => write!(formatter, "  {workers}: {:.1} ms", millis(*took))?,
                    None => write!(formatter, "  {workers}: not in time")?,
                }
            }
            writeln!(formatter)?;
        }
        let quantile = |part| quantile(&self.replacements, part).map_or(f64::NAN, millis);
        writeln!(
            formatter,
            "  replacement   p50 {:.2} ms  p99 {:.2} ms  of {} kills, {} not replaced",
            quantile(0.5),
            quantile(0.99),
            self.replacements.len(),
            self.not_replaced
        )?;
        let count = self.workers.len().max(1) as f64;
        let pss: u64 = self.workers.iter().map(|it| it.pss_kib).sum();
        let woken: f64 = self.workers.iter().map(|it| it.wakeups_per_second).sum();
        writeln!(
            formatter,
            "  idle worker   {:.0} KiB  {:.2} wake-ups/s",
            pss as f64 / count,
            woken / count
        )?;
        for (title, cost) in &self.control {
            let title: String = title.chars().take(40).collect();
            writeln!(
                formatter,
                "  control       {} KiB  {:.2} wake-ups/s  {title}",
                cost.pss_kib, cost.wakeups_per_second
            )?;
        }
        Ok(())
    }
}

/// Returns the least time that so large a part does not exceed.
pub(crate) fn quantile(times: &[Duration], part: f64) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 0.5), Some(Duration::from_millis(100)));
        assert_eq!(quantile(&times, 0.99), Some(Duration::from_millis(198)));
        assert_eq!(quantile(&times, 1.0), Some(Duration::from_millis(200)));
        assert_eq!(
            quantile(&times[..1], 0.01),
            Some(Duration::from_millis(200))
        );
        assert_eq!(quantile(&[], 0.5), None);
    }
}
