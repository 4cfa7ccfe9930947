//! The `sampling` filter: passes on one event of many.
//!
//! ```text
//! <filter app.**>
//!   @type sampling
//!   interval 10                  every tenth
//!   sample_unit tag              of each tag; `all`: of everything
//!   minimum_rate_per_min 100     and so many a minute in any case
//! </filter>
//! ```
//! Sources are counted apart. A batch that is repeated because a buffer was full is counted once.

use std::collections::HashMap;
use std::sync::Arc;

use millrun_config::{Diagnostic, Element, parameters, words};
use millrun_core::{Assembly, Batch, Filter, Holder, LossReason, PluginId, Report, Stage};
use millrun_event::{Entries, EventBuffer};

words! {
    /// What is counted together.
    pub enum SampleUnit {
        /// Events of one tag.
        Tag = "tag",
        /// All events.
        All = "all",
    }
}

parameters! {
    /// Passes on one event of many.
    pub struct SamplingParameters in "filter", type "sampling" {
        /// Of so many events one is passed on.
        interval: u32 = required;
        /// What is counted together.
        sample_unit: SampleUnit = "tag";
        /// So many events a minute are passed on in any case.
        minimum_rate_per_min: u32 = "0";
    }
}

/// How many tags are counted; of one too many, all begin anew.
const UNITS_MAX: usize = 10_000;

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = SamplingParameters::read(element, assembly.diagnostics)?;
    if parameters.interval == 0 {
        let fault = Diagnostic::error("interval is 0");
        let place = fault.at(element.span_of("interval"), "one of how many?");
        assembly
            .diagnostics
            .push(place.hint("1 passes everything on"));
        return None;
    }
    Some(Arc::new(Sampling {
        id: id.text.clone(),
        interval: parameters.interval,
        by_tag: parameters.sample_unit == SampleUnit::Tag,
        minimum: parameters.minimum_rate_per_min,
    }))
}

#[derive(Clone)]
struct Sampling {
    id: Arc<str>,
    interval: u32,
    by_tag: bool,
    minimum: u32,
}

impl Filter for Sampling {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        self.holder().filter(batch, out, report);
    }

    fn stage(&self) -> Option<&dyn Stage> {
        Some(self)
    }
}

impl Stage for Sampling {
    fn name(&self) -> &str {
        &self.id
    }

    fn holder(&self) -> Box<dyn Holder> {
        Box::new(Counts {
            rules: self.clone(),
            units: HashMap::new(),
            before: Vec::new(),
        })
    }
}

struct Counts {
    rules: Sampling,
    units: HashMap<Box<str>, Count>,
    /// What the transaction under way found.
    before: Vec<(Box<str>, Count)>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    /// Events since the last one that was passed on.
    since: u32,
    minute: u32,
    /// Passed on in this minute.
    passed: u32,
}

impl Count {
    fn passes(&mut self, rules: &Sampling, minute: u32) -> bool {
        if self.minute != minute {
            self.minute = minute;
            self.passed = 0;
        }
        self.since += 1;
        let is_sampled = self.since >= rules.interval;
        if is_sampled {
            self.since = 0;
        }
        let passes = is_sampled || self.passed < rules.minimum;
        self.passed = self.passed.saturating_add(u32::from(passes));
        passes
    }
}

impl Holder for Counts {
    fn filter(&mut self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let unit = match self.rules.by_tag {
            true => batch.tag,
            false => "",
        };
        if self.units.len() >= UNITS_MAX && !self.units.contains_key(unit) {
            self.units.clear();
        }
        let mut count = self.units.get(unit).copied().unwrap_or_default();
        self.before.push((unit.into(), count));
        for (seen, entry) in (0..).zip(Entries::new(batch.events.bytes)) {
            let Ok(entry) = entry else {
                let left = batch.events.count.saturating_sub(seen);
                report.lose(&self.rules.id, LossReason::Invalid, u64::from(left));
                break;
            };
            if count.passes(&self.rules, batch.now.seconds / 60) {
                out.extend(entry.bytes, 1);
            }
        }
        match self.units.get_mut(unit) {
            Some(known) => *known = count,
            None => drop(self.units.insert(unit.into(), count)),
        }
    }

    fn commit(&mut self) {
        self.before.clear();
    }

    fn roll_back(&mut self, _: &[u8]) {
        // The first that was noted of a unit is what it was.
        for (unit, count) in self.before.drain(..).rev() {
            self.units.insert(unit, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use millrun_core::{ErrorEvents, Holder, Losses, Report};
    use serde_json::json;

    use crate::filter::tests::{batch_of, filter, said, stream};

    fn sampled(holder: &mut dyn Holder, tag: &str, count: u32) -> u32 {
        let list: Vec<_> = (0..count).map(|n| json!({"n": n})).collect();
        let given = stream(&list);
        let mut out = millrun_event::EventBuffer::default();
        let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
        let mut report = Report::new(&mut losses, &mut errors);
        holder.filter(batch_of(tag, given.as_events()), &mut out, &mut report);
        out.count()
    }

    #[test]
    fn one_of_many_passes_also_over_batches() {
        let filter = filter("@type sampling\ninterval 3");
        let mut holder = filter.stage().unwrap().holder();
        let passed: Vec<u32> = [2, 2, 1, 4]
            .map(|count| sampled(&mut *holder, "a", count))
            .into();
        assert_eq!(passed, [0, 1, 0, 2]);
        assert_eq!(sampled(&mut *holder, "b", 3), 1);
    }

    #[test]
    fn a_repeated_batch_is_counted_once() {
        let filter = filter("@type sampling\ninterval 3\nsample_unit all");
        let mut holder = filter.stage().unwrap().holder();
        assert_eq!(sampled(&mut *holder, "a", 2), 0);
        holder.commit();
        assert_eq!(
            (sampled(&mut *holder, "a", 1), sampled(&mut *holder, "b", 2)),
            (1, 0)
        );
        holder.roll_back(&[]);
        assert_eq!(sampled(&mut *holder, "b", 1), 1);
    }

    #[test]
    fn so_many_a_minute_pass_in_any_case() {
        let filter = filter("@type sampling\ninterval 100\nminimum_rate_per_min 5");
        let mut holder = filter.stage().unwrap().holder();
        assert_eq!(sampled(&mut *holder, "a", 50), 5);
        assert_eq!(sampled(&mut *holder, "a", 50), 1);
    }

    #[test]
    fn one_of_none_is_refused() {
        assert_eq!(
            said("@type sampling\ninterval 0"),
            "error: interval is 0\n --> f.conf:3:10\n  |\n3 | interval 0\n  |          ^ one of how many?\n  |\n  = help: 1 passes everything on"
        );
    }
}
