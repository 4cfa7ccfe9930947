//! From registers and a copy of the stack to return addresses, by the tables of `.eh_frame`.
//!
//! Each step looks up the row of the table for an address: how the caller's stack pointer follows from the
//! registers, and where the callee keeps the registers it must give back. Values come from the copy only; what
//! is not in it ends the walk, and so do a stack that does not grow towards its old end, and code without
//! tables.

use std::collections::BTreeMap;

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, Encoding, EvaluationResult, Format, LittleEndian,
    ParsedEhFrameHdr, Pointer, Register, RegisterRule, UnwindContext, UnwindExpression,
    UnwindSection, Value,
};

use crate::sys::{self, REGISTERS, Snapshot};

use super::elf::Segment;
use super::modules::{Module, Modules};
use super::{FRAMES_MAX, Frame};

/// Longest table of one file that is looked at, in bytes.
const TABLE_LEN_MAX: u64 = 64 * 1024 * 1024;

type Bytes<'a> = gimli::EndianSlice<'a, LittleEndian>;

/// DWARF number of the stack pointer.
#[cfg(target_arch = "x86_64")]
const STACK_POINTER: u16 = 7;
#[cfg(not(target_arch = "x86_64"))]
const STACK_POINTER: u16 = 31;

const WORD_LEN: u8 = 8;

/// Walks stacks. Tables are read when they are first needed, and kept.
pub(super) struct Unwinder<'a> {
    modules: &'a Modules,
    tables: BTreeMap<usize, Option<Tables>>,
    context: UnwindContext<usize>,
}

/// The tables of one file, copied from memory. Addresses are the file's own.
struct Tables {
    header: Vec<u8>,
    frames: Vec<u8>,
    bases: BaseAddresses,
}

/// The registers of one frame, and the stack that all frames share.
struct Machine<'a> {
    registers: [Option<u64>; REGISTERS],
    counter: u64,
    stack: &'a [u8],
    stack_start: u64,
}

impl<'a> Unwinder<'a> {
    pub(super) fn new(modules: &'a Modules) -> Self {
        Self {
            modules,
            tables: BTreeMap::new(),
            context: UnwindContext::new(),
        }
    }

    /// Returns the frames of a thread, the youngest first.
    pub(super) fn frames(&mut self, snapshot: &Snapshot) -> Vec<Frame> {
        let mut machine = Machine::of(snapshot);
        let mut frames = Vec::new();
        // A return address may be the first one after its function, so the call is looked up; the address
        // that was interrupted is looked up itself.
        let mut back = 0;
        while frames.len() < FRAMES_MAX && machine.counter != 0 {
            frames.push(Frame {
                address: machine.counter.wrapping_sub(back),
                text: String::new(),
            });
            match self.step(&mut machine, back) {
                Some(interrupted) => back = u64::from(!interrupted),
                None => break,
            }
        }
        frames
    }

    /// Goes to the caller. Returns whether this one was a signal handler's frame: then the caller was
    /// interrupted, and did not call.
    fn step(&mut self, machine: &mut Machine<'_>, back: u64) -> Option<bool> {
        let address = machine.counter.wrapping_sub(back);
        let position = self.modules.position(address)?;
        let module = self.modules.all().get(position)?;
        let tables = self.tables.entry(position);
        let tables = tables.or_insert_with(|| Tables::of(module)).as_ref()?;
        tables.step(module.own_address(address), machine, &mut self.context)
    }
}

impl Tables {
    fn of(module: &Module) -> Option<Self> {
        let mut segments = module.segments().iter();
        let header = segments.find(|it| it.is_eh_frame_header())?;
        let header_bytes = copy(module, header.address, header.len)?;
        let bases = BaseAddresses::default().set_eh_frame_hdr(header.address);
        let parsed = EhFrameHdr::new(&header_bytes, LittleEndian);
        let parsed = parsed.parse(&bases, WORD_LEN).ok()?;
        let start = direct(parsed.eh_frame_ptr())?;
        // Where it ends is not said; not after the segment it is in, and it has an end mark.
        let holds = |it: &&Segment| {
            let end = it.address.saturating_add(it.len);
            it.is_loaded() && (it.address..end).contains(&start)
        };
        let segment = module.segments().iter().find(holds)?;
        let len = segment
            .address
            .saturating_add(segment.len)
            .checked_sub(start)?;
        Some(Self {
            frames: copy(module, start, len)?,
            bases: bases.set_eh_frame(start),
            header: header_bytes,
        })
    }

