//! Reading takes time in proportion to the text, whatever the text is.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use millrun_config::{NoIncludes, NoRuby, parse_str};

const SHORT_BYTES: usize = 2 * 1024;
const TIMES_LONGER: usize = 8;
/// Linear reading takes 8 times as long, quadratic 64 times.
const RATIO_MAX: u32 = 26;
/// Below this nothing can be told; the square of the long text's bytes, in nanoseconds, is 0.3 seconds.
const TOLD_FROM: Duration = Duration::from_millis(100);

/// Processor time of this thread: what else the machine does is not in it.
fn taken(text: &str) -> Duration {
    let start = processor_time();
    parse_str("t.conf", text, &mut NoRuby, &mut NoIncludes);
    processor_time() - start
}

#[allow(clippy::expect_used)] // Where a thread has no clock the test cannot say anything.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .expect("a thread has a clock of its own")
        .into()
}

#[test]
fn a_text_that_is_longer_takes_longer_in_proportion() {
    let pieces: [&str; 22] = [
        "<",
        "<a>\n",
        "</a>\n",
        "<a>\n</a>\n",
        "k v\n",
        "k [\n",
        "k {\"a\":1,\n",
        "k [1,[\n",
        "[",
        "{",
        "\"",
        "k \"a\\\n",
        "k '",
        "#",
        "#{",
        "k \"#{1}\"\n",
        "\r",
        " ",
        "é",
        "\0",
        "@include x\n",
        "k \"#{\"#{",
    ];
    let mut slow = Vec::new();
    for piece in pieces {
        let text = |bytes: usize| piece.repeat(bytes / piece.len());
        check(piece, &text, &mut slow);
    }
    // As many names as lines.
    let names = |bytes: usize| {
        (0..bytes / 8)
            .map(|number| format!("k{number} v\n"))
            .collect()
    };
    check("k1 v, k2 v …", &names, &mut slow);
    let sections = |bytes: usize| format!("k {}", "[1,\n".repeat(bytes / 4));
    check("one literal", &sections, &mut slow);
    assert!(
        slow.is_empty(),
        "these grow faster than their text: {slow:#?}"
    );
}

fn check(name: &str, text: &dyn Fn(usize) -> String, slow: &mut Vec<String>) {
    let long = text(SHORT_BYTES * TIMES_LONGER);
    // Caches that were cold once are warm the second time.
    for attempt in 0..3 {
        let long_taken = taken(&long);
        if long_taken < TOLD_FROM {
            return;
        }
        let short_taken = taken(&text(SHORT_BYTES));
        if long_taken < short_taken * RATIO_MAX {
            return;
        }
        if attempt == 2 {
            slow.push(format!("{name:?}: {short_taken:?}, then {long_taken:?}"));
        }
    }
}
