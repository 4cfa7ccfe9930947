//! Running a splitter program over a line.

use super::{
    scan::find_byte,
    set::ByteSet,
    splitter::{Program, Run, Step},
    syntax::Greed,
};

/// The most steps a line may cost in search of an end or of a way back; then it is handed to PCRE2 and its limits.
const FUEL: u32 = 200_000;

/// A slot that was not passed.
pub(super) const UNSET: usize = usize::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Match,
    NoMatch,
    /// Too many ways back: undecided.
    GaveUp,
}

/// A way back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// Go on with the step at the position; captures behind the first `opened` ones have not begun there.
    Retry {
        step: usize,
        position: usize,
        opened: usize,
    },
    /// The greedy run may end earlier, down to `least`.
    Shorten {
        run: usize,
        position: usize,
        least: usize,
    },
    /// The lazy run may go on from the position, up to `most`.
    Lengthen {
        run: usize,
        position: usize,
        most: usize,
    },
}

/// Runs `program`; `slots` holds two positions for each capture, the first pair for the whole match.
pub(super) fn run(
    program: &Program,
    line: &[u8],
    slots: &mut [usize],
    ways: &mut Vec<Way>,
) -> Outcome {
    let mut fuel = FUEL;
    let mut start = 0;
    loop {
        slots.fill(UNSET);
        ways.clear();
        match run_at(program, line, start, slots, ways, &mut fuel) {
            Outcome::NoMatch if program.each_line => {}
            outcome => return outcome,
        }
        let Some(newline) = memchr::memchr(b'\n', line.get(start..).unwrap_or_default()) else {
            return Outcome::NoMatch;
        };
        start += newline + 1;
    }
}

fn run_at(
    program: &Program,
    line: &[u8],
    start: usize,
    slots: &mut [usize],
    ways: &mut Vec<Way>,
    fuel: &mut u32,
) -> Outcome {
    let mut at = 0;
    let mut position = start;
    loop {
        let next = match program.steps.get(at) {
            Some(Step::Field { end, capture, rest }) => {
                let tail = line.get(position..).unwrap_or_default();
                let found = find_byte(*end, tail).map(|length| position + length);
                match found {
                    Some(to) if starts_with(line, to + 1, rest) => {
                        if *capture > 0 {
                            save_both(slots, *capture, position, to);
                        }
                        Some((at + 2, to + 1 + rest.len()))
                    }
                    _ => None,
                }
            }
            Some(Step::Byte(byte)) => {
                (line.get(position) == Some(byte)).then_some((at + 1, position + 1))
            }
            Some(Step::One(set)) => line
                .get(position)
                .filter(|byte| set.contains(**byte))
                .map(|_| (at + 1, position + 1)),
            Some(Step::Literal(bytes)) => {
                starts_with(line, position, bytes).then_some((at + 1, position + bytes.len()))
            }
            Some(Step::Run(run)) => match run_through(run, at, line, position, ways, fuel) {
                None => None,
                Some(end) => {
                    if run.capture > 0 {
                        save_both(slots, run.capture, position, end);
                    }
                    Some((at + 1, end))
                }
            },
            Some(Step::Save(slot)) => {
                save(slots, *slot, position);
                Some((at + 1, position))
            }
            Some(Step::Fork { other, opened }) => {
                ways.push(Way::Retry {
                    step: *other,
                    position,
                    opened: *opened,
                });
                Some((at + 1, position))
            }
            Some(Step::ForkAway { preferred, opened }) => {
                ways.push(Way::Retry {
                    step: at + 1,
                    position,
                    opened: *opened,
                });
                Some((*preferred, position))
            }
            Some(Step::Jump(to)) => Some((*to, position)),
            Some(Step::LineStart) => {
                let starts = match position.checked_sub(1) {
                    None => true,
                    // No line starts behind a newline that ends the text.
                    Some(before) => line.get(before) == Some(&b'\n') && position < line.len(),
                };
                starts.then_some((at + 1, position))
            }
            Some(Step::LineEnd) => line
                .get(position)
                .is_none_or(|&byte| byte == b'\n')
                .then_some((at + 1, position)),
            Some(Step::TextStart) => (position == 0).then_some((at + 1, position)),
            Some(Step::TextEnd) => (position == line.len()).then_some((at + 1, position)),
            Some(Step::TextEndOrNewline) => {
                let rest = line.get(position..).unwrap_or_default();
                matches!(rest, [] | [b'\n']).then_some((at + 1, position))
            }
            Some(Step::Match) => {
                if let [from, to, ..] = slots {
                    (*from, *to) = (start, position);
                }
                return Outcome::Match;
            }
            None => None,
        };
        if let Some((step, from)) = next {
            (at, position) = (step, from);
            continue;
        }
        match go_back(program, line, slots, ways, fuel) {
            _ if *fuel == 0 => return Outcome::GaveUp,
            Some((step, from)) => (at, position) = (step, from),
            None => return Outcome::NoMatch,
        }
    }
}

