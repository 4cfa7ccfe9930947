use super::peers::Taken;
use super::record::{CommitOrigin, Extent};
use crate::{ChunkId, LossKey, Metadata, SourceNumber};

/// What is left to read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Option<Box<str>> {
        std::str::from_utf8(self.bytes()?).ok().map(Into::into)
    }

    /// Items are read one by one: a count that lies costs no memory.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.u32()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }

    pub(super) fn option<T>(
        &mut self,
        value: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => value(self).map(Some),
            _ => None,
        }
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn taken(&mut self) -> Option<Taken> {
        Some(Taken {
            hash: self.u32()?,
            in_memory: self.flag()?,
        })
    }

    pub(super) fn source(&mut self) -> Option<SourceNumber> {
        self.u32().map(SourceNumber)
    }

    pub(super) fn chunk(&mut self) -> Option<ChunkId> {
        self.array().map(ChunkId::from_bytes)
    }

    pub(super) fn extent(&mut self) -> Option<Extent> {
        Some(Extent {
            length: self.u64()?,
            count: self.u64()?,
            modified: self.u64()?,
            hash: self.option(Self::u32)?,
        })
    }

    pub(super) fn losses(&mut self) -> Option<Vec<(LossKey, u64)>> {
        self.list(|body| {
            Some((
                LossKey {
                    plugin: body.text()?,
                    reason: body.text()?,
                },
                body.u64()?,
            ))
        })
    }

    pub(super) fn metadata(&mut self) -> Option<Metadata> {
        Some(Metadata {
            timekey: self.option(Self::u64)?.map(u64::cast_signed),
            tag: self.option(Self::text)?,
            variables: self
                .option(|body| body.list(|body| Some((body.text()?, body.bytes()?.into()))))?,
            seq: self.u32()?,
        })
    }

    pub(super) fn origin(&mut self) -> Option<CommitOrigin> {
        Some(match self.u8()? {
            0 => CommitOrigin::None,
            1 => CommitOrigin::File {
                source: self.source()?,
                incarnation: self.u32()?,
                range: self.u64()?..self.u64()?,
                in_memory: self.flag()?,
            },
            2 => CommitOrigin::Peer {
                sender: self.array()?,
                sequence: self.u64()?,
                lowest: self.u64()?,
                taken: self.taken()?,
            },
            3 => CommitOrigin::Local {
                chunk: self.chunk()?,
            },
            _ => return None,
        })
    }
}
