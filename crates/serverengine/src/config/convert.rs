//! What a value of a file means for each type of key, and back.
//!
//! ```text
//!   a time     10, 0.5, "250ms", "10s", "2m", "1h"      numbers are seconds
//!   an optional time     the same; -1 or nothing: never
//!   a mask     23, "0o027", "027"                        texts are octal
//!   a signal   HUP, "SIGHUP", 1
//! ```

use std::path::PathBuf;
use std::time::Duration;

use crate::core::Backoff;
use crate::log::Level;
use crate::signals::Signal;
use crate::worker::{CommandSender, WorkerType};

use super::RestartParallel;
use super::node::{Node, Value};

/// Longest time a key can have: 30 years and some.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(1_000_000_000);

/// A type of key that a text can hold.
pub(crate) trait Setting: Sized {
    /// What a person writes.
    const KIND: &'static str;

    /// Reads a value. The error says what was expected.
    fn read(value: &Value) -> Result<Self, String>;

    /// Writes one that reads as the same.
    fn write(&self) -> Node;
}

fn expected<T>(what: &str, found: &Value) -> Result<T, String> {
    Err(format!("expected {what}, found {found}"))
}

impl Setting for bool {
    const KIND: &'static str = "true or false";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Bool(value) => Ok(*value),
            other => expected(Self::KIND, other),
        }
    }

    fn write(&self) -> Node {
        Value::Bool(*self).into()
    }
}

fn integer<T: TryFrom<i64>>(value: &Value, kind: &str) -> Result<T, String> {
    match value {
        Value::Integer(number) => {
            T::try_from(*number).map_err(|_| format!("expected {kind}, found {number}"))
        }
        other => expected(kind, other),
    }
}

/// Numbers above what a text can say are the largest it can.
fn written<T>(number: T) -> Node
where
    i64: TryFrom<T>,
{
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)).into()
}

impl Setting for usize {
    const KIND: &'static str = "a number";

    fn read(value: &Value) -> Result<Self, String> {
        integer(value, "a whole number")
    }

    fn write(&self) -> Node {
        written(*self)
    }
}

impl Setting for RestartParallel {
    const KIND: &'static str = "a number, or all";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) if text == "all" => Ok(Self::All),
            other => integer(other, Self::KIND).map(Self::Workers),
        }
    }

    fn write(&self) -> Node {
        match self {
            Self::All => Value::Text("all".to_owned()).into(),
            Self::Workers(count) => written(*count),
        }
    }
}

impl Setting for u8 {
    const KIND: &'static str = "a number";

    fn read(value: &Value) -> Result<Self, String> {
        integer(value, "a number from 0 to 255")
    }

    fn write(&self) -> Node {
        written(*self)
    }
}

impl Setting for f64 {
    const KIND: &'static str = "a ratio";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            // Nobody writes a ratio that is not exact as a float.
            #[allow(clippy::cast_precision_loss)]
            Value::Integer(number) => Ok(*number as Self),
            Value::Float(number) => Ok(*number),
            other => expected("a number", other),
        }
    }

    fn write(&self) -> Node {
        Value::Float(*self).into()
    }
}

impl Setting for Duration {
    const KIND: &'static str = "a time";

    fn read(value: &Value) -> Result<Self, String> {
        let seconds = match value {
            Value::Text(text) => match seconds(text) {
                Some(seconds) => seconds,
                None => return expected("a time such as 10, 0.5, \"250ms\" or \"2m\"", value),
            },
            Value::Integer(_) | Value::Float(_) => f64::read(value)?,
            other => return expected("a time in seconds", other),
        };
        match Self::try_from_secs_f64(seconds) {
            Ok(time) if time <= TIME_MAX => Ok(time),
            _ => Err(format!(
                "expected a time from 0 to {} seconds, found {value}",
                TIME_MAX.as_secs()
            )),
        }
    }

    fn write(&self) -> Node {
        if self.subsec_nanos() == 0 {
            written(self.as_secs().min(TIME_MAX.as_secs()))
        } else {
            self.as_secs_f64().write()
        }
    }
}

fn seconds(text: &str) -> Option<f64> {
    let (number, factor) = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)]
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let number = number.trim_end().parse::<f64>().ok()?;
    Some(number * factor)
}

impl Setting for Option<Duration> {
    const KIND: &'static str = "a time, -1: never";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            Value::Integer(number) if *number < 0 => Ok(None),
            Value::Float(number) if *number < 0.0 => Ok(None),
            other => Duration::read(other).map(Some),
        }
    }

    fn write(&self) -> Node {
        self.map_or(Value::Null.into(), |time| time.write())
    }
}

