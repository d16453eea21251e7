//! Makes a program on `io_uring` countable: preloaded under callgrind, it waits for completions in `ppoll`.
//!
//! Valgrind runs one thread at a time and takes turns in every system call that may wait; 3.19 does not know that
//! `io_uring_enter` may. A worker that waits there stops the whole process, its accept thread and its end too. So
//! this library stands before the C library's `syscall` and makes of a waiting `io_uring_enter` three calls:
//! submit, wait in `ppoll`, collect. Everything else goes through.
//!
//! - Owns: an eventfd for each ring; a ring that defers its work wakes no `ppoll` of its own descriptor.
//! - Invariants: a caller sees what the kernel would have answered, but more than one completion is never waited
//!   for; nothing here calls out, so that its own instructions can be told apart and left out.
//! - Limits: [`RINGS_MAX`]; a ring beyond it, or entered by its registered number, waits as before. x86-64 and
//!   aarch64.
//!
//! Read next: `src/callgrind.rs`, which preloads it; `docs/adr/0006-bare-peers-may-be-unsafe.md`.
#![deny(unsafe_code)]
#![allow(clippy::many_single_char_names)] // the words of a system call have no other names

use std::arch::asm;
use std::ffi::{c_int, c_long};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI32, Ordering};

/// Descriptors below this may be rings.
const RINGS_MAX: usize = 1024;

#[cfg(target_arch = "x86_64")]
mod number {
    use std::ffi::c_long;
    pub(crate) const READ: c_long = 0;
    pub(crate) const PPOLL: c_long = 271;
    pub(crate) const EVENTFD2: c_long = 290;
}
#[cfg(target_arch = "aarch64")]
mod number {
    use std::ffi::c_long;
    pub(crate) const READ: c_long = 63;
    pub(crate) const PPOLL: c_long = 73;
    pub(crate) const EVENTFD2: c_long = 19;
}
const IO_URING_SETUP: c_long = 425;
const IO_URING_ENTER: c_long = 426;
const IO_URING_REGISTER: c_long = 427;

const GET_EVENTS: c_long = 1;
const EXTENDED_ARGUMENT: c_long = 1 << 3;
const REGISTERED_RING: c_long = 1 << 4;
const REGISTER_EVENTFD: c_long = 4;
/// Non-blocking, closed on exec.
const EVENTFD_FLAGS: c_long = 0o2_004_000;
const POLL_IN: i16 = 1;
const TIMER_EXPIRED: c_long = 62;
const SECOND_NS: i64 = 1_000_000_000;
/// A bell that is rung from within the ringing of another may stay silent (Linux 6.18), so it is looked after.
const STEP_NS: i64 = 1_000_000;
const ERRORS: RangeInclusive<c_long> = -4095..=-1;

/// For each ring its eventfd; 0 for what is no ring.
static BELLS: [AtomicI32; RINGS_MAX] = [const { AtomicI32::new(0) }; RINGS_MAX];

/// What `syscall(2)` takes after the number.
type Words = [c_long; 6];

#[repr(C)]
#[derive(Clone, Copy)]
struct Time {
    seconds: i64,
    nanoseconds: i64,
}

/// `struct io_uring_getevents_arg`.
#[repr(C)]
struct WaitArgument {
    signals: u64,
    signals_bytes: u32,
    wait_min_us: u32,
    time: *const Time,
}

/// `struct pollfd`.
#[repr(C)]
struct Polled {
    fd: c_int,
    wanted: i16,
    ready: i16,
}

#[allow(unsafe_code)]
unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
}

/// Takes the place of `syscall(2)`: variadic there, and six words in registers all the same.
///
/// # Safety
///
/// That of the system call it is asked for.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    let words = [a, b, c, d, e, f];
    let waits = number == IO_URING_ENTER && c > 0 && d & GET_EVENTS != 0 && d & REGISTERED_RING == 0;
    let answer = match bell_of(a) {
        // SAFETY: this is that call; the caller answers for it.
        Some(bell) if waits => unsafe { enter(words, bell) },
        // SAFETY: the caller answers for its call.
        _ => unsafe { call(number, words) },
    };
    if number == IO_URING_SETUP && answer >= 0 {
        hang_bell(answer);
    }
    if ERRORS.contains(&answer) {
        // SAFETY: the C library gives each thread its own.
        unsafe { *__errno_location() = -answer as c_int };
        return -1;
    }
    answer
}

