//! The `<buffer>` section: one declaration for every output (fluentd.md sections 4.2 to 4.5 and
//! appendix C).

use std::path::PathBuf;
use std::time::Duration;

use millrun_config::{
    Conversion, Diagnostic, Diagnostics, Element, FromValue, Kind, Mode, Size, TimeSpan,
    ValueError, parameters, words,
};
use millrun_pattern::Accessor;

use crate::chunk_keys::{ChunkKeys, FieldKey, TimeKey};

words! {
    /// Where chunks are kept.
    pub enum BufferType {
        /// In memory: fast, gone with the process.
        Memory = "memory",
        /// In files: they outlive the process.
        File = "file",
        /// In files without a file of metadata: the only chunk key stands in the name.
        FileSingle = "file_single",
    }
}

words! {
    /// How chunks are kept.
    pub enum CompressName {
        /// As they are.
        Text = "text",
        /// As gzip members.
        Gzip = "gzip",
        /// As zstd frames.
        Zstd = "zstd",
    }
}

words! {
    /// What chunks hold, for the counting of those found without a count.
    pub enum ChunkFormatName {
        /// What the output keeps in them.
        Auto = "auto",
        /// Msgpack values.
        Msgpack = "msgpack",
        /// Lines.
        Text = "text",
    }
}

/// A time; a negative one, which Fluentd takes, is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl FromValue for Interval {
    const KIND: Kind = Kind::Time;

    fn from_text(text: &str, conversion: &mut Conversion) -> Result<Self, ValueError> {
        Ok(Self(match conversion.time(text)? {
            TimeSpan::Whole(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
            TimeSpan::Fraction(seconds) => Duration::try_from_secs_f64(seconds).unwrap_or_default(),
        }))
    }
}

words! {
    /// When a chunk that is not full goes to the queue.
    pub enum FlushModeName {
        /// Lazy where time is a chunk key, else by interval.
        Default = "default",
        /// When its time slice is over.
        Lazy = "lazy",
        /// When it is flush_interval old.
        Interval = "interval",
        /// At once.
        Immediate = "immediate",
    }
}

words! {
    /// What happens when a buffer is full.
    pub enum OverflowActionName {
        /// The source is told, and repeats or refuses.
        ThrowException = "throw_exception",
        /// The source waits.
        Block = "block",
        /// The oldest queued chunk makes room.
        DropOldestChunk = "drop_oldest_chunk",
    }
}

words! {
    /// How intervals between retries develop.
    pub enum RetryTypeName {
        /// Each is longer than the one before.
        ExponentialBackoff = "exponential_backoff",
        /// All are equal.
        Periodic = "periodic",
    }
}

parameters! {
    /// Where an output's events wait.
    pub struct BufferParameters in "buffer" {
        /// Where chunks are kept; each output has its own default. A chunk of `file_single` is one file, which
        /// holds for one chunk key: `tag` or a field.
        buffer_type: Option<BufferType>, key = "@type", alias = "type";
        /// The chunk files: a directory, or a name with `*` for what differs. Without it they are below the
        /// state directory, if the output has an `@id`.
        path: Option<PathBuf>;
        /// What the names of chunk files end in (`file` only).
        path_suffix: String = ".log";
        /// Permissions of chunk files.
        file_permission: Option<Mode>;
        /// Permissions of their directory.
        dir_permission: Option<Mode>;
        /// No chunk grows beyond this (memory: 8m, file: 256m).
        chunk_limit_size: Option<Size>;
        /// No chunk holds more events than this.
        chunk_limit_records: Option<u64>;
        /// All chunks together (memory: 512m, file: 64g). A write that finds as much is met with overflow_action.
        total_limit_size: Option<Size>;
        /// As total_limit_size, counted in chunks.
        queue_limit_length: Option<u64>;
        /// A chunk filled to this share of a limit goes to the queue.
        chunk_full_threshold: f64 = "0.95";
        /// No chunk is queued by time while this many are queued.
        queued_chunks_limit_size: Option<u64>;
        /// Length of a time slice, where time is a chunk key.
        timekey: Option<Duration>;
        /// How long after its end a time slice is waited for.
        timekey_wait: Duration = "600";
        /// Time slices begin at midnight UTC.
        timekey_use_utc: bool = "false";
        /// The zone in which time slices begin at midnight.
        timekey_zone: Option<String>;
        /// Whether what is left goes out at the end (memory: yes, file: no).
        flush_at_shutdown: Option<bool>;
        /// When a chunk that is not full goes to the queue. `immediate`: at each write; chunk files stay open for 4 ms where hundreds a second would be made.
        flush_mode: FlushModeName = "default";
        /// The age at which it does so.
        flush_interval: Option<Interval>;
        /// How many threads deliver; with 0 nothing is delivered.
        flush_thread_count: i32 = "1";
        /// Longest sleep of a flush thread; it is woken when there is work.
        flush_thread_interval: Interval = "1.0";
        /// Pause of a thread between two chunks when more are queued. Millrun pauses only where it is written.
        flush_thread_burst_interval: Interval = "1.0";
        /// How long a chunk may be under way before it is taken back and tried again, where the output does not know
        /// better.
        delayed_commit_timeout: Duration = "60";
        /// What happens when the buffer is full.
        overflow_action: OverflowActionName = "throw_exception";
        /// How chunks are kept. Each append is compressed by itself, a large one in pieces by several threads
        /// (`helper_threads` of `<system>`).
        compress: CompressName = "text";
        /// A compressed chunk that comes to more is taken for damaged.
        decompression_size_limit: Size = "256m";
        /// Whether the events of a chunk found by `file_single` are counted.
        calc_num_records: bool = "true";
        /// What such a chunk holds.
        chunk_format: ChunkFormatName = "auto";
        /// A chunk that can never be delivered is dropped; otherwise it is moved to `backup` in the state directory. The
        /// same for chunk files that were tried long enough, which are moved to `buffer` there and can be put back.
        /// Memory that was tried long enough is always dropped. What is dropped is counted.
        disable_chunk_backup: bool = "false";
        /// Retry without an end; a secondary then gets only what can never be delivered.
        retry_forever: bool = "false";
        /// Give up a chunk this long after the first failure.
        retry_timeout: Duration = "259200";
        /// Give up a chunk after this many retries.
        retry_max_times: Option<u32>;
        /// The share of that time after which the secondary takes over.
        retry_secondary_threshold: f64 = "0.8";
        /// How intervals develop.
        retry_type: RetryTypeName = "exponential_backoff";
        /// The first interval.
        retry_wait: Duration = "1";
        /// The factor by which intervals grow.
        retry_exponential_backoff_base: f64 = "2";
        /// No interval is longer.
        retry_max_interval: Option<Duration>;
        /// Vary intervals by an eighth.
        retry_randomize: bool = "true";
    }
}

