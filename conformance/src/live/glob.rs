/// Whether a path fits a shell pattern of `*` and `?`; neither takes a slash or a leading dot.
pub(crate) fn fits(glob: &str, path: &str) -> bool {
    let (mut globs, mut parts) = (parts(glob), parts(path));
    loop {
        match (globs.next(), parts.next()) {
            (None, None) => return true,
            (Some(glob), Some(part)) if part_fits(glob, part) => {}
            _ => return false,
        }
    }
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn part_fits(glob: &str, part: &str) -> bool {
    if part.starts_with('.') && !glob.starts_with('.') {
        return false;
    }
    let mut rest = glob.chars();
    match rest.next() {
        None => part.is_empty(),
        Some('*') => {
            let mut ends = part.char_indices().map(|(at, _)| at).chain([part.len()]);
            ends.any(|at| rest_fits(rest.as_str(), part.get(at..).unwrap_or_default()))
        }
        _ => rest_fits(glob, part),
    }
}

fn rest_fits(glob: &str, part: &str) -> bool {
    let (mut wanted, mut given) = (glob.chars(), part.chars());
    match (wanted.next(), given.next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let mut ends = part.char_indices().map(|(at, _)| at).chain([part.len()]);
            ends.any(|at| rest_fits(wanted.as_str(), part.get(at..).unwrap_or_default()))
        }
        (Some('?'), Some(_)) => rest_fits(wanted.as_str(), given.as_str()),
        (Some(a), Some(b)) if a == b => rest_fits(wanted.as_str(), given.as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_a_shell_fits_them() {
        assert!(fits("/d/x.*_0.log", "/d//x.2023_0.log"));
        assert!(fits("buf/*.meta", "buf/a.log.meta"));
        assert!(!fits("*", "a/b"));
        assert!(!fits("*", ".hidden"));
        assert!(!fits("x.*_0.log", "x.2023_1.log"));
    }
}
