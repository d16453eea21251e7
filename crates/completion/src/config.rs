//! What a server is started with: its engine and every limit of the layer.
//!
//! Checked once by [`Config::check`]; afterwards the numbers are taken as they are.
//! Read next: `server.rs`.

use std::io;
use std::time::Duration;

use crate::id;

/// Which backend drives the sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The best one this machine has; which and why is logged.
    #[default]
    Auto,
    /// True completions, over io_uring. Linux 6.1 has all of it; where it cannot be used, starting fails and says why.
    Uring,
    /// Readiness turned into completions; works wherever mio does.
    Mio,
}

/// A way to manage receive buffers, to be compared with the one we took.
#[cfg(feature = "buffer-ways")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ways {
    /// A free list that any operation draws on: ours.
    #[default]
    List,
    /// Made for each operation.
    Operation,
    /// One for each connection, kept as long as it lives.
    Connection,
}

/// Limits and timeouts of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The backend.
    pub engine: Engine,
    /// Worker threads, 1 to 256. Default: one for each processor.
    pub workers: usize,
    /// Connections over all workers, outgoing ones included. An accepted connection without a place is closed at
    /// once ([`Fault::ConnectionsFull`](crate::Fault::ConnectionsFull)), an outgoing one fails.
    pub connections_max: usize,
    /// Of those places, how many accepted connections may not take: they are kept for outgoing and adopted ones.
    /// At most `connections_max`.
    pub outgoing_reserved: usize,
    /// Size of one receive buffer, hence of the largest [`Chunk`](crate::Chunk).
    pub receive_buffer_bytes: usize,
    /// Receive buffers over all workers; each worker has an equal share, at least one. With none free,
    /// reading rests until a chunk is dropped.
    pub receive_buffers_max: usize,
    /// Bytes one connection may have queued for sending. The last wall: a send beyond it ends the connection
    /// with [`Reason::SendQueueFull`](crate::Reason::SendQueueFull).
    pub send_queue_bytes_max: usize,
    /// Sends from other threads that may wait at one worker; more are [refused](crate::Refused::Busy). And faults found
    /// elsewhere that may wait to be told there; more are dropped.
    pub commands_max: usize,
    /// After `close`: how long the flush may make no progress, and then how long the peer has to finish.
    pub linger_timeout: Duration,
    /// How long an outgoing connection may take to be established.
    pub connect_timeout: Duration,
    /// Turns a second of each worker, and of the accept thread, beyond short bursts: a thread that has them all does in
    /// the next one what came meanwhile. Fewer wake-ups under load, for a delay of at most the time of a turn.
    /// 0: as many as come.
    pub turns_per_second_max: u32,
    /// Sockets that each io_uring worker may hold in its ring's own table, where `RLIMIT_NOFILE` does not count them;
    /// the kernel allows at most that many a ring. One more stays an ordinary descriptor. 0: none. The other engines
    /// have no such table. Wants Linux 6.7: before that such a socket cannot be reset, and a cut stream ends as if whole.
    pub direct_descriptors: usize,
    /// How receive buffers are managed.
    #[cfg(feature = "buffer-ways")]
    pub ways: Ways,
    /// `SO_SNDBUF` and `SO_RCVBUF` of every connection; `None` leaves them to the kernel's own tuning.
    pub socket_buffer_bytes: Option<usize>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            engine: Engine::Auto,
            workers: std::thread::available_parallelism().map_or(1, usize::from).min(id::WORKERS_MAX),
            connections_max: 20_000,
            outgoing_reserved: 0,
            receive_buffer_bytes: 16 * 1024,
            receive_buffers_max: 1024,
            send_queue_bytes_max: 16 * 1024 * 1024,
            commands_max: 65_536,
            linger_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(3),
            turns_per_second_max: 0,
            direct_descriptors: 0,
            #[cfg(feature = "buffer-ways")]
            ways: Ways::List,
            socket_buffer_bytes: None,
        }
    }
}

impl Config {
    /// Refuses what cannot work, naming the field.
    pub(crate) fn check(&self) -> io::Result<()> {
        let wrong = if self.workers == 0 || self.workers > id::WORKERS_MAX {
            "workers must be 1 to 256"
        } else if self.connections_max == 0 || self.connections_max > id::SLOTS_MAX {
            "connections_max must be 1 to 16777216"
        } else if self.outgoing_reserved > self.connections_max {
            "outgoing_reserved must not be more than connections_max"
        } else if self.receive_buffer_bytes == 0 {
            "receive_buffer_bytes must not be 0"
        } else if self.receive_buffers_max == 0 {
            "receive_buffers_max must not be 0"
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, wrong))
    }

    /// The receive buffers of one worker.
    pub(crate) fn buffers_per_worker(&self) -> usize {
        (self.receive_buffers_max / self.workers).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let good = Config::default();
        let wrong = [
            ("workers", Config { workers: 0, ..good.clone() }),
            ("workers", Config { workers: 257, ..good.clone() }),
            ("connections_max", Config { connections_max: 0, ..good.clone() }),
            ("connections_max", Config { connections_max: (1 << 24) + 1, ..good.clone() }),
            ("outgoing_reserved", Config { outgoing_reserved: 3, connections_max: 2, ..good.clone() }),
            ("receive_buffer_bytes", Config { receive_buffer_bytes: 0, ..good.clone() }),
            ("receive_buffers_max", Config { receive_buffers_max: 0, ..good.clone() }),
        ];
        for (field, config) in wrong {
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(field), "{field}: {error}");
        }
        assert!(good.check().is_ok());
    }

    #[test]
    fn every_worker_has_a_buffer() {
        let config = Config { workers: 4, receive_buffers_max: 2, ..Config::default() };
        assert_eq!(config.buffers_per_worker(), 1);
    }
}
