//! Chunk keys: what all events of one chunk have in common (fluentd.md section 4.2).

use std::collections::HashMap;

use millrun_buffer::Metadata;
use millrun_event::{Entries, Entry, EventBuffer, Events, Malformed, Value};
use millrun_pattern::{Accessor, Segment};

/// The keys of `<buffer KEYS>`.
#[derive(Clone, Debug, Default)]
pub struct ChunkKeys {
    /// `tag` is a key.
    pub tag: bool,
    /// `time` is a key.
    pub time: Option<TimeKey>,
    /// Record fields, in the order of the configuration.
    pub fields: Vec<FieldKey>,
}

/// How times are cut into slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeKey {
    /// Length of a slice in seconds, at least 1.
    pub seconds: u32,
    /// East of UTC, in seconds: slices of a day begin at midnight there.
    pub offset: i32,
}

/// A field chunk key.
#[derive(Clone, Debug)]
pub struct FieldKey {
    /// As written.
    pub name: Box<str>,
    /// Where the value stands.
    pub accessor: Accessor,
}

impl TimeKey {
    /// The start of the slice that holds `seconds`.
    pub fn slice(self, seconds: i64) -> i64 {
        let length = i64::from(self.seconds.max(1));
        seconds - (seconds + i64::from(self.offset)).rem_euclid(length)
    }
}

/// Groups the events of one batch by their keys, reusing its buffers from batch to batch.
#[derive(Default)]
pub struct Partition {
    groups: Vec<(Metadata, EventBuffer)>,
    index: HashMap<Metadata, usize>,
}

impl Partition {
    /// Calls `each` with every group of `events`. A batch of one group, the common case, is
    /// passed on as it is; groups come in the order of their first event, events in their own.
    pub fn split<E: From<Malformed>>(
        &mut self,
        keys: &ChunkKeys,
        tag: &str,
        events: Events<'_>,
        mut each: impl FnMut(&Metadata, Events<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if keys.time.is_none() && keys.fields.is_empty() {
            return each(&keys.metadata(tag, None), events);
        }
        let mut entries = Entries::new(events.bytes);
        let Some(first) = entries.next() else {
            return Ok(());
        };
        let first = first?;
        let common = keys.metadata(tag, Some(&first));
        let mut position = 0;
        let mut count = 0;
        let mut differs = false;
        // How far does the first group reach without a break? Usually to the end.
        for entry in Entries::new(events.bytes) {
            let entry = entry?;
            if !keys.fit(&common, &entry) {
                differs = true;
                break;
            }
            position += entry.bytes.len();
            count += 1;
        }
        if !differs {
            return each(&common, events);
        }
        self.clear();
        let head = events.bytes.get(..position).unwrap_or_default();
        let mut current = self.group(common);
        self.append(current, head, count);
        for entry in Entries::new(events.bytes.get(position..).unwrap_or_default()) {
            let entry = entry?;
            let fits = self
                .groups
                .get(current)
                .is_some_and(|(key, _)| keys.fit(key, &entry));
            if !fits {
                current = self.group(keys.metadata(tag, Some(&entry)));
            }
            self.append(current, entry.bytes, 1);
        }
        for (metadata, events) in &self.groups {
            each(metadata, events.as_events())?;
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.groups.clear();
        self.index.clear();
    }

    fn group(&mut self, metadata: Metadata) -> usize {
        if let Some(known) = self.index.get(&metadata) {
            return *known;
        }
        self.groups.push((metadata.clone(), EventBuffer::default()));
        let at = self.groups.len() - 1;
        self.index.insert(metadata, at);
        at
    }

    fn append(&mut self, group: usize, bytes: &[u8], count: u32) {
        if let Some((_, events)) = self.groups.get_mut(group) {
            events.extend(bytes, count);
        }
    }
}

impl ChunkKeys {
    fn metadata(&self, tag: &str, entry: Option<&Entry<'_>>) -> Metadata {
        Metadata {
            timekey: self.time.map(|key| key.slice(entry.map_or(0, seconds))),
            tag: self.tag.then(|| tag.into()),
            variables: (!self.fields.is_empty()).then(|| {
                let value =
                    |key: &FieldKey| (key.name.clone(), entry.map_or(NIL, |e| key.value(e)).into());
                self.fields.iter().map(value).collect()
            }),
            seq: 0,
        }
    }

    /// True when `entry` belongs to a chunk of `metadata`; allocates nothing.
    fn fit(&self, metadata: &Metadata, entry: &Entry<'_>) -> bool {
        if let Some(key) = self.time
            && metadata.timekey != Some(key.slice(seconds(entry)))
        {
            return false;
        }
        let known = metadata.variables.as_deref().unwrap_or_default();
        self.fields
            .iter()
            .zip(known)
            .all(|(key, (_, value))| key.value(entry) == &**value)
    }
}

/// What a missing field counts as.
const NIL: &[u8] = &[0xc0];

impl FieldKey {
    fn value<'a>(&self, entry: &Entry<'a>) -> &'a [u8] {
        lookup(entry.record_bytes(), self.accessor.segments()).map_or(NIL, |value| value.bytes())
    }
}

