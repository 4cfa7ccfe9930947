use std::path::{Path, PathBuf};

use super::single::SingleKey;
use crate::disk::Disk;
use crate::{ChunkId, Metadata};

/// The names of a file buffer's chunks (specification 4.6 and 4.7).
///
/// ```text
/// <directory>/<prefix><state><32 hex digits><suffix>            data
/// <directory>/<prefix><state><32 hex digits><suffix>.meta       metadata
/// <directory>/<prefix><key>.<state><32 hex digits><suffix>      both, of file_single
/// state                                                         b staged, q queued
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkPaths {
    directory: PathBuf,
    prefix: String,
    suffix: String,
    single: Option<SingleKey>,
}

/// Whether a chunk still grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ChunkStage {
    Staged,
    Queued,
}

/// One file of a buffer directory, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkFile {
    pub(crate) id: ChunkId,
    pub(crate) stage: ChunkStage,
    pub(crate) is_meta: bool,
}

impl ChunkPaths {
    /// What the parameters `path` and `path_suffix` mean, given what exists already.
    ///
    /// A directory, or a path that does not exist and has no `.*` in its last part, is a directory of `buffer.*` files, with a directory
    /// of its own for each of several workers. Otherwise the last part is the pattern of the names.
    pub fn new(path: &Path, suffix: &str, worker: Option<usize>, disk: &dyn Disk) -> Self {
        Self::with_prefix(path, "buffer.", suffix, worker, disk)
    }

    /// The same for a file_single buffer, whose files are `fsb.*.buf` and have `key` in their names.
    pub fn single(path: &Path, key: SingleKey, worker: Option<usize>, disk: &dyn Disk) -> Self {
        Self {
            single: Some(key),
            ..Self::with_prefix(path, "fsb.", ".buf", worker, disk)
        }
    }

    /// Whether `path` means a directory, in which each of several workers has one of its own. Otherwise it means names,
    /// which several workers would share.
    pub fn is_directory(path: &Path, disk: &dyn Disk) -> bool {
        let name = name_of(path);
        let is_pattern = name.contains(".*.") || name.ends_with(".*");
        disk.is_dir(path) || (!is_pattern && !disk.exists(path))
    }

    fn with_prefix(
        path: &Path,
        prefix: &str,
        suffix: &str,
        worker: Option<usize>,
        disk: &dyn Disk,
    ) -> Self {
        let name = name_of(path);
        if Self::is_directory(path, disk) {
            let directory = match worker {
                Some(worker) => path.join(format!("worker{worker}")),
                None => path.to_owned(),
            };
            return Self {
                directory,
                prefix: prefix.into(),
                suffix: suffix.into(),
                single: None,
            };
        }
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        let (prefix, suffix) = match name.split_once(".*.") {
            Some((prefix, rest)) => (format!("{prefix}."), format!(".{rest}")),
            None => (
                format!("{}.", name.strip_suffix(".*").unwrap_or(&name)),
                suffix.to_owned(),
            ),
        };
        Self {
            directory,
            prefix,
            suffix,
            single: None,
        }
    }

    /// The same names in another directory.
    pub(crate) fn in_directory(&self, directory: PathBuf) -> Self {
        Self {
            directory,
            ..self.clone()
        }
    }

    /// The directory of the files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The pattern of the data files: the lasting name of the buffer.
    pub fn pattern(&self) -> String {
        self.directory
            .join(format!("{}*{}", self.prefix, self.suffix))
            .to_string_lossy()
            .into_owned()
    }

    /// Whether the metadata has a file of its own.
    pub(crate) fn has_meta(&self) -> bool {
        self.single.is_none()
    }

    pub(crate) fn data(&self, stage: ChunkStage, id: ChunkId, metadata: &Metadata) -> PathBuf {
        let letter = match stage {
            ChunkStage::Staged => 'b',
            ChunkStage::Queued => 'q',
        };
        let (prefix, suffix) = (&self.prefix, &self.suffix);
        let name = match &self.single {
            None => format!("{prefix}{letter}{id}{suffix}"),
            Some(key) => format!("{prefix}{}.{letter}{id}{suffix}", key.encode(metadata)),
        };
        self.directory.join(name)
    }

    /// What a file name says; nothing of a file that is not ours.
    pub(crate) fn parse(&self, path: &Path) -> Option<ChunkFile> {
        let name = path.file_name()?.to_str()?;
        let rest = name.strip_prefix(self.prefix.as_str())?;
        let (rest, is_meta) = match rest.strip_suffix(".meta") {
            Some(rest) if self.has_meta() => (rest, true),
            _ => (rest, false),
        };
        let rest = rest.strip_suffix(self.suffix.as_str())?;
        let state = match self.single {
            None => rest,
            Some(_) => {
                let at = rest.len().checked_sub(STATE_LENGTH)?;
                let (key, state) = rest.split_at_checked(at)?;
                key.ends_with('.').then_some(state)?
            }
        };
        let (letter, hex) = state.split_at_checked(1)?;
        let stage = match letter {
            "b" => ChunkStage::Staged,
            "q" => ChunkStage::Queued,
            _ => return None,
        };
        let id = ChunkId::parse_hex(hex)?;
        Some(ChunkFile { id, stage, is_meta })
    }

