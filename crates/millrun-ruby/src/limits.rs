//! What an expression may cost.

/// The longest expression compiled, in bytes.
pub const CODE_BYTES_MAX: usize = 64 * 1024;

/// How deep expressions may nest, brackets, interpolations and blocks together.
pub const NESTING_MAX: usize = 100;

/// The most regular expressions kept that were put together while an expression ran.
pub const DYNAMIC_REGEXES_MAX: usize = 64;

/// The most time formats kept compiled.
pub const TIME_FORMATS_MAX: usize = 16;

/// The largest file an expression reads, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What one evaluation may cost before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Operations; work on long texts counts by their length.
    pub steps: u64,
    /// Bytes of everything made on the way, results included.
    pub memory_bytes: usize,
    /// How deep values and blocks may nest while it runs.
    pub depth: usize,
}

impl Default for Limits {
    /// Two million steps (some tens of milliseconds), 16 MiB, 200 levels.
    fn default() -> Self {
        Self {
            steps: 2_000_000,
            memory_bytes: 16 * 1024 * 1024,
            depth: 200,
        }
    }
}