/// A patience whose `None` is a default: -1 is for ever, and nothing is the default.
pub(crate) mod forever {
    use std::time::Duration;

    use super::{Node, Setting, Value};

    pub(crate) fn read(value: &Value) -> Result<Option<Duration>, String> {
        match (value, Option::<Duration>::read(value)?) {
            (Value::Null, _) => Ok(None),
            (_, None) => Ok(Some(Duration::MAX)),
            (_, time) => Ok(time),
        }
    }

    pub(crate) fn write(time: Option<Duration>) -> Node {
        match time {
            Some(Duration::MAX) => Value::Integer(-1).into(),
            time => time.write(),
        }
    }
}

impl Setting for Option<String> {
    const KIND: &'static str = "a text";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            // A user by number.
            Value::Integer(number) => Ok(Some(number.to_string())),
            other => expected("a text", other),
        }
    }

    fn write(&self) -> Node {
        let text = self.clone().map(Value::Text);
        text.unwrap_or(Value::Null).into()
    }
}

impl Setting for Option<PathBuf> {
    const KIND: &'static str = "a path";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            Value::Text(text) if text.is_empty() => Err("expected a path, found none".to_owned()),
            Value::Text(text) => Ok(Some(text.into())),
            other => expected("a path", other),
        }
    }

    fn write(&self) -> Node {
        let text = self
            .as_ref()
            .map(|path| Value::Text(path.to_string_lossy().into_owned()));
        text.unwrap_or(Value::Null).into()
    }
}

/// A file mode creation mask.
impl Setting for Option<u32> {
    const KIND: &'static str = "a mask";

    fn read(value: &Value) -> Result<Self, String> {
        const MASK_MAX: u32 = 0o777;
        let what = "a mask from 0o000 to 0o777";
        let mask = match value {
            Value::Null => return Ok(None),
            Value::Text(text) => {
                let digits = text.strip_prefix("0o").unwrap_or(text);
                u32::from_str_radix(digits, 8).ok()
            }
            Value::Integer(number) => u32::try_from(*number).ok(),
            _ => None,
        };
        match mask {
            Some(mask) if mask <= MASK_MAX => Ok(Some(mask)),
            _ => expected(what, value),
        }
    }

    fn write(&self) -> Node {
        self.map_or(Value::Null.into(), |mask| {
            Value::Text(format!("0o{mask:03o}")).into()
        })
    }
}

impl Setting for Vec<i32> {
    const KIND: &'static str = "a list of numbers";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(items) => items
                .iter()
                .map(|item| integer(&item.value, "an exit code"))
                .collect(),
            other => expected("a list of exit codes", other),
        }
    }

    fn write(&self) -> Node {
        Value::List(self.iter().map(|code| written(*code)).collect()).into()
    }
}

impl Setting for WorkerType {
    const KIND: &'static str = "embedded, thread, process or spawn";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => match text.as_str() {
                "process" => Ok(Self::Process),
                "thread" => Ok(Self::Thread),
                "embedded" => Ok(Self::Embedded),
                "spawn" => Ok(Self::Spawn),
                _ => expected(Self::KIND, value),
            },
            other => expected(Self::KIND, other),
        }
    }

    fn write(&self) -> Node {
        let name = match self {
            Self::Process => "process",
            Self::Thread => "thread",
            Self::Embedded => "embedded",
            Self::Spawn => "spawn",
        };
        Value::Text(name.to_owned()).into()
    }
}

impl Setting for CommandSender {
    const KIND: &'static str = "signal or pipe";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) => match text.as_str() {
                "signal" => Ok(Self::Signal),
                "pipe" => Ok(Self::Pipe),
                _ => expected(Self::KIND, value),
            },
            other => expected(Self::KIND, other),
        }
    }

    fn write(&self) -> Node {
        let name = match self {
            Self::Signal => "signal",
            Self::Pipe => "pipe",
        };
        Value::Text(name.to_owned()).into()
    }
}

impl Setting for Option<Signal> {
    const KIND: &'static str = "a signal";

    fn read(value: &Value) -> Result<Self, String> {
        let signal = match value {
            Value::Null => return Ok(None),
            Value::Integer(number) => i32::try_from(*number).ok().and_then(Signal::from_number),
            Value::Text(name) => Signal::from_name(name),
            _ => None,
        };
        match signal {
            Some(signal) => Ok(Some(signal)),
            None => expected("TERM, INT, QUIT, USR1, USR2, HUP or CONT", value),
        }
    }

    fn write(&self) -> Node {
        let name = self.map(|it| Value::Text(it.name().to_owned()));
        name.unwrap_or(Value::Null).into()
    }
}