    fn step(
        &self,
        address: u64,
        machine: &mut Machine<'_>,
        context: &mut UnwindContext<usize>,
    ) -> Option<bool> {
        let frames = EhFrame::new(&self.frames, LittleEndian);
        let header: ParsedEhFrameHdr<Bytes<'_>> = EhFrameHdr::new(&self.header, LittleEndian)
            .parse(&self.bases, WORD_LEN)
            .ok()?;
        let find = EhFrame::cie_from_offset;
        let entry = header
            .table()?
            .fde_for_address(&frames, &self.bases, address, find)
            .ok()?;
        let row = entry
            .unwind_info_for_address(&frames, &self.bases, context, address)
            .ok()?;
        let encoding = entry.cie().encoding();
        let frame_address = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                machine.register(*register)?.wrapping_add_signed(*offset)
            }
            CfaRule::Expression(expression) => {
                machine.evaluate(&frames, *expression, encoding, None)?
            }
        };
        if frame_address <= machine.stack_pointer()? {
            return None;
        }
        let mut caller = machine.registers;
        for (register, rule) in row.registers().cloned() {
            let value = match rule {
                RegisterRule::Undefined | RegisterRule::Architectural => None,
                RegisterRule::SameValue => continue,
                RegisterRule::Offset(offset) => {
                    machine.word(frame_address.wrapping_add_signed(offset))
                }
                RegisterRule::ValOffset(offset) => Some(frame_address.wrapping_add_signed(offset)),
                RegisterRule::Register(other) => machine.register(other),
                RegisterRule::Expression(expression) => machine
                    .evaluate(&frames, expression, encoding, Some(frame_address))
                    .and_then(|place| machine.word(place)),
                RegisterRule::ValExpression(expression) => {
                    machine.evaluate(&frames, expression, encoding, Some(frame_address))
                }
                RegisterRule::Constant(value) => Some(value),
            };
            if let Some(place) = caller.get_mut(usize::from(register.0)) {
                *place = value;
            }
        }
        let return_register = entry.cie().return_address_register();
        let stack_pointer_rule = row.register(Register(STACK_POINTER));
        if stack_pointer_rule.is_none()
            && let Some(place) = caller.get_mut(usize::from(STACK_POINTER))
        {
            *place = Some(frame_address);
        }
        let counter = caller.get(usize::from(return_register.0)).copied()??;
        if counter == machine.counter && caller == machine.registers {
            return None;
        }
        machine.registers = caller;
        machine.counter = counter;
        Some(entry.is_signal_trampoline())
    }
}

impl<'a> Machine<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let stack_start = snapshot.registers.get(usize::from(STACK_POINTER));
        Self {
            registers: snapshot.registers.map(Some),
            counter: snapshot.counter,
            stack: &snapshot.stack,
            stack_start: stack_start.copied().unwrap_or(0),
        }
    }

    fn register(&self, register: Register) -> Option<u64> {
        *self.registers.get(usize::from(register.0))?
    }

    fn stack_pointer(&self) -> Option<u64> {
        self.register(Register(STACK_POINTER))
    }

    /// Returns a word of the stack.
    fn word(&self, address: u64) -> Option<u64> {
        let place = usize::try_from(address.checked_sub(self.stack_start)?).ok()?;
        let bytes = self.stack.get(place..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }

    fn evaluate(
        &self,
        frames: &EhFrame<Bytes<'_>>,
        expression: UnwindExpression<usize>,
        encoding: Encoding,
        initial: Option<u64>,
    ) -> Option<u64> {
        let encoding = Encoding {
            format: Format::Dwarf32,
            ..encoding
        };
        let mut evaluation = expression.get(frames).ok()?.evaluation(encoding);
        evaluation.set_max_iterations(1_000);
        if let Some(value) = initial {
            evaluation.set_initial_value(value);
        }
        let mut result = evaluation.evaluate().ok()?;
        loop {
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresMemory { address, .. } => {
                    let value = Value::Generic(self.word(address)?);
                    evaluation.resume_with_memory(value).ok()?
                }
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = Value::Generic(self.register(register)?);
                    evaluation.resume_with_register(value).ok()?
                }
                // Tables for unwinding need nothing else.
                _ => return None,
            };
        }
        evaluation.value_result()?.to_u64(u64::MAX).ok()
    }
}

fn direct(pointer: Pointer) -> Option<u64> {
    match pointer {
        Pointer::Direct(address) => Some(address),
        Pointer::Indirect(_) => None,
    }
}

/// Copies a part of a file as it is in memory.
fn copy(module: &Module, address: u64, len: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len.min(TABLE_LEN_MAX)).ok()?];
    let read = sys::read_own_memory(module.address(address), &mut bytes).ok()?;
    bytes.truncate(read);
    Some(bytes)
}
