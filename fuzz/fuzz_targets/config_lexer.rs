//! Texts to the lexer: tokens stand in order, at characters, with nothing but white space between them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millrun_config::fuzzing::tokens;
use millrun_config::{Diagnostics, MAX_DIAGNOSTICS, RenderStyle};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (tokens, errors, sources) = tokens(&text);
    let text = sources.files().next().expect("one source").text();
    let gave_up = errors.len() >= MAX_DIAGNOSTICS;
    let mut end = 0;
    for token in &tokens {
        assert!(
            end <= token.start && token.start <= token.end,
            "{text:?}: {token:?}"
        );
        assert!(text.get(token.clone()).is_some(), "{text:?}: {token:?}");
        let between = text.get(end..token.start).expect("at characters");
        let is_last = token.start == text.len();
        assert!(
            between.bytes().all(|byte| b" \t\r\n".contains(&byte)) || (gave_up && is_last),
            "{text:?}: nothing reads {between:?}"
        );
        end = token.end;
    }
    assert_eq!(end, text.len(), "{text:?}: not read to its end");
    let mut diagnostics = Diagnostics::default();
    for error in errors {
        diagnostics.push(error);
    }
    let _ = diagnostics.render(&sources, RenderStyle::Plain);
});
