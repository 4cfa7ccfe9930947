use std::io;
use std::sync::{Arc, Mutex};

use super::{SimulatedDisk, Step, lock};
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
}

impl DiskFile for SimulatedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let mut step = state.step()?;
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
        let content = &mut lock(&self.content).bytes;
        let mut full = false;
        if let Some(space) = state.space_left {
            let growth = (offset + written as u64).saturating_sub(content.len() as u64);
            full = growth > space;
            written -= growth.saturating_sub(space).min(written as u64) as usize;
            state.space_left = Some(space.saturating_sub(growth));
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

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.state().alive()?;
        let content = &lock(&self.content).bytes;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(bytes.len());
        for (target, byte) in bytes.iter_mut().zip(rest) {
            *target = *byte;
        }
        Ok(read)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let mut step = state.step()?;
        if step.happens() {
            let content = &mut lock(&self.content).bytes;
            let before = content.len() as u64;
            content.resize(length as usize, 0);
            state.space_left = state
                .space_left
                .map(|space| space + before.saturating_sub(length));
        }
        step.end()
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let mut step = state.step()?;
        if step.happens() {
            let content = &mut *lock(&self.content);
            content.durable.clone_from(&content.bytes);
        }
        step.end()
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.state().alive()?;
        Ok(lock(&self.content).bytes.len() as u64)
    }

    fn modified(&self) -> io::Result<Timestamp> {
        self.disk.state().alive()?;
        Ok(Timestamp::default())
    }

    fn as_std(&self) -> Option<&std::fs::File> {
        None
    }
}
