use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The program beside this one, where a build has put both.
pub fn program_beside() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let directories = own.ancestors().skip(1).take(2);
    directories
        .map(|directory| directory.join("millrun"))
        .find(|path| path.is_file())
}

/// The release build of the program, made by cargo where it is not up to date.
///
/// # Errors
/// Where cargo is not there or the build fails.
pub fn release_program() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    eprintln!("live kinds need the program: cargo build --release -p millrun");
    let status = Command::new(&cargo)
        .args(["build", "--quiet", "--release", "-p", "millrun"])
        .current_dir(&workspace)
        .status()
        .with_context(|| {
            let cargo = Path::new(&cargo).display();
            format!("cannot run {cargo}: name a program that is built with --program PATH")
        })?;
    ensure!(status.success(), "the program does not build");
    let target = std::env::current_exe().ok();
    // This program is in target/<profile>, or a test in target/<profile>/deps.
    let beside = target
        .iter()
        .flat_map(|own| own.ancestors().skip(2).take(2));
    let usual = workspace.join("target");
    beside
        .chain([usual.as_path()])
        .map(|target| target.join("release/millrun"))
        .find(|path| path.is_file())
        .context("the program is built, but not in the target directory of this one")
}
