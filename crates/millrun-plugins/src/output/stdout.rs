//! The `stdout` output: events on the terminal, at once or, with a `<buffer>`, chunk by chunk.
//!
//! ```text
//! <match app.**>
//!   @type stdout
//!   <format>
//!     @type stdout        the default: time tag: {json}
//!   </format>
//! </match>
//! ```

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use millrun_buffer::Chunk;
use millrun_config::{Element, parameters};
use millrun_core::{
    Assembly, BufferDefaults, BufferedOutput, Content, DeliveryError, DirectOutput, Node, PluginId,
    Progress, Sender, read_chunk,
};
use millrun_event::Events;

use crate::formatter::{Batches, EventFormatter, Scratch, format_events, plugin_formatter};

parameters! {
    /// Prints events to the standard output.
    pub struct StdoutParameters in "match", type "stdout" {
        /// Without effect: events never go into the program's own log.
        use_logger: bool = "true";
    }
    sections {
        /// What an event looks like.
        format: Option<Element>;
        /// Fields added to each record.
        inject: Option<Element>;
        /// Where events wait until they are printed. Without it they do not wait.
        buffer: Option<Element>;
        /// Where chunks go that cannot be printed.
        secondary: Option<Element>;
    }
    legacy { Buffer, Format, Inject }
}

pub(super) fn build(element: &Element, id: &PluginId, assembly: &mut Assembly<'_>) -> Option<Node> {
    let parameters = StdoutParameters::read(element, assembly.diagnostics)?;
    let formatter = plugin_formatter(element, "stdout", assembly)?;
    if parameters.buffer.is_some() {
        let reading = assembly.read_buffer(element, id, &BufferDefaults::default())?;
        let output = Arc::new(Chunks {
            formatter: Batches::new(formatter),
        });
        return Some(assembly.buffered(id, output, reading));
    }
    if assembly.refuse_secondary(element) {
        return None;
    }
    let output = Arc::new(Stdout {
        printer: Printer::new(formatter),
    });
    Some(Node::Direct {
        id: id.clone(),
        output,
    })
}

struct Stdout {
    printer: Printer,
}

impl DirectOutput for Stdout {
    fn emit(&self, tag: &str, events: Events<'_>) -> Result<(), DeliveryError> {
        self.printer.print(tag, events).map_err(unwritten)
    }
}

/// Prints chunks.
struct Chunks {
    formatter: Batches,
}

impl BufferedOutput for Chunks {
    fn content(&self) -> Content<'_> {
        Content::Formatted(&self.formatter)
    }

    fn sender(&self) -> Box<dyn Sender> {
        Box::new(ChunkPrinter::default())
    }
}

#[derive(Default)]
struct ChunkPrinter {
    bytes: Vec<u8>,
}

impl Sender for ChunkPrinter {
    fn begin(&mut self, chunk: &Chunk, _: Instant) -> Result<Progress, DeliveryError> {
        write(read_chunk(chunk, &mut self.bytes)?).map_err(unwritten)?;
        Ok(Progress::Delivered)
    }
}

fn unwritten(error: io::Error) -> DeliveryError {
    DeliveryError::Retriable(format!("cannot write to the standard output: {error}"))
}

/// Writes `text` at once. A reader that has gone away is no reason to hold events back from the
/// outputs beside this one: a closed pipe counts as read.
fn write(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints batches to the standard output, each in one write so that lines of several threads do
/// not mix. The filter of the same name has one too.
pub(crate) struct Printer {
    formatter: Box<dyn EventFormatter>,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    scratch: Scratch,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Printer {
    pub(crate) fn new(formatter: Box<dyn EventFormatter>) -> Self {
        Self {
            formatter,
            work: Mutex::default(),
        }
    }

    /// Prints `events`.
    pub(crate) fn print(&self, tag: &str, events: Events<'_>) -> io::Result<()> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let Work {
            scratch,
            text,
            ends,
        } = &mut *work;
        text.clear();
        ends.clear();
        format_events(&*self.formatter, tag, events, scratch, text, ends);
        write(text)
    }
}
