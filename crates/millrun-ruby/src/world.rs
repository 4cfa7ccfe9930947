//! What an expression may ask of the machine it runs on.

use std::io;

use millrun_pattern::Zone;

/// The surroundings of an expression: environment, files, clock, chance. Nothing can be changed through it.
pub trait World {
    /// The environment variable of that name.
    fn variable(&mut self, name: &str) -> Option<String>;
    /// All environment variables, in any order.
    fn variables(&mut self) -> Vec<(String, String)>;
    /// The name of this machine.
    fn hostname(&mut self) -> String;
    /// The number of this worker as text; empty outside a worker.
    fn worker_id(&mut self) -> String;
    /// The wall clock: seconds since the epoch and nanoseconds.
    fn now(&mut self) -> (i64, u32);
    /// The zone of local times.
    fn zone(&mut self) -> &Zone;
    /// A file's content, at most `most` bytes of it.
    ///
    /// # Errors
    /// Those of the file system.
    fn read(&mut self, path: &str, most: u64) -> io::Result<Vec<u8>>;
    /// Whether there is such a file (false) or directory (true).
    fn is_directory(&mut self, path: &str) -> Option<bool>;
    /// The directory relative paths start from.
    fn directory(&mut self) -> String;
    /// The number of this process.
    fn process_id(&mut self) -> u32;
    /// A number nobody can foretell.
    fn random(&mut self) -> u64;
}

/// The real surroundings. What never changes is asked for once, by the caller.
#[derive(Clone, Debug)]
pub struct SystemWorld {
    hostname: String,
    worker_id: String,
    zone: Zone,
    random: u64,
}

impl SystemWorld {
    /// The surroundings of a process on the machine `hostname`; `seed` starts the random numbers.
    #[must_use]
    pub fn new(
        hostname: impl Into<String>,
        worker_id: impl Into<String>,
        zone: Zone,
        seed: u64,
    ) -> Self {
        Self {
            hostname: hostname.into(),
            worker_id: worker_id.into(),
            zone,
            random: seed,
        }
    }
}

impl World for SystemWorld {
    fn variable(&mut self, name: &str) -> Option<String> {
        // The standard library does not take these names.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var_os(name).map(|text| text.to_string_lossy().into_owned())
    }

    fn variables(&mut self) -> Vec<(String, String)> {
        std::env::vars_os()
            .map(|(name, text)| {
                (
                    name.to_string_lossy().into_owned(),
                    text.to_string_lossy().into_owned(),
                )
            })
            .collect()
    }

    fn hostname(&mut self) -> String {
        self.hostname.clone()
    }

    fn worker_id(&mut self) -> String {
        self.worker_id.clone()
    }

    fn now(&mut self) -> (i64, u32) {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        (
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            since.subsec_nanos(),
        )
    }

    fn zone(&mut self) -> &Zone {
        &self.zone
    }

    fn read(&mut self, path: &str, most: u64) -> io::Result<Vec<u8>> {
        use std::io::Read;
        // A pipe or terminal without a writer would hold the start up for ever.
        let kind = std::fs::metadata(path)?.file_type();
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !kind.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        let mut content = Vec::new();
        std::fs::File::open(path)?
            .take(most)
            .read_to_end(&mut content)?;
        Ok(content)
    }

    fn is_directory(&mut self, path: &str) -> Option<bool> {
        std::fs::metadata(path)
            .ok()
            .map(|metadata| metadata.is_dir())
    }

    fn directory(&mut self) -> String {
        std::env::current_dir()
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    fn process_id(&mut self) -> u32 {
        std::process::id()
    }

    fn random(&mut self) -> u64 {
        // splitmix64: names and sampling, not secrets.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
