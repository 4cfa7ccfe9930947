//! The application's configuration on its way from the server to its workers.
//!
//! Each reload makes the next version, whether there is a text or not. A worker is born with the newest one;
//! a reload sends the next one to those that run, its text in memory that both share, and they acknowledge
//! it when their reload hook has returned.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::sys;

/// Longest text, in bytes.
pub(crate) const CONFIG_LEN_MAX: usize = 16 * 1024 * 1024;

/// A version and its text. Version 0 is from before the first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Published {
    pub(crate) version: u32,
    pub(crate) text: Option<Arc<str>>,
}

impl Published {
    /// Takes a text over, or none, as the next version.
    pub(crate) fn publish(&mut self, text: Option<String>) -> Result<(), String> {
        if let Some(text) = &text
            && text.len() > CONFIG_LEN_MAX
        {
            return Err(format!(
                "the workers' configuration has {} bytes, at most {CONFIG_LEN_MAX} are allowed",
                text.len()
            ));
        }
        self.version = self.version.wrapping_add(1);
        self.text = text.map(Arc::from);
        Ok(())
    }

    /// Puts the text where others can read it, if there is one.
    pub(crate) fn share(&self) -> io::Result<Option<OwnedFd>> {
        let Some(text) = &self.text else {
            return Ok(None);
        };
        let file = File::from(sys::memory_file()?);
        file.write_all_at(text.as_bytes(), 0)?;
        Ok(Some(file.into()))
    }

    /// Reads what was shared.
    pub(crate) fn receive(version: u32, shared: OwnedFd) -> io::Result<Self> {
        let file = File::from(shared);
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(CONFIG_LEN_MAX)];
        // Not by the file's position: all who read it share that.
        file.read_exact_at(&mut bytes, 0)?;
        let text = String::from_utf8(bytes).map_err(io::Error::other)?;
        Ok(Self {
            version,
            text: Some(text.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_arrives_for_each_reader() {
        let mut published = Published::default();
        assert_eq!(published.publish(None), Ok(()));
        assert!(published.share().unwrap().is_none());
        assert_eq!(published.publish(Some("a: ü".to_owned())), Ok(()));
        let shared = published.share().unwrap().unwrap();
        for _ in 0..2 {
            let shared = shared.try_clone().unwrap();
            let received = Published::receive(published.version, shared).unwrap();
            assert_eq!(
                (received.version, received.text.as_deref()),
                (2, Some("a: ü"))
            );
        }
        let error = published.publish(Some("x".repeat(CONFIG_LEN_MAX + 1)));
        assert_eq!(
            error.unwrap_err(),
            "the workers' configuration has 16777217 bytes, at most 16777216 are allowed"
        );
        assert_eq!(published.version, 2);
    }
}
