//! Configurations in YAML: an answer for every text, and every place in it can be drawn.
#![no_main]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use millrun_config::{Evaluate, EvaluateError, Evaluated, LoadOptions, RenderStyle, load};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let path = Path::new("/f.yaml");
    let mut world: BTreeMap<PathBuf, String> = BTreeMap::new();
    world.insert(path.to_owned(), text);
    // What includes itself must end.
    world.insert("/more.yaml".into(), "- !include more.yaml\n".to_owned());
    let options = LoadOptions {
        path: path.to_owned(),
        ..LoadOptions::default()
    };
    let Ok(loaded) = load(&options, &mut Echo, &mut world) else {
        return;
    };
    let parsed = &loaded.parsed;
    let _ = parsed
        .diagnostics
        .render(&parsed.sources, RenderStyle::Plain);
});

/// Every expression is its own value.
struct Echo;

impl Evaluate for Echo {
    fn evaluate(&mut self, code: &str) -> Result<Evaluated, EvaluateError> {
        Ok(Evaluated::Text(code.to_owned()))
    }
}
