//! The plugins of one worker as a graph that events travel through.
//!
//! ```text
//! source ──▶ Router 0 (root) ──▶ Node
//!        └─▶ Router n (label) ──▶ Node ── Relabel ──▶ Router m …
//!                           Node ── Rewrite, with new tags ──▶ Router m …
//! Node = Direct | Buffered | Copy of nodes | Rotation of nodes | Relabel | Rewrite
//! ```
//!
//! Built once by [`Assembly`](crate::Assembly), read by all shards, changed by none.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::buffered::BufferedNode;
use crate::log_lines::TAGS;
use crate::plugin::{DirectOutput, Filter, PluginId, Rewriter};
use crate::rotation::Rotation;
use crate::route::Router;

/// How many labels and copies an event may pass. A chain that goes in a circle ends here with an
/// error that names it, not with the stack.
pub const HOPS_MAX: usize = 64;

/// A router's number: 0 is the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouterId(pub usize);

impl RouterId {
    /// The router of what stands outside of all labels.
    pub const ROOT: Self = Self(0);
}

/// All routers of a worker.
#[derive(Default)]
pub struct Graph {
    /// The root, then one for each label, in file order.
    pub routers: Vec<Router>,
    /// The router of `<label @ERROR>`, if there is one.
    pub error: Option<RouterId>,
    /// Where the program's own log lines go as events, if anywhere.
    pub log: Option<LogRoute>,
    /// How many batches no `<match>` took, for warnings that get rarer.
    pub(crate) no_match_calls: AtomicU64,
}

/// Where events made of log lines enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRoute {
    /// The router of `<label @FLUENT_LOG>`, else the root.
    pub router: RouterId,
    /// The tags that no `<match>` there takes. In a label their events are left out without a word; at the
    /// top level they are events that no pattern matches, like any others.
    pub untaken: Vec<&'static str>,
}

impl Graph {
    /// The router of a number this graph gave out.
    pub fn router(&self, id: RouterId) -> Option<&Router> {
        self.routers.get(id.0)
    }

    /// Where log lines go as events: to the label of that name, else to the top level where one of
    /// its matches takes such a tag.
    pub(crate) fn log_route(&self, label: Option<RouterId>) -> Option<LogRoute> {
        let id = label.unwrap_or(RouterId::ROOT);
        let router = self.router(id)?;
        let tags = TAGS.iter().map(|(_, tag)| *tag);
        let untaken: Vec<_> = tags.filter(|tag| !router.takes(tag)).collect();
        let is_wanted = label.is_some() || untaken.len() < TAGS.len();
        is_wanted.then_some(LogRoute {
            router: id,
            untaken,
        })
    }
}

/// Where a batch can go.
pub enum Node {
    /// An output that takes it at once.
    Direct {
        /// The plugin's id.
        id: PluginId,
        /// The plugin.
        output: Arc<dyn DirectOutput>,
    },
    /// An output with a buffer.
    Buffered(Arc<BufferedNode>),
    /// Several, each with the whole batch.
    Copy(Vec<Branch>),
    /// Several, which take turns.
    Rotation(Rotation),
    /// Another router.
    Relabel(RouterId),
    /// A router, with other tags.
    Rewrite(Arc<Rewrite>),
}

/// An output that gives its events back to the graph.
pub struct Rewrite {
    /// The plugin's id.
    pub id: PluginId,
    /// What it does to the events before, where it holds some back: a filter with a stage.
    pub stage: Option<Arc<dyn Filter>>,
    /// What gives them their tags.
    pub tags: Arc<dyn Rewriter>,
    /// The router that takes what names no label.
    pub router: RouterId,
}

/// One `<store>` of a copy.
pub struct Branch {
    /// Where it leads.
    pub node: Arc<Node>,
    /// A failure is logged and the other branches go on.
    pub ignore_error: bool,
    /// Nothing is done where the branch before succeeded.
    pub ignore_if_prev_success: bool,
}