impl Setting for Level {
    const KIND: &'static str = "a level";

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(name) => name.parse(),
            Value::Integer(number) => number.to_string().parse(),
            other => expected("trace, debug, info, warn, error or fatal", other),
        }
    }

    fn write(&self) -> Node {
        Value::Text(self.name().to_ascii_lowercase()).into()
    }
}

impl Setting for Backoff {
    const KIND: &'static str = "a mapping";

    fn read(value: &Value) -> Result<Self, String> {
        let Value::Map(entries) = value else {
            return expected("a mapping of first, max, jitter and reset_after", value);
        };
        let mut backoff = Self::default();
        for entry in entries {
            let value = &entry.node.value;
            let read = match entry.key.as_str() {
                "first" => Duration::read(value).map(|it| backoff.first = it),
                "max" => Duration::read(value).map(|it| backoff.max = it),
                "jitter" => f64::read(value).map(|it| backoff.jitter = it),
                "reset_after" => Duration::read(value).map(|it| backoff.reset_after = it),
                _ => Err("expected first, max, jitter or reset_after".to_owned()),
            };
            read.map_err(|message| format!("{}: {message}", entry.key))?;
        }
        Ok(backoff)
    }

    fn write(&self) -> Node {
        Node::map([
            ("first".to_owned(), self.first.write()),
            ("max".to_owned(), self.max.write()),
            ("jitter".to_owned(), self.jitter.write()),
            ("reset_after".to_owned(), self.reset_after.write()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn comes_back<T: Setting + PartialEq + Debug>(setting: T) {
        assert_eq!(T::read(&setting.write().value), Ok(setting));
    }

    #[test]
    fn what_is_written_reads_as_the_same() {
        comes_back(true);
        comes_back(7_usize);
        comes_back(RestartParallel::All);
        comes_back(RestartParallel::Workers(3));
        comes_back(255_u8);
        comes_back(0.2);
        comes_back(Duration::ZERO);
        comes_back(Duration::from_nanos(123_456_789_123));
        comes_back(Some(TIME_MAX));
        comes_back(None::<Duration>);
        comes_back(Some("nobody".to_owned()));
        comes_back(Some(PathBuf::from("/run/x")));
        comes_back(Some(0o027));
        comes_back(vec![1, -1, 77]);
        for kind in [
            WorkerType::Process,
            WorkerType::Thread,
            WorkerType::Embedded,
            WorkerType::Spawn,
        ] {
            comes_back(kind);
        }
        comes_back(CommandSender::Pipe);
        comes_back(Some(Signal::Usr2));
        comes_back(Level::Trace);
        comes_back(Backoff::default());
    }

    #[test]
    fn times_have_units_and_may_be_never() {
        let time = |value| Duration::read(&value);
        assert_eq!(time(Value::Float(0.5)), Ok(Duration::from_millis(500)));
        for (written, millis) in [("250ms", 250), ("10s", 10_000), ("2 m", 120_000)] {
            assert_eq!(time(text(written)), Ok(Duration::from_millis(millis)));
        }
        assert_eq!(
            time(text("soon")).unwrap_err(),
            "expected a time such as 10, 0.5, \"250ms\" or \"2m\", found text \"soon\""
        );
        assert_eq!(
            time(Value::Integer(-1)).unwrap_err(),
            "expected a time from 0 to 1000000000 seconds, found -1"
        );
        assert_eq!(Option::<Duration>::read(&Value::Integer(-1)), Ok(None));
        for time in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
            assert_eq!(forever::read(&forever::write(time).value), Ok(time));
        }
        assert_eq!(
            Option::<Duration>::read(&Value::Float(f64::NAN)).unwrap_err(),
            "expected a time from 0 to 1000000000 seconds, found NaN"
        );
    }

    #[test]
    fn what_was_expected_is_said() {
        assert_eq!(
            usize::read(&text("four")).unwrap_err(),
            "expected a whole number, found text \"four\""
        );
        assert_eq!(
            WorkerType::read(&text("fork")).unwrap_err(),
            "expected embedded, thread, process or spawn, found text \"fork\""
        );
        assert_eq!(
            Option::<Signal>::read(&text("KILL")).unwrap_err(),
            "expected TERM, INT, QUIT, USR1, USR2, HUP or CONT, found text \"KILL\""
        );
        assert_eq!(
            Option::<u32>::read(&Value::Integer(1000)).unwrap_err(),
            "expected a mask from 0o000 to 0o777, found 1000"
        );
        let backoff = Node::map([("frist".to_owned(), Value::Null.into())]);
        assert_eq!(
            Backoff::read(&backoff.value).unwrap_err(),
            "frist: expected first, max, jitter or reset_after"
        );
    }
}
