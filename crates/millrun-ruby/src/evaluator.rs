//! Running programs: once for a value of a configuration, or over the records of a stream.

use millrun_event::{EventTime, Record};

use crate::{
    error::{ErrorKind, RubyError},
    heap::Heap,
    limits::Limits,
    machine::Machine,
    program::Program,
    value::{Run, Stop, Value},
    world::World,
};

/// What an expression came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluated {
    /// Text that takes the expression's place; `nil` gives an empty one.
    Text(String),
    /// `use_nil`: the whole value is nothing.
    Nil,
    /// `use_default`: the whole value is as if it had not been written.
    Default,
}

/// Runs programs in one world, one after the other; keeps its memory from one to the next.
#[derive(Debug)]
pub struct Evaluator<W> {
    world: W,
    limits: Limits,
    heap: Heap,
}

/// What a record's expressions are about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs<'r> {
    pub(crate) record: &'r [u8],
    pub(crate) tag: &'r [u8],
    pub(crate) time: (i64, u32),
}

/// One event, whose expressions may see and change one record one after the other.
#[derive(Debug)]
pub struct Event<'r, W> {
    evaluator: &'r mut Evaluator<W>,
    inputs: Inputs<'r>,
}

impl<W: World> Evaluator<W> {
    /// An evaluator in `world` under the default [`Limits`].
    pub fn new(world: W) -> Self {
        Self::with_limits(world, Limits::default())
    }

    /// An evaluator in `world` under `limits`.
    pub fn with_limits(world: W, limits: Limits) -> Self {
        Self {
            world,
            limits,
            heap: Heap::default(),
        }
    }

    /// The world, to be changed between evaluations.
    pub fn world_mut(&mut self) -> &mut W {
        &mut self.world
    }

    /// What an expression of a configuration comes to, as text.
    ///
    /// # Errors
    /// An exception that nothing rescued, and limits.
    pub fn text(&mut self, program: &Program) -> Result<Evaluated, RubyError> {
        self.with_text(program, |machine, value| {
            let mut text = Vec::new();
            machine.write_text(value, &mut text)?;
            Ok(text)
        })
        .map_err(|error| program.hinted(error))
    }

    /// The same as Ruby's `inspect` shows it, for tests and consoles.
    ///
    /// # Errors
    /// Those of [`text`](Self::text).
    pub fn inspect(&mut self, program: &Program) -> Result<Evaluated, RubyError> {
        self.with_text(program, |machine, value| {
            let mut text = Vec::new();
            machine.write_inspect(value, &mut text)?;
            Ok(text)
        })
    }

    fn with_text(
        &mut self,
        program: &Program,
        show: impl FnOnce(&mut Machine<'_>, Value) -> Run<Vec<u8>>,
    ) -> Result<Evaluated, RubyError> {
        let inputs = Inputs {
            record: &[0x80],
            tag: b"",
            time: (0, 0),
        };
        self.heap.reset();
        let text = self.run(program, inputs, show);
        match text {
            Ok(text) => Ok(Evaluated::Text(String::from_utf8_lossy(&text).into_owned())),
            Err(Stop::UseNil) => Ok(Evaluated::Nil),
            Err(Stop::UseDefault) => Ok(Evaluated::Default),
            Err(stop) => Err(into_error(stop).moved(program.shift)),
        }
    }

    /// Begins an event: `record` is the bytes of its map, `tag` its tag.
    pub fn event<'r>(
        &'r mut self,
        record: Record<'r>,
        tag: &'r str,
        time: EventTime,
    ) -> Event<'r, W> {
        self.heap.reset();
        Event {
            inputs: Inputs {
                record: record.bytes(),
                tag: tag.as_bytes(),
                time: (i64::from(time.seconds), time.nanoseconds.min(999_999_999)),
            },
            evaluator: self,
        }
    }

    fn run<T>(
        &mut self,
        program: &Program,
        inputs: Inputs<'_>,
        finish: impl FnOnce(&mut Machine<'_>, Value) -> Run<T>,
    ) -> Run<T> {
        self.heap.slots.clear();
        self.heap.slots.resize(program.slots as usize, Value::Nil);
        // Each program of an event has its own steps; memory is the event's.
        self.heap.steps = 0;
        self.heap.depth = 0;
        self.heap.last_match = None;
        let mut machine = Machine {
            heap: &mut self.heap,
            world: &mut self.world,
            inputs,
            limits: self.limits,
            program,
        };
        let value = match machine.eval(&program.body) {
            Ok(value) | Err(Stop::Return(value) | Stop::Next(value) | Stop::Break(value)) => value,
            Err(stop) => return Err(stop),
        };
        finish(&mut machine, value)
    }
}

