//! The `file` output: events into files, one per time slice or whatever the path tells apart.
//!
//! ```text
//! <match app.**>
//!   @type file
//!   path /var/log/app         → /var/log/app.20261121_0.log
//!   append true               → /var/log/app.20261121.log
//!   compress gzip
//!   <buffer time>
//!     timekey 1d
//!   </buffer>
//! </match>
//! ```
//!
//! Chunks hold the formatted text, so a delivery is one append. With a file buffer it happens
//! exactly once (see `millrun_buffer::Appender`).

mod newest_link;
mod path_template;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_buffer::{Chunk, ChunkId, Compression, Metadata, Packer};
use millrun_config::{Diagnostic, Element, parameters, words};
use millrun_core::{
    Assembly, BufferDefaults, BufferType, BufferedOutput, Content, DeliveryError, Node, PluginId,
    Progress, Sender, expand, read_chunk, read_chunk_as_kept,
};
use millrun_pattern::{TimeFormat, Zone};

use self::newest_link::NewestLink;
use self::path_template::{INDEX, TemplateParts};
pub(super) use self::writer::{FileWriter, Target};
use crate::formatter::{Batches, plugin_formatter};

words! {
    /// How files are compressed.
    pub enum Compress {
        /// Not at all.
        Text = "text",
        /// As gzip.
        Gz = "gz",
        /// As gzip.
        Gzip = "gzip",
        /// As zstd.
        Zstd = "zstd",
    }
}

parameters! {
    /// Writes events to files.
    pub struct FileParameters in "match", type "file" {
        /// Where: see the rules of the path's parts above.
        path: String = required;
        /// Append to a file that exists, instead of taking a new name with an index.
        append: bool = "false";
        /// Whether path_suffix is added.
        add_path_suffix: bool = "true";
        /// What names end in.
        path_suffix: String = ".log";
        /// How files are compressed.
        compress: Compress = "text";
        /// The time in names, in the old way; also makes the timekey where there is no buffer section.
        time_slice_format: Option<String>;
        /// A link to the newest chunk file; may hold placeholders of chunk keys. Without effect for a memory buffer.
        symlink_path: Option<String>;
        /// Let the link lead there from where it stands, instead of by the whole path.
        symlink_path_use_relative: bool = "false";
        /// Compress anew what the buffer has compressed in the same way.
        recompress: bool = "false";
        /// Warn of flushes that take longer, in seconds.
        slow_flush_log_threshold: f64 = "20.0";
    }
    sections {
        /// What an event looks like.
        format: Option<Element>;
        /// Fields added to each record.
        inject: Option<Element>;
        /// Where events wait.
        buffer: Option<Element>;
        /// Where chunks go that cannot be written.
        secondary: Option<Element>;
    }
    legacy { TimeSlicedBuffer, Format, Inject }
}

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = FileParameters::read(element, assembly.diagnostics)?;
    if parameters.symlink_path.is_some() && assembly.is_secondary() {
        let fault = Diagnostic::error("symlink_path option is unavailable in <secondary>");
        let fault = fault.at(
            element.span_of("symlink_path"),
            "the chunks are another output's",
        );
        assembly
            .diagnostics
            .push(fault.hint("leave it out, or use secondary_file"));
        return None;
    }
    let formatter = plugin_formatter(element, "out_file", assembly)?;
    let defaults = BufferDefaults {
        buffer_type: BufferType::File,
        keys: "time",
        timekey: Some(Duration::from_secs(86_400)),
        flush_interval: None,
        path: Some(parameters.path.clone().into()),
    };
    let reading = assembly.read_buffer(element, id, &defaults)?;
    if reading.keys.time.is_some() && reading.element.entry("timekey").is_none() {
        let warning = "default timekey interval (1d) will be used. To change the output frequency, \
                       please modify the timekey value";
        assembly
            .diagnostics
            .push(Diagnostic::warning(warning).at(reading.element.span(), "here"));
    }
    let (compression, compression_suffix) = match parameters.compress {
        Compress::Text => (Compression::Text, ""),
        Compress::Gz | Compress::Gzip => (Compression::Gzip, ".gz"),
        Compress::Zstd => (Compression::Zstd, ".zstd"),
    };
    let parts = TemplateParts {
        path: &parameters.path,
        suffix: if parameters.add_path_suffix {
            &parameters.path_suffix
        } else {
            ""
        },
        compression_suffix,
        time_slice_format: parameters.time_slice_format.as_deref(),
        append: parameters.append,
        is_secondary: assembly.is_secondary(),
    };
    let template = match parts.template(&reading.keys) {
        Ok(template) => template,
        Err(error) => {
            let span = element
                .value("path")
                .map_or(element.span(), |value| value.span);
            assembly.diagnostics.push(
                Diagnostic::error(error.to_string())
                    .at(span, "this path")
                    .hint(error.hint()),
            );
            return None;
        }
    };
    let shared = Arc::new(Shared {
        template,
        zone: reading.zone.clone(),
        compression,
        recompress: parameters.recompress,
        writer: FileWriter::new(id, &assembly.system.parameters),
    });
    let link = parameters.symlink_path.map(|template| {
        let is_relative = parameters.symlink_path_use_relative;
        NewestLink::new(template, is_relative, reading.zone.clone())
    });
    let output = FileOutput {
        shared,
        link,
        formatter: Batches::new(formatter),
    };
    Some(assembly.buffered(id, Arc::new(output), reading))
}

