//! Character sets: `[…]`, `\d` and their relatives.

/// A set of characters: the union of its items, intersected with `and`, then perhaps negated.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    pub(super) negated: bool,
    pub(super) items: Vec<Item>,
    /// The operands of `&&` after the first.
    pub(super) and: Vec<Set>,
}

#[derive(Clone, Debug)]
pub(super) enum Item {
    Range(char, char),
    /// `\xHH` from 0x80 on.
    Byte(u8),
    Nested(Set),
    /// `[:name:]`, Unicode-aware as in Ruby.
    Posix {
        name: &'static str,
        negated: bool,
    },
    /// `\p{…}`: the text between the braces.
    Property {
        text: String,
        negated: bool,
    },
}

/// The names of POSIX brackets with what they mean in Ruby, as the inside of a class of the engines.
pub(super) const POSIX: &[(&str, &str)] = &[
    ("alnum", r"\p{L}\p{M}\p{Nd}"),
    ("alpha", r"\p{L}\p{M}"),
    ("ascii", r"\x{00}-\x{7f}"),
    ("blank", r"\p{Zs}\x{09}"),
    ("cntrl", r"\p{Cc}"),
    ("digit", r"\p{Nd}"),
    ("graph", r"\p{L}\p{M}\p{N}\p{P}\p{S}"),
    ("lower", r"\p{Ll}"),
    ("print", r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}"),
    (
        "punct",
        r"\p{P}\x{24}\x{2b}\x{3c}-\x{3e}\x{5e}\x{60}\x{7c}\x{7e}",
    ),
    ("space", r"\p{Z}\x{09}-\x{0d}\x{85}"),
    ("upper", r"\p{Lu}"),
    ("word", r"\p{L}\p{M}\p{Nd}\p{Pc}"),
    ("xdigit", "0-9A-Fa-f"),
];

impl Set {
    /// The set of a shorthand letter: `d`, `w`, `s`, `h` and, negated, their capitals.
    pub(super) fn shorthand(letter: char) -> Option<Set> {
        let ranges: &[(char, char)] = match letter.to_ascii_lowercase() {
            'd' => &[('0', '9')],
            'w' => &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')],
            's' => &[('\t', '\r'), (' ', ' ')],
            'h' => &[('0', '9'), ('A', 'F'), ('a', 'f')],
            _ => return None,
        };
        let items = ranges
            .iter()
            .map(|&(first, last)| Item::Range(first, last))
            .collect();
        Some(Set {
            negated: letter.is_ascii_uppercase(),
            items,
            and: Vec::new(),
        })
    }

    /// Whether the set needs characters beyond ASCII to be told apart.
    pub(super) fn needs_unicode(&self) -> bool {
        self.items.iter().any(|item| match item {
            Item::Range(_, last) => !last.is_ascii(),
            Item::Byte(_) => false,
            Item::Nested(set) => set.needs_unicode(),
            Item::Posix { .. } | Item::Property { .. } => true,
        }) || self.and.iter().any(Set::needs_unicode)
    }

    /// Whether a byte beyond ASCII may be in the set: one such character is then several bytes.
    pub(super) fn is_wide(&self) -> bool {
        self.bytes(false).is_none_or(|bytes| bytes.contains(0x80))
    }

    /// The set as bytes, if ASCII tells all; every byte beyond ASCII is alike.
    pub(super) fn bytes(&self, fold: bool) -> Option<ByteSet> {
        if self.needs_unicode() {
            return None;
        }
        let mut bytes = self.members();
        if fold {
            // Case is ignored before negation: `[^a]` with `i` refuses both cases.
            for letter in b'a'..=b'z' {
                let upper = letter.to_ascii_uppercase();
                if bytes.contains(letter) || bytes.contains(upper) {
                    bytes.insert(letter);
                    bytes.insert(upper);
                }
            }
        }
        Some(match self.negated {
            true => bytes.complement(),
            false => bytes,
        })
    }

    /// The members before negation.
    fn members(&self) -> ByteSet {
        let mut members = ByteSet::default();
        for item in &self.items {
            match item {
                Item::Range(first, last) => {
                    let last = u8::try_from(*last).unwrap_or(u8::MAX).min(0x7f);
                    // Beyond ASCII nothing is a member.
                    let first = u8::try_from(*first).unwrap_or(u8::MAX);
                    (first..=last).for_each(|byte| members.insert(byte));
                }
                Item::Byte(byte) => members.insert(*byte),
                Item::Nested(set) => members.unite(&set.resolved()),
                Item::Posix { .. } | Item::Property { .. } => {}
            }
        }
        for set in &self.and {
            let others = set.resolved().complement();
            others.iter().for_each(|byte| members.remove(byte));
        }
        members
    }

    /// The members after negation.
    fn resolved(&self) -> ByteSet {
        match self.negated {
            true => self.members().complement(),
            false => self.members(),
        }
    }
}

/// A set of bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ByteSet([bool; 256]);

impl Default for ByteSet {
    fn default() -> Self {
        ByteSet([false; 256])
    }
}

impl ByteSet {
    pub(super) fn full() -> Self {
        ByteSet([true; 256])
    }

    pub(super) fn insert(&mut self, byte: u8) {
        if let Some(slot) = self.0.get_mut(usize::from(byte)) {
            *slot = true;
        }
    }

    pub(super) fn remove(&mut self, byte: u8) {
        if let Some(slot) = self.0.get_mut(usize::from(byte)) {
            *slot = false;
        }
    }

    #[inline]
    pub(super) fn contains(&self, byte: u8) -> bool {
        // The index of a byte is always within 256 places: the compiler sees it, too.
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }

    pub(super) fn unite(&mut self, other: &ByteSet) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own |= other;
        }
    }

    pub(super) fn is_disjoint(&self, other: &ByteSet) -> bool {
        self.0
            .iter()
            .zip(other.0)
            .all(|(own, other)| !(*own && other))
    }

    pub(super) fn complement(&self) -> ByteSet {
        ByteSet(self.0.map(|own| !own))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|&byte| self.contains(byte))
    }
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(char::from)).finish()
    }
}
