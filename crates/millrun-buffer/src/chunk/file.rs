use std::io;
use std::path::{Path, PathBuf};

use super::paths::{SPARE, UNFINISHED};
use crate::disk::{self, DiskFile, Open, SharedDisk};

/// The files of a chunk: data and, beside it, metadata. They are open while the chunk is staged.
pub(crate) struct FileBody {
    disk: SharedDisk,
    data_path: PathBuf,
    /// Nothing where the metadata stands in the name.
    meta_path: Option<PathBuf>,
    data: Option<Box<dyn DiskFile>>,
    meta: Option<Box<dyn DiskFile>>,
    /// The meta file could not be written once; its name must be synced with the next commits.
    meta_was_removed: bool,
    /// How far bytes of an earlier chunk reach in a data file that is used again.
    stale: u64,
}

impl FileBody {
    /// Makes the files of a new chunk.
    pub(crate) fn create(disk: SharedDisk, data_path: PathBuf, has_meta: bool) -> io::Result<Self> {
        let mut body = Self::found(disk, data_path, has_meta);
        body.data = Some(body.disk.open(&body.data_path, Open::New)?);
        if let Some(path) = &body.meta_path {
            let meta = body.disk.open(path, Open::Truncated).inspect_err(|_| {
                let _ = body.disk.remove(&body.data_path);
            })?;
            body.meta = Some(meta);
        }
        Ok(body)
    }

    /// The files of a chunk that was found.
    pub(crate) fn found(disk: SharedDisk, data_path: PathBuf, has_meta: bool) -> Self {
        let meta_path = has_meta.then(|| meta_path(&data_path));
        Self {
            disk,
            data_path,
            meta_path,
            data: None,
            meta: None,
            meta_was_removed: false,
            stale: 0,
        }
    }

    pub(crate) fn data_path(&self) -> &Path {
        &self.data_path
    }

    /// Whether the metadata has a file of its own.
    pub(crate) fn has_meta(&self) -> bool {
        self.meta_path.is_some()
    }

    /// The bytes of the meta file, if there is one.
    pub(crate) fn read_meta(&self) -> io::Result<Option<Vec<u8>>> {
        match &self.meta_path {
            Some(path) => disk::read_all(self.disk.as_ref(), path),
            None => Ok(None),
        }
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
        if let Some(file) = &self.data
            && file.truncate(length).is_ok()
        {
            self.stale = 0;
        }
    }

    /// Cuts what an earlier chunk left behind the first `length` bytes, so that the file holds this chunk and no more.
    pub(crate) fn trim(&mut self, length: u64) -> io::Result<()> {
        if self.stale > length {
            match &self.data {
                Some(file) => file.truncate(length)?,
                None => self.open()?.truncate(length)?,
            }
        }
        self.stale = 0;
        Ok(())
    }

