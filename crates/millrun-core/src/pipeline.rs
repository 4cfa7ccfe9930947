//! A worker's plugins at work: started in order, watched, and ended without loss.
//!
//! ```text
//! start   state directory (locked, recovered) → buffers → inputs and outputs prepared → flush threads → log lines become
//!         events → input threads
//! stop    log lines are lines only (with log_event_verbose: after the inputs) → inputs → what stages hold back → staged chunks queued (flush_at_shutdown) → flush threads drain → last acts of inputs
//!         → state released
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millrun_buffer::disk::{RealDisk, RealDiskWithModes, SharedDisk};
use millrun_buffer::{
    Broken, Buffer, Durability, Random, Resumed, Shard, StateDirectory, StateError, Timestamp,
};

use crate::alarm::Alarm;
use crate::assembly::Parts;
use crate::buffered::BufferedNode;
use crate::crew::Crew;
use crate::emitter::Emitter;
use crate::flush::{FlushStop, Flusher, Places};
use crate::graph::{Graph, RouterId};
use crate::held::stages;
use crate::listeners::Listeners;
use crate::log;
use crate::log_lines::{self, LogLines};
use crate::monitoring;
use crate::plugin::{AtEnd, StartError};
use crate::release::{self, Workplaces};
use crate::stop::Stop;
use crate::system::{DurabilityName, System};
use crate::workplace::Workplace;

/// How long the outputs may take at the end to deliver what is queued. It lies below the time
/// after which the control process stops being graceful.
pub const SHUTDOWN_FLUSH_MAX: Duration = Duration::from_secs(20);

/// How long what stages hold back may wait for room at the end.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// How often the end looks whether the flush threads are done.
const SHUTDOWN_POLL: Duration = Duration::from_millis(2);

/// The buffers of a pipeline, to flush them or to hear of them on demand.
#[derive(Clone)]
pub struct FlushHandle {
    buffered: Arc<[Arc<BufferedNode>]>,
}

impl FlushHandle {
    /// Queues every staged chunk now.
    pub fn flush(&self) {
        tracing::info!("force flushing buffered events");
        tracing::info!("flushing all buffer forcedly");
        for buffer in self.buffered.iter().filter_map(|node| node.buffer()) {
            buffer.enqueue_all();
        }
    }

    /// Says in the log what each output has done and what its buffer holds, a line each.
    pub fn report(&self) {
        self.buffered
            .iter()
            .for_each(|node| monitoring::report(node));
    }
}

/// How long the start waits for its log lines to be events.
const ANNOUNCED_MAX: Duration = Duration::from_secs(1);

/// What makes events of log lines.
struct LogEvents {
    lines: Arc<LogLines>,
    stop: Stop,
    thread: JoinHandle<()>,
}

impl LogEvents {
    /// Makes events of what is logged so far, and of nothing more.
    fn end(self) {
        log::release();
        self.lines.close();
        self.stop.set();
        // A panic was logged where it happened.
        let _ = self.thread.join();
    }
}

/// A running configuration.
pub struct Pipeline {
    inputs: Vec<JoinHandle<()>>,
    at_end: Vec<AtEnd>,
    flushers: Vec<JoinHandle<()>>,
    /// What looks after destinations, and what ends it.
    companions: Vec<JoinHandle<()>>,
    companion_stop: Stop,
    buffered: Arc<[Arc<BufferedNode>]>,
    places: Workplaces,
    releaser: Option<JoinHandle<()>>,
    log_events: Option<LogEvents>,
    /// The lines of the start are events.
    begun: Stop,
    ends_log_events_late: bool,
    input_stop: Stop,
    flush_stop: FlushStop,
    alarm: Alarm,
    _state: Arc<StateDirectory>,
}

