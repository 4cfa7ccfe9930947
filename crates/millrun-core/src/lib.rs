//! What lies between sources and outputs: plugin traits, routing, transactions, delivery.
//!
//! A configuration's tree becomes a [`Graph`] of plugins ([`assemble`]); a [`Pipeline`] starts
//! it. Sources emit batches into an [`Emitter`], which makes each batch one transaction of the
//! delivery contract; flush threads bring chunks out. The crate knows no plugin: those register
//! themselves in a [`Registry`]. It opens no socket and reads no log file.
//!
//! ```
//! use millrun_config::{Diagnostics, NoIncludes, NoRuby, parse_str};
//! use millrun_core::{Registry, System, assemble};
//!
//! let mut parsed = parse_str(
//!     "f.conf",
//!     "<match **>\n @type nowhere\n</match>",
//!     &mut NoRuby,
//!     &mut NoIncludes,
//! );
//! let mut diagnostics: Diagnostics = parsed.diagnostics;
//! let system = System::read(&parsed.root, &mut diagnostics).unwrap();
//! assemble(&parsed.root, &Registry::default(), &system, "/tmp".as_ref(), &mut diagnostics);
//! let fault = diagnostics.errors().next().unwrap();
//! assert_eq!(fault.message, "Unknown output plugin 'nowhere'");
//! ```
#![forbid(unsafe_code)]

mod alarm;
mod apart;
mod assembly;
mod buffer_plan;
mod buffer_section;
mod buffered;
mod check;
mod chunk_keys;
mod counters;
mod crew;
mod emitter;
mod explain;
mod flush;
mod graph;
mod held;
mod lint;
mod listeners;
pub mod log;
mod log_lines;
mod loss;
mod monitoring;
mod obsolete;
mod passage;
mod pipeline;
mod placeholder;
mod plugin;
mod promise;
mod registry;
mod release;
mod report;
mod ring;
mod rotation;
mod route;
mod second_look;
mod secondary;
mod stage;
mod stop;
mod system;
mod view;
mod workers;
mod workplace;

pub use assembly::{Assembly, InputPart, Parts, assemble, assemble_all};
pub use buffer_plan::BufferReading;
pub use buffer_section::{
    BufferDefaults, BufferParameters, BufferType, ChunkFormatName, CompressName, FlushModeName,
    Interval, OverflowActionName, RetryTypeName,
};
pub use buffered::{BufferPlan, BufferedNode, QUEUED_CHUNKS_ROOM};
pub use check::{Checked, check};
pub use chunk_keys::{ChunkKeys, FieldKey, Partition, TimeKey, lookup};
pub use counters::{Counters, OutputStatistics};
pub use crew::{Crew, HELPERS_MAX, PIECE_BYTES_MIN};
pub use emitter::{BLOCK_POLL, EmitError, Emitter};
pub use explain::{PatternsOf, explain};
pub use graph::{Branch, Graph, HOPS_MAX, LogRoute, Node, Rewrite, RouterId};
pub use lint::lint;
pub use listeners::{Listeners, OwnListeners, cannot_listen};
pub use log_lines::{LogLine, LogLines, ROUND_PAUSE, WAITING_BYTES_MAX};
pub use loss::{Loss, LossReason, Losses};
pub use pipeline::{FlushHandle, Pipeline, SHUTDOWN_FLUSH_MAX};
pub use placeholder::{Expansion, PlaceholderError, expand, text_of};
pub use plugin::{
    AtEnd, BatchFormatter, BufferedOutput, Companion, Content, DeliveryError, DirectOutput, Filter,
    Input, PROBE_TIMEOUT, PluginId, Progress, Rewriter, Sender, Settled, StartError, read_chunk,
    read_chunk_as_kept,
};
pub use promise::{Keeping, Promise, PromiseName, promise_of};
pub use registry::{FilterFactory, InputFactory, OutputFactory, Registration, Registry};
pub use release::RELEASE_POLL;
pub use report::{Batch, ERROR_TEXT_BYTES_MAX, ErrorEvents, ErrorGroup, Fate, Report};
pub use ring::{BatchRing, Filled};
pub use rotation::{Rotation, round_shares};
pub use route::{ROUTES_CACHED_MAX, Route, RouteCache, Router, TAG_CACHED_BYTES_MAX};
pub use secondary::Secondary;
pub use stage::{Due, Emission, Emissions, HELD_BYTES_MAX, Holder, Stage};
pub use stop::Stop;
pub use system::{
    DurabilityName, LogFormatName, LogParameters, StateEnvironment, System, SystemParameters,
};