struct FileOutput {
    shared: Arc<Shared>,
    link: Option<NewestLink>,
    formatter: Batches,
}

/// What all flush threads of the output write by.
struct Shared {
    template: String,
    zone: Zone,
    compression: Compression,
    recompress: bool,
    writer: FileWriter,
}

impl BufferedOutput for FileOutput {
    fn content(&self) -> Content<'_> {
        Content::Formatted(&self.formatter)
    }

    fn sender(&self) -> Box<dyn Sender> {
        let shared = Arc::clone(&self.shared);
        Box::new(FileSender {
            shared,
            bytes: Vec::new(),
            packer: Packer::default(),
        })
    }

    fn shows_chunks(&self) -> bool {
        self.link.is_some()
    }

    fn chunk_made(&self, metadata: &Metadata, id: ChunkId, file: &Path) {
        if let Some(link) = &self.link {
            link.follow(metadata, id, file);
        }
    }
}

struct FileSender {
    shared: Arc<Shared>,
    bytes: Vec<u8>,
    packer: Packer,
}

impl Sender for FileSender {
    fn begin(&mut self, chunk: &Chunk, _: Instant) -> Result<Progress, DeliveryError> {
        let compression = self.shared.compression;
        if compression == chunk.compression() && !self.shared.recompress {
            let bytes = read_chunk_as_kept(chunk, &mut self.bytes)?;
            return self.shared.write(chunk, bytes);
        }
        let bytes = read_chunk(chunk, &mut self.bytes)?;
        let compressed = self
            .packer
            .pack(compression, bytes)
            .map_err(|error| DeliveryError::Retriable(format!("cannot compress: {error}")))?;
        self.shared.write(chunk, compressed)
    }
}

impl Shared {
    fn write(&self, chunk: &Chunk, bytes: &[u8]) -> Result<Progress, DeliveryError> {
        let text = self.name(chunk)?;
        match text.rsplit_once(INDEX) {
            None => {
                let target = Target::Path(PathBuf::from(&text));
                self.writer.write(chunk, bytes, target)
            }
            Some((before, after)) => {
                let name = |index| PathBuf::from(format!("{before}_{index}{after}"));
                self.writer.write(chunk, bytes, Target::FirstFree(&name))
            }
        }
    }

    /// The name of a chunk's file, in which [`INDEX`] stands for the number.
    fn name(&self, chunk: &Chunk) -> Result<String, DeliveryError> {
        let strftime = |template: &str, slice: i64| match TimeFormat::compile(template) {
            Ok(format) => format.to_string(slice, 0, &self.zone),
            Err(_) => template.to_owned(),
        };
        let expansion = expand(&self.template, chunk.metadata(), Some(chunk.id()), strftime)
            .map_err(|error| DeliveryError::Unrecoverable(error.to_string()))?;
        for unknown in &expansion.unknown {
            tracing::warn!(
                "chunk key placeholder '{unknown}' not replaced. template:{}",
                self.template
            );
        }
        Ok(expansion.text)
    }
}
