//! A small world for pipelines: a source that emits what the test says, outputs that behave as
//! the test says.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses its part, and helpers of tests may be blunt"
)]

mod stages;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender as ChannelSender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use millrun_buffer::{Chunk, Origin};
use millrun_config::{Element, NoIncludes, NoRuby, RenderStyle, parameters, parse_str};
use millrun_core::{
    Assembly, Batch, BufferDefaults, BufferType, BufferedOutput, Content, DeliveryError,
    DirectOutput, EmitError, Emitter, Fate, Filter, Input, Listeners, LossReason, Node,
    OwnListeners, Pipeline, PluginId, Progress, Registry, Report, Sender, StartError, Stop, System,
    assemble,
};
use millrun_event::{Entries, EventBuffer, EventTime, Events, write};

parameters! {
    /// A plugin of the tests.
    pub(crate) struct TestParameters in "match", type "test" {
        /// Which of the test's records it belongs to.
        name: String = "";
    }
    sections {
        /// As every buffered output has it.
        buffer: Option<Element>;
        /// As every buffered output has it.
        secondary: Option<Element>;
        /// As copy has it.
        store: Vec<Element>;
    }
}

/// What one test sees of its outputs, by the parameter `name`.
#[derive(Default)]
pub(crate) struct World {
    /// Texts that arrived, as `name: tag message`.
    pub(crate) arrived: Mutex<Vec<String>>,
    /// What the next deliveries answer; delivered when empty.
    pub(crate) answers: Mutex<VecDeque<DeliveryError>>,
}

impl World {
    pub(crate) fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().clone()
    }

    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = DeliveryError>) {
        self.answers.lock().unwrap().extend(answers);
    }

    /// Waits until every answer that was planned was given.
    pub(crate) fn wait_for_answers_given(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.answers.lock().unwrap().is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until `count` texts arrived.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.arrived.lock().unwrap().len() < count && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.arrived()
    }

    fn take(&self, name: &str, tag: &str, bytes: &[u8]) -> Result<(), DeliveryError> {
        if name == "down" {
            return Err(DeliveryError::Retriable("always down".into()));
        }
        if let Some(error) = self.answers.lock().unwrap().pop_front() {
            return Err(error);
        }
        let messages = Entries::new(bytes).map(|entry| {
            let record = entry.unwrap();
            let message = record.record().field(b"m").and_then(|value| value.text());
            String::from_utf8_lossy(message.unwrap_or_default()).into_owned()
        });
        let messages: Vec<String> = messages.collect();
        if name == "picky" && messages.iter().any(|message| message == "bad") {
            return Err(DeliveryError::Refused("a bad event".into()));
        }
        let mut arrived = self.arrived.lock().unwrap();
        for message in messages {
            arrived.push(format!("{name}: {tag} {message}"));
        }
        Ok(())
    }
}

// Factories are plain functions, so a test reaches its plugins through its thread.
thread_local! {
    static WORLD: OnceLock<Arc<World>> = const { OnceLock::new() };
    static EMITS: OnceLock<Mutex<Option<Receiver<Request>>>> = const { OnceLock::new() };
}

fn world() -> Arc<World> {
    WORLD.with(|world| Arc::clone(world.get_or_init(Arc::default)))
}

/// A batch on its way to the source's thread, and the way back.
pub(crate) struct Request {
    tag: String,
    events: EventBuffer,
    answer: ChannelSender<Result<(), String>>,
}

/// A running configuration of the test.
pub(crate) struct Bench {
    pub(crate) world: Arc<World>,
    requests: ChannelSender<Request>,
    pipeline: Option<Pipeline>,
}

/// A request that asks for no batch.
const HAS_ROOM: &str = "has room?";

