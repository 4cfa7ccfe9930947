//! What the configuration costs: checking a long one, and finding the route of a tag.
//!
//! ```text
//! cargo run --release -p millrun-plugins --example config_bench
//! ```
//!
//! The best round counts, since other work on the machine only ever adds time.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark of fixed texts may be blunt"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrun_config::{NoIncludes, NoRuby, Strictness, parse_str};
use millrun_core::{Node, RouteCache, Router, RouterId, check};
use millrun_pattern::TagPatterns;

const LINES: usize = 10_000;
const PATTERNS: usize = 200;
const ROUNDS: usize = 20;
const LOOKUPS: usize = 10_000;

fn main() {
    println!("{:<44} {:>10} {:>10}", "what", "measured", "goal");
    let text = configuration();
    let lines = text.lines().count();
    let taken = best(|| {
        let parsed = parse_str("f.conf", &text, &mut NoRuby, &mut NoIncludes);
        let registry = millrun_plugins::registry();
        let checked = check(parsed, &registry, Path::new("/nowhere"), Strictness::Lax);
        assert!(!checked.diagnostics.has_errors());
        black_box(checked);
    });
    let what = format!("check of {lines} lines");
    println!(
        "{what:<44} {:>7.1} ms {:>7} ms",
        taken.as_secs_f64() * 1e3,
        50
    );

    let families: [(&str, Pattern); 3] = [
        ("app.svcN.**", |number| format!("app.svc{number}.**")),
        ("kubernetes.var.log.containers.N.*", |number| {
            format!("kubernetes.var.log.containers.{number}.*")
        }),
        ("**.svcN.log", |number| format!("**.svc{number}.log")),
    ];
    for (name, pattern) in families {
        let router = router(pattern);
        // Known to the last pattern only.
        let last = pattern(PATTERNS - 1);
        let tag = last
            .replace("**.", "x.y.")
            .replace("**", "x.y")
            .replace('*', "x");
        let taken = best(|| {
            for _ in 0..LOOKUPS {
                black_box(router.route(black_box(&tag)));
            }
        });
        println!(
            "{:<44} {:>7.0} ns {:>7} ns",
            format!("{PATTERNS} × {name}, uncached"),
            each(taken),
            1000
        );
        let mut cache = RouteCache::default();
        let taken = best(|| {
            for _ in 0..LOOKUPS {
                black_box(cache.route(&router, black_box(&tag)));
            }
        });
        println!(
            "{:<44} {:>7.1} ns {:>7} ns",
            format!("{PATTERNS} × {name}, cached"),
            each(taken),
            50
        );
    }
}

fn best(mut work: impl FnMut()) -> Duration {
    let round = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..ROUNDS).map(round).min().unwrap()
}

fn each(taken: Duration) -> f64 {
    taken.as_secs_f64() * 1e9 / LOOKUPS as f64
}

/// The pattern of a number.
type Pattern = fn(usize) -> String;

fn router(pattern: Pattern) -> Router {
    let mut router = Router::default();
    for number in 0..PATTERNS {
        let patterns = TagPatterns::compile(&pattern(number)).unwrap();
        router.add_match(patterns, Arc::new(Node::Relabel(RouterId::ROOT)));
    }
    router
}

/// Sources, filters, matches and labels, as long installations have them.
fn configuration() -> String {
    let mut text = String::from("<source>\n  @type forward\n</source>\n");
    let mut number = 0;
    while text.lines().count() < LINES {
        for _ in 0..50 {
            number += 1;
            write!(
                text,
                "<source>\n  @type tail\n  @id tail_{number}\n  path /var/log/app{number}/*.log\n  \
                 pos_file /var/lib/pos/{number}.pos\n  tag app{number}.*\n  @label @APP{number}\n  <parse>\n    \
                 @type nginx\n  </parse>\n</source>\n<label @APP{number}>\n  <filter app{number}.**>\n    \
                 @type record_transformer\n    <record>\n      service app{number}\n      host \
                 ${{hostname}}\n    </record>\n  </filter>\n  <filter app{number}.**>\n    @type grep\n    \
                 <exclude>\n      key path\n      pattern /health/\n    </exclude>\n  </filter>\n  \
                 <match app{number}.**>\n    @type file\n    path /srv/out/app{number}\n    <buffer time>\n      \
                 @type file\n      path /srv/buffer/app{number}\n      timekey 1h\n      flush_mode \
                 interval\n    </buffer>\n  </match>\n</label>\n"
            )
            .unwrap();
        }
    }
    text.push_str("<match **>\n  @type stdout\n</match>\n");
    text
}
