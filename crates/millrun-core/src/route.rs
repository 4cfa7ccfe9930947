//! Which filters and which output a tag meets.
//!
//! Rules stand in file order. A tag collects the filters that match it until the first
//! `<match>` that does; filters behind that one never see it (fluentd.md section 1.6).

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use millrun_pattern::{TagIndex, TagPatterns};

use crate::graph::Node;
use crate::plugin::Filter;

/// How many tags a shard remembers the routes of, per router. A flood of tags costs pattern
/// matching again, never memory.
pub const ROUTES_CACHED_MAX: usize = 1024;

/// The rules of the root or of one label, in file order.
#[derive(Default)]
pub struct Router {
    rules: Vec<Rule>,
    /// Which rules may meet a tag; made when the first tag asks.
    index: OnceLock<TagIndex>,
}

/// One `<filter>` or `<match>`.
struct Rule {
    patterns: TagPatterns,
    kind: RuleKind,
}

enum RuleKind {
    Filter(Arc<dyn Filter>),
    Match(Arc<Node>),
}

/// What a tag meets, decided once per tag.
#[derive(Clone)]
pub struct Route {
    /// The filters, in order.
    pub filters: Vec<Arc<dyn Filter>>,
    /// Where what is left goes; `None` when no `<match>` takes the tag.
    pub target: Option<Arc<Node>>,
}

impl Router {
    /// Appends a `<filter>`.
    pub fn add_filter(&mut self, patterns: TagPatterns, filter: Arc<dyn Filter>) {
        self.index.take();
        self.rules.push(Rule {
            patterns,
            kind: RuleKind::Filter(filter),
        });
    }

    /// Appends a `<match>`.
    pub fn add_match(&mut self, patterns: TagPatterns, target: Arc<Node>) {
        self.index.take();
        self.rules.push(Rule {
            patterns,
            kind: RuleKind::Match(target),
        });
    }

    /// Its filters, in file order.
    pub fn filters(&self) -> impl Iterator<Item = &Arc<dyn Filter>> {
        self.rules.iter().filter_map(|rule| match &rule.kind {
            RuleKind::Filter(filter) => Some(filter),
            RuleKind::Match(_) => None,
        })
    }

    /// What its `<match>` sections lead to, in file order.
    pub fn targets(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.rules.iter().filter_map(|rule| match &rule.kind {
            RuleKind::Filter(_) => None,
            RuleKind::Match(target) => Some(target),
        })
    }

    /// Whether a `<match>` takes `tag`.
    pub fn takes(&self, tag: &str) -> bool {
        let mut rules = self.rules_of(tag);
        rules.any(|rule| matches!(rule.kind, RuleKind::Match(_)))
    }

    /// The rules that meet `tag`, in file order.
    fn rules_of(&self, tag: &str) -> impl Iterator<Item = &Rule> {
        let patterns = || TagIndex::new(self.rules.iter().map(|rule| &rule.patterns));
        let candidates = self.index.get_or_init(patterns).candidates(tag).into_iter();
        let rules = candidates.filter_map(|number| self.rules.get(number));
        rules.filter(move |rule| rule.patterns.matches(tag))
    }

    /// The route of `tag`, by going through the rules.
    pub fn route(&self, tag: &str) -> Route {
        let mut filters = Vec::new();
        for rule in self.rules_of(tag) {
            match &rule.kind {
                RuleKind::Filter(filter) => filters.push(Arc::clone(filter)),
                RuleKind::Match(target) => {
                    return Route {
                        filters,
                        target: Some(Arc::clone(target)),
                    };
                }
            }
        }
        Route {
            filters,
            target: None,
        }
    }
}

/// A shard's memory of routes. It belongs to one thread, so it takes no lock.
///
/// ```text
/// found among the young      used
/// found among the old        used, and young again
/// found nowhere              decided by the rules, young
/// the young are too many     they become the old, and what was old is forgotten
/// ```
///
/// So a tag that comes again and again is never forgotten, however many others come in between,
/// and a stream of ever new tags neither grows the memory nor costs more than their own decisions.
#[derive(Default)]
pub struct RouteCache {
    young: Routes,
    old: Routes,
}

type Routes = HashMap<Box<str>, Arc<Route>>;

/// Longer tags are not remembered: deciding on one is cheap beside reading it.
pub const TAG_CACHED_BYTES_MAX: usize = 512;

impl RouteCache {
    /// The route of `tag` in `router`, from memory where it can be. One cache serves one router.
    pub fn route(&mut self, router: &Router, tag: &str) -> Arc<Route> {
        if let Some(route) = self.young.get(tag) {
            return Arc::clone(route);
        }
        let known = self.old.remove_entry(tag);
        let (name, route) = match known {
            Some(known) => known,
            None => (tag.into(), Arc::new(router.route(tag))),
        };
        if tag.len() <= TAG_CACHED_BYTES_MAX {
            if self.young.len() >= ROUTES_CACHED_MAX / 2 {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(name, Arc::clone(&route));
        }
        route
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(cache: &RouteCache) -> usize {
        cache.young.len() + cache.old.len()
    }

    #[test]
    fn a_flood_of_new_tags_neither_grows_the_memory_nor_drives_out_what_is_used() {
        let router = Router::default();
        let mut cache = RouteCache::default();
        let route = cache.route(&router, "used");
        for number in 0..10 * ROUTES_CACHED_MAX {
            cache.route(&router, &format!("new.{number}"));
            assert!(remembered(&cache) <= ROUTES_CACHED_MAX, "{number}");
            assert!(
                Arc::ptr_eq(&route, &cache.route(&router, "used")),
                "{number}"
            );
        }
    }

    #[test]
    fn what_is_not_used_is_forgotten() {
        let router = Router::default();
        let mut cache = RouteCache::default();
        let route = cache.route(&router, "seldom");
        for number in 0..ROUTES_CACHED_MAX {
            cache.route(&router, &format!("new.{number}"));
        }
        assert!(!Arc::ptr_eq(&route, &cache.route(&router, "seldom")));
    }

    #[test]
    fn a_long_tag_is_not_remembered() {
        let router = Router::default();
        let mut cache = RouteCache::default();
        cache.route(&router, &"t".repeat(TAG_CACHED_BYTES_MAX + 1));
        assert_eq!(remembered(&cache), 0);
        cache.route(&router, &"t".repeat(TAG_CACHED_BYTES_MAX));
        assert_eq!(remembered(&cache), 1);
    }
}
