//! What the configuration costs: checking a long one, and finding the route of a tag.
//!
//! ```text
//! check of 10 000 lines     read, modernised, its plugins made, looked at as a whole; beside one
//!                           pass over the bytes with one allocation for each line
//! check of 100 000 lines    ten times that, unless something is quadratic
//! 200 × PATTERN             the route of a tag that only the last of 200 <match> takes; beside a
//!                           copy of the tag into a new string
//! ```
//! CPU time of the thread. Work and floor run alternately, and the best round of each counts, since
//! other work on the machine only ever adds time.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark of fixed texts may be blunt"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use millrun_config::{NoIncludes, NoRuby, Strictness, parse_str};
use millrun_core::{Node, RouteCache, Router, RouterId, check};
use millrun_pattern::TagPatterns;
use nix::time::{ClockId, clock_gettime};

const LINES: usize = 10_000;
const PATTERNS: usize = 200;
const LOOKUPS: usize = 10_000;

/// Of what takes milliseconds.
const ROUNDS: usize = 20;

/// Of ten times as much.
const ROUNDS_LONG: usize = 3;

fn main() {
    println!(
        "{:<48} {:>10} {:>10} {:>10}",
        "CPU time of", "measured", "floor", "goal"
    );
    check_of(LINES, ROUNDS, Some(50.0));
    check_of(LINES * 10, ROUNDS_LONG, None);
    let families: [(&str, Pattern); 3] = [
        ("app.svcN.**", |number| format!("app.svc{number}.**")),
        ("kubernetes.var.log.containers.N.*", |number| {
            format!("kubernetes.var.log.containers.{number}.*")
        }),
        ("**.svcN.log", |number| format!("**.svc{number}.log")),
    ];
    for (name, pattern) in families {
        routes(name, pattern);
    }
}

fn check_of(lines: usize, rounds: usize, goal: Option<f64>) {
    let text = configuration(lines);
    let registry = millrun_plugins::registry();
    let work = || {
        let parsed = parse_str("f.conf", &text, &mut NoRuby, &mut NoIncludes);
        let checked = check(parsed, &registry, Path::new("/nowhere"), Strictness::Lax);
        assert!(!checked.diagnostics.has_errors());
        black_box(checked);
    };
    let floor = || {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        black_box(lines);
    };
    let (measured, floor) = best(rounds, work, floor);
    let lines = text.lines().count();
    let what = format!("check of {lines} lines");
    print(&what, "ms", measured * 1e3, floor * 1e3, goal);
}

fn routes(name: &str, pattern: Pattern) {
    let router = router(pattern);
    let last = pattern(PATTERNS - 1);
    let tag = last
        .replace("**.", "x.y.")
        .replace("**", "x.y")
        .replace('*', "x");
    let each = 1e9 / LOOKUPS as f64;
    let copies = || {
        for _ in 0..LOOKUPS {
            black_box(black_box(&tag).clone());
        }
    };
    let work = || {
        for _ in 0..LOOKUPS {
            black_box(router.route(black_box(&tag)));
        }
    };
    let (measured, floor) = best(ROUNDS, work, copies);
    let what = format!("{PATTERNS} × {name}, uncached");
    print(&what, "ns", measured * each, floor * each, Some(1000.0));
    let mut cache = RouteCache::default();
    let work = || {
        for _ in 0..LOOKUPS {
            black_box(cache.route(&router, black_box(&tag)));
        }
    };
    let (measured, floor) = best(ROUNDS, work, copies);
    let what = format!("{PATTERNS} × {name}, cached");
    print(&what, "ns", measured * each, floor * each, Some(50.0));
}

fn print(what: &str, unit: &str, measured: f64, floor: f64, goal: Option<f64>) {
    let verdict = match goal {
        Some(goal) if measured > goal => format!("{goal:>7.0} {unit}  missed"),
        Some(goal) => format!("{goal:>7.0} {unit}"),
        None => format!("{:>10}", "-"),
    };
    println!("{what:<48} {measured:>7.1} {unit} {floor:>7.1} {unit} {verdict}");
}

/// The seconds of the best round of two pieces of work.
fn best(rounds: usize, mut work: impl FnMut(), mut floor: impl FnMut()) -> (f64, f64) {
    let (mut best, mut best_floor) = (f64::MAX, f64::MAX);
    for _ in 0..rounds {
        best = best.min(seconds(&mut work));
        best_floor = best_floor.min(seconds(&mut floor));
    }
    (best, best_floor)
}

fn seconds(mut work: impl FnMut()) -> f64 {
    let start = cpu();
    work();
    cpu() - start
}

/// Seconds of CPU that this thread has had.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
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
fn configuration(lines: usize) -> String {
    let mut text = String::from("<source>\n  @type forward\n</source>\n");
    let mut number = 0;
    while text.lines().count() < lines {
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
