//! Threads without which a server would only pretend to be one.
//!
//! It exists because whoever waits for a thread that is gone waits for ever: its connections, the lanes it held,
//! the server that leases from it. A process that ends says so at once: its links break, and its supervisor
//! starts it again.
//!
//! Invariant: a thread that holds a [`Vital`] returns, or the process ends.
//! Read next: `worker.rs`, `accept.rs`, which hold one.

/// Held at the root of a thread that its server cannot do without: if the thread unwinds, the process aborts. What
/// may fail alone is caught further up the stack, by whoever can drop it whole.
#[must_use = "it guards the thread as long as it lives"]
pub struct Vital;

impl Drop for Vital {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            tracing::error!(thread = thread.name(), "a thread of the server panicked; the process ends");
            std::process::abort();
        }
    }
}
