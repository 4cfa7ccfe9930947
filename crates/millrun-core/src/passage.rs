//! One batch on its way through the graph: filters, labels and copies, to every buffer it reaches.

use std::sync::Arc;
use std::time::Duration;

use millrun_buffer::{AppendError, ChunkId, OverflowAction, Timestamp, Transaction};
use millrun_event::{Cursor, Entries, Entry, EventBuffer, EventTime, Events, Malformed};

use crate::apart::Apart;
use crate::buffered::BufferedNode;
use crate::chunk_keys::Partition;
use crate::emitter::EmitError;
use crate::graph::{Branch, Graph, HOPS_MAX, Node, Rewrite, RouterId};
use crate::held::{Held, StagePart, Way};
use crate::loss::{LossReason, Losses};
use crate::plugin::{BatchFormatter, Content, Filter};
use crate::report::{Batch, ErrorEvents, Report};
use crate::route::RouteCache;
use crate::stage::{Due, Emissions};

/// What one transaction uses and the next one uses again.
#[derive(Default)]
pub(crate) struct Workspace {
    pub(crate) routes: Vec<RouteCache>,
    pub(crate) events: Vec<EventBuffer>,
    pub(crate) partition: Partition,
    pub(crate) text: Vec<u8>,
    pub(crate) ends: Vec<usize>,
    pub(crate) losses: Losses,
    pub(crate) errors: ErrorEvents,
    /// Error events that arose on the way of error events.
    pub(crate) late_errors: ErrorEvents,
    /// Writes that found a buffer full since the last transaction that found none.
    pub(crate) overflows: u64,
    /// When it was told last that a source is blocked by one.
    pub(crate) blocked_told: Option<Timestamp>,
    /// What stages hold back.
    pub(crate) held: Held,
    /// What large batches are taken apart with.
    pub(crate) apart: Apart,
    /// Memory for what is emitted again.
    pub(crate) emissions: Vec<Emissions>,
}

/// Why a batch did not get through; what it wrote is taken back.
pub(crate) enum Failure {
    Overflow(Arc<BufferedNode>, String),
    Error(EmitError),
}

impl From<EmitError> for Failure {
    fn from(error: EmitError) -> Self {
        Failure::Error(error)
    }
}

impl From<Malformed> for Failure {
    fn from(error: Malformed) -> Self {
        Failure::Error(EmitError::Malformed(error))
    }
}

/// One batch on its way through the graph.
pub(crate) struct Passage<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) transaction: Transaction<'a>,
    pub(crate) work: &'a mut Workspace,
    pub(crate) unmatched: bool,
    pub(crate) now: Timestamp,
}

