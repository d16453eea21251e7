//! Starting and stopping: the threads of one server.
//!
//! Owns the accept thread and the workers; everything they share is in `handle.rs`.
//!
//! Invariant: after `shutdown` (or a drop) every thread has ended, every connection was told
//! `disconnected`, and no hook runs.
//! Read next: `worker.rs`, `accept.rs`.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crate::accept;
use crate::command::{Command, Inbox, Signal};
use crate::config::{Config, Engine};
use crate::handle::{Handle, Shared, WorkerShare};
use crate::hooks::Hooks;
use crate::load::Load;
use crate::pool::Pool;
use crate::stats::{Stats, WorkerCounters};
use crate::sys::Backend;
use crate::sys::mio::Mio;
#[cfg(target_os = "linux")]
use crate::sys::uring::{self, Uring};
use crate::worker::Worker;

/// A running server. Dropping it shuts it down.
pub struct Server {
    handle: Handle,
    accept: Option<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts the threads. `factory` is called here, once for each worker, with its number.
    pub fn start<H: Hooks>(config: Config, factory: impl FnMut(usize) -> H) -> io::Result<Server> {
        config.check()?;
        let (engine, why) = apart(|| choose(config.engine))??;
        tracing::info!(engine, why, workers = config.workers, "engine chosen");
        match engine {
            #[cfg(target_os = "linux")]
            URING => Self::start_on::<Uring, H>(config, factory),
            _ => Self::start_on::<Mio, H>(config, factory),
        }
    }

    fn start_on<B: Backend, H: Hooks>(
        config: Config,
        mut factory: impl FnMut(usize) -> H,
    ) -> io::Result<Server> {
        let ((accept, acceptor), shares) = apart(|| {
            let shares = (0..config.workers).map(|_| share::<B>(&config));
            Ok::<_, io::Error>((
                accept::prepare::<B::Listeners>(config.turns_per_second_max)?,
                shares.collect::<io::Result<Vec<_>>>()?,
            ))
        })??;
        let (backends, workers): (Vec<_>, Vec<_>) = shares.into_iter().unzip();
        let load = Load::new(&config);
        let handle = Handle::new(Shared { workers: workers.into(), load, accept, config });
        let mut server = Server { handle: handle.clone(), accept: None, workers: Vec::new() };
        for (index, backend) in backends.into_iter().enumerate() {
            let worker = Worker::new(index, backend, factory(index), &handle);
            let thread = Builder::new().name(format!("completion-{index}"));
            server.workers.push(thread.spawn(move || worker.run())?);
        }
        let thread = Builder::new().name("accept".into());
        server.accept = Some(thread.spawn(move || acceptor.run(&handle))?);
        Ok(server)
    }

    /// The verbs.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Stops accepting, ends every connection with [`Reason::Shutdown`](crate::Reason::Shutdown) (what the
    /// sockets take at once is still sent; a gentle end is for the layer above), drops the hooks, joins
    /// all threads. In the result taken equals returned, except for chunks someone still holds.
    pub fn shutdown(mut self) -> Stats {
        self.stop();
        self.handle.stats()
    }

    /// The accept thread first, so that nobody is accepted for a worker that is gone.
    fn stop(&mut self) {
        self.handle.shared().accept.stop();
        join(self.accept.take());
        for index in 0..self.workers.len() {
            self.handle.inbox(index).post(Command::Stop);
        }
        self.workers.drain(..).for_each(|worker| join(Some(worker)));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Makes something on a thread of its own. The kernel interrupts the thread that made a ring once more when that ring
/// is gone, in whatever call it waits then; a caller's thread must not see that.
fn apart<T: Send>(make: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = Builder::new().name("completion-start".into()).spawn_scoped(scope, make)?;
        thread.join().map_err(|_| io::Error::other("starting panicked"))
    })
}

const URING: &str = "uring";
const MIO: &str = "mio";

/// The engine's name, and why it is this one.
fn choose(asked: Engine) -> io::Result<(&'static str, String)> {
    if asked == Engine::Mio {
        return Ok((MIO, "asked for".into()));
    }
    match (usable(), asked) {
        (Ok(()), Engine::Auto) => Ok((URING, "everything it needs is here".into())),
        (Ok(()), _) => Ok((URING, "asked for".into())),
        (Err(why), Engine::Auto) => Ok((MIO, why)),
        (Err(why), _) => Err(io::Error::new(io::ErrorKind::Unsupported, format!("engine uring: {why}"))),
    }
}

/// Whether io_uring can be used, else why not.
fn usable() -> Result<(), String> {
    #[cfg(target_os = "linux")]
    return uring::probe().map_err(|missing| missing.to_string());
    #[cfg(not(target_os = "linux"))]
    Err("only Linux has io_uring".into())
}

/// A backend and the part of its worker that others see.
fn share<B: Backend>(config: &Config) -> io::Result<(B, WorkerShare)> {
    let (backend, waker) = B::new(config)?;
    let signal = Arc::new(Signal::new(waker));
    let inbox = Inbox::new(config.commands_max, Arc::clone(&signal));
    let pool = Pool::new(config.receive_buffer_bytes, config.buffers_per_worker(), signal);
    Ok((backend, WorkerShare { inbox, pool, counters: WorkerCounters::default() }))
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread
        && thread.join().is_err()
    {
        tracing::error!("a thread of the server had panicked");
    }
}
