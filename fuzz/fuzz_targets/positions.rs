//! Position files: what is rewritten is sound, and stays as it is when it is rewritten again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrun_plugins::rewrite_position_file;

fuzz_target!(|bytes: &[u8]| {
    if let Some(written) = rewrite_position_file(bytes) {
        assert_eq!(
            rewrite_position_file(&written).as_ref(),
            Some(&written),
            "what was rewritten reads as what it was"
        );
    }
});