impl Passage<'_> {
    pub(crate) fn route(
        &mut self,
        router: RouterId,
        tag: &str,
        events: Events<'_>,
        hops: usize,
    ) -> Result<(), Failure> {
        self.route_behind(router, None, tag, events, hops)
    }

    /// The way of a batch from behind the filter `behind`, or from the start.
    fn route_behind(
        &mut self,
        router: RouterId,
        behind: Option<&Arc<dyn Filter>>,
        tag: &str,
        events: Events<'_>,
        hops: usize,
    ) -> Result<(), Failure> {
        if hops >= HOPS_MAX {
            return Err(EmitError::Circle.into());
        }
        let Some(rules) = self.graph.router(router) else {
            return Ok(());
        };
        if self.work.routes.len() <= router.0 {
            self.work
                .routes
                .resize_with(router.0 + 1, RouteCache::default);
        }
        let Some(cache) = self.work.routes.get_mut(router.0) else {
            return Ok(());
        };
        let route = cache.route(rules, tag);
        let passed = behind.and_then(|behind| {
            let place = route
                .filters
                .iter()
                .position(|filter| Arc::ptr_eq(filter, behind));
            Some(place? + 1)
        });
        let filters = route.filters.get(passed.unwrap_or(0)..).unwrap_or_default();
        if filters.is_empty() {
            return self.end(route.target.as_deref(), tag, events, hops);
        }
        let mut current = self.scratch();
        let mut rest = self.filters(filters, tag, events, &mut current);
        while !rest.is_empty() {
            let mut next = self.scratch();
            rest = self.filters(rest, tag, current.as_events(), &mut next);
            self.work.events.push(std::mem::replace(&mut current, next));
        }
        let outcome = self.end(route.target.as_deref(), tag, current.as_events(), hops);
        self.work.events.push(current);
        outcome
    }

    /// The way through the first of `filters`, or through several that pieces of the batch pass side by side. Answers
    /// with those behind.
    fn filters<'f>(
        &mut self,
        filters: &'f [Arc<dyn Filter>],
        tag: &str,
        events: Events<'_>,
        out: &mut EventBuffer,
    ) -> &'f [Arc<dyn Filter>] {
        let batch = Batch {
            tag,
            events,
            now: self.event_time(),
        };
        let Workspace {
            apart,
            losses,
            errors,
            ..
        } = &mut *self.work;
        let passed = apart.filter(filters, batch, out, losses, errors);
        if passed > 0 {
            return filters.get(passed..).unwrap_or_default();
        }
        let Some((first, rest)) = filters.split_first() else {
            return &[];
        };
        self.filter(first, tag, events, out);
        rest
    }

    fn filter(
        &mut self,
        filter: &Arc<dyn Filter>,
        tag: &str,
        events: Events<'_>,
        out: &mut EventBuffer,
    ) {
        let now = self.event_time();
        let batch = Batch { tag, events, now };
        let mut report = Report::new(&mut self.work.losses, &mut self.work.errors);
        let holder = match filter.stage() {
            Some(_) => self.work.held.touch(filter),
            None => None,
        };
        match holder {
            Some(holder) => holder.filter(batch, out, &mut report),
            None => filter.filter(batch, out, &mut report),
        }
    }

    fn event_time(&self) -> EventTime {
        let micros = self.now.as_micros();
        EventTime::new(
            u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX),
            (micros % 1_000_000) as u32 * 1_000,
        )
    }

    /// Takes what stages have held long enough on its way.
    pub(crate) fn release(&mut self, due: Due) -> Result<(), Failure> {
        for number in 0..self.work.held.len() {
            if !self.work.held.is_due(number, due) {
                continue;
            }
            let mut emissions = self.emissions();
            let mut report = Report::new(&mut self.work.losses, &mut self.work.errors);
            let part = self
                .work
                .held
                .release(number, due, &mut emissions, &mut report);
            let outcome = part.map_or(Ok(()), |part| self.go_on(&part, &emissions));
            self.work.emissions.push(emissions);
            outcome?;
        }
        Ok(())
    }

    fn go_on(&mut self, part: &StagePart, emissions: &Emissions) -> Result<(), Failure> {
        for group in emissions.groups() {
            let events = group.as_events();
            match (&part.way, group.label) {
                (_, Some(label)) => self.route(label, &group.tag, events, 0)?,
                (Way::Behind(router), None) => {
                    self.route_behind(*router, Some(&part.filter), &group.tag, events, 0)?;
                }
                (Way::Rewrite(rewrite), None) => self.rewrite(rewrite, &group.tag, events, 0)?,
            }
        }
        Ok(())
    }

    /// Gives events other tags and sends them on.
    fn rewrite(
        &mut self,
        rewrite: &Rewrite,
        tag: &str,
        events: Events<'_>,
        hops: usize,
    ) -> Result<(), Failure> {
        if events.is_empty() {
            return Ok(());
        }
        let now = self.event_time();
        let mut emissions = self.emissions();
        let mut report = Report::new(&mut self.work.losses, &mut self.work.errors);
        rewrite
            .tags
            .rewrite(Batch { tag, events, now }, &mut emissions, &mut report);
        let hops = hops + 1;
        let mut outcome = Ok(());
        if hops >= HOPS_MAX {
            // Which tags an event gets hangs on its content: one that goes in a circle must not stop its source.
            let (id, lost) = (&rewrite.id, emissions.count());
            self.work.losses.add(&id.text, LossReason::Circle, lost);
        } else {
            for group in emissions.groups() {
                let router = group.label.unwrap_or(rewrite.router);
                outcome = self.route(router, &group.tag, group.as_events(), hops);
                if outcome.is_err() {
                    break;
                }
            }
        }
        self.work.emissions.push(emissions);
        outcome
    }

    fn emissions(&mut self) -> Emissions {
        let mut emissions = self.work.emissions.pop().unwrap_or_default();
        emissions.clear();
        emissions
    }

    /// Sends the error events to their label; those that arise on that way go nowhere again.
    pub(crate) fn route_errors(&mut self) -> Result<(), Failure> {
        if self.work.errors.groups().is_empty() {
            return Ok(());
        }
        let errors = std::mem::take(&mut self.work.errors);
        if let Some(router) = self.graph.error {
            for group in errors.groups() {
                self.route(router, &group.tag, group.events.as_events(), 0)?;
            }
        } else {
            count_rejected(&errors, &mut self.work.losses);
        }
        self.work.late_errors = std::mem::replace(&mut self.work.errors, errors);
        count_rejected(&self.work.late_errors, &mut self.work.losses);
        Ok(())
    }

    fn end(
        &mut self,
        target: Option<&Node>,
        tag: &str,
        events: Events<'_>,
        hops: usize,
    ) -> Result<(), Failure> {
        if events.is_empty() {
            return Ok(());
        }
        match target {
            Some(node) => self.deliver(node, tag, events, hops),
            None => {
                self.unmatched = true;
                self.work
                    .losses
                    .add("router", LossReason::NoMatch, u64::from(events.count));
                Ok(())
            }
        }
    }

    fn deliver(
        &mut self,
        node: &Node,
        tag: &str,
        events: Events<'_>,
        hops: usize,
    ) -> Result<(), Failure> {
        match node {
            Node::Direct { output, .. } => output
                .emit(tag, events)
                .map_err(|error| EmitError::Refused(error.to_string()).into()),
            Node::Buffered(node) => self.append(node, tag, events),
            Node::Relabel(router) => self.route(*router, tag, events, hops + 1),
            Node::Copy(branches) => self.copy(branches, tag, events, hops + 1),
            Node::Rotation(rotation) => match rotation.next() {
                Some(node) => self.deliver(node, tag, events, hops + 1),
                None => Ok(()),
            },
            Node::Rewrite(rewrite) => match &rewrite.stage {
                Some(stage) => {
                    let mut passed = self.scratch();
                    self.filter(stage, tag, events, &mut passed);
                    let outcome = self.rewrite(rewrite, tag, passed.as_events(), hops);
                    self.work.events.push(passed);
                    outcome
                }
                None => self.rewrite(rewrite, tag, events, hops),
            },
        }
    }

    fn copy(
        &mut self,
        branches: &[Branch],
        tag: &str,
        events: Events<'_>,
        hops: usize,
    ) -> Result<(), Failure> {
        let mut previous_succeeded = false;
        for branch in branches {
            if branch.ignore_if_prev_success && previous_succeeded {
                continue;
            }
            let outcome = self.deliver(&branch.node, tag, events, hops);
            previous_succeeded = outcome.is_ok();
            match outcome {
                Err(failure) if branch.ignore_error => {
                    let text = match failure {
                        Failure::Overflow(_, text) => text,
                        Failure::Error(error) => error.to_string(),
                    };
                    tracing::error!(error = text, "ignore emit error in a store of copy");
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Appends the batch to the chunks it belongs to.
    fn append(
        &mut self,
        node: &Arc<BufferedNode>,
        tag: &str,
        events: Events<'_>,
    ) -> Result<(), Failure> {
        let Workspace {
            partition,
            text,
            ends,
            losses,
            errors,
            overflows,
            blocked_told,
            ..
        } = &mut *self.work;
        let (transaction, now) = (&mut self.transaction, self.now);
        let Some(buffer) = node.buffer() else {
            return Ok(());
        };
        let bytes = events.bytes.len() as u64;
        node.counters.emitted(u64::from(events.count), bytes);
        partition.split(&node.keys, tag, events, |metadata, group| {
            let mut refused = Refused::default();
            let appended = match node.output.content() {
                Content::Events => {
                    let count = u64::from(group.count);
                    transaction.append(buffer, metadata, group.bytes, count, &mut first_entry, now)
                }
                Content::Formatted(formatter) => {
                    text.clear();
                    ends.clear();
                    let failed = formatter.format(tag, group, text, ends);
                    refused.formatter = (failed > 0).then_some(formatter);
                    let whole = text.len();
                    let mut first_line = |rest: &[u8]| {
                        let at = whole.checked_sub(rest.len())?;
                        ends.get(ends.partition_point(|end| *end <= at))
                            .map(|end| end - at)
                    };
                    let count = ends.len() as u64;
                    transaction.append(buffer, metadata, text, count, &mut first_line, now)
                }
            };
            match appended {
                Ok(appended) => {
                    warn_dropped(node, &appended.dropped);
                    refused.oversized = appended.oversized;
                    refused.report(node, tag, group, &mut Report::new(losses, errors));
                    Ok(())
                }
                Err(error @ AppendError::Overflow { .. }) => {
                    *overflows += 1;
                    let blocks = node.plan.config.overflow_action == OverflowAction::Block;
                    // Who waits looks again by and by: that is one overflow. Fluentd looks once a second, so that it finds no more.
                    let was_told = blocked_told
                        .is_some_and(|told| told <= now && now.since(told) < BLOCKED_TOLD_EACH);
                    if !blocks || (*overflows == 1 && !was_told) {
                        warn_overflow(node, *overflows);
                        *blocked_told = Some(now);
                    }
                    Err(Failure::Overflow(Arc::clone(node), error.to_string()))
                }
                Err(AppendError::Ledger(error)) => Err(EmitError::Ledger(error).into()),
                Err(error) => Err(EmitError::Refused(error.to_string()).into()),
            }
        })
    }

    fn scratch(&mut self) -> EventBuffer {
        let mut buffer = self.work.events.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }
}

/// Events of one append that the buffer does not keep.
#[derive(Default)]
struct Refused<'a> {
    /// Could not format all of them.
    formatter: Option<&'a dyn BatchFormatter>,
    /// Larger than a chunk: index among the formatted ones, and bytes.
    oversized: Vec<(u64, u64)>,
}

impl Refused<'_> {
    /// Sends them to `@ERROR`. Which ones the formatter refused is found by asking it again, one by one: that is rare.
    fn report(self, node: &BufferedNode, tag: &str, events: Events<'_>, report: &mut Report<'_>) {
        if self.formatter.is_none() && self.oversized.is_empty() {
            return;
        }
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        let limit = node.plan.config.chunk_limit_size;
        let mut number = 0;
        for entry in Entries::new(events.bytes).map_while(Result::ok) {
            if let Some(formatter) = self.formatter {
                text.clear();
                ends.clear();
                let alone = Events {
                    bytes: entry.bytes,
                    count: 1,
                };
                if formatter.format(tag, alone, &mut text, &mut ends) > 0 {
                    let (id, reason) = (&node.id.text, LossReason::Invalid);
                    let error = "the event cannot be formatted";
                    report.refused_event(id, tag, &entry, reason, error);
                    continue;
                }
            }
            let found = self.oversized.iter().find(|(index, _)| *index == number);
            if let Some((nth, size)) = found {
                let error = format!(
                    "a {size} bytes record (nth: {nth}) is larger than buffer chunk limit size ({limit})"
                );
                let (id, reason) = (&node.id.text, LossReason::Oversized);
                report.refused_event(id, tag, &entry, reason, error);
            }
            number += 1;
        }
    }
}

/// Counts the events that filters and buffers refused and nothing takes.
fn count_rejected(errors: &ErrorEvents, losses: &mut Losses) {
    for group in errors.groups() {
        losses.add(&group.plugin, group.reason, group.dropped);
    }
}

/// The length of the first entry of a stream.
fn first_entry(rest: &[u8]) -> Option<usize> {
    Entry::read(&mut Cursor::new(rest))
        .ok()
        .map(|entry| entry.bytes.len())
}

/// How often it is told at the most that a full buffer blocks a source.
const BLOCKED_TOLD_EACH: Duration = Duration::from_secs(1);

/// Says that a buffer is full: at first at once, then ever more rarely, for its source tries again
/// and again.
fn warn_overflow(node: &BufferedNode, number: u64) {
    if !is_told(number) {
        return;
    }
    let action = match node.plan.config.overflow_action {
        OverflowAction::ThrowException => ":throw_exception",
        OverflowAction::Block => ":block",
        OverflowAction::DropOldestChunk => ":drop_oldest_chunk",
    };
    tracing::warn!(
        plugin_id = node.id.given(),
        action = tracing::field::display(action),
        "failed to write data into buffer by buffer overflow"
    );
}

/// Says which chunks had to go; each is a loss.
fn warn_dropped(node: &BufferedNode, dropped: &[ChunkId]) {
    node.counters.dropped_oldest(dropped.len() as u64);
    for chunk in dropped {
        warn_overflow(node, 1);
        tracing::warn!(
            plugin_id = node.id.given(), chunk_id = %chunk,
            "dropping oldest chunk to make space after buffer overflow"
        );
    }
}

/// Whether the call of this number is one to warn of.
pub(crate) fn is_shown(call: u64) -> bool {
    call.is_multiple_of(512) || (call <= 256 && call.is_power_of_two())
}

/// The same for what is to be told each time at first: a person sees the first few, a flood does not fill the disk.
pub(crate) fn is_told(call: u64) -> bool {
    call <= TOLD_EACH_MAX || is_shown(call)
}

/// How many equal warnings are given one by one.
const TOLD_EACH_MAX: u64 = 16;
