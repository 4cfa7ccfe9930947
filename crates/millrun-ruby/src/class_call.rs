//! Methods of classes and modules: the environment, files, times, JSON and what else has a name.

use millrun_event::{Cursor, json};

use crate::{
    base64,
    class::Class,
    digest,
    error::Span,
    machine::Machine,
    method::{ClassMethod, Function, Method},
    node::Block,
    operate::{as_float, as_wide},
    pattern,
    time_value::{TimeKind, TimeValue, TimeZone},
    value::{Run, Value},
};

impl Machine<'_> {
    pub(crate) fn class_call(
        &mut self,
        method: ClassMethod,
        arguments: &[Value],
        block: Option<&Block>,
        at: Span,
    ) -> Run<Value> {
        let first = arguments.first().copied().unwrap_or(Value::Nil);
        match method {
            ClassMethod::EnvIndex | ClassMethod::EnvFetch | ClassMethod::EnvHasKey => {
                self.environment(method, arguments, block, at)
            }
            ClassMethod::EnvToHash => {
                let mut variables = self.world.variables();
                variables.sort();
                let mut pairs = Vec::new();
                for (name, value) in variables {
                    let name = self.new_text(name.into_bytes())?;
                    let value = self.new_text(value.into_bytes())?;
                    pairs.push((name, value));
                }
                self.new_hash(pairs)
            }
            ClassMethod::TimeNow
            | ClassMethod::TimeAt
            | ClassMethod::TimeParse
            | ClassMethod::TimeIso8601
            | ClassMethod::TimeStrptime
            | ClassMethod::DateTimeNow
            | ClassMethod::DateTimeParse
            | ClassMethod::DateTimeIso8601
            | ClassMethod::DateTimeStrptime
            | ClassMethod::TimeUtc
            | ClassMethod::TimeLocal
            | ClassMethod::DateToday
            | ClassMethod::DateParse
            | ClassMethod::ClockTime => self.time_call(method, arguments, at),
            ClassMethod::FileRead
            | ClassMethod::FileReadLines
            | ClassMethod::FileOpen
            | ClassMethod::FileExists
            | ClassMethod::FileIsFile
            | ClassMethod::FileIsDirectory
            | ClassMethod::FileBasename
            | ClassMethod::FileDirname
            | ClassMethod::FileExtname
            | ClassMethod::FileJoin
            | ClassMethod::FileExpand
            | ClassMethod::WorkingDirectory => self.file_call(method, arguments, block, at),
            ClassMethod::JsonParse => {
                let text = match first {
                    Value::Text(text) => self.held(text).into_owned(),
                    other => {
                        self.as_text(other, at)?;
                        Vec::new()
                    }
                };
                let symbols = match arguments.get(1) {
                    Some(options @ Value::Hash(_)) => self
                        .symbol_option(*options, b"symbolize_names")?
                        .is_some_and(Value::is_truthy),
                    _ => false,
                };
                self.charge(text.len())?;
                let mut packed = Vec::new();
                if let Err(error) = json::transcode(&text, &mut packed) {
                    return self.raise(Class::JsonParserError, at, error.to_string());
                }
                self.load(&mut Cursor::new(&packed), symbols, at)
            }
            ClassMethod::JsonGenerate | ClassMethod::JsonPretty => {
                let mut out = self.heap.buffer();
                let indent = (method == ClassMethod::JsonPretty).then_some(0);
                self.write_json(first, indent, &mut out, at)?;
                self.new_text(out)
            }
            ClassMethod::Base64Encode
            | ClassMethod::Base64StrictEncode
            | ClassMethod::Base64UrlEncode => {
                let text = self.as_text(first, at)?;
                let url = method == ClassMethod::Base64UrlEncode;
                let encoded =
                    base64::encode(self.bytes(text), url, method == ClassMethod::Base64Encode);
                self.new_text(encoded.into_bytes())
            }
            ClassMethod::Base64Decode => {
                let text = self.as_text(first, at)?;
                let decoded = base64::decode(self.bytes(text));
                self.new_text(decoded)
            }
            ClassMethod::Hostname => {
                let name = self.world.hostname();
                self.new_text(name.into_bytes())
            }
            ClassMethod::ProcessId => Ok(Value::Int(i64::from(self.world.process_id()))),
            ClassMethod::RandomUuid => {
                let (high, low) = (self.world.random(), self.world.random());
                let text = format!(
                    "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
                    high >> 32,
                    high >> 16 & 0xffff,
                    high & 0xfff,
                    (low >> 48 & 0x3fff) | 0x8000,
                    low & 0xffff_ffff_ffff
                );
                self.new_text(text.into_bytes())
            }
            ClassMethod::RandomHex => {
                let count = match arguments.first() {
                    Some(count) => usize::try_from(self.as_int(*count, at)?)
                        .unwrap_or_default()
                        .min(1024),
                    None => 16,
                };
                let mut text = String::new();
                while text.len() < count * 2 {
                    text.push_str(&format!("{:016x}", self.world.random()));
                }
                text.truncate(count * 2);
                self.new_text(text.into_bytes())
            }
            ClassMethod::RandomNumber => self.function(Function::Rand, arguments, None, at),
            ClassMethod::RegexpNew => {
                let Value::Text(source) = first else {
                    return match first {
                        Value::Regex(_) => Ok(first),
                        other => self.as_text(other, at).map(|_| Value::Nil),
                    };
                };
                let bits = match arguments.get(1) {
                    Some(Value::Int(bits)) => *bits,
                    Some(other) => i64::from(other.is_truthy()),
                    None => 0,
                };
                let flags = millrun_pattern::Flags {
                    ignore_case: bits & 1 != 0,
                    extended: bits & 2 != 0,
                    multi_line: bits & 4 != 0,
                };
                let source = self.lossy(source);
                self.compile_pattern(&source, flags, at)
            }
            ClassMethod::RegexpEscape => {
                let text = self.as_text(first, at)?;
                let escaped = pattern::escape(self.bytes(text));
                self.new_text(escaped)
            }
            ClassMethod::RegexpUnion => {
                let list = match first {
                    Value::Array(_) | Value::RawArray(_) => self.items(first, at)?,
                    _ => arguments.to_vec(),
                };
                let mut sources = Vec::new();
                for item in list {
                    sources.push(match item {
                        Value::Regex(id) => match self.heap.pattern(id) {
                            Some(pattern) => self.pattern_text(&pattern),
                            None => String::new(),
                        },
                        other => {
                            let text = self.as_text(other, at)?;
                            String::from_utf8_lossy(&pattern::escape(self.bytes(text))).into_owned()
                        }
                    });
                }
                self.compile_pattern(&sources.join("|"), millrun_pattern::Flags::default(), at)
            }
            ClassMethod::HashNew => {
                if block.is_some() {
                    return self.raise_with(
                        Class::ArgumentError,
                        at,
                        "`Hash.new' with a block is not part of the subset".to_owned(),
                        "use `hash[key] ||= default`",
                    );
                }
                self.reserve(0)?;
                Ok(Value::Hash(
                    self.heap.put(crate::heap::Object::Hash(Vec::new(), first)),
                ))
            }
            ClassMethod::HashIndex => self.invoke(first, Method::ToHash, &[], None, at),
            ClassMethod::ArrayNew => {
                let count = match arguments.first() {
                    Some(Value::Int(count)) => usize::try_from(*count).unwrap_or_default(),
                    Some(list) => return self.invoke(*list, Method::Dup, &[], None, at),
                    None => 0,
                };
                self.reserve(count.saturating_mul(size_of::<Value>()))?;
                let mut list = vec![arguments.get(1).copied().unwrap_or(Value::Nil); count];
                if let Some(block) = block {
                    for (index, slot) in list.iter_mut().enumerate() {
                        *slot = self.call_block(block, &[Value::Int(index as i64)], at)?;
                    }
                }
                self.new_array(list)
            }
            ClassMethod::TextNew => match arguments.first() {
                Some(Value::Text(text)) => {
                    let copy = self.held(*text);
                    self.copy_text(&copy)
                }
                _ => self.copy_text(b""),
            },
            ClassMethod::MathSqrt
            | ClassMethod::MathLog
            | ClassMethod::MathLog10
            | ClassMethod::MathLog2
            | ClassMethod::MathPow
            | ClassMethod::IntegerSqrt => self.math(method, arguments, at),
            ClassMethod::Md5Hex
            | ClassMethod::Sha1Hex
            | ClassMethod::Sha256Hex
            | ClassMethod::Md5Base64
            | ClassMethod::Sha1Base64
            | ClassMethod::Sha256Base64 => {
                let text = self.as_text(first, at)?;
                let len = self.bytes(text).len();
                self.charge(len.saturating_mul(64) + 4096)?;
                let sum = match method {
                    ClassMethod::Md5Hex | ClassMethod::Md5Base64 => digest::md5(self.bytes(text)),
                    ClassMethod::Sha1Hex | ClassMethod::Sha1Base64 => {
                        digest::sha1(self.bytes(text))
                    }
                    _ => digest::sha256(self.bytes(text)),
                };
                let hex = matches!(
                    method,
                    ClassMethod::Md5Hex | ClassMethod::Sha1Hex | ClassMethod::Sha256Hex
                );
                let shown = if hex {
                    digest::hex(&sum)
                } else {
                    base64::encode(&sum, false, false)
                };
                self.new_text(shown.into_bytes())
            }
            ClassMethod::Crc32 => {
                let text = self.as_text(first, at)?;
                let len = self.bytes(text).len();
                self.charge(len.saturating_mul(16))?;
                Ok(Value::Int(i64::from(digest::crc32(self.bytes(text)))))
            }
            ClassMethod::UriEncode => {
                let text = self.as_text(first, at)?;
                let mut out = Vec::new();
                for &byte in self.bytes(text) {
                    match byte {
                        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'*' => {
                            out.push(byte);
                        }
                        b' ' => out.push(b'+'),
                        other => out.extend_from_slice(format!("%{other:02X}").as_bytes()),
                    }
                }
                self.new_text(out)
            }
            ClassMethod::UriDecode => {
                let text = self.as_text(first, at)?;
                let mut out = Vec::new();
                let mut rest = self.bytes(text);
                while let Some((&byte, tail)) = rest.split_first() {
                    rest = tail;
                    let decoded = match byte {
                        b'%' => tail
                            .get(..2)
                            .and_then(|digits| std::str::from_utf8(digits).ok())
                            .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
                        b'+' => {
                            out.push(b' ');
                            continue;
                        }
                        _ => None,
                    };
                    if decoded.is_some() {
                        rest = tail.get(2..).unwrap_or_default();
                    }
                    out.push(decoded.unwrap_or(byte));
                }
                self.new_text(out)
            }
            ClassMethod::KernelFormat => self.function(Function::Format, arguments, None, at),
            ClassMethod::KernelInteger => self.function(Function::Integer, arguments, None, at),
            ClassMethod::KernelFloat => self.function(Function::Float, arguments, None, at),
        }
    }

    fn environment(
        &mut self,
        method: ClassMethod,
        arguments: &[Value],
        block: Option<&Block>,
        at: Span,
    ) -> Run<Value> {
        let name = arguments.first().copied().unwrap_or(Value::Nil);
        let name_text = self.as_text(name, at)?;
        let shown = self.lossy(name_text);
        let value = self.world.variable(&shown);
        match (method, value) {
            (ClassMethod::EnvHasKey, value) => Ok(Value::Bool(value.is_some())),
            (_, Some(value)) => self.new_text(value.into_bytes()),
            (ClassMethod::EnvIndex, None) => Ok(Value::Nil),
            (_, None) => match (block, arguments.get(1)) {
                (Some(block), _) => self.call_block(block, &[name], at),
                (None, Some(default)) => Ok(*default),
                (None, None) => self.raise_with(
                    Class::KeyError,
                    at,
                    format!("key not found: {shown:?}"),
                    "set the environment variable, or give a default as the second argument",
                ),
            },
        }
    }

    fn time_call(&mut self, method: ClassMethod, arguments: &[Value], at: Span) -> Run<Value> {
        let first = arguments.first().copied().unwrap_or(Value::Nil);
        let (seconds, nanoseconds) = self.world.now();
        let now = TimeValue {
            seconds,
            nanoseconds,
            zone: TimeZone::Local,
            kind: TimeKind::Time,
        };
        match method {
            ClassMethod::TimeAt => self.time_at(arguments, at),
            ClassMethod::TimeParse | ClassMethod::TimeIso8601 => {
                let text = self.as_text(first, at)?;
                self.parse_time(text, None, TimeKind::Time, at)
            }
            ClassMethod::DateTimeNow => self.new_time(TimeValue {
                kind: TimeKind::DateTime,
                ..now
            }),
            ClassMethod::DateTimeParse | ClassMethod::DateTimeIso8601 => {
                let text = self.as_text(first, at)?;
                self.parse_time(text, None, TimeKind::DateTime, at)
            }
            ClassMethod::TimeStrptime | ClassMethod::DateTimeStrptime => {
                let text = self.as_text(first, at)?;
                let format = self.as_text(arguments.get(1).copied().unwrap_or(Value::Nil), at)?;
                let kind = if method == ClassMethod::TimeStrptime {
                    TimeKind::Time
                } else {
                    TimeKind::DateTime
                };
                self.parse_time(text, Some(format), kind, at)
            }
            ClassMethod::TimeUtc => self.civil_time(arguments, true, at),
            ClassMethod::TimeLocal if arguments.is_empty() => self.new_time(now),
            ClassMethod::TimeLocal => self.civil_time(arguments, false, at),
            ClassMethod::DateParse => {
                let text = self.as_text(first, at)?;
                self.parse_time(text, None, TimeKind::Date, at)
            }
            ClassMethod::ClockTime => Ok(Value::Float(now.as_float())),
            ClassMethod::DateToday => {
                let now = self.new_time(now)?;
                self.invoke(now, Method::ToDate, &[], None, at)
            }
            _ => self.new_time(now),
        }
    }

    /// `Time.at(seconds, part, unit, in: zone)`.
    fn time_at(&mut self, arguments: &[Value], at: Span) -> Run<Value> {
        let first = arguments.first().copied().unwrap_or(Value::Nil);
        if let Value::Time(id) = first {
            let time = self.heap.time(id);
            return self.new_time(TimeValue {
                kind: TimeKind::Time,
                ..time
            });
        }
        let nanos = match (as_wide(first), as_float(first)) {
            (Some(seconds), _) => seconds.saturating_mul(1_000_000_000),
            (None, Some(seconds)) if seconds.is_finite() => exact_nanos(seconds),
            _ => {
                let shown = self.describe(first);
                return self.raise(
                    Class::TypeError,
                    at,
                    format!("can't convert {shown} into an exact number"),
                );
            }
        };
        let unit = match arguments.get(2) {
            Some(Value::Symbol(unit)) => match self.bytes(*unit) {
                b"millisecond" => 1_000_000.0,
                b"nsec" | b"nanosecond" => 1.0,
                _ => 1_000.0,
            },
            _ => 1_000.0,
        };
        let part = match arguments.get(1).copied() {
            Some(part) => as_float(part).map_or(0, |part| (part * unit) as i128),
            None => 0,
        };
        let zone = match arguments.last() {
            Some(options @ Value::Hash(_)) => self.symbol_option(*options, b"in")?,
            _ => None,
        };
        let time = TimeValue {
            zone: TimeZone::Local,
            ..TimeValue::default()
        };
        let Some(moved) = time.moved(nanos.saturating_add(part)) else {
            return self.raise(Class::RangeError, at, "time out of range");
        };
        let time = self.new_time(moved)?;
        match zone {
            Some(Value::Text(text)) if self.text_equals(text, b"UTC") => {
                self.invoke(time, Method::ToUtc, &[], None, at)
            }
            Some(zone) => self.invoke(time, Method::ToLocal, &[zone], None, at),
            None => Ok(time),
        }
    }

    fn math(&mut self, method: ClassMethod, arguments: &[Value], at: Span) -> Run<Value> {
        let mut numbers = [0.0, 0.0];
        for (number, argument) in numbers.iter_mut().zip(arguments) {
            match as_float(*argument) {
                Some(float) => *number = float,
                None => {
                    let shown = self.describe(*argument);
                    return self.raise(
                        Class::TypeError,
                        at,
                        format!("can't convert {shown} into Float"),
                    );
                }
            }
        }
        let [one, two] = numbers;
        Ok(match method {
            ClassMethod::IntegerSqrt => return self.integer_of(one.sqrt().floor(), at),
            ClassMethod::MathSqrt => Value::Float(one.sqrt()),
            ClassMethod::MathLog if arguments.len() > 1 => Value::Float(one.ln() / two.ln()),
            ClassMethod::MathLog => Value::Float(one.ln()),
            ClassMethod::MathLog10 => Value::Float(one.log10()),
            ClassMethod::MathLog2 => Value::Float(one.log2()),
            _ => Value::Float(one.powf(two)),
        })
    }
}

/// The nanoseconds a float of seconds stands for, cut off as Ruby cuts its exact value.
fn exact_nanos(seconds: f64) -> i128 {
    let whole = seconds.floor();
    let fraction = ((seconds - whole) * 1e9).floor();
    (whole as i128)
        .saturating_mul(1_000_000_000)
        .saturating_add(fraction as i128)
}