impl<W: World> Event<'_, W> {
    /// Evaluates `program` and appends its value to `out` as msgpack. On an error `out` is as before.
    ///
    /// # Errors
    /// An exception that nothing rescued, and limits.
    pub fn evaluate(&mut self, program: &Program, out: &mut Vec<u8>) -> Result<(), RubyError> {
        let start = out.len();
        self.evaluator
            .run(program, self.inputs, |machine, value| {
                machine.write_msgpack(value, out)
            })
            .map_err(|stop| {
                out.truncate(start);
                into_error(stop).moved(program.shift)
            })
    }

    /// Evaluates `program` and puts its value into the record under `key`, where later programs see it.
    ///
    /// # Errors
    /// An exception that nothing rescued, and limits; the record is as before.
    pub fn assign(&mut self, key: &[u8], program: &Program) -> Result<(), RubyError> {
        self.evaluator
            .run(program, self.inputs, |machine, value| {
                machine.assign_field(key, value)
            })
            .map_err(|stop| into_error(stop).moved(program.shift))
    }

    /// Whether a program looked so closely at the record that it may have changed it. If not, the record's bytes are
    /// what they were.
    #[must_use]
    pub fn may_have_changed(&self) -> bool {
        !self.evaluator.heap.promoted.is_empty()
    }

    /// Appends the pairs the record came with, each with its value as it is now. What expressions added to or took out
    /// of the record itself does not show, what they did within its values does: a copy of the record that was made
    /// before they ran sees it so.
    ///
    /// # Errors
    /// Limits.
    pub fn record_as_it_came(&mut self, out: &mut Vec<u8>) -> Result<(), RubyError> {
        if !self.may_have_changed() {
            out.extend_from_slice(self.inputs.record);
            return Ok(());
        }
        let start = out.len();
        let program = Program::of_record();
        let inputs = self.inputs;
        self.evaluator
            .run(&program, inputs, |machine, _| {
                machine.write_pairs_as_they_came(out)
            })
            .map_err(|stop| {
                out.truncate(start);
                into_error(stop)
            })
    }

    /// Appends the record as it is now, with what expressions did to it.
    ///
    /// # Errors
    /// Limits.
    pub fn record(&mut self, out: &mut Vec<u8>) -> Result<(), RubyError> {
        if !self.may_have_changed() {
            out.extend_from_slice(self.inputs.record);
            return Ok(());
        }
        let start = out.len();
        let program = Program::of_record();
        let inputs = self.inputs;
        self.evaluator
            .run(&program, inputs, |machine, value| {
                machine.write_msgpack(value, out)
            })
            .map_err(|stop| {
                out.truncate(start);
                into_error(stop)
            })
    }
}

fn into_error(stop: Stop) -> RubyError {
    match stop {
        Stop::Limit(error) => *error,
        Stop::Raise(raised) => RubyError {
            hint: raised.hint.clone(),
            ..RubyError::new(
                ErrorKind::Raised(raised.class.name()),
                raised.at,
                raised.message,
            )
        },
        // The parser knows these names only where they mean something, and the caller has taken the others.
        Stop::UseNil | Stop::UseDefault | Stop::Break(_) | Stop::Next(_) | Stop::Return(_) => {
            RubyError::new(
                ErrorKind::Raised("LocalJumpError"),
                crate::error::Span::default(),
                "the expression leaves something it is not in",
            )
        }
    }
}
