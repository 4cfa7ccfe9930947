//! Registers and stack of another thread, taken by a signal to it.
//!
//! ```text
//!   dumping thread                              the other thread
//!   TURN := WANTED n                            whatever it does
//!   rt_tgsigqueueinfo(thread, n) ─────────────► handler: TURN = WANTED n? → BUSY n
//!   waits, at most as long as told              registers → REGISTERS
//!                                               pwrite(memory file, stack pointer …): a fault ends it
//!   reads registers and file  ◄──────────────── TURN := DONE n
//! ```
//!
//! The handler makes one system call and touches atomics, nothing else: it neither unwinds nor allocates
//! nor locks, so it is safe wherever it interrupts, in the allocator and in the loader, too. The copy is
//! unwound later, elsewhere. `pwrite` reads the stack on the kernel's side: what is not mapped ends the copy
//! instead of the process. A signal that comes late finds another number in `TURN`, and does nothing.
//!
//! As with any handler, a system call that the thread waits in may return early, with EINTR.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::memory::memory_file;

/// How much of a stack is looked at, from its youngest end. What called that is not seen.
const STACK_LEN_MAX: usize = 512 * 1024;

/// How long a handler that has begun is waited for: it may be kept from running.
const COPY_MAX: Duration = Duration::from_millis(500);

/// Distance between two looks at whether it is done.
const LOOK_INTERVAL: Duration = Duration::from_micros(50);

/// Registers by their DWARF numbers: 16 on x86-64, 32 (the last one is the stack pointer) on aarch64.
pub(crate) const REGISTERS: usize = 32;

/// What is in the low bits of `TURN`; the rest is the number of the request.
const IDLE: u64 = 0;
const WANTED: u64 = 1;
const BUSY: u64 = 2;
const DONE: u64 = 3;

static TURN: AtomicU64 = AtomicU64::new(IDLE);
static STACK_FILE: AtomicI32 = AtomicI32::new(-1);
static STACK_LEN: AtomicUsize = AtomicUsize::new(0);
static COUNTER: AtomicU64 = AtomicU64::new(IDLE);
static VALUES: [AtomicU64; REGISTERS] = [const { AtomicU64::new(0) }; REGISTERS];

/// What a thread was doing.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "backtrace"),
    allow(dead_code, reason = "without tables the stack says nothing")
)]
pub(crate) struct Snapshot {
    /// Address of the next instruction.
    pub(crate) counter: u64,
    pub(crate) registers: [u64; REGISTERS],
    /// The bytes from the stack pointer on.
    pub(crate) stack: Vec<u8>,
}

/// Takes snapshots of threads of this process, one at a time.
#[derive(Debug)]
pub(crate) struct Camera {
    file: File,
    signal: i32,
}

impl Camera {
    /// Makes this process ready for snapshots. For one thread at a time; `false` of
    /// [`Self::is_free`] tells others.
    ///
    /// # Errors
    ///
    /// The signal belongs to the program, or another snapshot is not finished.
    pub(crate) fn new() -> io::Result<Self> {
        let signal = capture_signal();
        if !is_free() {
            return Err(io::Error::other("a thread is still being looked at"));
        }
        install(signal)?;
        let file = File::from(memory_file()?);
        STACK_FILE.store(file.as_raw_fd(), Ordering::Relaxed);
        Ok(Self { file, signal })
    }

