//! The configuration callback of the server under test.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serverengine::{BoxError, Config, Format};

/// Whether the callback was called before.
static LOADED: AtomicBool = AtomicBool::new(false);

/// The callback: engine keys, and `greeting` for the workers, from a JSON file; or what it says to do. It
/// counts its calls in a file beside it.
pub(crate) fn load(base: &Config, path: &Path) -> Result<Config, BoxError> {
    let mut calls = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path.with_extension("calls"))?;
    calls.write_all(b"x")?;
    let text = std::fs::read_to_string(path)?;
    match text.trim() {
        "panic" => panic!("on purpose"),
        "hang" => std::thread::sleep(Duration::from_secs(1000)),
        "die" => std::process::abort(),
        "thread" => drop(std::thread::spawn(|| {})),
        _ => {}
    }
    let loaded =
        Config::from_text_with::<BTreeMap<String, String>>(path, Format::Json, text.trim())?;
    let mut config = Config {
        workers: loaded.workers,
        application: loaded.application,
        ..base.clone()
    };
    if LOADED.swap(true, Ordering::Relaxed) {
        config.logger = loaded.logger;
    }
    Ok(config)
}
