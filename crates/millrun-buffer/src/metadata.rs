/// The values of field chunk keys in the order of the configuration: name, and one msgpack value as it stood in the record.
pub type Variables = Vec<(Box<str>, Box<[u8]>)>;

/// What all events of one chunk have in common: the values of the output's chunk keys (specification 4.2).
///
/// It is the key of the stage: one staged chunk per metadata and shard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Metadata {
    /// Start of the time slice in seconds since the epoch, when `time` is a chunk key.
    pub timekey: Option<i64>,
    /// The tag, when `tag` is a chunk key.
    pub tag: Option<Box<str>>,
    /// The values of the field chunk keys, when there are any.
    pub variables: Option<Variables>,
    /// Number of a chunk within one oversized write; Fluentd numbers them so, millrun writes 0.
    pub seq: u32,
}

impl Metadata {
    /// Metadata of an output without chunk keys.
    pub const EMPTY: Self = Self {
        timekey: None,
        tag: None,
        variables: None,
        seq: 0,
    };

    /// Metadata of an output whose only chunk key is the tag.
    pub fn with_tag(tag: &str) -> Self {
        Self {
            tag: Some(tag.into()),
            ..Self::default()
        }
    }
}