/// The value an accessor leads to within a record.
pub fn lookup<'a>(record: &'a [u8], segments: &[Segment]) -> Option<Value<'a>> {
    segments
        .iter()
        .try_fold(Value::new(record), |value, segment| match segment {
            Segment::Key(key) => value.record().field(key.as_bytes()),
            Segment::Index(index) => value.element(*index),
        })
}

fn seconds(entry: &Entry<'_>) -> i64 {
    entry
        .time
        .to_event_time()
        .map_or(0, |time| i64::from(time.seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrun_event::{EventTime, write};

    fn events(times_and_hosts: &[(u32, &str)]) -> EventBuffer {
        let mut events = EventBuffer::default();
        for (seconds, host) in times_and_hosts {
            events.push(EventTime::new(*seconds, 0), |record| {
                write::map(record, 1);
                write::str(record, b"host");
                write::str(record, host.as_bytes());
            });
        }
        events
    }

    fn split(keys: &ChunkKeys, events: &EventBuffer) -> Vec<(Option<i64>, u32)> {
        let mut groups = Vec::new();
        let mut partition = Partition::default();
        partition
            .split(keys, "t", events.as_events(), |metadata, events| {
                assert_eq!(millrun_event::count_entries(events.bytes), Ok(events.count));
                groups.push((metadata.timekey, events.count));
                Ok::<(), Malformed>(())
            })
            .unwrap();
        groups
    }

    #[test]
    fn slices_begin_at_midnight_of_the_zone() {
        let day = |offset| TimeKey {
            seconds: 86_400,
            offset,
        };
        assert_eq!(day(0).slice(86_400 + 5), 86_400);
        assert_eq!(day(9 * 3600).slice(86_400 + 5), 86_400 - 9 * 3600);
        assert_eq!(day(0).slice(-1), -86_400);
    }

    #[test]
    fn a_batch_of_one_slice_is_one_group() {
        let keys = ChunkKeys {
            time: Some(TimeKey {
                seconds: 60,
                offset: 0,
            }),
            ..Default::default()
        };
        assert_eq!(
            split(&keys, &events(&[(0, "a"), (59, "b")])),
            [(Some(0), 2)]
        );
    }

    #[test]
    fn interleaved_slices_become_one_group_each() {
        let keys = ChunkKeys {
            time: Some(TimeKey {
                seconds: 60,
                offset: 0,
            }),
            ..Default::default()
        };
        let events = events(&[(1, "a"), (61, "a"), (2, "a"), (62, "b"), (130, "b")]);
        assert_eq!(
            split(&keys, &events),
            [(Some(0), 2), (Some(60), 2), (Some(120), 1)]
        );
    }

    #[test]
    fn a_field_key_tells_hosts_apart() {
        let accessor = Accessor::parse("host").unwrap();
        let keys = ChunkKeys {
            fields: vec![FieldKey {
                name: "host".into(),
                accessor,
            }],
            ..Default::default()
        };
        let events = events(&[(1, "a"), (2, "b"), (3, "a")]);
        assert_eq!(split(&keys, &events), [(None, 2), (None, 1)]);
    }
}
