//! The `throttle` filter: so many events of a group in a while, and no more.
//!
//! ```text
//! <filter kubernetes.**>
//!   @type throttle
//!   group_key kubernetes.container_name     dots lead into maps; several names make one group
//!   group_bucket_period_s 60
//!   group_bucket_limit 6000
//!   group_reset_rate_s 100
//! </filter>
//! ```
//! A group that exceeded its limit is let through again when a new period has begun and it has slowed down to
//! `group_reset_rate_s` events a second; -1 asks for no slowing down. What is dropped is counted as lost (`throttled`).
//! All sources of the process count together; a batch that is repeated because a buffer was full is counted once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use millrun_config::{Diagnostic, Element, parameters};
use millrun_core::{Assembly, Batch, Filter, Holder, LossReason, PluginId, Report, Stage, lookup};
use millrun_event::{Entries, EventBuffer};
use millrun_pattern::Segment;

parameters! {
    /// So many events of a group in a while, and no more.
    pub struct ThrottleParameters in "filter", type "throttle" {
        /// The fields whose values make a group; dots lead into maps.
        group_key: Vec<String> = "kubernetes.container_name";
        /// How long a period is, in seconds.
        group_bucket_period_s: u32 = "60";
        /// How many events of a group pass in a period.
        group_bucket_limit: u32 = "6000";
        /// Events beyond that are dropped; if not, they are only warned of.
        group_drop_logs: bool = "true";
        /// The rate to slow down to, in events a second; without it, the limit's own. -1: any.
        group_reset_rate_s: Option<i64>;
        /// Seconds between two warnings of a group.
        group_warning_delay_s: u32 = "10";
        /// Seconds after which a group that says nothing is forgotten.
        group_gc_timeout_s: u32 = "3600";
    }
}

/// How many groups are remembered; of one too many, the quietest goes.
const GROUPS_MAX: usize = 10_000;

pub(super) fn build(
    element: &Element,
    id: &PluginId,
    assembly: &mut Assembly<'_>,
) -> Option<Arc<dyn Filter>> {
    let parameters = ThrottleParameters::read(element, assembly.diagnostics)?;
    for (name, value) in [
        ("group_bucket_period_s", parameters.group_bucket_period_s),
        ("group_bucket_limit", parameters.group_bucket_limit),
    ] {
        if value == 0 {
            let fault = Diagnostic::error(format!("{name} is 0"));
            let place = fault.at(element.span_of(name), "must be 1 or more");
            assembly.diagnostics.push(place);
            return None;
        }
    }
    let own =
        f64::from(parameters.group_bucket_limit) / f64::from(parameters.group_bucket_period_s);
    let reset_rate = match parameters.group_reset_rate_s {
        None => Some(own),
        Some(rate) if rate < 0 => None,
        Some(rate) => Some(rate as f64),
    };
    if reset_rate.is_some_and(|rate| rate > own) {
        let fault = Diagnostic::error("group_reset_rate_s is more than the limit allows");
        let place = fault.at(element.span_of("group_reset_rate_s"), "events a second");
        let hint = format!("group_bucket_limit in group_bucket_period_s seconds is {own} a second");
        assembly.diagnostics.push(place.hint(hint));
        return None;
    }
    let paths = parameters.group_key.iter().map(|key| {
        let names = key.split('.');
        names.map(|name| Segment::Key(name.to_owned())).collect()
    });
    Some(Arc::new(Throttle {
        id: id.text.clone(),
        shared: Arc::new(Shared {
            id: id.text.clone(),
            paths: paths.collect(),
            reset_rate,
            parameters,
            groups: Mutex::default(),
        }),
    }))
}

struct Throttle {
    id: Arc<str>,
    shared: Arc<Shared>,
}

struct Shared {
    id: Arc<str>,
    paths: Vec<Vec<Segment>>,
    reset_rate: Option<f64>,
    parameters: ThrottleParameters,
    groups: Mutex<HashMap<Box<[u8]>, Group>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    /// The period that is counted.
    period: u32,
    /// Events in it.
    count: u32,
    /// The limit was exceeded, and the rate is not down again.
    is_exceeded: bool,
    /// For the rate: the second that is counted, the events in it, and the rate of the last one.
    second: u32,
    in_second: u32,
    rate: f64,
    warned: u32,
    last: u32,
}

