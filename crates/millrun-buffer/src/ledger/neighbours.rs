//! What the other workers of the instance have committed of other millruns' chunks.
//!
//! ```text
//! <root>/worker*/ledger/*.ledger    the neighbours' ledgers, followed while they are written
//! <root>/claims/<00..0f>.lock       held from the look at them to the commit, by the sender's first byte
//! ```
//!
//! Workers share their listening sockets, so a resend may come to another worker than the chunk did,
//! also while that one is still about to commit. Whoever takes a numbered chunk claims its sender
//! first; then the neighbours' ledgers say all there is to know.
//!
//! Knowledge is only added: while a neighbour starts, it moves from one of its files to another.
//! A compacted ledger is another file and is read from its start. The old one is held open until
//! then, so that the new one cannot have its inode.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::codec;
use super::peers::{Known, Peers};
use super::record::{CommitOrigin, Record};
use crate::Durability;
use crate::disk::{DiskFile, Open, SharedDisk};

/// The number of claims; senders that share one wait for each other.
const CLAIMS: u8 = 16;

/// The ledgers of the other workers.
pub(crate) struct Neighbours {
    disk: SharedDisk,
    root: PathBuf,
    /// The directory of our own worker.
    own: PathBuf,
    durability: Durability,
    followed: HashMap<PathBuf, Followed>,
    peers: Peers,
}

struct Followed {
    file: Box<dyn DiskFile>,
    identity: (u64, u64),
    offset: u64,
}

/// The right to commit chunks of a sender, as long as it lives.
pub struct Claim {
    _lock: Option<Box<dyn Send + Sync>>,
}

impl std::fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Claim")
    }
}

impl Claim {
    /// Where there are no neighbours.
    pub(crate) fn nobody_else() -> Self {
        Self { _lock: None }
    }
}

impl Neighbours {
    /// The neighbours of `own`, the directory of a worker below `root`.
    pub(crate) fn new(disk: &SharedDisk, root: &Path, own: &Path, durability: Durability) -> Self {
        Self {
            disk: disk.clone(),
            root: root.to_owned(),
            own: own.to_owned(),
            durability,
            followed: HashMap::new(),
            peers: Peers::default(),
        }
    }

    /// Claims a sender; `None` while another worker has it.
    pub(crate) fn claim(&self, sender: &[u8; 16]) -> io::Result<Option<Claim>> {
        let directory = self.root.join("claims");
        self.disk.create_dir_all(&directory)?;
        let [first, ..] = *sender;
        let path = directory.join(format!("{:02x}.lock", first % CLAIMS));
        let lock = self.disk.lock(&path)?;
        Ok(lock.map(|lock| Claim { _lock: Some(lock) }))
    }

    /// What they know of a number. An error means that they could not be asked.
    pub(super) fn find(&mut self, sender: &[u8; 16], sequence: u64) -> io::Result<Option<Known>> {
        for worker in self.disk.list_directories(&self.root)? {
            let name = worker.file_name().unwrap_or_default();
            if !name.to_string_lossy().starts_with("worker") || worker == self.own {
                continue;
            }
            for path in self.disk.list(&worker.join("ledger"))? {
                if path
                    .extension()
                    .is_some_and(|extension| extension == "ledger")
                {
                    self.follow(path)?;
                }
            }
        }
        let known = self.peers.find(sender, sequence);
        // A neighbour may have been killed between the writing of its record and the sync; whoever answers by that
        // record answers for it.
        if known.is_some() && self.durability == Durability::Power {
            for followed in self.followed.values() {
                followed.file.sync_data()?;
            }
        }
        Ok(known)
    }

    /// Reads what is new in one ledger.
    fn follow(&mut self, path: PathBuf) -> io::Result<()> {
        let file = match self.disk.open(&path, Open::Existing) {
            Ok(file) => file,
            // Removed by a neighbour that starts: what it held stands in another file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let identity = file.identity()?;
        let known = self.followed.get(&path);
        if known.is_none_or(|known| known.identity != identity) {
            let followed = Followed {
                file,
                identity,
                offset: 0,
            };
            self.followed.insert(path.clone(), followed);
        }
        let Some(followed) = self.followed.get_mut(&path) else {
            return Ok(());
        };
        let length = followed.file.length()?;
        let new =
            usize::try_from(length.saturating_sub(followed.offset)).map_err(io::Error::other)?;
        let mut bytes = vec![0; new];
        let read = followed.file.read_at(&mut bytes, followed.offset)?;
        bytes.truncate(read);
        let mut rest = bytes.as_slice();
        if followed.offset == 0 {
            if codec::decode_header(rest).is_none() {
                return Ok(());
            }
            followed.offset = codec::HEADER_LENGTH as u64;
            rest = rest.get(codec::HEADER_LENGTH..).unwrap_or_default();
        }
        while let Some((record, length)) = codec::decode(rest, followed.offset) {
            note(&mut self.peers, record);
            followed.offset += length as u64;
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }
}

fn note(peers: &mut Peers, record: Record) {
    match record {
        Record::Peer {
            sender,
            lowest,
            committed,
        } => peers.note(sender, lowest, committed),
        Record::Commit(commit) => {
            if let CommitOrigin::Peer {
                sender,
                sequence,
                lowest,
                taken,
            } = commit.origin
            {
                peers.note(sender, lowest, [(sequence, taken)]);
            }
        }
        _ => {}
    }
}