    /// Whether a file is what a crash left of the replacement of a meta file, or of files that were set aside: nobody will
    /// ever ask for it.
    pub(crate) fn is_unfinished(&self, path: &Path) -> bool {
        let is = |word: &str| path.extension().is_some_and(|end| end == word);
        let is_left_over = is(UNFINISHED) || is(SPARE);
        let whole = is_left_over.then(|| self.parse(&path.with_extension("")));
        whole
            .flatten()
            .is_some_and(|file| file.is_meta || is(SPARE))
    }

    /// The metadata that stands in the name of a chunk file of file_single.
    pub(crate) fn metadata_in_name(&self, path: &Path) -> Option<Metadata> {
        let key = self.single.as_ref()?;
        let name = path.file_name()?.to_str()?;
        let rest = name.strip_prefix(self.prefix.as_str())?;
        let rest = rest.strip_suffix(self.suffix.as_str())?;
        // The dot before the state is not part of the key.
        let end = rest.len().checked_sub(STATE_LENGTH + 1)?;
        Some(key.decode(rest.get(..end)?))
    }
}

/// What is behind the name of a meta file while its replacement is being written.
pub(crate) const UNFINISHED: &str = "tmp";

/// What is behind the name of a file of a delivered chunk that is kept for the next one.
pub(crate) const SPARE: &str = "spare";

/// The state letter and the digits.
const STATE_LENGTH: usize = 1 + ChunkId::HEX_LENGTH;

fn name_of(path: &Path) -> String {
    let name = path.file_name();
    name.map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimulatedDisk;

    #[test]
    fn a_path_means_what_fluentd_takes_it_for() {
        let disk = SimulatedDisk::new();
        disk.create_dir_all(Path::new("/there")).unwrap();
        disk.poke(Path::new("/file"), b"");
        let pattern =
            |path: &str, worker| ChunkPaths::new(Path::new(path), ".log", worker, &disk).pattern();
        assert_eq!(pattern("/there", None), "/there/buffer.*.log");
        assert_eq!(pattern("/new/dir", None), "/new/dir/buffer.*.log");
        assert_eq!(
            pattern("/new/dir", Some(1)),
            "/new/dir/worker1/buffer.*.log"
        );
        assert_eq!(pattern("/d/my.*.buf", None), "/d/my.*.buf");
        assert_eq!(pattern("/d/my.*", None), "/d/my.*.log");
        assert_eq!(pattern("/file", None), "/file.*.log");
    }

    #[test]
    fn only_names_of_the_pattern_are_ours() {
        let disk = SimulatedDisk::new();
        let paths = ChunkPaths::new(Path::new("/d"), ".log", None, &disk);
        let id = ChunkId::parse_hex("660bef6e2ae77bb516f1f2fa1e85f866").unwrap();
        for (stage, letter) in [(ChunkStage::Staged, 'b'), (ChunkStage::Queued, 'q')] {
            let path = paths.data(stage, id, &Metadata::EMPTY);
            assert_eq!(path, Path::new(&format!("/d/buffer.{letter}{id}.log")));
            assert_eq!(
                paths.parse(&path),
                Some(ChunkFile {
                    id,
                    stage,
                    is_meta: false
                })
            );
            let meta = super::super::file::meta_path(&path);
            assert_eq!(
                paths.parse(&meta),
                Some(ChunkFile {
                    id,
                    stage,
                    is_meta: true
                })
            );
        }
        for foreign in [
            "buffer.b12.log",
            "x.b660bef6e2ae77bb516f1f2fa1e85f866.log",
            "buffer.é",
        ] {
            assert_eq!(
                paths.parse(&Path::new("/d").join(foreign)),
                None,
                "{foreign}"
            );
        }
    }

    #[test]
    fn the_names_of_file_single_hold_the_key() {
        let disk = SimulatedDisk::new();
        let id = ChunkId::parse_hex("660bef6e2ae77bb516f1f2fa1e85f866").unwrap();
        let paths = ChunkPaths::single(Path::new("/d"), SingleKey::Tag, None, &disk);
        for (tag, name) in [
            ("a.b", format!("/d/fsb.a.b.b{id}.buf")),
            ("", format!("/d/fsb..b{id}.buf")),
            ("x/y z%", format!("/d/fsb.x%2Fy%20z%25.b{id}.buf")),
        ] {
            let metadata = Metadata::with_tag(tag);
            let path = paths.data(ChunkStage::Staged, id, &metadata);
            assert_eq!(path, Path::new(&name));
            assert_eq!(paths.metadata_in_name(&path), Some(metadata));
            let file = ChunkFile {
                id,
                stage: ChunkStage::Staged,
                is_meta: false,
            };
            assert_eq!(paths.parse(&path), Some(file));
        }
        for foreign in ["fsb.b12.buf", &format!("fsbb{id}.buf"), "fsb.é.buf"] {
            let path = Path::new("/d").join(foreign);
            assert_eq!(paths.parse(&path), None, "{foreign}");
        }
    }
}
