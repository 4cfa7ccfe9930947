//! A tag and its parts, as placeholders name them.
//!
//! ```text
//! tag app.web.access     tag_parts    app | web | access
//!                        tag_prefix   app | app.web | app.web.access
//!                        tag_suffix   app.web.access | web.access | access
//! ```

/// Where the parts of a tag lie; used again for every batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct TagParts {
    tag: String,
    /// Start and end of each part.
    spans: Vec<(usize, usize)>,
}

impl TagParts {
    /// Takes `tag` apart.
    pub(crate) fn set(&mut self, tag: &str) {
        self.tag.clear();
        self.tag.push_str(tag);
        self.spans.clear();
        let mut start = 0;
        for part in tag.split('.') {
            self.spans.push((start, start + part.len()));
            start += part.len() + 1;
        }
        // Ruby's split drops empty parts at the end.
        while self.spans.last().is_some_and(|(start, end)| start == end) {
            self.spans.pop();
        }
    }

    /// The whole tag.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// A part by its number; negative counts from the end.
    pub(crate) fn part(&self, index: i64) -> Option<&str> {
        let (start, end) = self.span(index)?;
        self.tag.get(start..end)
    }

    /// The tag up to the end of a part.
    pub(crate) fn prefix(&self, index: i64) -> Option<&str> {
        let (_, end) = self.span(index)?;
        self.tag.get(..end)
    }

    /// The tag from the start of a part.
    pub(crate) fn suffix(&self, index: i64) -> Option<&str> {
        let (start, _) = self.span(index)?;
        let (_, end) = self.spans.last()?;
        self.tag.get(start..*end)
    }

    fn span(&self, index: i64) -> Option<(usize, usize)> {
        let index = match usize::try_from(index) {
            Ok(index) => index,
            Err(_) => {
                let back = usize::try_from(index.unsigned_abs()).ok()?;
                self.spans.len().checked_sub(back)?
            }
        };
        self.spans.get(index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_count_from_both_ends() {
        let mut parts = TagParts::default();
        parts.set("a.b.c");
        assert_eq!(
            (parts.part(0), parts.part(-1), parts.part(3)),
            (Some("a"), Some("c"), None)
        );
        assert_eq!(
            (parts.prefix(1), parts.prefix(-1)),
            (Some("a.b"), Some("a.b.c"))
        );
        assert_eq!(
            (parts.suffix(1), parts.suffix(-1)),
            (Some("b.c"), Some("c"))
        );
        assert_eq!((parts.part(-4), parts.part(i64::MIN)), (None, None));
        parts.set("a..");
        assert_eq!((parts.part(-1), parts.suffix(0)), (Some("a"), Some("a")));
        parts.set("");
        assert_eq!(parts.part(0), None);
    }
}
