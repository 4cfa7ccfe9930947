use std::io;
use std::sync::{Arc, Mutex};

use super::{Lie, SimulatedDisk, Step, lock};
use crate::disk::DiskFile;
use crate::{Random, Timestamp};

/// The unit in which content reaches the medium, in bytes: less than that of real disks, so that small files are torn
/// too, and more than a meta file is long, as there.
const BLOCK_LENGTH: usize = 128;

#[derive(Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// As it was synced.
    pub(super) durable: Vec<u8>,
    pub(super) inode: u64,
}

impl Content {
    pub(super) fn after_power_loss(&self, random: &mut Random) -> Vec<u8> {
        let is_durable = random.below(2) == 0;
        let length = if is_durable {
            self.durable.len()
        } else {
            self.bytes.len()
        };
        let mut left = Vec::new();
        while left.len() < length {
            let side = if random.below(2) == 0 {
                &self.durable
            } else {
                &self.bytes
            };
            let block = left.len()..length.min(left.len() + BLOCK_LENGTH);
            left.extend(block.map(|at| side.get(at).copied().unwrap_or(0)));
        }
        left
    }
}

pub(super) struct SimulatedFile {
    pub(super) disk: SimulatedDisk,
    pub(super) content: Arc<Mutex<Content>>,
    pub(super) is_ledger: bool,
}

impl SimulatedFile {
    /// Writes at `offset`, or at the end.
    fn write(&self, bytes: &[u8], offset: Option<u64>) -> io::Result<()> {
        let mut process = self.disk.process();
        let mut step = process.step()?;
        let mut files = self.disk.files();
        let mut written = bytes.len();
        if let Step::Failed(random) | Step::Last(random) = &mut step {
            // The whole of it as often as any part.
            let part = random.below(bytes.len() as u64 + 1) as usize;
            written = if random.below(2) == 0 {
                part
            } else {
                bytes.len()
            };
        }
        if self.is_ledger && files.lie == Some(Lie::LedgerWrites) && process.steps % 8 == 7 {
            return step.end();
        }
        let content = &mut lock(&self.content).bytes;
        let offset = offset.unwrap_or(content.len() as u64);
        let mut full = false;
        if let Some(space) = files.space_left {
            let growth = (offset + written as u64).saturating_sub(content.len() as u64);
            full = growth > space;
            written -= growth.saturating_sub(space).min(written as u64) as usize;
            files.space_left = Some(space.saturating_sub(growth));
        }
        let start = offset as usize;
        if content.len() < start + written {
            content.resize(start + written, 0);
        }
        if let (Some(target), Some(bytes)) = (
            content.get_mut(start..start + written),
            bytes.get(..written),
        ) {
            target.copy_from_slice(bytes);
        }
        step.end()?;
        if full {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }
}

impl DiskFile for SimulatedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(bytes, Some(offset))
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes, None)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.process().alive()?;
        let content = &lock(&self.content).bytes;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(bytes.len());
        if let (Some(target), Some(source)) = (bytes.get_mut(..read), rest.get(..read)) {
            target.copy_from_slice(source);
        }
        Ok(read)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut step = self.disk.process().step()?;
        let mut files = self.disk.files();
        if step.happens() && files.lie != Some(Lie::Truncations) {
            let content = &mut lock(&self.content).bytes;
            let before = content.len() as u64;
            content.resize(length as usize, 0);
            files.space_left = files
                .space_left
                .map(|space| space + before.saturating_sub(length));
        }
        step.end()
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut step = self.disk.process().step()?;
        if step.happens() && self.disk.files().lie != Some(Lie::Syncs) {
            let content = &mut *lock(&self.content);
            content.durable.clone_from(&content.bytes);
        }
        step.end()
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.process().alive()?;
        Ok(lock(&self.content).bytes.len() as u64)
    }

    fn identity(&self) -> io::Result<(u64, u64)> {
        self.disk.process().alive()?;
        Ok((1, lock(&self.content).inode))
    }

    fn try_lock(&self) -> io::Result<bool> {
        // Processes take turns between whole calls here.
        Ok(true)
    }

    fn modified(&self) -> io::Result<Timestamp> {
        self.disk.process().alive()?;
        Ok(Timestamp::default())
    }

    fn as_std(&self) -> Option<&std::fs::File> {
        None
    }
}
