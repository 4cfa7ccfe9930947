//! The `secondary_file` output: undelivered chunks into files, as they are kept.
//!
//! ```text
//! <secondary>
//!   @type secondary_file
//!   directory /var/log/millrun/undelivered      placeholders of the primary output's chunk keys
//!   basename dump.${chunk_id}                   → dump.<id>.0, or with append → dump.<id>
//! </secondary>
//! ```
//!
//! What stands there is the primary output's own format: for most a stream of msgpack entries, for
//! others the lines they write.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use millrun_buffer::{Chunk, Compression, Packer};
use millrun_config::{Diagnostic, Element, parameters, words};
use millrun_core::{
    Assembly, BufferDefaults, BufferedOutput, ChunkKeys, Content, DeliveryError, Node, PluginId,
    Progress, Sender, expand, read_chunk,
};
use millrun_pattern::{TimeFormat, Zone};

use super::file::{FileWriter, Target};

words! {
    /// How files are compressed.
    pub enum Compress {
        /// Not at all.
        Text = "text",
        /// As gzip.
        Gzip = "gzip",
    }
}

parameters! {
    /// Writes chunks that another output could not deliver to files. Only in a `<secondary>` section.
    pub struct SecondaryFileParameters in "match", type "secondary_file" {
        /// Where files are made; may hold placeholders of the primary output's chunk keys.
        directory: String = required;
        /// Their names; as the directory. Without `append` a number is added.
        basename: String = "dump.bin";
        /// Append to a file that exists.
        append: bool = "false";
        /// How files are compressed.
        compress: Compress = "text";
    }
}

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = SecondaryFileParameters::read(element, assembly.diagnostics)?;
    if !assembly.is_secondary() {
        let fault = Diagnostic::error("This plugin can only be used in the <secondary> section");
        assembly
            .diagnostics
            .push(fault.at(element.span(), "here it has no output to help"));
        return None;
    }
    let reading = assembly.read_buffer(element, id, &BufferDefaults::default())?;
    let template = format!("{}/{}", parameters.directory, parameters.basename);
    if let Some(fault) = incompatible(&template, &reading.keys) {
        let fault = Diagnostic::error(fault);
        let fault = fault.at(element.span(), "in directory or basename");
        assembly
            .diagnostics
            .push(fault.hint("name it among the chunk keys of the output, or write another name"));
        return None;
    }
    let is_gzip = parameters.compress == Compress::Gzip;
    let output = SecondaryFile {
        shared: Arc::new(Shared {
            template,
            suffix: if is_gzip { ".gz" } else { "" },
            compression: match parameters.compress {
                Compress::Text => Compression::Text,
                Compress::Gzip => Compression::Gzip,
            },
            append: parameters.append,
            zone: reading.zone.clone(),
            writer: FileWriter::new(id, &assembly.system.parameters),
        }),
    };
    Some(assembly.buffered(id, Arc::new(output), reading))
}

/// Why no chunk of the primary output could fill the template; unlike elsewhere, every chunk key may be absent.
fn incompatible(template: &str, keys: &ChunkKeys) -> Option<String> {
    let head = "out_secondary_file: basename or directory has an incompatible placeholder";
    let names = || {
        let parts = template.split("${").skip(1);
        parts.filter_map(|part| part.split_once('}').map(|(name, _)| name))
    };
    let has_time = |text: &str| {
        let parts = text.split('%').skip(1);
        parts
            .filter_map(|part| part.chars().next())
            .any(|letter| letter.is_ascii_alphabetic())
    };
    if keys.time.is_none() && has_time(template) {
        return Some(format!("{head}: a time, without time as a chunk key"));
    }
    if !keys.tag && names().any(|name| name == "tag" || name.starts_with("tag[")) {
        return Some(format!("{head}: the tag, without tag as a chunk key"));
    }
    let is_known = |name: &str| {
        name == "tag"
            || name.starts_with("tag[")
            || name == "chunk_id"
            || keys.fields.iter().any(|field| *field.name == *name)
    };
    names()
        .find(|name| !is_known(name))
        .map(|name| format!("{head}: ${{{name}}}, which is no chunk key"))
}

struct SecondaryFile {
    shared: Arc<Shared>,
}

struct Shared {
    template: String,
    suffix: &'static str,
    compression: Compression,
    append: bool,
    zone: Zone,
    writer: FileWriter,
}

impl BufferedOutput for SecondaryFile {
    fn content(&self) -> Content<'_> {
        Content::Events
    }

    fn sender(&self) -> Box<dyn Sender> {
        Box::new(FileSender {
            shared: Arc::clone(&self.shared),
            bytes: Vec::new(),
            packer: Packer::default(),
        })
    }
}

struct FileSender {
    shared: Arc<Shared>,
    bytes: Vec<u8>,
    packer: Packer,
}

impl Sender for FileSender {
    fn begin(&mut self, chunk: &Chunk, _: Instant) -> Result<Progress, DeliveryError> {
        let bytes = read_chunk(chunk, &mut self.bytes)?;
        let shared = &*self.shared;
        let packed = self
            .packer
            .pack(shared.compression, bytes)
            .map_err(|error| DeliveryError::Retriable(format!("cannot compress: {error}")))?;
        let strftime = |template: &str, slice: i64| match TimeFormat::compile(template) {
            Ok(format) => format.to_string(slice, 0, &shared.zone),
            Err(_) => template.to_owned(),
        };
        let expansion = expand(
            &shared.template,
            chunk.metadata(),
            Some(chunk.id()),
            strftime,
        );
        let base = expansion
            .map_err(|error| DeliveryError::Unrecoverable(error.to_string()))?
            .text;
        let suffix = shared.suffix;
        let name = |index| PathBuf::from(format!("{base}.{index}{suffix}"));
        let target = match shared.append {
            true => Target::Path(format!("{base}{suffix}").into()),
            false => Target::FirstFree(&name),
        };
        shared.writer.write(chunk, packed, target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_placeholders_that_a_chunk_key_answers_are_taken() {
        let keys = ChunkKeys {
            tag: true,
            ..ChunkKeys::default()
        };
        assert_eq!(
            incompatible("/d/${tag}.${tag[1]}.${chunk_id}.100%", &keys),
            None
        );
        let head = "out_secondary_file: basename or directory has an incompatible placeholder";
        for (template, keys, fault) in [
            ("/d/%Y", &keys, "a time, without time as a chunk key"),
            (
                "/d/${tag}",
                &ChunkKeys::default(),
                "the tag, without tag as a chunk key",
            ),
            ("/d/${host}", &keys, "${host}, which is no chunk key"),
        ] {
            assert_eq!(
                incompatible(template, keys),
                Some(format!("{head}: {fault}"))
            );
        }
    }
}