impl Bench {
    /// Starts `text`, whose source is `@type script`, with its state in `directory`.
    pub(crate) fn start(text: &str, directory: &Path) -> Self {
        let (requests, receiver) = channel();
        EMITS.with(|emits| {
            let slot = emits.get_or_init(Mutex::default);
            *slot.lock().unwrap() = Some(receiver);
        });
        let parsed = parse_str("t.conf", text, &mut NoRuby, &mut NoIncludes);
        let mut diagnostics = parsed.diagnostics;
        let system = System::read(&parsed.root, &mut diagnostics).unwrap();
        let parts = assemble(
            &parsed.root,
            &registry(),
            &system,
            directory,
            &mut diagnostics,
        );
        let text = diagnostics.render(&parsed.sources, RenderStyle::Plain);
        assert!(!diagnostics.has_errors(), "{text}");
        let pipeline = Pipeline::start(parts, &system, directory, &OwnListeners, &Stop::new());
        Self {
            world: world(),
            requests,
            pipeline: Some(pipeline.unwrap()),
        }
    }

    /// Emits one batch and waits for what became of it.
    pub(crate) fn emit(&self, tag: &str, messages: &[&str]) -> Result<(), String> {
        let (answer, outcome) = channel();
        let request = Request {
            tag: tag.to_owned(),
            events: batch(messages),
            answer,
        };
        self.requests.send(request).unwrap();
        outcome
            .recv_timeout(Duration::from_secs(10))
            .expect("the source answers")
    }

    /// Whether a source that can wait would go on.
    pub(crate) fn has_room(&self) -> bool {
        self.emit(HAS_ROOM, &[]).is_ok()
    }

    /// Flushes the buffers now.
    pub(crate) fn flush(&self) {
        self.pipeline.as_ref().unwrap().flush_handle().flush();
    }

    /// Stops it in order.
    pub(crate) fn stop(mut self) {
        self.pipeline.take().unwrap().stop();
    }
}

pub(crate) fn batch(messages: &[&str]) -> EventBuffer {
    let mut events = EventBuffer::default();
    for message in messages {
        events.push(EventTime::new(1_700_000_000, 0), |record| {
            write::map(record, 1);
            write::str(record, b"m");
            write::str(record, message.as_bytes());
        });
    }
    events
}

fn registry() -> Registry {
    let schema = TestParameters::SCHEMA;
    let mut registry = Registry::default();
    registry.add_input("script", schema, |_, _, _| {
        let requests = EMITS.with(|emits| emits.get()?.lock().unwrap().take())?;
        Some(Box::new(Script { requests }))
    });
    registry.add_filter("drop_x", schema, |_, _, _| Some(Arc::new(DropX)));
    registry.add_filter("reject_x", schema, |_, _, _| Some(Arc::new(RejectX)));
    registry.add_filter("dawdle", schema, |_, _, _| Some(Arc::new(Dawdle)));
    stages::register(&mut registry);
    registry.add_output("direct", schema, |element, id, assembly| {
        let name = name(element, assembly)?;
        Some(Node::Direct {
            id: id.clone(),
            output: Arc::new(Direct {
                name,
                world: world(),
            }),
        })
    });
    registry.add_output("keep", schema, keep);
    registry.add_output("copy", schema, |element, _, assembly| {
        let branch = |store: &Element, assembly: &mut Assembly<'_>| {
            Some(millrun_core::Branch {
                node: assembly.output(store)?,
                ignore_error: store.argument().contains("ignore_error"),
                ignore_if_prev_success: store.argument().contains("ignore_if_prev_success"),
            })
        };
        let stores = element
            .elements_named("store")
            .map(|store| branch(store, assembly))
            .collect();
        Option::<Vec<_>>::map(stores, Node::Copy)
    });
    registry.add_output("relabel", schema, |element, _, assembly| {
        let label = element.text("@label")?.to_owned();
        assembly.label(&label, element.span()).map(Node::Relabel)
    });
    registry
}

fn name(element: &Element, assembly: &mut Assembly<'_>) -> Option<String> {
    TestParameters::read(element, assembly.diagnostics).map(|parameters| parameters.name)
}

