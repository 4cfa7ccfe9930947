use std::io;
use std::path::PathBuf;

use crate::SourceNumber;

/// Why the state of a worker cannot be used: the operator's to solve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Another process uses the state directory.
    #[error(
        "the state directory {} is in use by process {owner}; stop that process, or give this instance \
         another root_dir in <system>",
        .directory.display()
    )]
    Locked {
        /// The directory of the worker.
        directory: PathBuf,
        /// The process id that the owner left in the lock file, or `unknown`.
        owner: String,
    },
    /// The state directory or a ledger in it cannot be read or written.
    #[error("cannot {what} {}: {source}; check that it exists and that its permissions let this user write", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A ledger is damaged at its start, or a newer program wrote it.
    #[error(
        "{} is not a ledger of this version of millrun; start the version that wrote it, or move the file away to \
         start without what it knows",
        .path.display()
    )]
    UnknownLedger {
        /// The file.
        path: PathBuf,
    },
    /// Another worker is taking over what was left here, because there were fewer workers; it ends that first.
    #[error(
        "what is in {} is being taken over by worker 0, which has not ended that; start again when it has",
        .directory.display()
    )]
    LeftBehind {
        /// The worker's directory.
        directory: PathBuf,
    },
}

/// Why something could not be recorded. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The disk refused the record: the machine's fault; the same can be tried again.
    #[error("cannot write the ledger {}: {source}; nothing of the transaction was kept", .path.display())]
    Write {
        /// The ledger file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// An earlier write failed in a way that leaves the file unknown: only a restart reads what is true.
    #[error("the ledger {} is in an unknown state since an earlier failure ({reason}); restart the worker", .path.display())]
    Broken {
        /// The ledger file.
        path: PathBuf,
        /// The earlier failure.
        reason: String,
    },
    /// The system gives no random bytes, without which a sender cannot be told from another.
    #[error("cannot read /dev/urandom: {0}; a sender needs it to name itself")]
    NoRandomness(#[source] io::Error),
    /// The caller's mistake: recovery is not finished.
    #[error("a transaction was begun before the recovery was finished")]
    NotStarted,
    /// The caller's mistake: the source was never introduced to this ledger.
    #[error("source {} has no incarnation {incarnation} in this ledger", .source_number.0)]
    UnknownSource {
        /// The source.
        source_number: SourceNumber,
        /// Its incarnation.
        incarnation: u32,
    },
    /// The caller's mistake: a batch does not begin where the one before it ended.
    #[error("a batch of source {} begins at {actual} instead of {expected}", .source_number.0)]
    OutOfOrder {
        /// The source.
        source_number: SourceNumber,
        /// Where the batch before ended.
        expected: u64,
        /// Where this one begins.
        actual: u64,
    },
    /// The caller's mistake: a read was not cut at a recovered mark.
    #[error("a batch of source {} crosses a recovered mark between {start} and {end}", .source_number.0)]
    Straddles {
        /// The source.
        source_number: SourceNumber,
        /// Where the batch begins.
        start: u64,
        /// Where it ends.
        end: u64,
    },
}

/// Why a buffer did not take a write. What the transaction wrote before is still there, to commit or roll back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The buffer is full: the destination is slower than the sources, or down.
    #[error(
        "buffer {buffer} has too many data: {size} bytes of at most {limit} (total_limit_size); the destination takes \
         less than comes in"
    )]
    Overflow {
        /// The name of the buffer.
        buffer: Box<str>,
        /// Staged and queued bytes.
        size: u64,
        /// The limit they reached.
        limit: u64,
    },
    /// The disk refused the bytes: the machine's fault.
    #[error("cannot write {} of buffer {buffer}: {source}", .path.display())]
    Write {
        /// The name of the buffer.
        buffer: Box<str>,
        /// The chunk file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The birth of a chunk could not be recorded.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why a buffer cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory of the chunk files cannot be used: the operator's to solve.
    #[error("cannot {what} {} for buffer {buffer}: {source}; check the path and its permissions", .path.display())]
    Io {
        /// The name of the buffer.
        buffer: Box<str>,
        /// What was tried.
        what: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// What was resumed could not be noted.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}
