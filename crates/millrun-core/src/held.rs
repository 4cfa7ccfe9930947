//! The holders of one shard: each with what was committed of it last.

use std::sync::Arc;

use millrun_buffer::{Ledger, Transaction};
use millrun_event::EventTime;

use crate::graph::{Graph, Node, Rewrite, RouterId};
use crate::plugin::Filter;
use crate::report::Report;
use crate::stage::{Due, Emissions, Holder};

/// A stage of the graph: how its holders are made and where what they release goes on.
#[derive(Clone)]
pub(crate) struct StagePart {
    pub(crate) filter: Arc<dyn Filter>,
    pub(crate) way: Way,
}

/// Where released events go on.
#[derive(Clone)]
pub(crate) enum Way {
    /// Behind the filter in this router.
    Behind(RouterId),
    /// Through what gives them their new tags.
    Rewrite(Arc<Rewrite>),
}

/// All holders of a shard.
#[derive(Default)]
pub(crate) struct Held {
    slots: Vec<Slot>,
}

struct Slot {
    part: StagePart,
    name: Box<str>,
    holder: Box<dyn Holder>,
    /// The checkpoint of the last commit.
    committed: Vec<u8>,
    /// The checkpoint of the transaction under way.
    next: Vec<u8>,
    /// The transaction under way changed it.
    is_touched: bool,
}

impl Held {
    /// The holders of the stages of `graph`, with what the ledger has of them.
    pub(crate) fn new(graph: &Graph, ledger: &Ledger) -> Self {
        let slots = stages(graph).into_iter().filter_map(|part| {
            let stage = part.filter.stage()?;
            let (name, mut holder) = (stage.name().into(), stage.holder());
            let committed = ledger
                .checkpoint(stage.name())
                .unwrap_or_default()
                .into_vec();
            if !committed.is_empty() {
                holder.roll_back(&committed);
            }
            Some(Slot {
                part,
                name,
                holder,
                committed,
                next: Vec::new(),
                is_touched: false,
            })
        });
        Self {
            slots: slots.collect(),
        }
    }

    /// The holder of a filter, which from now on takes part in the transaction.
    pub(crate) fn touch(&mut self, filter: &Arc<dyn Filter>) -> Option<&mut dyn Holder> {
        let slot = self
            .slots
            .iter_mut()
            .find(|slot| Arc::ptr_eq(&slot.part.filter, filter))?;
        slot.is_touched = true;
        Some(&mut *slot.holder)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the holder of this number has something to release.
    pub(crate) fn is_due(&self, number: usize, due: Due) -> bool {
        let next = self.slots.get(number).and_then(|slot| slot.holder.due());
        next.is_some_and(|time| due.includes(time))
    }

    /// When the first of them has something to release.
    pub(crate) fn next_due(&self) -> Option<EventTime> {
        self.slots.iter().filter_map(|slot| slot.holder.due()).min()
    }

    /// What the holder of this number releases, and where it goes.
    pub(crate) fn release(
        &mut self,
        number: usize,
        due: Due,
        out: &mut Emissions,
        report: &mut Report<'_>,
    ) -> Option<StagePart> {
        let slot = self.slots.get_mut(number)?;
        slot.is_touched = true;
        slot.holder.release(due, out, report);
        Some(slot.part.clone())
    }

    /// Makes what is held now part of the transaction.
    pub(crate) fn checkpoint(&mut self, transaction: &mut Transaction<'_>) {
        for slot in self.slots.iter_mut().filter(|slot| slot.is_touched) {
            slot.next.clear();
            slot.holder.checkpoint(&mut slot.next);
            if slot.next != slot.committed {
                transaction.checkpoint(&slot.name, &slot.next);
            }
        }
    }

    /// The transaction is committed: from here on a failure comes back to this.
    pub(crate) fn commit(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.is_touched) {
            slot.is_touched = false;
            slot.holder.commit();
            std::mem::swap(&mut slot.committed, &mut slot.next);
        }
    }

    /// The transaction failed.
    pub(crate) fn roll_back(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.is_touched) {
            slot.is_touched = false;
            slot.holder.roll_back(&slot.committed);
        }
    }
}

/// The stages of a graph, in the order of the file.
pub(crate) fn stages(graph: &Graph) -> Vec<StagePart> {
    let mut found = Vec::new();
    for (number, router) in graph.routers.iter().enumerate() {
        for filter in router.filters().filter(|filter| filter.stage().is_some()) {
            found.push(StagePart {
                filter: Arc::clone(filter),
                way: Way::Behind(RouterId(number)),
            });
        }
        for target in router.targets() {
            collect(target, &mut found);
        }
    }
    found
}

fn collect(node: &Node, found: &mut Vec<StagePart>) {
    match node {
        Node::Direct { .. } | Node::Buffered(_) | Node::Relabel(_) => {}
        Node::Copy(branches) => {
            for branch in branches {
                collect(&branch.node, found);
            }
        }
        Node::Rotation(rotation) => {
            for node in rotation.nodes() {
                collect(node, found);
            }
        }
        Node::Rewrite(rewrite) => {
            if let Some(filter) = &rewrite.stage {
                found.push(StagePart {
                    filter: Arc::clone(filter),
                    way: Way::Rewrite(Arc::clone(rewrite)),
                });
            }
        }
    }
}