    /// Takes a snapshot of a thread that answers within `patience`. `Ok(None)`: it did not.
    pub(crate) fn shoot(&self, thread: u32, patience: Duration) -> io::Result<Option<Snapshot>> {
        if !is_free() {
            return Err(io::Error::other(
                "an earlier thread is still being looked at",
            ));
        }
        let number = TURN.load(Ordering::Relaxed) >> 2;
        let turn = |state: u64| number.wrapping_add(1) << 2 | state;
        TURN.store(turn(WANTED), Ordering::Release);
        queue(thread, self.signal, turn(WANTED))
            .inspect_err(|_| TURN.store(turn(IDLE), Ordering::Release))?;
        let start = Instant::now();
        while TURN.load(Ordering::Acquire) != turn(DONE) {
            let waited = start.elapsed();
            if waited >= patience {
                let given_up = TURN.compare_exchange(
                    turn(WANTED),
                    turn(IDLE),
                    Ordering::AcqRel,
                    Ordering::Acquire,
                );
                if given_up.is_ok() {
                    return Ok(None);
                }
            }
            if waited >= patience.saturating_add(COPY_MAX) {
                // Until it ends, `TURN` stays busy, and nobody else is asked.
                return Ok(None);
            }
            sleep(LOOK_INTERVAL);
        }
        let mut stack = vec![0; STACK_LEN.load(Ordering::Relaxed).min(STACK_LEN_MAX)];
        let read = self.file.read_exact_at(&mut stack, 0);
        let snapshot = Snapshot {
            counter: COUNTER.load(Ordering::Relaxed),
            registers: std::array::from_fn(|it| {
                VALUES
                    .get(it)
                    .map_or(0, |value| value.load(Ordering::Relaxed))
            }),
            stack,
        };
        TURN.store(turn(IDLE), Ordering::Release);
        read.map(|()| Some(snapshot))
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // A handler that is still at work writes to no file rather than to somebody else's.
        STACK_FILE.store(-1, Ordering::Relaxed);
    }
}

/// Returns the signal that asks a thread for its registers. Real-time, so that it carries a number, and
/// far from both ends of their range, where others look for theirs.
pub(crate) fn capture_signal() -> i32 {
    libc::SIGRTMAX() - 5
}

fn is_free() -> bool {
    matches!(TURN.load(Ordering::Acquire) & 3, IDLE | DONE)
}

/// Installs the handler, for good: a signal that comes late must find it.
fn install(signal: i32) -> io::Result<()> {
    let mut present = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: A null new action changes nothing; the old one is written to memory that is ours.
    Errno::result(unsafe { libc::sigaction(signal, std::ptr::null(), present.as_mut_ptr()) })?;
    // SAFETY: Zeroed, and then written by the kernel: plain data in any case.
    let present = unsafe { present.assume_init() }.sa_sigaction;
    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
    let handler = handler as libc::sighandler_t;
    if present == handler {
        return Ok(());
    }
    if present != libc::SIG_DFL {
        return Err(io::Error::other(format!(
            "signal {signal} is in use by the program"
        )));
    }
    // SAFETY: `sigaction` is plain data for which zero is a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: The handler is async-signal-safe: atomics, and one system call on the kernel's side.
    Errno::result(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) })?;
    Ok(())
}

extern "C" fn on_signal(_: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    if info.is_null() || context.is_null() {
        return;
    }
    // SAFETY: With SA_SIGINFO the kernel passes a siginfo; `queue` put a number where a pointer could be.
    let wanted = unsafe { (*info).si_value() }.sival_ptr.addr() as u64;
    let busy = wanted & !3 | BUSY;
    if wanted & 3 != WANTED
        || TURN
            .compare_exchange(wanted, busy, Ordering::AcqRel, Ordering::Acquire)
            .is_err()
    {
        return;
    }
    // SAFETY: errno is this thread's own.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: With SA_SIGINFO the third argument is the context that was interrupted.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    let stack = keep_registers(context);
    // SAFETY: The kernel reads what is there and stops at what is not; this process only names it.
    let written = unsafe {
        libc::pwrite(
            STACK_FILE.load(Ordering::Relaxed),
            std::ptr::with_exposed_provenance(stack),
            STACK_LEN_MAX,
            0,
        )
    };
    STACK_LEN.store(usize::try_from(written).unwrap_or(0), Ordering::Relaxed);
    // SAFETY: As above.
    unsafe { *libc::__errno_location() = errno };
    TURN.store(wanted & !3 | DONE, Ordering::Release);
}

