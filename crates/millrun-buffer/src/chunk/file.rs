use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{self, DiskFile, Open, SharedDisk};

/// The two files of a chunk. They are open while the chunk is staged.
pub(crate) struct FileBody {
    pub(super) disk: SharedDisk,
    data_path: PathBuf,
    meta_path: PathBuf,
    data: Option<Box<dyn DiskFile>>,
    meta: Option<Box<dyn DiskFile>>,
    /// The meta file could not be written once; its name must be synced with the next commits.
    meta_was_removed: bool,
}

impl FileBody {
    /// Makes the files of a new chunk.
    pub(crate) fn create(disk: SharedDisk, data_path: PathBuf) -> io::Result<Self> {
        let meta_path = meta_path(&data_path);
        let data = disk.open(&data_path, Open::New)?;
        let meta = disk.open(&meta_path, Open::Truncated).inspect_err(|_| {
            let _ = disk.remove(&data_path);
        })?;
        Ok(Self {
            disk,
            data_path,
            meta_path,
            data: Some(data),
            meta: Some(meta),
            meta_was_removed: false,
        })
    }

    /// The files of a chunk that was found.
    pub(crate) fn found(disk: SharedDisk, data_path: PathBuf) -> Self {
        let meta_path = meta_path(&data_path);
        Self {
            disk,
            data_path,
            meta_path,
            data: None,
            meta: None,
            meta_was_removed: false,
        }
    }

    pub(crate) fn data_path(&self) -> &Path {
        &self.data_path
    }

    pub(crate) fn meta_path(&self) -> &Path {
        &self.meta_path
    }

    /// Opens the data for reading.
    pub(crate) fn open(&self) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(&self.data_path, Open::Existing)
    }

    /// Writes data; after an error what stands beyond the committed length means nothing.
    pub(crate) fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let file = match &mut self.data {
            Some(file) => file,
            none => none.insert(self.disk.open(&self.data_path, Open::Existing)?),
        };
        file.write_at(bytes, offset)
    }

    /// Cuts the data. Nothing depends on the success: what is not committed is cut at recovery.
    pub(crate) fn truncate(&mut self, length: u64) {
        if let Some(file) = &self.data {
            let _ = file.truncate(length);
        }
    }

    /// Rewrites the meta file in place.
    ///
    /// If it fails the file is removed: a meta file that is neither of the last commit nor of the one before would be taken
    /// for another program's.
    pub(crate) fn write_meta(&mut self, bytes: &[u8]) {
        let opened = match self.meta.take() {
            Some(file) => Ok(file),
            None => match self.disk.open(&self.meta_path, Open::Existing) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.disk.open(&self.meta_path, Open::New)
                }
                opened => opened,
            },
        };
        match opened.and_then(|file| file.write_at(bytes, 0).map(|()| file)) {
            Ok(file) => self.meta = Some(file),
            Err(_) => {
                let _ = self.disk.remove(&self.meta_path);
                self.meta_was_removed = true;
            }
        }
    }

    /// Whether the old meta file could come back after a loss of power, unless the directory is synced.
    pub(crate) fn meta_was_removed(&self) -> bool {
        self.meta_was_removed
    }

    /// Replaces the meta file in one step.
    pub(crate) fn replace_meta(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut beside = self.meta_path.clone().into_os_string();
        beside.push(".tmp");
        let file = self.disk.open(Path::new(&beside), Open::Truncated)?;
        file.write_at(bytes, 0)?;
        file.sync_data()?;
        self.disk.rename(Path::new(&beside), &self.meta_path)
    }

    /// The meta file as it stands.
    pub(super) fn meta_on_disk(&self) -> Option<Vec<u8>> {
        disk::read_all(self.disk.as_ref(), &self.meta_path)
            .ok()
            .flatten()
    }

    /// Gives a meta file that was left under its old name the name that belongs to the data.
    pub(crate) fn adopt_meta(&self, found: &Path) -> io::Result<()> {
        if found == self.meta_path {
            Ok(())
        } else {
            self.disk.rename(found, &self.meta_path)
        }
    }

    /// Makes both files survive a power loss. The meta file of an earlier commit could be taken for another program's.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match &self.data {
            Some(file) => file.sync_data()?,
            None => self.open()?.sync_data()?,
        }
        match &self.meta {
            Some(file) => file.sync_data(),
            None => match self.disk.open(&self.meta_path, Open::Existing) {
                Ok(file) => file.sync_data(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            },
        }
    }

    /// Gives the files other names and closes them. Only the data file's name matters: a meta file that is left under
    /// the old name is found again.
    pub(crate) fn rename(&mut self, data_path: PathBuf) -> io::Result<()> {
        self.close();
        let renamed_meta = meta_path(&data_path);
        self.disk.rename(&self.data_path, &data_path)?;
        self.data_path = data_path;
        if self.disk.rename(&self.meta_path, &renamed_meta).is_ok() {
            self.meta_path = renamed_meta;
        }
        Ok(())
    }

    pub(crate) fn close(&mut self) {
        self.data = None;
        self.meta = None;
    }

    /// Removes both files, the data first: Fluentd delivers data without meta, not meta without data.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        self.close();
        disk::remove_if_there(self.disk.as_ref(), &self.data_path)?;
        disk::remove_if_there(self.disk.as_ref(), &self.meta_path)
    }
}

/// The meta file of a data file.
pub(crate) fn meta_path(data_path: &Path) -> PathBuf {
    let mut name = data_path.as_os_str().to_owned();
    name.push(".meta");
    name.into()
}
