//! From a `<buffer>` section to the plan of an output's buffer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millrun_buffer::disk::{RealDisk, SharedDisk};
use millrun_buffer::{
    BufferConfig, BufferKind, ChunkFormat, ChunkPaths, Compression, FileLayout, FlushMode,
    OverflowAction, RetryConfig, RetryKind, SingleKey, StateDirectory, WORKERS_MAX,
};
use millrun_config::{Diagnostic, Element};
use millrun_pattern::Zone;

use crate::assembly::{Assembly, used_twice};
use crate::buffer_section::{
    BufferDefaults, BufferParameters, BufferType, ChunkFormatName, CompressName, FlushModeName,
    OverflowActionName, RetryTypeName, chunk_keys,
};
use crate::buffered::{BufferPlan, BufferedNode};
use crate::chunk_keys::ChunkKeys;
use crate::graph::Node;
use crate::plugin::{BufferedOutput, Content, PluginId};
use crate::secondary::{Primary, Secondary};

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
    secondary: Option<Secondary>,
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
        if let Some(primary) = self.primary.clone() {
            // A secondary output is handed the chunks of its primary one.
            let Primary { keys, zone } = primary;
            let plan = self.plan(section, id, &parameters, &BufferDefaults::default(), &keys)?;
            return Some(BufferReading {
                keys,
                zone,
                plan,
                element: section.clone(),
                secondary: None,
            });
        }
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
        let mut plan = self.plan(section, id, &parameters, defaults, &keys)?;
        let primary = Primary {
            keys: keys.clone(),
            zone: zone.clone(),
        };
        let secondary = self.secondary(element, primary, parameters.retry_forever)?;
        plan.retry.secondary_threshold = secondary
            .is_some()
            .then_some(parameters.retry_secondary_threshold);
        if let Some(seconds) = element.text("slow_flush_log_threshold") {
            let seconds = seconds.trim().parse().ok();
            let threshold = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            set(&mut plan.slow_flush_log_threshold, threshold);
        }
        Some(BufferReading {
            keys,
            zone,
            plan,
            element: section.clone(),
            secondary,
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
            mut plan,
            element,
            secondary,
            ..
        } = reading;
        if let BufferKind::File { path, .. } = &plan.config.kind {
            self.claim_buffer_path(path.clone(), &element);
        }
        if plan.config.format == ChunkFormat::Opaque {
            plan.config.format = match output.content() {
                Content::Events => ChunkFormat::Values,
                Content::Formatted(_) => ChunkFormat::Lines,
            };
        }
        let node = BufferedNode::new(id.clone(), output, secondary, keys, plan);
        let node = Arc::new(node);
        // A secondary one has no buffer to open.
        if !self.is_secondary() && !self.is_rehearsal {
            self.buffered.push(Arc::clone(&node));
        }
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
        let keeps = !parameters.disable_chunk_backup;
        let backups = self.state_root.join("backup").join(&worker);
        let backup = keeps.then(|| backups.join(safe_name(&id.text)));
        let evacuations = self.state_root.join("buffer");
        let evacuation = keeps.then(|| evacuations.join(safe_name(&id.text)));
        let buffer_type = parameters.buffer_type.unwrap_or(defaults.buffer_type);
        let mut config = match buffer_type {
            BufferType::Memory => BufferConfig::memory(),
            BufferType::File | BufferType::FileSingle => {
                let layout = match buffer_type {
                    BufferType::FileSingle => FileLayout::Single {
                        key: self.single_key(section, keys)?,
                    },
                    BufferType::Memory | BufferType::File => FileLayout::Pair {
                        suffix: parameters.path_suffix.as_str().into(),
                    },
                };
                let path = self.buffer_path(section, id, parameters, defaults, &root)?;
                if self.workers > 1 && !ChunkPaths::is_directory(&path, &RealDisk) {
                    let kind = match buffer_type {
                        BufferType::FileSingle => "file_single",
                        BufferType::Memory | BufferType::File => "file",
                    };
                    self.refuse_shared_names(kind, section);
                    return None;
                }
                let has_own_path = parameters.path.is_some() || !id.is_given;
                let (worker, left_behind) = self.workers_directories(&path, id, has_own_path);
                BufferConfig {
                    kind: BufferKind::File {
                        path,
                        layout,
                        worker,
                        left_behind,
                        backup: backup.clone(),
                    },
                    ..BufferConfig::file("", "")
                }
            }
        };
        config.compression = match parameters.compress {
            CompressName::Text => Compression::Text,
            CompressName::Gzip => Compression::Gzip,
            CompressName::Zstd => Compression::Zstd,
        };
        config.decompression_size_limit = parameters.decompression_size_limit.0;
        config.format = match (parameters.calc_num_records, parameters.chunk_format) {
            (true, ChunkFormatName::Msgpack) => ChunkFormat::Values,
            (true, ChunkFormatName::Text) => ChunkFormat::Lines,
            // As the output keeps it, which is not known yet.
            (_, ChunkFormatName::Auto | ChunkFormatName::Msgpack | ChunkFormatName::Text) => {
                ChunkFormat::Opaque
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
        set(
            &mut config.flush_interval,
            parameters
                .flush_interval
                .map(|interval| interval.0)
                .or(defaults.flush_interval),
        );
        config.flush_mode = match parameters.flush_mode {
            FlushModeName::Lazy => FlushMode::Lazy,
            FlushModeName::Interval => FlushMode::Interval,
            FlushModeName::Immediate => FlushMode::Immediate,
            FlushModeName::Default if defaults.flush_interval.is_some() => FlushMode::Interval,
            FlushModeName::Default if keys.time.is_some() => FlushMode::Lazy,
            FlushModeName::Default => FlushMode::Interval,
        };
        config.overflow_action = match parameters.overflow_action {
            OverflowActionName::ThrowException => OverflowAction::ThrowException,
            OverflowActionName::Block => OverflowAction::Block,
            OverflowActionName::DropOldestChunk => OverflowAction::DropOldestChunk,
        };
        let threads = u32::try_from(parameters.flush_thread_count).unwrap_or(0);
        let queued = parameters
            .queued_chunks_limit_size
            .unwrap_or(threads.max(1).into());
        config.queued_chunks_limit_size = usize::try_from(queued).ok();
        let pauses = section.entry("flush_thread_burst_interval").is_some();
        let system = &self.system.parameters;
        let is_memory = buffer_type == BufferType::Memory;
        if is_memory && parameters.flush_at_shutdown == Some(false) {
            self.warn_of_loss(section);
        }
        Some(BufferPlan {
            config,
            retry: retry_config(parameters),
            flush_threads: threads,
            flush_thread_interval: parameters.flush_thread_interval.0.min(FLUSH_SLEEP_MAX),
            flush_thread_burst_interval: pauses
                .then_some(parameters.flush_thread_burst_interval.0)
                .filter(|pause| !pause.is_zero()),
            delayed_commit_timeout: parameters.delayed_commit_timeout,
            slow_flush_log_threshold: SLOW_FLUSH_LOG_THRESHOLD,
            flush_at_shutdown: parameters.flush_at_shutdown.unwrap_or(is_memory),
            backup,
            evacuation,
            file_mode: parameters
                .file_permission
                .or(system.file_permission)
                .map_or(0o644, |mode| mode.0),
            directory_mode: parameters
                .dir_permission
                .or(system.dir_permission)
                .map_or(0o755, |mode| mode.0),
        })
    }

    /// The only chunk key of a file_single buffer.
    fn single_key(&mut self, section: &Element, keys: &ChunkKeys) -> Option<SingleKey> {
        let fault = match (keys.tag, keys.fields.as_slice()) {
            (false, []) => return Some(SingleKey::Nothing),
            (true, []) => return Some(SingleKey::Tag),
            (false, [field]) => return Some(SingleKey::Field(field.name.clone())),
            (true, [_, ..]) | (false, [_, _, ..]) => "2 or more chunk keys is not allowed",
        };
        self.diagnostics.push(
            Diagnostic::error(fault)
                .at(section.span(), "the name of a chunk file holds one key")
                .hint("write: @type file"),
        );
        None
    }

    /// Whether the worker has a directory of its own below the path, and which directories of workers there are no more whose
    /// chunks it takes over: worker 0 does so for all.
    fn workers_directories(
        &self,
        path: &Path,
        id: &PluginId,
        has_own_path: bool,
    ) -> (Option<usize>, Vec<PathBuf>) {
        let all = self.system.parameters.workers as usize;
        let number = self.worker as usize;
        let has_several = self.workers > 1;
        let mut left_behind = Vec::new();
        // Whoever only checks takes nothing over, and a look at a directory is what the rest of a section costs.
        if !self.is_rehearsal && (number == 0 || !has_several) {
            let first = if has_own_path && !has_several {
                0
            } else {
                all.max(1)
            };
            let disk: SharedDisk = Arc::new(RealDisk);
            // Also of workers that are there again, where a crash cut their take-over short.
            let is_left = |worker: &usize| {
                *worker >= first || StateDirectory::is_left_behind(&disk, &self.state_root, *worker)
            };
            let home = if has_own_path { path } else { &self.state_root };
            for worker in workers_in(home).into_iter().filter(is_left) {
                let root = home.join(format!("worker{worker}"));
                left_behind.push(if has_own_path {
                    root
                } else {
                    root.join(safe_name(&id.text)).join("buffer")
                });
            }
            if has_own_path && has_several {
                left_behind.push(path.to_owned());
            }
            left_behind.retain(|directory| directory.is_dir());
        }
        // Without a path of its own the buffer lies in the worker's directory anyway.
        ((has_several && has_own_path).then_some(number), left_behind)
    }

    fn warn_of_loss(&mut self, section: &Element) {
        let warning =
            "'flush_at_shutdown' is false, and buffer plugin 'memory' is not persistent buffer.";
        self.diagnostics
            .push(Diagnostic::warning(warning).at(section.span(), "this buffer"));
        let warning = "your configuration will lose buffered data at shutdown. please confirm your configuration again.";
        self.diagnostics
            .push(Diagnostic::warning(warning).at(section.span(), "this buffer"));
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
        let fault = "buffer path is not configured. specify 'path' in <buffer>";
        self.diagnostics.push(
            Diagnostic::error(fault)
                .at(
                    section.span(),
                    "where should its chunks be kept? (or give its plugin an @id)",
                )
                .hint("write a line like: path /var/log/millrun/buffer/app"),
        );
        None
    }

    /// Several workers cannot keep their chunks under the same names.
    fn refuse_shared_names(&mut self, kind: &str, section: &Element) {
        let message = format!("Plugin '{kind}' does not support multi workers configuration");
        let text = format!("{} workers would share these names", self.workers);
        let error = Diagnostic::error(message).at(section.span_of("path"), text);
        let hint = "name a directory, without '*': each worker gets one of its own in it";
        self.diagnostics.push(error.hint(hint));
    }

    /// Two outputs must not share chunk files.
    fn claim_buffer_path(&mut self, path: PathBuf, section: &Element) {
        let span = section.span_of("path");
        let message = format!(
            "Other plugin already use same buffer path: path = {}",
            path.display()
        );
        let first = self.buffer_paths.insert(path, span);
        // Another worker that runs the same output has directories of its own.
        if let Some(first) = first.filter(|first| *first != span) {
            let error = used_twice(message, first, span);
            let hint = "give each buffer a path of its own";
            self.diagnostics.push(error.hint(hint));
        }
    }
}

/// What deliveries may take before it is logged, where the output does not say.
const SLOW_FLUSH_LOG_THRESHOLD: Duration = Duration::from_secs(20);

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

/// The numbers of the workers that have a directory in `home`, in order. One look at the directory: asking for
/// each number there may be takes thousands.
fn workers_in(home: &Path) -> Vec<usize> {
    // What cannot be read has nothing to take over; that it cannot be written to is told elsewhere.
    let entries = std::fs::read_dir(home).into_iter().flatten().flatten();
    let mut workers: Vec<usize> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = name.to_str()?.strip_prefix("worker")?;
            let worker = number
                .parse::<usize>()
                .ok()
                .filter(|it| *it < WORKERS_MAX)?;
            // As it is written, without a sign or leading zeros.
            (number == worker.to_string()).then_some(worker)
        })
        .collect();
    workers.sort_unstable();
    workers
}

#[cfg(test)]
mod tests {
    use super::workers_in;

    #[test]
    fn directories_of_workers_are_read_and_not_guessed() {
        let home = tempfile::tempdir().unwrap();
        for name in [
            "worker10",
            "worker2",
            "worker0",
            "worker02",
            "worker+3",
            "worker",
            "worker99999999",
            "workers1",
            "other",
        ] {
            std::fs::create_dir(home.path().join(name)).unwrap();
        }
        assert_eq!(workers_in(home.path()), [0, 2, 10]);
        assert_eq!(workers_in(&home.path().join("not there")), [0_usize; 0]);
    }
}
