//! What `/proc/self` says, for the sections of a dump.

use std::fs;

/// Returns the numbered entries of a folder, in order; or why they are not known.
pub(super) fn numbers(folder: &str) -> Result<Vec<u32>, String> {
    let entries = fs::read_dir(folder);
    // After a change of user the kernel keeps some from the process itself.
    let entries = entries.map_err(|error| format!("not known: {folder}: {error}"))?;
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns what is there, or nothing: a dump says what it can.
pub(super) fn read(path: &str) -> String {
    fs::read(path).map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// Returns what follows `name:` in a file of such lines.
pub(super) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}
