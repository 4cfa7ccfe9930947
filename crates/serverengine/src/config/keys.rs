//! The table of all configuration keys: from it come the fields of [`Config`], the builder, what a file
//! may say, what a reload carries, and the reference page.

use std::sync::Arc;

use crate::log::Level;
use crate::logger::{DaemonLogger, Destination, LoggerOptions, Period, Rotation};
use crate::signals::{Meaning, Signal, SignalMeanings};

use super::Config;
use super::convert::Setting;
use super::node::{Node, Value};

/// One key.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// What a person writes in a file; empty: it cannot be in one.
    pub(crate) kind: &'static str,
    /// What its numbers count.
    pub(crate) unit: &'static str,
    pub(crate) reload: Reload,
    /// In the form of its doc comment.
    pub(crate) doc: &'static str,
    pub(crate) set: fn(&mut Draft, &Node) -> Result<(), String>,
    /// Returns the value that a configuration has.
    pub(crate) value: fn(&Config) -> Node,
}

/// What a reload does with a changed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// Nothing: it is fixed when the server is started.
    Fixed,
    /// It holds at once.
    Live,
    /// It holds for the processes and threads that are started from then on.
    NextStart,
}

/// A configuration that is being read.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) config: Config,
    pub(crate) logger: LoggerOptions,
    /// Whether any key was about the log.
    pub(crate) logs: bool,
    rotate_age: Option<usize>,
    rotate_size: Option<u64>,
    period: Option<Period>,
    signals: Vec<(Signal, Meaning)>,
}

/// Makes [`Config`], its builder and the table of its keys of one list.
///
/// ```text
/// /// documentation of the whole
/// pub struct Config;
/// /// documentation
/// name: type = default, "unit", when a reload takes it over;
/// name: type = default;                                       not for files
/// ```
macro_rules! keys {
    ($(#[doc = $about:literal])+ pub struct Config; $($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr $(, $unit:literal, $reload:ident $(, $via:ident)?)?;)+) => {
        $(#[doc = $about])+
        #[derive(Clone)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $name: $type,)+
            /// What the application itself wants to know: the keys of a file that are not the engine's.
            /// See `Application::read`.
            pub application: crate::config::Application,
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)+ application: Default::default() }
            }
        }

        impl ConfigBuilder {
            $(
                $(#[doc = $doc])+
                pub fn $name(mut self, value: impl crate::config::IntoSetting<$type>) -> Self {
                    self.config.$name = value.into_setting();
                    self
                }
            )+
        }

        /// The keys that are fields.
        pub(crate) const FIELDS: &[crate::config::keys::Key] = &[
            $(crate::config::keys::key!($name: $type, concat!($($doc, "\n"),+) $(, $unit, $reload $(, $via)?)?)),+
        ];
    };
}
pub(super) use keys;

macro_rules! key {
    ($name:ident: $type:ty, $doc:expr, $unit:literal, $reload:ident) => {
        crate::config::keys::Key {
            name: stringify!($name),
            kind: <$type as crate::config::convert::Setting>::KIND,
            unit: $unit,
            reload: crate::config::keys::Reload::$reload,
            doc: $doc,
            set: |draft, node| {
                draft.config.$name = crate::config::convert::Setting::read(&node.value)?;
                Ok(())
            },
            value: |config| crate::config::convert::Setting::write(&config.$name),
        }
    };
    ($name:ident: $type:ty, $doc:expr, $unit:literal, $reload:ident, $via:ident) => {
        crate::config::keys::Key {
            name: stringify!($name),
            kind: <$type as crate::config::convert::Setting>::KIND,
            unit: $unit,
            reload: crate::config::keys::Reload::$reload,
            doc: $doc,
            set: |draft, node| {
                draft.config.$name = crate::config::convert::$via::read(&node.value)?;
                Ok(())
            },
            value: |config| crate::config::convert::$via::write(config.$name),
        }
    };
    ($name:ident: $type:ty, $doc:expr) => {
        crate::config::keys::Key {
            name: stringify!($name),
            kind: "",
            unit: "",
            reload: crate::config::keys::Reload::Fixed,
            doc: $doc,
            set: |_, _| Err("this cannot be in a file".to_owned()),
            value: |_| crate::config::node::Value::Null.into(),
        }
    };
}
pub(super) use key;

macro_rules! signal_key {
    ($name:literal, $meaning:ident) => {
        Key {
            name: $name,
            kind: <Option<Signal> as Setting>::KIND,
            unit: "",
            reload: Reload::Fixed,
            doc: concat!(
                "The signal that means `",
                stringify!($meaning),
                "`, in place of the usual one: part of `Config::signals`."
            ),
            set: |draft, node| draft.signal(Meaning::$meaning, node),
            value: |config| config.signals.signal(Meaning::$meaning).write(),
        }
    };
}