impl Pipeline {
    /// Starts `parts` with their state below `state_root`. `wake` is set when a thread fails, so
    /// that whoever waits for the end of the worker looks at [`Pipeline::has_failed`].
    pub fn start(
        parts: Parts,
        system: &System,
        state_root: &Path,
        listeners: &dyn Listeners,
        wake: &Stop,
    ) -> Result<Self, StartError> {
        let disk: SharedDisk = Arc::new(RealDisk);
        let durability = match system.parameters.durability {
            DurabilityName::Process => Durability::Process,
            DurabilityName::Power => Durability::Power,
        };
        let inputs = parts.inputs.len();
        let log_shard = parts.graph.log.as_ref().map(|_| inputs);
        let shards = (inputs + usize::from(log_shard.is_some())).max(1);
        let worker = system.worker as usize;
        let mut state = open_state(&disk, state_root, worker, shards, durability, wake)
            .map_err(|error| StartError::new(error.to_string()))?;
        if worker == 0 {
            state
                .take_over(system.parameters.workers as usize)
                .map_err(|error| StartError::new(error.to_string()))?;
        }
        if system.parameters.workers > 1 {
            state.ask_neighbours();
        }
        for note in state.notes() {
            tracing::warn!("{note}");
        }
        for node in &parts.buffered {
            open_buffer(node, &state)?;
        }
        state
            .start()
            .map_err(|error| StartError::new(error.to_string()))?;

        let mut pipeline = Self {
            inputs: Vec::new(),
            at_end: Vec::new(),
            flushers: Vec::new(),
            companions: Vec::new(),
            companion_stop: Stop::new(),
            buffered: parts.buffered.into(),
            places: Arc::new([]),
            releaser: None,
            log_events: None,
            begun: Stop::new(),
            ends_log_events_late: system.parameters.log_event_verbose,
            input_stop: Stop::new(),
            flush_stop: FlushStop::default(),
            alarm: Alarm::new(wake.clone()),
            _state: Arc::new(state),
        };
        let mut inputs = parts.inputs;
        for part in &mut inputs {
            part.input.prepare(listeners)?;
        }
        for node in pipeline.buffered.iter() {
            for output in [Some(&node.output), node.secondary.as_ref()]
                .into_iter()
                .flatten()
            {
                output.prepare()?;
            }
        }
        let graph = Arc::new(parts.graph);
        let crew = Crew::new(system.helpers()).map_err(|error| {
            StartError::new(format!("cannot start the helper threads: {error}"))
        })?;
        let relay_places = Places::default();
        for node in pipeline.buffered.iter() {
            let Some(buffer) = node.buffer() else {
                continue;
            };
            buffer.help(crew.clone());
            for number in 0..node.plan.flush_threads {
                let flusher = Flusher::new(
                    Arc::clone(node),
                    Arc::clone(buffer),
                    pipeline.flush_stop.clone(),
                    pipeline.alarm.clone(),
                    &relay_places,
                );
                let name = format!("flush-{number}-{}", node.id.text);
                let thread = spawn(name, &pipeline.alarm, move || flusher.run())?;
                pipeline.flushers.push(thread);
            }
        }
        for node in pipeline.buffered.iter() {
            let outputs = [Some(&node.output), node.secondary.as_ref()];
            for companion in outputs
                .into_iter()
                .flatten()
                .filter_map(|output| output.companion())
            {
                let stop = pipeline.companion_stop.clone();
                let name = format!("watch-{}", node.id.text);
                let thread = spawn(name, &pipeline.alarm, move || companion(stop))?;
                pipeline.companions.push(thread);
            }
        }
        let mut places = Vec::new();
        if let (Some(number), Some(route)) = (log_shard, graph.log.clone()) {
            let stop = Stop::new();
            let emitter = pipeline.emitter(number, &graph, route.router, &stop, &crew);
            places.extend(emitter.as_ref().map(|emitter| Arc::clone(emitter.place())));
            if let Some(emitter) = emitter {
                let lines = log::capture();
                let (kept, ended) = (Arc::clone(&lines), stop.clone());
                let run = move || log_lines::run(&kept, emitter, &route, &ended);
                let thread = spawn("log-events".to_owned(), &pipeline.alarm, run)?;
                pipeline.log_events = Some(LogEvents {
                    lines,
                    stop,
                    thread,
                });
            }
        }
        for (number, part) in inputs.into_iter().enumerate() {
            let stop = pipeline.input_stop.clone();
            let emitter = pipeline.emitter(number, &graph, part.router, &stop, &crew);
            let Some(mut emitter) = emitter else {
                continue;
            };
            if pipeline.log_events.is_some() {
                emitter = emitter.behind(pipeline.begun.clone());
            }
            places.push(Arc::clone(emitter.place()));
            let input = part.input;
            pipeline.at_end.extend(input.at_end());
            let ended = stop.clone();
            let run = move || {
                input.run(emitter, stop);
                // What it could not go on with, it has logged; a worker without one of its
                // sources must not look as if it worked.
                assert!(ended.is_set(), "the input ended by itself");
            };
            let thread = spawn(format!("input-{}", part.id.text), &pipeline.alarm, run)?;
            pipeline.inputs.push(thread);
        }
        if places.is_empty()
            && let Some(ledger) = pipeline._state.ledgers().first()
        {
            // Without a source there may still be chunks of an earlier life to be emitted again.
            let (shard, state) = (
                Shard::new(0, Arc::clone(ledger)),
                Arc::clone(&pipeline._state),
            );
            let place = Workplace::new(shard, state, Arc::clone(&graph), crew);
            places.push(Arc::new(Mutex::new(place)));
        }
        pipeline.places = places.into();
        // Nobody else sets it.
        let _ = relay_places.set(Arc::clone(&pipeline.places));
        if !stages(&graph).is_empty() {
            let (places, stop) = (Arc::clone(&pipeline.places), pipeline.input_stop.clone());
            let run = move || release::run(&places, &stop);
            pipeline.releaser = Some(spawn("release".to_owned(), &pipeline.alarm, run)?);
        }
        Ok(pipeline)
    }