impl Filter for Throttle {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        self.holder().filter(batch, out, report);
    }

    fn stage(&self) -> Option<&dyn Stage> {
        Some(self)
    }
}

impl Stage for Throttle {
    fn name(&self) -> &str {
        &self.id
    }

    fn holder(&self) -> Box<dyn Holder> {
        Box::new(Counts {
            shared: Arc::clone(&self.shared),
            before: HashMap::new(),
            key: Vec::new(),
        })
    }
}

struct Counts {
    shared: Arc<Shared>,
    /// What the transaction under way found of the groups it met, and how many events it counted there.
    before: HashMap<Box<[u8]>, Group>,
    key: Vec<u8>,
}

impl Shared {
    /// Whether an event of the group may pass at second `now`.
    fn counts(&self, group: &mut Group, name: &[u8], now: u32) -> bool {
        if group.second != now {
            let passed = now.saturating_sub(group.second).max(1);
            group.rate = f64::from(group.in_second) / f64::from(passed);
            group.second = now;
            group.in_second = 0;
        }
        group.in_second = group.in_second.saturating_add(1);
        group.last = now;
        let period = now / self.parameters.group_bucket_period_s;
        if group.period != period {
            let is_slow = self.reset_rate.is_none_or(|rate| group.rate < rate);
            if !group.is_exceeded || is_slow {
                if group.is_exceeded {
                    tracing::info!(
                        plugin = &*self.id,
                        group = show(name),
                        rate = group.rate,
                        "rate back down"
                    );
                }
                group.is_exceeded = false;
                group.count = 0;
                group.period = period;
            }
        }
        group.count = group.count.saturating_add(1);
        if group.count <= self.parameters.group_bucket_limit && !group.is_exceeded {
            return true;
        }
        let is_new = !group.is_exceeded;
        group.is_exceeded = true;
        if is_new || now.saturating_sub(group.warned) >= self.parameters.group_warning_delay_s {
            group.warned = now;
            tracing::warn!(
                plugin = &*self.id,
                group = show(name),
                rate = group.rate,
                limit = self.parameters.group_bucket_limit,
                period = self.parameters.group_bucket_period_s,
                "rate exceeded"
            );
        }
        !self.parameters.group_drop_logs
    }
}

/// The values of a group as the log shows them.
fn show(name: &[u8]) -> String {
    let mut cursor = millrun_event::Cursor::new(name);
    let mut values = Vec::new();
    while let Ok(value) = cursor.value() {
        values.push(millrun_core::text_of(value));
    }
    values.join(",")
}

impl Holder for Counts {
    fn filter(&mut self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let shared = Arc::clone(&self.shared);
        let mut groups = shared.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let now = batch.now.seconds;
        let mut dropped = 0;
        for (seen, entry) in (0..).zip(Entries::new(batch.events.bytes)) {
            let Ok(entry) = entry else {
                let left = batch.events.count.saturating_sub(seen);
                report.lose(&shared.id, LossReason::Invalid, u64::from(left));
                break;
            };
            self.key.clear();
            for path in &shared.paths {
                match lookup(entry.record_bytes(), path) {
                    Some(value) => self.key.extend_from_slice(value.bytes()),
                    None => self.key.push(0xc0),
                }
            }
            if !groups.contains_key(self.key.as_slice()) {
                make_room(&mut groups, now, shared.parameters.group_gc_timeout_s);
                groups.insert(self.key.as_slice().into(), Group::default());
            }
            let Some(group) = groups.get_mut(self.key.as_slice()) else {
                continue;
            };
            if !self.before.contains_key(self.key.as_slice()) {
                self.before.insert(self.key.as_slice().into(), *group);
            }
            if shared.counts(group, &self.key, now) {
                out.extend(entry.bytes, 1);
            } else {
                dropped += 1;
            }
        }
        report.lose(&shared.id, LossReason::Throttled, dropped);
    }

    fn commit(&mut self) {
        self.before.clear();
    }