/// Keys of a file that are part of a field: of `logger` and of `signals`.
pub(crate) const PARTS: &[Key] = &[
    Key {
        name: "log",
        kind: "a path, or - for standard output",
        unit: "",
        reload: Reload::Fixed,
        doc: "Where the log goes: `LoggerOptions::destination`. Without it to standard error.",
        set: |draft, node| {
            draft.logger.destination = match &node.value {
                Value::Null => Destination::Stderr,
                Value::Text(text) if text == "-" => Destination::Stdout,
                Value::Text(text) if !text.is_empty() => Destination::File(text.into()),
                other => return Err(format!("expected a path or \"-\", found {other}")),
            };
            draft.logs = true;
            Ok(())
        },
        value: |_| Value::Null.into(),
    },
    Key {
        name: "log_level",
        kind: "trace, debug, info, warn, error or fatal; or -1 to 4",
        unit: "",
        reload: Reload::Live,
        doc: "What is less important is not logged: `LoggerOptions::level`.",
        set: |draft, node| {
            draft.logger.level = Level::read(&node.value)?;
            draft.logs = true;
            Ok(())
        },
        value: |config| match &config.logger {
            Some(logger) => logger.level().write(),
            None => LoggerOptions::default().level.write(),
        },
    },
    Key {
        name: "log_rotate_age",
        kind: "a number, or daily, weekly, monthly",
        unit: "files",
        reload: Reload::Fixed,
        doc: "How many files are kept, the one that is written included; 0: never rotated. Or the period \
              after which a new one is begun.",
        set: |draft, node| {
            draft.logs = true;
            draft.period = match &node.value {
                Value::Text(text) => match text.as_str() {
                    "daily" => Some(Period::Daily),
                    "weekly" => Some(Period::Weekly),
                    "monthly" => Some(Period::Monthly),
                    _ => {
                        return Err(format!(
                            "expected a number of files, or daily, weekly or monthly, found {text:?}"
                        ));
                    }
                },
                other => {
                    draft.rotate_age = Some(usize::read(other)?);
                    None
                }
            };
            Ok(())
        },
        value: |_| Value::Integer(5).into(),
    },
    Key {
        name: "log_rotate_size",
        kind: "a number",
        unit: "bytes",
        reload: Reload::Fixed,
        doc: "The size at which a new file is begun.",
        set: |draft, node| {
            draft.logs = true;
            let bytes = usize::read(&node.value)?;
            draft.rotate_size = Some(u64::try_from(bytes).unwrap_or(u64::MAX));
            Ok(())
        },
        value: |_| Value::Integer(1_048_576).into(),
    },
    Key {
        name: "log_stdout",
        kind: bool::KIND,
        unit: "",
        reload: Reload::Fixed,
        doc: "Whether what server and workers print goes to the log: `LoggerOptions::log_stdout`.",
        set: |draft, node| {
            draft.logs = true;
            draft.logger.log_stdout = bool::read(&node.value)?;
            Ok(())
        },
        value: |_| Value::Bool(true).into(),
    },
    Key {
        name: "log_stderr",
        kind: bool::KIND,
        unit: "",
        reload: Reload::Fixed,
        doc: "Whether what they print on standard error goes there: `LoggerOptions::log_stderr`.",
        set: |draft, node| {
            draft.logs = true;
            draft.logger.log_stderr = bool::read(&node.value)?;
            Ok(())
        },
        value: |_| Value::Bool(true).into(),
    },
    signal_key!("signal_graceful_stop", GracefulStop),
    signal_key!("signal_immediate_stop", ImmediateStop),
    signal_key!("signal_graceful_restart", GracefulRestart),
    signal_key!("signal_immediate_restart", ImmediateRestart),
    signal_key!("signal_reload", Reload),
    signal_key!("signal_detach", Detach),
    signal_key!("signal_dump", Dump),
];

/// Keys of ServerEngine that there are none of, and why.
pub(crate) const ABSENT: &[(&str, &str)] = &[
    (
        "logger_class",
        "code is no configuration; give `Config::log` another sink",
    ),
    ("windows_daemon_cmdline", "Windows is not supported"),
];

impl Draft {
    /// Begins with a configuration that is in use.
    pub(crate) fn of(config: Config) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Gives a signal a meaning; the one that usually has it loses it.
    fn signal(&mut self, meaning: Meaning, node: &Node) -> Result<(), String> {
        let Some(signal) = Option::<Signal>::read(&node.value)? else {
            return Ok(());
        };
        if let Some((_, other)) = self.signals.iter().find(|(taken, _)| *taken == signal) {
            return Err(format!("{} means {other:?} already", signal.name()));
        }
        self.signals.push((signal, meaning));
        Ok(())
    }

    /// Puts the parts together.
    pub(crate) fn finish(mut self) -> Result<Config, String> {
        let mut meanings = SignalMeanings::default();
        for (_, meaning) in &self.signals {
            meanings.replace(*meaning, Meaning::Ignore);
        }
        for (signal, meaning) in &self.signals {
            meanings.set(*signal, *meaning);
        }
        if !self.signals.is_empty() {
            self.config.signals = meanings;
        }
        if self.logs {
            self.logger.rotation = self.rotation();
            let logger = DaemonLogger::new(self.logger);
            let logger = logger.map_err(|error| format!("there can be no log: {error}"))?;
            self.config.logger = Some(Arc::new(logger));
        }
        Ok(self.config)
    }

    fn rotation(&self) -> Rotation {
        if let Some(period) = self.period {
            return Rotation::Period(period);
        }
        let (age, size) = (self.rotate_age.unwrap_or(5), self.rotate_size);
        match u32::try_from(age).unwrap_or(u32::MAX) {
            0 => Rotation::Never,
            keep => Rotation::Size {
                bytes: size.unwrap_or(1_048_576),
                keep: keep.max(2),
            },
        }
    }
}

#[cfg(feature = "files")]
/// Returns the key of this name that a file may have.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name && !key.kind.is_empty())
}

/// Returns all keys.
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    super::FIELDS.iter().chain(PARTS)
}