    /// What emits into `router` with the ledger of a shard.
    fn emitter(
        &self,
        shard: usize,
        graph: &Arc<Graph>,
        router: RouterId,
        stop: &Stop,
        crew: &Crew,
    ) -> Option<Emitter> {
        let ledger = self._state.ledgers().get(shard)?;
        Some(Emitter::new(
            Shard::new(shard, Arc::clone(ledger)),
            Arc::clone(&self._state),
            Arc::clone(graph),
            router,
            Arc::clone(&self.buffered),
            stop.clone(),
            self.alarm.clone(),
            crew.clone(),
        ))
    }

    /// True when a plugin's thread ended in a panic: the worker must be replaced.
    pub fn has_failed(&self) -> bool {
        self.alarm.is_rung()
    }

    /// What a signal needs to flush the buffers while the pipeline runs elsewhere.
    pub fn flush_handle(&self) -> FlushHandle {
        FlushHandle {
            buffered: Arc::clone(&self.buffered),
        }
    }

    /// Says that the start was logged. Where log lines are events those of the start come before what the sources
    /// have, as with Fluentd: what is counted over both must not hang on which thread is quicker.
    pub fn announced(&self) {
        if let Some(log_events) = &self.log_events {
            log_events.lines.settle(ANNOUNCED_MAX);
        }
        self.begun.set();
    }

    fn end_log_events(&mut self) {
        if let Some(log_events) = self.log_events.take() {
            log_events.end();
        }
    }

    /// Ends the sources, delivers what can be delivered in [`SHUTDOWN_FLUSH_MAX`], ends the rest.
    /// What stays in files is delivered by the next start; what stays in memory has its source's
    /// position behind it, or is counted in the log.
    pub fn stop(mut self) {
        if !self.ends_log_events_late {
            self.end_log_events();
        }
        self.input_stop.set();
        let releaser = self.releaser.take();
        for thread in self.inputs.drain(..).chain(releaser) {
            // A panic was logged where it happened.
            let _ = thread.join();
        }
        self.end_log_events();
        release::finish(&self.places, Instant::now() + RELEASE_MAX);
        for node in self.buffered.iter() {
            match (node.buffer(), node.plan.flush_at_shutdown) {
                (Some(buffer), true) => buffer.enqueue_all(),
                (Some(buffer), false) => buffer.enqueue_ended(Timestamp::now()),
                (None, _) => 0,
            };
        }
        self.flush_stop.drain.set();
        for node in self.buffered.iter() {
            if let Some(buffer) = node.buffer() {
                buffer.close();
            }
        }
        let deadline = Instant::now() + SHUTDOWN_FLUSH_MAX;
        while Instant::now() < deadline && !self.flushers.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(SHUTDOWN_POLL);
        }
        self.flush_stop.end.set();
        self.companion_stop.set();
        for thread in self.flushers.into_iter().chain(self.companions) {
            let _ = thread.join();
        }
        for act in self.at_end {
            act();
        }
        for node in self.buffered.iter() {
            if let Some(Err(error)) = node.buffer().map(|buffer| buffer.hand_over()) {
                tracing::warn!(
                    plugin_id = node.id.given(), error = %error,
                    "cannot note that the chunk files are left in order"
                );
            }
            report_leftovers(node);
        }
    }
}

/// How long a worker waits for a state directory that another process uses: an older generation that makes its last commits
/// (a drain may take [`SHUTDOWN_FLUSH_MAX`]), or a worker that takes over what this one left when there were fewer workers.
const STATE_WAIT: Duration = Duration::from_secs(45);
const STATE_POLL: Duration = Duration::from_millis(20);

