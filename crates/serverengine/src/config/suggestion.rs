//! "Did you mean …?"
//!
//! The collector's configuration asks the same question in the same way; this crate imports nothing of it.

/// Longest name looked at; the cost grows with its length.
const MAX_NAME_CHARACTERS: usize = 64;

/// The candidate nearest to a name that is not known, if one is near enough to be meant.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.chars().count() > MAX_NAME_CHARACTERS {
        return None;
    }
    // A third of the letters may be wrong; in a short name two would be another word.
    let limit = (name.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, remove, replace, or swap with their neighbour, to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    // Rows of the usual table; the last two are all that a swap needs.
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&row, j) + usize::from(x != y);
            let mut best = replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swaps = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swaps {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["path", "pid_path", "tag", "refresh_interval"];
        assert_eq!(nearest("pidpath", names), Some("pid_path"));
        assert_eq!(nearest("pdi_path", names), Some("pid_path"));
        assert_eq!(
            nearest("refresh_intervall", names),
            Some("refresh_interval")
        );
        assert_eq!(nearest("tga", names), Some("tag"));
        assert_eq!(nearest("host", names), None);
        assert_eq!(nearest("", names), None);
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }
}