fn bell_of(fd: c_long) -> Option<c_int> {
    let bell = BELLS.get(usize::try_from(fd).ok()?)?.load(Ordering::Relaxed);
    (bell > 0).then_some(bell)
}

/// Has the kernel ring an eventfd when there is work for this ring. Without one it waits as before.
fn hang_bell(ring: c_long) {
    let Some(place) = usize::try_from(ring).ok().and_then(|ring| BELLS.get(ring)) else { return };
    #[allow(unsafe_code)]
    // SAFETY: the call touches no memory.
    let bell = unsafe { call(number::EVENTFD2, [0, EVENTFD_FLAGS, 0, 0, 0, 0]) } as c_int;
    let words = [ring, REGISTER_EVENTFD, &raw const bell as c_long, 1, 0, 0];
    #[allow(unsafe_code)]
    // SAFETY: the address is of a local that outlives the call.
    let answer = unsafe { call(IO_URING_REGISTER, words) };
    place.store(if answer == 0 { bell } else { 0 }, Ordering::Relaxed);
}

/// Submits, waits, collects. The words are those of `io_uring_enter(2)`.
#[allow(unsafe_code)]
unsafe fn enter(words: Words, bell: c_int) -> c_long {
    let [ring, submissions, _, flags, argument, argument_bytes] = words;
    // SAFETY: this is the caller's call, but for the wait.
    let at_once = |count| unsafe { call(IO_URING_ENTER, [ring, count, 0, flags, argument, argument_bytes]) };
    let submitted = at_once(submissions);
    if submitted < 0 {
        return submitted;
    }
    // SAFETY: the caller said by the flag what the argument is.
    let time = unsafe { time_of(flags, argument) };
    let waited = wait_for(ring as c_int, bell, time);
    let collected = at_once(0);
    match (submitted, waited) {
        (1.., _) => submitted,
        (_, 0) => -TIMER_EXPIRED,
        (_, ..0) => waited,
        _ => collected,
    }
}

#[allow(unsafe_code)]
unsafe fn time_of(flags: c_long, argument: c_long) -> Option<Time> {
    if flags & EXTENDED_ARGUMENT == 0 || argument == 0 {
        return None;
    }
    // SAFETY: with that flag, the argument is the address of such a struct, and its time is null or valid.
    unsafe { (*(argument as *const WaitArgument)).time.as_ref().copied() }
}

/// Waits until the ring has completions, or work that will be, and silences its bell.
fn wait_for(ring: c_int, bell: c_int, time: Option<Time>) -> c_long {
    let mut left = time.map(|time| time.seconds * SECOND_NS + time.nanoseconds);
    loop {
        let step = left.map_or(STEP_NS, |left| left.min(STEP_NS));
        let waited = step_of(ring, bell, step);
        left = left.map(|left| left - step);
        if waited != 0 || left.is_some_and(|left| left <= 0) {
            return waited;
        }
    }
}

fn step_of(ring: c_int, bell: c_int, nanoseconds: i64) -> c_long {
    let mut polled = [ring, bell].map(|fd| Polled { fd, wanted: POLL_IN, ready: 0 });
    let mut time = Time { seconds: 0, nanoseconds };
    let mut count = 0_u64;
    #[allow(unsafe_code)]
    // SAFETY: all addresses are of locals that outlive the calls; a counter is eight bytes.
    unsafe {
        let waited =
            call(number::PPOLL, [polled.as_mut_ptr() as c_long, 2, &raw mut time as c_long, 0, 0, 0]);
        if polled[1].ready != 0 {
            call(number::READ, [c_long::from(bell), &raw mut count as c_long, 8, 0, 0, 0]);
        }
        waited
    }
}

/// The system call itself; errors come as negative numbers.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
unsafe fn call(number: c_long, [a, b, c, d, e, f]: Words) -> c_long {
    let answer;
    // SAFETY: the registers are those of the kernel's convention, which changes these and no others.
    unsafe {
        asm!("syscall", inlateout("rax") number => answer, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    answer
}

/// The system call itself; errors come as negative numbers.
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
unsafe fn call(number: c_long, [a, b, c, d, e, f]: Words) -> c_long {
    let answer;
    // SAFETY: the registers are those of the kernel's convention, which changes the first and no others.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a => answer, in("x1") b, in("x2") c, in("x3") d,
            in("x4") e, in("x5") f, options(nostack));
    }
    answer
}
