//! The files of a buffer as their fuzz targets see them; only with the feature `fuzzing`.

/// Reads a ledger, and one whose records have these bodies and right checksums: what is read can be written, and
/// reads back as what it was.
pub fn ledger(bytes: &[u8]) {
    crate::ledger::fuzzing::read(bytes);
}

/// Reads the meta file and the data of a chunk: what is read can be written, and reads back as what it was.
pub fn chunk(bytes: &[u8]) {
    crate::chunk::fuzzing::read(bytes);
}