    /// Rewrites the meta file in place.
    ///
    /// If it fails the file is removed: a meta file that is neither of the last commit nor of the one before would be taken
    /// for another program's.
    pub(crate) fn write_meta(&mut self, bytes: &[u8]) {
        let Some(path) = &self.meta_path else { return };
        let opened = match self.meta.take() {
            Some(file) => Ok(file),
            None => match self.disk.open(path, Open::Existing) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.disk.open(path, Open::New)
                }
                opened => opened,
            },
        };
        match opened.and_then(|file| file.write_at(bytes, 0).map(|()| file)) {
            Ok(file) => self.meta = Some(file),
            Err(_) => {
                let _ = self.disk.remove(path);
                self.meta_was_removed = true;
            }
        }
    }

    /// Whether the old meta file could come back after a loss of power, unless the directory is synced.
    pub(crate) fn meta_was_removed(&self) -> bool {
        self.meta_was_removed
    }

    /// Replaces a meta file that is there and says the same in another form, in one step.
    pub(crate) fn replace_meta_unless(&mut self, canonical: &[u8]) -> io::Result<()> {
        let found = self.read_meta()?;
        let (Some(path), Some(found)) = (&self.meta_path, found) else {
            return Ok(());
        };
        if found.starts_with(canonical) {
            return Ok(());
        }
        let mut beside = path.clone().into_os_string();
        beside.push(format!(".{UNFINISHED}"));
        let file = self.disk.open(Path::new(&beside), Open::Truncated)?;
        file.write_at(canonical, 0)?;
        file.sync_data()?;
        self.disk.rename(Path::new(&beside), path)
    }

    /// Gives a meta file that was left under its old name the name that belongs to the data.
    pub(crate) fn adopt_meta(&self, found: &Path) -> io::Result<()> {
        match &self.meta_path {
            Some(path) if found != path => self.disk.rename(found, path),
            _ => Ok(()),
        }
    }

    /// Makes both files survive a power loss. The meta file of an earlier commit could be taken for another program's.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match &self.data {
            Some(file) => file.sync_data()?,
            None => self.open()?.sync_data()?,
        }
        match (&self.meta, &self.meta_path) {
            (Some(file), _) => file.sync_data(),
            (None, None) => Ok(()),
            (None, Some(path)) => match self.disk.open(path, Open::Existing) {
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
        if let Some(path) = &mut self.meta_path
            && self.disk.rename(path, &renamed_meta).is_ok()
        {
            *path = renamed_meta;
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
        match &self.meta_path {
            Some(path) => disk::remove_if_there(self.disk.as_ref(), path),
            None => Ok(()),
        }
    }

    /// Removes both files, the meta file first: while nothing says that the chunk has ended, a meta file alone looks like one
    /// whose data another program removed.
    pub(crate) fn remove_unsaid(&mut self) -> io::Result<()> {
        if let Some(path) = &self.meta_path {
            disk::remove_if_there(self.disk.as_ref(), path)?;
        }
        self.remove()
    }
}

/// How much stays of a meta file that is set aside, in bytes: the first byte, which all of them have. It is as if a write had
/// been cut short there. (What was cut to nothing and written again, ext4 writes to the disk at once when it is closed.)
const META_STALE: u64 = 1;

/// The files of a chunk that has ended: open, and under names that are nobody's.
pub(crate) struct Spare {
    disk: SharedDisk,
    data_path: PathBuf,
    data: Box<dyn DiskFile>,
    /// Bytes that stand in the data file still.
    stale: u64,
    meta: Option<(PathBuf, Box<dyn DiskFile>)>,
}

impl FileBody {
    /// Takes the names of the files and empties them, except for as many bytes of data as may stay. After a failure there
    /// may be a part of it under the new names, which the next start removes; the rest is given back.
    pub(crate) fn set_aside(mut self, stale_max: u64) -> Result<Spare, Self> {
        self.close();
        let spare_of = |path: &Path, longest: u64, cut_to: u64| {
            let spare = spare_path(path);
            self.disk.rename(path, &spare)?;
            let file = self.disk.open(&spare, Open::Existing)?;
            let mut stale = file.length()?;
            if stale > longest {
                file.truncate(cut_to)?;
                stale = cut_to;
            }
            Ok::<_, io::Error>((spare, file, stale))
        };
        let Ok((data_path, data, stale)) = spare_of(&self.data_path, stale_max, 0) else {
            let _ = self.disk.remove(&spare_path(&self.data_path));
            return Err(self);
        };
        let meta_path = self.meta_path.as_deref();
        let meta = meta_path.map(|path| spare_of(path, META_STALE, META_STALE));
        let meta = match meta.transpose() {
            Ok(meta) => meta.map(|(path, file, _)| (path, file)),
            Err(_) => {
                // A missing file is removed like any other.
                let _ = self.disk.remove(&data_path);
                return Err(self);
            }
        };
        let disk = self.disk.clone();
        Ok(Spare {
            disk,
            data_path,
            data,
            stale,
            meta,
        })
    }

    /// The files of a new chunk, made of those of an old one. After a failure none of them are left.
    pub(crate) fn reuse(spare: Spare, data_path: PathBuf) -> io::Result<Self> {
        let has_meta = spare.meta.is_some();
        let mut body = Self::found(spare.disk.clone(), data_path, has_meta);
        let renamed = body
            .disk
            .rename(&spare.data_path, &body.data_path)
            .and_then(|()| match (&spare.meta, &body.meta_path) {
                (Some((from, _)), Some(to)) => body.disk.rename(from, to),
                _ => Ok(()),
            });
        if let Err(error) = renamed {
            let _ = body.remove();
            let _ = spare.remove();
            return Err(error);
        }
        body.stale = spare.stale;
        body.data = Some(spare.data);
        body.meta = spare.meta.map(|(_, file)| file);
        Ok(body)
    }
}

impl Spare {
    /// How many bytes stand in the data file still.
    pub(crate) fn stale(&self) -> u64 {
        self.stale
    }

    /// Removes the files.
    pub(crate) fn remove(self) -> io::Result<()> {
        let Self {
            disk,
            data_path,
            meta,
            ..
        } = self;
        disk::remove_if_there(disk.as_ref(), &data_path)?;
        match meta {
            Some((path, _)) => disk::remove_if_there(disk.as_ref(), &path),
            None => Ok(()),
        }
    }
}

/// Where a file of a chunk that has ended is kept.
fn spare_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(SPARE);
    name.into()
}

/// The meta file of a data file.
pub(crate) fn meta_path(data_path: &Path) -> PathBuf {
    let mut name = data_path.as_os_str().to_owned();
    name.push(".meta");
    name.into()
}