/// Takes a run at `position`: its end, with the way back noted if there is one.
#[inline]
fn run_through(
    run: &Run,
    at: usize,
    line: &[u8],
    position: usize,
    ways: &mut Vec<Way>,
    fuel: &mut u32,
) -> Option<usize> {
    let rest = line.get(position..)?;
    if run.greed == Greed::Lazy {
        let least = position.checked_add(run.min)?;
        let most = position.saturating_add(run.max).min(line.len());
        if !line
            .get(position..least)?
            .iter()
            .all(|&byte| run.set.contains(byte))
        {
            return None;
        }
        return lengthen(run, at, line, least, most, ways, fuel);
    }
    let length = run.scan.length(rest);
    let length = length.min(run.max);
    if length < run.min {
        return None;
    }
    if run.greed == Greed::Possessive {
        return Some(position + length);
    }
    shorten(
        run,
        at,
        line,
        position + length,
        position + run.min,
        ways,
        fuel,
    )
}

/// The last end of a greedy run, from `position` down to `least`, where what follows can begin.
fn shorten(
    run: &Run,
    at: usize,
    line: &[u8],
    mut position: usize,
    least: usize,
    ways: &mut Vec<Way>,
    fuel: &mut u32,
) -> Option<usize> {
    loop {
        if can_follow(&run.next, run.next_at_end, line, position) {
            if position > least {
                ways.push(Way::Shorten {
                    run: at,
                    position: position - 1,
                    least,
                });
            }
            return Some(position);
        }
        if position <= least || *fuel == 0 {
            return None;
        }
        *fuel -= 1;
        position -= 1;
    }
}

/// The first end of a lazy run, from `position` up to `most`, where what follows can begin.
fn lengthen(
    run: &Run,
    at: usize,
    line: &[u8],
    position: usize,
    most: usize,
    ways: &mut Vec<Way>,
    fuel: &mut u32,
) -> Option<usize> {
    let length = run.scan.length(line.get(position..most)?);
    *fuel = fuel.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
    let position = position + length;
    if !can_follow(&run.next, run.next_at_end, line, position) {
        return None;
    }
    if position < most
        && line
            .get(position)
            .is_some_and(|&byte| run.set.contains(byte))
    {
        ways.push(Way::Lengthen {
            run: at,
            position: position + 1,
            most,
        });
    }
    Some(position)
}

#[inline]
fn can_follow(next: &ByteSet, at_end: bool, line: &[u8], position: usize) -> bool {
    line.get(position)
        .map_or(at_end, |&byte| next.contains(byte))
}

/// Takes the last way back that leads somewhere.
fn go_back(
    program: &Program,
    line: &[u8],
    slots: &mut [usize],
    ways: &mut Vec<Way>,
    fuel: &mut u32,
) -> Option<(usize, usize)> {
    let run_of = |at: usize| match program.steps.get(at) {
        Some(Step::Run(run)) => Some(run),
        _ => None,
    };
    while let Some(way) = ways.pop() {
        *fuel = fuel.saturating_sub(1);
        let (at, end) = match way {
            Way::Retry {
                step,
                position,
                opened,
            } => {
                forget(slots, opened);
                return Some((step, position));
            }
            Way::Shorten {
                run: at,
                position,
                least,
            } => (
                at,
                run_of(at).and_then(|run| shorten(run, at, line, position, least, ways, fuel)),
            ),
            Way::Lengthen {
                run: at,
                position,
                most,
            } => (
                at,
                run_of(at).and_then(|run| lengthen(run, at, line, position, most, ways, fuel)),
            ),
        };
        if let (Some(run), Some(end)) = (run_of(at), end) {
            forget(slots, run.opened);
            if run.capture > 0 {
                save(slots, run.capture * 2 + 1, end);
            }
            return Some((at + 1, end));
        }
    }
    None
}

/// Whether `text` stands at a position. It is short: a call to compare memory would cost more than the comparison.
#[inline]
fn starts_with(line: &[u8], position: usize, text: &[u8]) -> bool {
    line.get(position..position + text.len())
        .is_some_and(|found| found.iter().zip(text).all(|(one, other)| one == other))
}

#[inline]
fn save_both(slots: &mut [usize], capture: usize, start: usize, end: usize) {
    if let Some([from, to]) = slots.get_mut(capture * 2..capture * 2 + 2) {
        (*from, *to) = (start, end);
    }
}

#[inline]
fn save(slots: &mut [usize], slot: usize, position: usize) {
    if let Some(place) = slots.get_mut(slot) {
        *place = position;
    }
}

/// Forgets all captures but the first `opened` ones.
fn forget(slots: &mut [usize], opened: usize) {
    slots
        .get_mut(opened * 2 + 2..)
        .unwrap_or_default()
        .fill(UNSET);
}
