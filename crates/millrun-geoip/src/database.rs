//! A database, and the paths into its records.

use std::net::IpAddr;

use maxminddb::{MaxMindDbError, PathElement, Reader};
use thiserror::Error;

use crate::value::Msgpack;

/// The largest database that is read, in bytes: ten times the largest there is.
const DATABASE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// A database in memory.
pub struct Database {
    reader: Reader<Vec<u8>>,
}

/// Why there is no database.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be read: the operator's to mend.
    #[error("cannot read the database {path}: {source}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no database of this format.
    #[error("{path} is no database in MaxMind's format (.mmdb): {reason}")]
    NoDatabase {
        /// Which file.
        path: String,
        /// The reader's words.
        reason: String,
    },
}

/// The way to a value in a record: keys of maps and indices of arrays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Key(String),
    Index(usize),
}

impl Path {
    /// The path of names and numbers between dots. A number leads into an array.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let parts = text.split('.').map(|part| match part.parse() {
            Ok(index) => Part::Index(index),
            Err(_) => Part::Key(part.to_owned()),
        });
        Self {
            parts: parts.collect(),
        }
    }
}

impl Database {
    /// Reads the database of this file.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &std::path::Path) -> Result<Self, OpenError> {
        let shown = || path.display().to_string();
        let unreadable = |source| OpenError::Unreadable {
            path: shown(),
            source,
        };
        let length = std::fs::metadata(path).map_err(unreadable)?.len();
        if length > DATABASE_BYTES_MAX {
            return Err(OpenError::NoDatabase {
                path: shown(),
                reason: format!("it has {length} bytes, more than {DATABASE_BYTES_MAX}"),
            });
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        Self::from_bytes(bytes).map_err(|error| OpenError::NoDatabase {
            path: shown(),
            reason: error.to_string(),
        })
    }

    /// The database that stands in these bytes.
    ///
    /// # Errors
    /// The bytes are none.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, MaxMindDbError> {
        Ok(Self {
            reader: Reader::from_source(bytes)?,
        })
    }

    /// Calls `found` with what each of `paths` leads to from the record of `address`, as one msgpack value; with nothing
    /// where it leads nowhere. A damaged record leads nowhere, too.
    pub fn look_up(&self, address: IpAddr, paths: &[Path], mut found: impl FnMut(Option<&[u8]>)) {
        let record = self.reader.lookup(address).ok();
        let mut steps = Vec::new();
        for path in paths {
            steps.clear();
            steps.extend(path.parts.iter().map(|part| match part {
                Part::Key(name) => PathElement::Key(name),
                Part::Index(index) => PathElement::Index(*index),
            }));
            let value = record.as_ref().and_then(|record| {
                let value = record.decode_path::<Msgpack>(&steps);
                value.ok().flatten()
            });
            found(value.as_ref().map(|value| value.0.as_slice()));
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Database").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACES: &[u8] = include_bytes!("../tests/places.mmdb");

    fn found(database: &Database, address: &str, paths: &[&str]) -> Vec<Option<Vec<u8>>> {
        let paths: Vec<Path> = paths.iter().map(|path| Path::parse(path)).collect();
        let mut values = Vec::new();
        database.look_up(address.parse().unwrap(), &paths, |value| {
            values.push(value.map(<[u8]>::to_vec));
        });
        values
    }

    #[test]
    fn paths_lead_through_maps_and_arrays_to_values_of_every_kind() {
        let database = Database::from_bytes(PLACES.to_vec()).unwrap();
        let paths = [
            "city.names.en",
            "location.latitude",
            "subdivisions.0.iso_code",
            "subdivisions.1.iso_code",
            "city.geoname_id",
            "location",
            "country.is_in_european_union",
            "city.0",
            "nothing.at.all",
        ];
        let expected: [Option<&[u8]>; 9] = [
            Some(b"\xa9Millbrook"),
            Some(b"\xcb\x40\x42\xc0\x00\x00\x00\x00\x00"),
            Some(b"\xa2MB"),
            None,
            Some(b"\xcd\x10\x92"),
            Some(
                b"\x82\xa8latitude\xcb\x40\x42\xc0\x00\x00\x00\x00\x00\xa9longitude\xcb\xc0\x5e\x90\x00\x00\x00\x00\x00",
            ),
            Some(b"\xc3"),
            None,
            None,
        ];
        let values = found(&database, "192.0.2.200", &paths);
        let values: Vec<_> = values.iter().map(Option::as_deref).collect();
        assert_eq!(values, expected);
        for address in ["2001:db8::7", "198.51.100.9"] {
            let values = found(&database, address, &["country.iso_code", "city"]);
            assert_eq!(values, [Some(b"\xa2XM".to_vec()), None], "{address}");
        }
        assert_eq!(found(&database, "203.0.113.1", &["country"]), [None]);
    }

    #[test]
    fn what_is_no_database_is_said() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"GEO-106FREE").unwrap();
        let text = Database::open(file.path()).unwrap_err().to_string();
        let begin = format!(
            "{} is no database in MaxMind's format (.mmdb): ",
            file.path().display()
        );
        assert!(text.starts_with(&begin), "{text}");
        let missing = file.path().with_extension("gone");
        assert_eq!(
            Database::open(&missing).unwrap_err().to_string(),
            format!(
                "cannot read the database {}: No such file or directory (os error 2)",
                missing.display()
            )
        );
    }

    proptest! {
        #[test]
        fn no_damage_to_a_database_panics(
            hits in prop::collection::vec((0..PLACES.len(), any::<u8>()), 1..6),
            end in 0..=PLACES.len(),
            address in any::<u32>(),
        ) {
            let mut bytes = PLACES.to_vec();
            for (at, byte) in hits {
                bytes[at] = byte;
            }
            bytes.truncate(end.max(PLACES.len() - 40));
            if let Ok(database) = Database::from_bytes(bytes) {
                for address in [IpAddr::V4(address.into()), "192.0.2.1".parse().unwrap()] {
                    database.look_up(address, &[Path::parse("city.names.en"), Path::parse("subdivisions.0")], |_| {});
                }
            }
        }
    }
}
