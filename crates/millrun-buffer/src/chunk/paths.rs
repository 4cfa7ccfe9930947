use std::path::{Path, PathBuf};

use crate::ChunkId;
use crate::disk::Disk;

/// The names of a file buffer's chunks (specification 4.6).
///
/// ```text
/// <directory>/<prefix><state><32 hex digits><suffix>         data
/// <directory>/<prefix><state><32 hex digits><suffix>.meta    metadata
/// state                                                      b staged, q queued
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkPaths {
    directory: PathBuf,
    prefix: String,
    suffix: String,
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
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let is_pattern = name.contains(".*.") || name.ends_with(".*");
        if disk.is_dir(path) || (!is_pattern && !disk.exists(path)) {
            let directory = match worker {
                Some(worker) => path.join(format!("worker{worker}")),
                None => path.to_owned(),
            };
            return Self {
                directory,
                prefix: "buffer.".into(),
                suffix: suffix.into(),
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

    pub(crate) fn data(&self, stage: ChunkStage, id: ChunkId) -> PathBuf {
        let letter = match stage {
            ChunkStage::Staged => 'b',
            ChunkStage::Queued => 'q',
        };
        self.directory
            .join(format!("{}{letter}{id}{}", self.prefix, self.suffix))
    }

    /// What a file name says; nothing of a file that is not ours.
    pub(crate) fn parse(&self, path: &Path) -> Option<ChunkFile> {
        let name = path.file_name()?.to_str()?;
        let rest = name.strip_prefix(self.prefix.as_str())?;
        let (letter, rest) = rest.split_at_checked(1)?;
        let stage = match letter {
            "b" => ChunkStage::Staged,
            "q" => ChunkStage::Queued,
            _ => return None,
        };
        let (hex, rest) = rest.split_at_checked(ChunkId::HEX_LENGTH)?;
        let id = ChunkId::parse_hex(hex)?;
        let rest = rest.strip_prefix(self.suffix.as_str())?;
        let is_meta = match rest {
            "" => false,
            ".meta" => true,
            _ => return None,
        };
        Some(ChunkFile { id, stage, is_meta })
    }
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
            let path = paths.data(stage, id);
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
}
