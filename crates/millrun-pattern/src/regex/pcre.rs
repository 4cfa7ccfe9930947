//! The engine for whatever the splitter cannot do: PCRE2, compiled to machine code, under limits.

use pcre2::bytes::{CaptureLocations, Regex, RegexBuilder};

use super::{
    MatchError, REGEX_MATCH_STEPS_MAX, RegexError,
    emit::{Dialect, emit},
    splitter_run::UNSET,
    syntax::Syntax,
};

/// The stack of compiled code, per set of spans. It starts small and grows to this.
const STACK_BYTES_MAX: usize = 1024 * 1024;

/// The heap of the interpreter, in KiB, where no code can be compiled.
const HEAP_KIB_MAX: usize = 16 * 1024;

/// Error numbers of PCRE2 that mean a limit (pcre2api, "return values from pcre2_match").
const LIMIT_CODES: &[i32] = &[-46, -47, -53, -63];

#[derive(Debug)]
pub(super) struct Pcre {
    regex: Regex,
}

impl Pcre {
    pub(super) fn compile(syntax: &Syntax) -> Result<Self, RegexError> {
        let refused = |message: String| RegexError::Engine { message };
        let text = emit(syntax, Dialect::Pcre)
            .ok_or_else(|| refused("it cannot be translated".to_owned()))?;
        // The settings have no setter in the crate; in front of the pattern they are the documented way.
        let prefix =
            format!("(*LIMIT_MATCH={REGEX_MATCH_STEPS_MAX})(*LIMIT_HEAP={HEAP_KIB_MAX})(*LF)");
        let names = if syntax.names.is_empty() { "" } else { "(?J)" };
        // Of the two Unicode settings this one takes texts that are no UTF-8. The text spells out what `\d` and its
        // relatives mean, so that only `\b` becomes Unicode-aware, as it is in Ruby.
        let regex = RegexBuilder::new()
            .ucp(syntax.unicode)
            .jit_if_available(true)
            .max_jit_stack_size(Some(STACK_BYTES_MAX))
            .build(&format!("{prefix}{names}{text}"))
            .map_err(|error| refused(own_words(&error)))?;
        Ok(Pcre { regex })
    }

    pub(super) fn locations(&self) -> CaptureLocations {
        self.regex.capture_locations()
    }

    pub(super) fn captures(
        &self,
        line: &[u8],
        locations: &mut CaptureLocations,
        slots: &mut [usize],
    ) -> Result<bool, MatchError> {
        self.captures_at(line, 0, locations, slots)
    }

    /// The same from byte `start` on, with all of `line` in sight.
    pub(super) fn captures_at(
        &self,
        line: &[u8],
        start: usize,
        locations: &mut CaptureLocations,
        slots: &mut [usize],
    ) -> Result<bool, MatchError> {
        if self
            .regex
            .captures_read_at(locations, line, start)
            .map_err(match_error)?
            .is_none()
        {
            return Ok(false);
        }
        for (number, slot) in slots.chunks_exact_mut(2).enumerate() {
            let (start, end) = locations.get(number).unwrap_or((UNSET, UNSET));
            slot.copy_from_slice(&[start, end]);
        }
        Ok(true)
    }

    pub(super) fn is_match(&self, text: &[u8]) -> Result<bool, MatchError> {
        self.regex.is_match(text).map_err(match_error)
    }
}

fn match_error(error: pcre2::Error) -> MatchError {
    if LIMIT_CODES.contains(&error.code()) {
        return MatchError::Limit;
    }
    MatchError::Engine {
        message: own_words(&error),
    }
}

/// The message without the part that counts bytes of the translated text.
fn own_words(error: &pcre2::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(": ")
        .map_or(text.clone(), |(_, words)| words.to_owned())
}
