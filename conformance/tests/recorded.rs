//! The recorded scenarios, played against the millrun of this build where there is one.
//!
//! A package's tests cannot ask cargo for another package's program: `cargo test --workspace`
//! builds it, `cargo test -p millrun-conformance` alone does not.
#![forbid(unsafe_code)]

use std::io::{self, Write};

use millrun_conformance::{Options, program_beside, run};

/// Cases played at once. Nearly all of their time is waiting.
const JOBS: usize = 6;

fn play(kind: &str) -> anyhow::Result<()> {
    let Some(program) = program_beside() else {
        // Past the capture of a test's output: a test that did nothing must not look like one that did.
        let reason = "no millrun in the target directory; build it with `cargo build`";
        writeln!(
            io::stderr(),
            "skipped the recorded cases of {kind}: {reason}"
        )?;
        return Ok(());
    };
    let options = Options {
        program,
        home: env!("CARGO_MANIFEST_DIR").into(),
        filter: None,
        jobs: JOBS,
        logs: true,
    };
    let summary = run(&options, kind)?;
    assert!(
        summary.failing.is_empty(),
        "{}\n{:#?}",
        summary.line(),
        summary.failing
    );
    assert!(summary.agreeing > 0, "{}", summary.line());
    Ok(())
}

#[test]
fn files_are_written_as_recorded() -> anyhow::Result<()> {
    play("out_file")
}

#[test]
fn events_are_routed_as_recorded() -> anyhow::Result<()> {
    play("routing")
}
