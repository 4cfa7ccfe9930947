//! What guides show of examples is what the examples say: they compile, and are run by tests.

#![allow(clippy::unwrap_used, clippy::expect_used)] // Tests.

use std::fs;
use std::path::Path;

/// Guides with excerpts.
const GUIDES: [&str; 1] = ["docs/from-ruby.md"];

#[test]
fn excerpts_are_in_the_examples_they_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut excerpts = 0;
    for guide in GUIDES {
        let text = fs::read_to_string(root.join(guide)).unwrap();
        for part in text.split("```rust\n").skip(1) {
            let before = part.as_ptr().addr() - text.as_ptr().addr();
            let name = text.get(..before).unwrap().lines().rev().nth(2).unwrap();
            let name = name.trim_matches('`');
            let (excerpt, _) = part.split_once("```").expect("the block ends");
            let example = fs::read_to_string(root.join(name)).expect(name);
            assert!(example.contains(excerpt), "{name} does not say:\n{excerpt}");
            excerpts += 1;
        }
    }
    assert!(excerpts > 5, "{excerpts}");
}
