//! Texts with masks that stand for any value of a form.
//!
//! ```text
//! $now   seconds of a time     $T    a formatted time     $PID  $EPH  digits
//! $OBJ   part of a default id  $PTR  hex digits           $F    a duration in seconds
//! $HOST  a host name           $TMP  part of a file name  $UUID
//! ```
//!
//! A default id (`object:$OBJ`) is formed otherwise here, so it stands for any id as a whole.

/// Which characters the values of a mask consist of.
type Form = fn(char) -> bool;

/// Each mask with its form; a longer name before its prefix.
const FORMS: [(&str, Form); 12] = [
    ("$now", |c| c.is_ascii_digit() || c == '.'),
    ("$PID", |c| c.is_ascii_digit()),
    ("$EPH", |c| c.is_ascii_digit()),
    ("object:$OBJ", |c| c.is_ascii_alphanumeric() || c == '_'),
    ("object_$OBJ", |c| c.is_ascii_alphanumeric() || c == '_'),
    ("$OBJ", |c| c.is_ascii_alphanumeric()),
    ("$PTR", |c| c.is_ascii_hexdigit() || c == 'x'),
    ("$HOST", |c| c.is_alphanumeric() || ".-_".contains(c)),
    ("$TMP", |c| c.is_alphanumeric() || ".-_".contains(c)),
    ("$UUID", |c| c.is_ascii_hexdigit() || c == '-'),
    ("$T", |c| c.is_ascii_alphanumeric() || " -:+.".contains(c)),
    ("$F", |c| c.is_ascii_digit() || ".e-".contains(c)),
];

/// Whether a text is what the recorded one says, masks taken for any value of their form.
pub(crate) fn fits(recorded: &str, text: &str) -> bool {
    // Without a mask, as almost always.
    let Some((before, form, after)) = next_mask(recorded) else {
        return recorded == text;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    let longest: usize = rest
        .chars()
        .take_while(|c| form(*c))
        .map(char::len_utf8)
        .sum();
    // The longest value first; a shorter one where what follows has characters of the form.
    (1..=longest)
        .rev()
        .filter_map(|length| rest.get(length..))
        .any(|rest| fits(after, rest))
}

/// Splits at the first mask: what stands before it, its form, what follows.
fn next_mask(recorded: &str) -> Option<(&str, Form, &str)> {
    if !recorded.contains('$') {
        return None;
    }
    let splits = FORMS.iter().flat_map(|(mask, form)| {
        recorded.match_indices(mask).filter_map(|(at, _)| {
            let (before, from) = recorded.split_at(at);
            let after = from.get(mask.len()..)?;
            let whole = !after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            whole.then_some((before, *form, after))
        })
    });
    splits.min_by_key(|(before, ..)| before.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_masks_fits_only_itself() {
        assert!(fits("a ${x} $Tx", "a ${x} $Tx"));
        assert!(!fits("a", "a "));
    }

    #[test]
    fn a_mask_takes_any_value_of_its_form_and_no_other() {
        assert!(fits("t=$now.", "t=1700000000.123."));
        assert!(fits("pid=$PID ppid=$PID", "pid=12 ppid=3"));
        assert!(fits("at $T end", "at 2026-11-21 05:00:00 +0000 end"));
        assert!(fits("b/object_$OBJ/x", "b/file_1/x"));
        assert!(!fits("pid=$PID", "pid="));
        assert!(!fits("pid=$PID", "pid=x"));
    }
}