/// What an output wants where the section does not say.
#[derive(Clone, Debug)]
pub struct BufferDefaults {
    /// Where chunks are kept.
    pub buffer_type: BufferType,
    /// The chunk keys.
    pub keys: &'static str,
    /// Length of a time slice, where time is a key.
    pub timekey: Option<Duration>,
    /// Not the slices of time but this age queues a chunk.
    pub flush_interval: Option<Duration>,
    /// Where the files of a file buffer without a path are, if the output has a place for them.
    pub path: Option<PathBuf>,
}

impl Default for BufferDefaults {
    /// Memory, without chunk keys.
    fn default() -> Self {
        Self {
            buffer_type: BufferType::Memory,
            keys: "",
            timekey: None,
            flush_interval: None,
            path: None,
        }
    }
}

/// Four chunk keys and more are warned about: each combination of values is a chunk.
const MANY_KEYS: usize = 4;

/// Reads the argument of `<buffer KEYS>`; `None` when a diagnostic says why not.
pub(crate) fn chunk_keys(
    section: &Element,
    argument: &str,
    parameters: &BufferParameters,
    defaults: &BufferDefaults,
    zone_offset: i32,
    diagnostics: &mut Diagnostics,
) -> Option<ChunkKeys> {
    let mut keys = ChunkKeys::default();
    let mut wants_time = false;
    for name in key_names(argument) {
        match name {
            "tag" => keys.tag = true,
            "time" => wants_time = true,
            field => match Accessor::parse(field) {
                Ok(accessor) => keys.fields.push(FieldKey {
                    name: field.into(),
                    accessor,
                }),
                Err(error) => {
                    let fault = format!("in chunk_keys: {error}");
                    diagnostics
                        .push(Diagnostic::error(fault).at(section.span(), "in this section"));
                    return None;
                }
            },
        }
    }
    if keys.fields.len() + usize::from(keys.tag) >= MANY_KEYS {
        let warning = "many chunk keys specified, and it may cause too many chunks on your system.";
        diagnostics.push(Diagnostic::warning(warning).at(section.span(), "in this section"));
    }
    if !wants_time {
        return Some(keys);
    }
    let timekey = parameters.timekey.or(defaults.timekey);
    let fault = match timekey {
        None => {
            Some("<buffer ...> argument includes 'time', but timekey is not configured".to_owned())
        }
        Some(length) if length.as_secs() == 0 => Some(format!(
            "timekey should be greater than 0. current timekey: {:?}",
            length.as_secs_f64()
        )),
        Some(_) => None,
    };
    if let Some(fault) = fault {
        let label = match section.entry("timekey") {
            Some(_) => "this length",
            None => "in this section",
        };
        let fault = Diagnostic::error(fault).at(section.span_of("timekey"), label);
        diagnostics.push(fault.hint("write a line like: timekey 1d"));
        return None;
    }
    let offset = if parameters.timekey_use_utc {
        0
    } else {
        zone_offset
    };
    keys.time = timekey.map(|length| TimeKey {
        seconds: u32::try_from(length.as_secs()).unwrap_or(u32::MAX),
        offset,
    });
    Some(keys)
}

/// The names of a comma list or of a JSON array of strings.
fn key_names(argument: &str) -> impl Iterator<Item = &str> {
    argument
        .trim()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .filter(|name| !name.is_empty())
}