/// Opens the state of a worker. State directories have one owner: where two generations overlap, the new one waits here, its
/// sockets queue what arrives, and it reads the ledgers once the old one has made its last commit or was killed.
fn open_state(
    disk: &SharedDisk,
    root: &Path,
    worker: usize,
    shards: usize,
    durability: Durability,
    stop: &Stop,
) -> Result<StateDirectory, StateError> {
    let since = Instant::now();
    let mut is_told = false;
    loop {
        let opened = StateDirectory::open(disk, root, worker, shards, durability);
        let is_late = since.elapsed() >= STATE_WAIT;
        match opened {
            Err(StateError::LeftBehind { .. }) if !is_late => {}
            Err(StateError::Locked { directory, owner }) if !is_late => {
                if !is_told {
                    let directory = directory.display();
                    tracing::info!(
                        "waiting for the state directory {directory}, which process {owner} uses still"
                    );
                    is_told = true;
                }
            }
            opened => return opened,
        }
        if stop.wait(STATE_POLL) {
            return StateDirectory::open(disk, root, worker, shards, durability);
        }
    }
}

fn open_buffer(node: &BufferedNode, state: &StateDirectory) -> Result<(), StartError> {
    let config = node.plan.config.clone();
    let disk: SharedDisk = Arc::new(RealDiskWithModes {
        file: node.plan.file_mode,
        directory: node.plan.directory_mode,
    });
    let random = Random::from_entropy();
    let opened = Buffer::open(&node.id.text, config, disk, state.ledgers(), random);
    let (buffer, resumed) = opened.map_err(|error| StartError::new(error.to_string()))?;
    report_resumed(node, &resumed);
    if node.output.shows_chunks() {
        let output = Arc::clone(&node.output);
        buffer.watch(move |metadata, id, file| output.chunk_made(metadata, id, file));
    }
    node.open(buffer);
    Ok(())
}

/// Says what was found, in Fluentd's words where it has some.
fn report_resumed(node: &BufferedNode, resumed: &Resumed) {
    let plugin_id = node.id.given();
    for note in &resumed.notes {
        tracing::warn!(plugin_id, "{note}");
    }
    for broken in &resumed.broken {
        report_broken(node, broken);
    }
    if !resumed.broken.is_empty() {
        tracing::info!(
            plugin_id,
            "Since a broken chunk file was found, it is possible that other files remaining at the time of \
             resuming were also broken. Here is the list of the files."
        );
        for path in &resumed.files {
            tracing::info!(plugin_id, "  {}", path.display());
        }
    }
    if resumed.staged + resumed.queued > 0 {
        tracing::info!(
            plugin_id,
            staged = resumed.staged,
            queued = resumed.queued,
            "restored buffer chunks"
        );
    }
}

fn report_broken(node: &BufferedNode, broken: &Broken) {
    let plugin_id = node.id.given();
    let Broken { id, path, .. } = broken;
    tracing::error!(
        plugin_id, path = path.to_string_lossy().as_ref(), mode = %format_args!(":{}", broken.mode),
        err_msg = broken.reason,
        "found broken chunk file during resume."
    );
    match &broken.backup {
        Some(backup) => tracing::warn!(plugin_id, "bad chunk is moved to {}", backup.display()),
        None => tracing::warn!(
            plugin_id,
            "disable_chunk_backup is true. {id} chunk is thrown away."
        ),
    }
}

/// A thread whose panic is logged, wakes the worker and makes it fail.
fn spawn(
    name: String,
    alarm: &Alarm,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let (alarm, thread_name) = (alarm.clone(), name.clone());
    let guarded = move || {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            tracing::error!(
                thread = thread_name,
                "unexpected error: the thread ended; restarting the worker"
            );
            alarm.ring();
        }
    };
    std::thread::Builder::new()
        .name(name.chars().take(THREAD_NAME_MAX).collect())
        .spawn(guarded)
        .map_err(|error| StartError::new(format!("cannot start the thread {name}: {error}")))
}

/// What the kernel shows of a thread's name.
const THREAD_NAME_MAX: usize = 15;

fn report_leftovers(node: &BufferedNode) {
    let Some(buffer) = node.buffer() else { return };
    let left = buffer.statistics();
    if !buffer.is_file() && left.total_queued_size > 0 {
        tracing::warn!(
            plugin_id = node.id.given(),
            chunks = left.stage_length + left.queue_length,
            bytes = left.total_queued_size,
            "the memory buffer could not be delivered before the end; files are read again from their \
             last delivered position, what came from a network is lost"
        );
    }
}