fn keep(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let name = name(element, assembly)?;
    let defaults = BufferDefaults {
        buffer_type: BufferType::Memory,
        keys: "tag",
        timekey: None,
        flush_interval: None,
        path: None,
    };
    let reading = assembly.read_buffer(element, id, &defaults)?;
    let output = Arc::new(Keep {
        name,
        world: world(),
    });
    Some(assembly.buffered(id, output, reading))
}

struct Script {
    requests: Receiver<Request>,
}

impl Input for Script {
    fn prepare(&mut self, _: &dyn Listeners) -> Result<(), StartError> {
        Ok(())
    }

    fn run(self: Box<Self>, mut emitter: Emitter, stop: Stop) {
        while !stop.is_set() {
            let Ok(request) = self.requests.recv_timeout(Duration::from_millis(5)) else {
                continue;
            };
            if request.tag == HAS_ROOM {
                let answer = emitter.has_room().then_some(()).ok_or_else(String::new);
                let _ = request.answer.send(answer);
                continue;
            }
            let outcome = emitter.emit(&request.tag, request.events.as_events(), Origin::None);
            let _ = request
                .answer
                .send(outcome.map_err(|error: EmitError| error.to_string()));
        }
    }
}

/// Drops events whose message is `x`.
struct DropX;

impl Filter for DropX {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, _: &mut Report<'_>) {
        for entry in Entries::new(batch.events.bytes).map(Result::unwrap) {
            if entry.record().field(b"m").and_then(|value| value.text()) != Some(b"x") {
                out.extend(entry.bytes, 1);
            }
        }
    }
}

/// Cannot handle `x`, and keeps all the rest.
struct RejectX;

impl Filter for RejectX {
    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        for entry in Entries::new(batch.events.bytes).map(Result::unwrap) {
            if entry.record().field(b"m").and_then(|value| value.text()) == Some(b"x") {
                report.error_event("reject", batch.tag, &entry, Fate::Dropped, "it is an x");
            } else {
                out.extend(entry.bytes, 1);
            }
        }
    }
}

/// Takes its time with each batch or piece of one, drops what ends with 7 and cannot handle what ends with 3.
struct Dawdle;

impl Filter for Dawdle {
    fn is_costly(&self) -> bool {
        true
    }

    fn filter(&self, batch: Batch<'_>, out: &mut EventBuffer, report: &mut Report<'_>) {
        let sum = batch.events.bytes.iter().map(|byte| u64::from(*byte));
        std::thread::sleep(Duration::from_micros(sum.sum::<u64>() % 3000));
        for entry in Entries::new(batch.events.bytes).map(Result::unwrap) {
            let message = entry.record().field(b"m").and_then(|value| value.text());
            match message.and_then(<[u8]>::last) {
                Some(b'7') => report.lose("dawdle", LossReason::Throttled, 1),
                Some(b'3') => {
                    report.error_event("dawdle", batch.tag, &entry, Fate::Dropped, "it is a 3");
                }
                _ => out.extend(entry.bytes, 1),
            }
        }
    }
}

struct Direct {
    name: String,
    world: Arc<World>,
}

impl DirectOutput for Direct {
    fn emit(&self, tag: &str, events: Events<'_>) -> Result<(), DeliveryError> {
        self.world.take(&self.name, tag, events.bytes)
    }
}

struct Keep {
    name: String,
    world: Arc<World>,
}

impl BufferedOutput for Keep {
    fn content(&self) -> Content<'_> {
        Content::Events
    }

    fn sender(&self) -> Box<dyn Sender> {
        Box::new(KeepSender {
            name: self.name.clone(),
            world: Arc::clone(&self.world),
        })
    }
}

struct KeepSender {
    name: String,
    world: Arc<World>,
}

impl Sender for KeepSender {
    fn begin(&mut self, chunk: &Chunk, _: Instant) -> Result<Progress, DeliveryError> {
        let mut scratch = Vec::new();
        let bytes = millrun_core::read_chunk(chunk, &mut scratch)?;
        let tag = chunk.metadata().tag.as_deref().unwrap_or("-");
        self.world
            .take(&self.name, tag, bytes)
            .map(|()| Progress::Delivered)
    }
}