/// Returns the stack pointer.
#[cfg(target_arch = "x86_64")]
fn keep_registers(context: &libc::ucontext_t) -> usize {
    use libc::{
        REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RAX, REG_RBP,
        REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP,
    };
    let order = [
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9,
        REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
    ];
    let read = |number: i32| {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let value = context.uc_mcontext.gregs.get(place);
        value.map_or(0, |it| it.cast_unsigned())
    };
    for (value, number) in VALUES.iter().zip(order) {
        value.store(read(number), Ordering::Relaxed);
    }
    COUNTER.store(read(REG_RIP), Ordering::Relaxed);
    usize::try_from(read(REG_RSP)).unwrap_or(0)
}

/// Returns the stack pointer.
#[cfg(target_arch = "aarch64")]
fn keep_registers(context: &libc::ucontext_t) -> usize {
    let machine = &context.uc_mcontext;
    let numbered = machine.regs.iter().copied().chain([machine.sp]);
    for (value, register) in VALUES.iter().zip(numbered) {
        value.store(register, Ordering::Relaxed);
    }
    COUNTER.store(machine.pc, Ordering::Relaxed);
    usize::try_from(machine.sp).unwrap_or(0)
}

/// Elsewhere nobody knows the registers: the stack is not looked at.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn keep_registers(_context: &libc::ucontext_t) -> usize {
    COUNTER.store(0, Ordering::Relaxed);
    0
}

/// A siginfo of a queued signal, as the kernel lays it out on 64-bit machines.
#[repr(C)]
struct Queued {
    signal: i32,
    errno: i32,
    code: i32,
    padding: i32,
    sender: i32,
    user: u32,
    value: u64,
    rest: [u64; 12],
}

/// Sends a thread of this process a signal with a number.
fn queue(thread: u32, signal: i32, value: u64) -> io::Result<()> {
    let sender = std::process::id().cast_signed();
    let info = Queued {
        signal,
        errno: 0,
        code: libc::SI_QUEUE,
        padding: 0,
        sender,
        user: nix::unistd::getuid().as_raw(),
        value,
        rest: [0; 12],
    };
    // SAFETY: `info` is valid for the call and as long as the kernel's siginfo (128 bytes).
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            sender,
            thread.cast_signed(),
            signal,
            &raw const info,
        )
    };
    Errno::result(result)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn a_snapshot_holds_the_stack_and_a_deaf_thread_is_given_up() {
        assert_eq!(size_of::<Queued>(), size_of::<libc::siginfo_t>());
        let camera = Camera::new().unwrap();
        let (said, number) = channel();
        let (end, ends) = channel::<()>();
        let other = std::thread::spawn(move || {
            let marker = std::hint::black_box([0x0123_4567_89ab_cdef_u64; 4]);
            said.send((nix::unistd::gettid().as_raw(), marker[0]))
                .unwrap();
            let _ = ends.recv();
            std::hint::black_box(&marker);
        });
        let (thread, marker) = number.recv().unwrap();
        let thread = thread.cast_unsigned();
        let snapshot = camera.shoot(thread, PATIENCE).unwrap().unwrap();
        let marker = marker.to_le_bytes();
        assert!(snapshot.stack.windows(8).any(|it| it == marker));
        assert_ne!(snapshot.counter, 0);
        drop(end);
        other.join().unwrap();
        // A joined thread is still known to the kernel for a moment.
        while std::fs::exists(format!("/proc/self/task/{thread}")).unwrap() {
            std::thread::yield_now();
        }
        assert!(camera.shoot(thread, PATIENCE).is_err(), "nobody is there");

        let (said, number) = channel();
        let (end, ends) = channel::<()>();
        let deaf = std::thread::spawn(move || {
            let all = nix::sys::signal::SigSet::all();
            all.thread_block().unwrap();
            said.send(nix::unistd::gettid().as_raw()).unwrap();
            let _ = ends.recv();
        });
        let thread = number.recv().unwrap().cast_unsigned();
        let patience = Duration::from_millis(20);
        assert!(camera.shoot(thread, patience).unwrap().is_none());
        let own = nix::unistd::gettid().as_raw().cast_unsigned();
        assert!(camera.shoot(own, PATIENCE).unwrap().is_some(), "itself");
        drop(end);
        deaf.join().unwrap();
    }
}