    fn roll_back(&mut self, _: &[u8]) {
        let mut groups = self
            .shared
            .groups
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // What other sources counted meanwhile is forgotten with it: rather too many pass than too few.
        groups.extend(self.before.drain());
    }
}

fn make_room(groups: &mut HashMap<Box<[u8]>, Group>, now: u32, timeout: u32) {
    if groups.len() < GROUPS_MAX {
        return;
    }
    groups.retain(|_, group| now.saturating_sub(group.last) < timeout);
    if groups.len() < GROUPS_MAX {
        return;
    }
    let quietest = groups.iter().min_by_key(|(_, group)| group.last);
    if let Some(key) = quietest.map(|(key, _)| key.clone()) {
        groups.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use millrun_core::{Batch, ErrorEvents, Holder, Losses, Report};
    use millrun_event::EventTime;
    use serde_json::{Value, json};

    use crate::filter::tests::{filter, said, stream};

    /// How many of the events of a group pass in a second, and how many are lost.
    fn passed(holder: &mut dyn Holder, second: u32, list: &[Value]) -> (u32, u64) {
        let given = stream(list);
        let mut out = millrun_event::EventBuffer::default();
        let (mut losses, mut errors) = (Losses::default(), ErrorEvents::default());
        let mut report = Report::new(&mut losses, &mut errors);
        let batch = Batch {
            tag: "t",
            events: given.as_events(),
            now: EventTime::new(6_000 + second, 0),
        };
        holder.filter(batch, &mut out, &mut report);
        (
            out.count(),
            losses.entries().iter().map(|loss| loss.count).sum(),
        )
    }

    fn of(group: &str, count: usize) -> Vec<Value> {
        vec![json!({"k": {"c": group}}); count]
    }

    const OPTIONS: &str =
        "@type throttle\ngroup_key k.c\ngroup_bucket_period_s 10\ngroup_bucket_limit 20";

    #[test]
    fn a_group_passes_its_limit_and_slows_down_before_it_passes_again() {
        let filter = filter(OPTIONS);
        let mut holder = filter.stage().unwrap().holder();
        assert_eq!(passed(&mut *holder, 0, &of("a", 25)), (20, 5));
        assert_eq!(passed(&mut *holder, 0, &of("b", 5)), (5, 0));
        // A new period, and as fast as before.
        assert_eq!(passed(&mut *holder, 9, &of("a", 5)), (0, 5));
        assert_eq!(passed(&mut *holder, 10, &of("a", 5)), (0, 5));
        assert_eq!(passed(&mut *holder, 15, &of("a", 1)), (1, 0));
        assert_eq!(passed(&mut *holder, 15, &of("b", 20)), (20, 0));
    }

    #[test]
    fn sources_count_together_and_a_repeated_batch_once() {
        let filter = filter(OPTIONS);
        let mut one = filter.stage().unwrap().holder();
        let mut other = filter.stage().unwrap().holder();
        assert_eq!(passed(&mut *one, 0, &of("a", 15)), (15, 0));
        one.commit();
        assert_eq!(passed(&mut *other, 0, &of("a", 15)), (5, 10));
        other.roll_back(&[]);
        assert_eq!(passed(&mut *other, 0, &of("a", 5)), (5, 0));
    }

    #[test]
    fn it_may_only_warn() {
        let filter = filter(&format!("{OPTIONS}\ngroup_drop_logs false"));
        let mut holder = filter.stage().unwrap().holder();
        assert_eq!(passed(&mut *holder, 0, &of("a", 25)), (25, 0));
    }

    #[test]
    fn limits_that_cannot_be_are_refused() {
        assert_eq!(
            said("@type throttle\ngroup_bucket_limit 0"),
            "error: group_bucket_limit is 0\n --> f.conf:3:20\n  |\n3 | group_bucket_limit 0\n  |                    ^ must be 1 or more"
        );
        assert_eq!(
            said("@type throttle\ngroup_reset_rate_s 200"),
            "error: group_reset_rate_s is more than the limit allows\n --> f.conf:3:20\n  |\n3 | group_reset_rate_s 200\n  |                    ^^^ events a second\n  |\n  = help: group_bucket_limit in group_bucket_period_s seconds is 100 a second"
        );
    }
}
