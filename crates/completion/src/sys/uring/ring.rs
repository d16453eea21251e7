//! One io_uring: pushing operations, entering the kernel, taking completions out.
//!
//! Asked for `SINGLE_ISSUER`, `DEFER_TASKRUN`: completions are made only while this thread waits for them, in its
//! cache, and interrupt nobody. A kernel without them gets the next best. The ring is made disabled and belongs
//! to the thread that first waits on it.
//!
//! Invariants: what was pushed has been handed to the kernel when `submit` or `wait` has returned; completions
//! that found the queue full are kept by the kernel (`NODROP`) and come with a later `wait` (`keeps_completions`).
//! Limits: `SUBMISSIONS` pushed at once, then they are handed over early; `COMPLETIONS` waiting.
//! Read next: `mod.rs`.

use std::io;
use std::time::Duration;

use io_uring::squeue::Entry;
use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring};

const SUBMISSIONS: u32 = 512;
const COMPLETIONS: u32 = 4096;

/// What became of one operation.
#[derive(Clone, Copy)]
pub(super) struct Completion {
    pub(super) user_data: u64,
    /// What the system call would have returned: negative is an error.
    pub(super) result: i32,
    flags: u32,
}

impl Completion {
    /// The number of the posted buffer the bytes are in.
    #[inline]
    pub(super) fn buffer(self) -> Option<u16> {
        io_uring::cqueue::buffer_select(self.flags)
    }

    /// The operation goes on.
    #[inline]
    pub(super) fn has_more(self) -> bool {
        io_uring::cqueue::more(self.flags)
    }

    pub(super) fn error(self) -> Option<io::Error> {
        (self.result < 0).then(|| io::Error::from_raw_os_error(-self.result))
    }
}

pub(super) struct Ring {
    ring: IoUring,
    enabled: bool,
}

impl Ring {
    pub(super) fn new() -> io::Result<Ring> {
        let ring = [Mode::Deferred, Mode::Cooperative]
            .into_iter()
            .find_map(|mode| match mode.build() {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => None,
                built => Some(built),
            })
            .unwrap_or_else(|| Err(io::ErrorKind::InvalidInput.into()))?;
        Ok(Ring { ring, enabled: false })
    }

    pub(super) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.ring.submitter()
    }

    /// Whether the kernel has all that `mod.rs` relies on beside the operations themselves.
    pub(super) fn has_features(&self) -> bool {
        let has = self.ring.params();
        has.is_feature_nodrop()
            && has.is_feature_ext_arg()
            && has.is_feature_submit_stable()
            && has.is_feature_skip_cqe_on_success()
    }

    /// Posts an operation.
    ///
    /// # Safety
    /// Memory that the operation names for reading or writing lives, unmoved, until the operation is complete; what
    /// only describes it (addresses, vectors) until the next `submit` or `wait` has returned.
    #[inline]
    pub(super) unsafe fn push(&mut self, entry: &Entry) -> io::Result<()> {
        // SAFETY: the caller's promise.
        if unsafe { self.ring.submission().push(entry) }.is_ok() {
            return Ok(());
        }
        self.submit()?;
        // SAFETY: the same promise.
        unsafe { self.ring.submission().push(entry) }.map_err(|_full| io::ErrorKind::ResourceBusy.into())
    }

    /// Hands over what was pushed, without waiting.
    pub(super) fn submit(&mut self) -> io::Result<()> {
        self.enable()?;
        loop {
            let waiting = self.ring.submission().len();
            if waiting == 0 {
                return Ok(());
            }
            // SAFETY: no argument is passed, and the flags ask for nothing else.
            let entered = unsafe { self.ring.submitter().enter::<()>(waiting as u32, 0, 0, None) };
            again(entered)?;
        }
    }

    /// Hands over what was pushed, then waits for a completion or until the time is over; `None`: however long.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.enable()?;
        let wanted = u32::from(timeout != Some(Duration::ZERO));
        let (timespec, mut args) = (timeout.map(Timespec::from), SubmitArgs::new());
        if let Some(timespec) = &timespec {
            args = args.timespec(timespec);
        }
        let flags = (EnterFlags::GETEVENTS | EnterFlags::EXT_ARG).bits();
        let waiting = self.ring.submission().len() as u32;
        // SAFETY: `args` is of the kind that `EXT_ARG` announces, and it and its timespec outlive the call.
        let entered = unsafe { self.ring.submitter().enter(waiting, wanted, flags, Some(&args)) };
        again(entered)?;
        // Whatever kept the kernel from taking all of it: nothing pushed stays behind.
        self.submit()
    }

    /// Takes the completions that are there.
    #[inline]
    pub(super) fn completions(&mut self) -> impl Iterator<Item = Completion> {
        self.ring.completion().map(|entry| Completion {
            user_data: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
        })
    }

    /// Whether completions that found no place wait in the kernel.
    pub(super) fn keeps_completions(&mut self) -> bool {
        self.ring.submission().cq_overflow()
    }

    /// Cancels all that is under way, and gives `heard` every last word of it.
    pub(super) fn cancel_all(&mut self, mut heard: impl FnMut(Completion)) {
        let second = Some(Timespec::new().sec(1));
        if self.submit().is_err() {
            return;
        }
        // Fails if there is nothing to cancel.
        let _ = self.ring.submitter().register_sync_cancel(second, CancelBuilder::any());
        while self.wait(Some(Duration::ZERO)).is_ok() {
            if self.completions().map(&mut heard).count() == 0 {
                return;
            }
        }
    }

    fn enable(&mut self) -> io::Result<()> {
        if !self.enabled {
            self.ring.submitter().register_enable_rings()?;
            self.enabled = true;
        }
        Ok(())
    }
}

/// How the kernel gets to make completions.
#[derive(Clone, Copy)]
enum Mode {
    /// Only when we wait (Linux 6.1).
    Deferred,
    /// At any of our system calls (6.0).
    Cooperative,
}

impl Mode {
    fn build(self) -> io::Result<IoUring> {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(COMPLETIONS).setup_clamp().setup_r_disabled().setup_submit_all();
        builder.setup_single_issuer();
        match self {
            Mode::Deferred => builder.setup_defer_taskrun(),
            Mode::Cooperative => builder.setup_coop_taskrun(),
        };
        builder.build(SUBMISSIONS)
    }
}

/// A signal, the end of the time or a want of memory that passes: not errors of what was entered for.
fn again(entered: io::Result<usize>) -> io::Result<()> {
    match entered {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(libc::EINTR | libc::ETIME | libc::EAGAIN | libc::EBUSY) => Ok(()),
            _ => Err(error),
        },
    }
}
