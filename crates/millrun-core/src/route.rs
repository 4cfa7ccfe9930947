//! Which filters and which output a tag meets.
//!
//! Rules stand in file order. A tag collects the filters that match it until the first
//! `<match>` that does; filters behind that one never see it (fluentd.md section 1.6).

use std::collections::HashMap;
use std::sync::Arc;

use millrun_pattern::TagPatterns;

use crate::graph::Node;
use crate::plugin::Filter;

/// How many tags a shard remembers the routes of, per router. A flood of tags costs pattern
/// matching again, never memory.
pub const ROUTES_CACHED_MAX: usize = 1024;

/// The rules of the root or of one label, in file order.
#[derive(Default)]
pub struct Router {
    rules: Vec<Rule>,
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
        self.rules.push(Rule {
            patterns,
            kind: RuleKind::Filter(filter),
        });
    }

    /// Appends a `<match>`.
    pub fn add_match(&mut self, patterns: TagPatterns, target: Arc<Node>) {
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
        let mut rules = self.rules.iter();
        rules.any(|rule| matches!(rule.kind, RuleKind::Match(_)) && rule.patterns.matches(tag))
    }

    /// The route of `tag`, by going through the rules.
    pub fn route(&self, tag: &str) -> Route {
        let mut filters = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.patterns.matches(tag)) {
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
#[derive(Default)]
pub struct RouteCache {
    routes: HashMap<Box<str>, Arc<Route>>,
}

impl RouteCache {
    /// The route of `tag` in `router`, from memory where it can be. One cache serves one router.
    pub fn route(&mut self, router: &Router, tag: &str) -> Arc<Route> {
        if let Some(route) = self.routes.get(tag) {
            return Arc::clone(route);
        }
        if self.routes.len() >= ROUTES_CACHED_MAX {
            self.routes.clear();
        }
        let route = Arc::new(router.route(tag));
        self.routes.insert(tag.into(), Arc::clone(&route));
        route
    }
}
