//! From a `<buffer>` section to the plan of an output's buffer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millrun_buffer::{BufferConfig, BufferKind, FlushMode, OverflowAction, RetryConfig, RetryKind};
use millrun_config::{Diagnostic, Element};
use millrun_pattern::Zone;

use crate::assembly::Assembly;
use crate::buffer_section::{
    BufferDefaults, BufferParameters, BufferType, FlushModeName, OverflowActionName, RetryTypeName,
    chunk_keys,
};
use crate::buffered::{BufferPlan, BufferedNode};
use crate::chunk_keys::ChunkKeys;
use crate::graph::Node;
use crate::plugin::{BufferedOutput, PluginId};

/// What a `<buffer>` section came to: an output decides by it what it writes where.
pub struct BufferReading {
    /// The chunk keys.
    pub keys: ChunkKeys,
    /// The zone in which time slices begin, and in which `%` placeholders are written.
    pub zone: Zone,
    /// How chunks are kept and delivered.
    pub plan: BufferPlan,
    /// The section as it was written, for messages; the output's own where there was none.
    pub element: Element,
}

impl Assembly<'_> {
    /// Reads the `<buffer>` section of `element`, an output; `None` when a diagnostic says why not.
    pub fn read_buffer(
        &mut self,
        element: &Element,
        id: &PluginId,
        defaults: &BufferDefaults,
    ) -> Option<BufferReading> {
        let mut sections = element.elements_named("buffer");
        let section = sections.next();
        if let Some(second) = sections.next() {
            let fault = Diagnostic::error("section <buffer> cannot be written twice or more");
            self.diagnostics
                .push(fault.at(second.span(), "the second one"));
        }
        let absent = Element::new("buffer", "", element.span());
        let section = section.unwrap_or(&absent);
        let parameters = BufferParameters::read(section, self.diagnostics)?;
        let zone = self.zone(section, &parameters)?;
        let argument = match section.argument() {
            "" => defaults.keys,
            argument => argument,
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let offset = zone.offset_at(i64::try_from(now).unwrap_or(i64::MAX));
        let keys = chunk_keys(
            section,
            argument,
            &parameters,
            defaults,
            offset,
            self.diagnostics,
        )?;
        let plan = self.plan(section, id, &parameters, defaults, &keys)?;
        Some(BufferReading {
            keys,
            zone,
            plan,
            element: section.clone(),
        })
    }

    /// Makes the node of an output with a buffer.
    pub fn buffered(
        &mut self,
        id: &PluginId,
        output: Arc<dyn BufferedOutput>,
        reading: BufferReading,
    ) -> Node {
        let BufferReading {
            keys,
            plan,
            element,
            ..
        } = reading;
        if let BufferKind::File { path, .. } = &plan.config.kind {
            self.claim_buffer_path(path.clone(), &element);
        }
        let node = Arc::new(BufferedNode::new(id.clone(), output, keys, plan));
        self.buffered.push(Arc::clone(&node));
        Node::Buffered(node)
    }

    fn zone(&mut self, section: &Element, parameters: &BufferParameters) -> Option<Zone> {
        if parameters.timekey_use_utc {
            return Some(Zone::UTC);
        }
        let Some(name) = &parameters.timekey_zone else {
            return Some(Zone::local());
        };
        match Zone::parse(name) {
            Ok(zone) => Some(zone),
            Err(error) => {
                let span = section
                    .value("timekey_zone")
                    .map_or(section.span(), |value| value.span);
                self.diagnostics
                    .push(Diagnostic::error(error.to_string()).at(span, "this zone"));
                None
            }
        }
    }

    fn plan(
        &mut self,
        section: &Element,
        id: &PluginId,
        parameters: &BufferParameters,
        defaults: &BufferDefaults,
        keys: &ChunkKeys,
    ) -> Option<BufferPlan> {
        let worker = format!("worker{}", self.worker);
        let root = self.state_root.join(&worker);
        // Where those who come from Fluentd look (fluentd.md section 4.5).
        let backups = self.state_root.join("backup").join(&worker);
        let backup = backups.join(safe_name(&id.text));
        let buffer_type = parameters.buffer_type.unwrap_or(defaults.buffer_type);
        let mut config = match buffer_type {
            BufferType::Memory => BufferConfig::memory(),
            BufferType::File => {
                let path = self.buffer_path(section, id, parameters, defaults, &root)?;
                let mut config = BufferConfig::file(path, &backup);
                if let BufferKind::File { suffix, worker, .. } = &mut config.kind {
                    *suffix = parameters.path_suffix.as_str().into();
                    *worker = (self.workers > 1).then_some(self.worker as usize);
                }
                config
            }
        };
        set(
            &mut config.chunk_limit_size,
            parameters.chunk_limit_size.map(|size| size.0),
        );
        set(
            &mut config.total_limit_size,
            parameters.total_limit_size.map(|size| size.0),
        );
        if let Some(chunks) = parameters.queue_limit_length {
            config.total_limit_size = config.chunk_limit_size.saturating_mul(chunks);
        }
        config.chunk_limit_records = parameters.chunk_limit_records;
        config.chunk_full_threshold = parameters.chunk_full_threshold;
        config.timekey = keys.time.map(|key| u64::from(key.seconds));
        config.timekey_wait = parameters.timekey_wait;
        set(&mut config.flush_interval, parameters.flush_interval);
        config.flush_mode = match parameters.flush_mode {
            FlushModeName::Lazy => FlushMode::Lazy,
            FlushModeName::Interval => FlushMode::Interval,
            FlushModeName::Immediate => FlushMode::Immediate,
            FlushModeName::Default if keys.time.is_some() => FlushMode::Lazy,
            FlushModeName::Default => FlushMode::Interval,
        };
        config.overflow_action = match parameters.overflow_action {
            OverflowActionName::ThrowException => OverflowAction::ThrowException,
            OverflowActionName::Block => OverflowAction::Block,
            OverflowActionName::DropOldestChunk => OverflowAction::DropOldestChunk,
        };
        let threads = parameters.flush_thread_count.max(1) as u64;
        let queued = parameters.queued_chunks_limit_size.unwrap_or(threads);
        config.queued_chunks_limit_size = usize::try_from(queued).ok();
        Some(BufferPlan {
            config,
            retry: retry_config(parameters),
            flush_threads: parameters.flush_thread_count,
            flush_thread_interval: parameters.flush_thread_interval.min(FLUSH_SLEEP_MAX),
            flush_at_shutdown: parameters
                .flush_at_shutdown
                .unwrap_or(buffer_type == BufferType::Memory),
            backup: (!parameters.disable_chunk_backup).then_some(backup),
        })
    }

    /// The path of a file buffer. Without one the plugin must have an `@id`: a name made of its
    /// place in the file would hand its chunks to another output when the file changes.
    fn buffer_path(
        &mut self,
        section: &Element,
        id: &PluginId,
        parameters: &BufferParameters,
        defaults: &BufferDefaults,
        root: &Path,
    ) -> Option<PathBuf> {
        if let Some(path) = &parameters.path {
            return Some(path.clone());
        }
        if id.is_given {
            return Some(root.join(safe_name(&id.text)).join("buffer"));
        }
        if let Some(path) = &defaults.path {
            return Some(path.clone());
        }
        let fault = "a file buffer needs a path, or its plugin an @id";
        self.diagnostics.push(
            Diagnostic::error(fault)
                .at(section.span(), "where should its chunks be kept?")
                .hint("write a line like: path /var/log/millrun/buffer/app"),
        );
        None
    }

    /// Two outputs must not share chunk files.
    fn claim_buffer_path(&mut self, path: PathBuf, element: &Element) {
        let message = format!(
            "Other plugin already use same buffer path: path = {}",
            path.display()
        );
        let first = self.buffer_paths.insert(path, element.span());
        // Another worker that runs the same output has directories of its own.
        if let Some(first) = first.filter(|first| *first != element.span()) {
            self.diagnostics.push(
                Diagnostic::error(message)
                    .at(element.span(), "used again here")
                    .and(first, "first used here"),
            );
        }
    }
}

/// A flush thread looks at its buffer at least this often.
const FLUSH_SLEEP_MAX: Duration = Duration::from_secs(1);

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

fn retry_config(parameters: &BufferParameters) -> RetryConfig {
    RetryConfig {
        kind: match parameters.retry_type {
            RetryTypeName::ExponentialBackoff => RetryKind::ExponentialBackoff,
            RetryTypeName::Periodic => RetryKind::Periodic,
        },
        wait: parameters.retry_wait,
        base: parameters.retry_exponential_backoff_base,
        interval_max: parameters.retry_max_interval,
        timeout: parameters.retry_timeout,
        times_max: parameters.retry_max_times,
        forever: parameters.retry_forever,
        randomize: parameters.retry_randomize,
        secondary_threshold: None,
    }
}

/// A plugin id as a directory name, as Fluentd makes one.
fn safe_name(id: &str) -> String {
    let safe = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    id.chars()
        .map(|character| if safe(character) { character } else { '_' })
        .collect()
}
