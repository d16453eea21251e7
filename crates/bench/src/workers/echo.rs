//! A worker that gives back what it is given, as fast as it can: the far end of a round trip through `usher-workers`.
//!
//! - Limit: work alone.
//!
//! Read next: `host.rs`, which keeps it.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use clap::Parser;
use usher_hpserver::{Codec, Decoded, Partial};
use usher_proto::Message;
use usher_proto::message::{Pong, WORKER_VERSION, Worked, WorkerHello};
use usher_runtime::codec::{Native, Side};

use super::host::form;

const READ_BYTES: usize = 64 * 1024;

/// Gives back what it is given.
#[derive(Debug, Parser)]
#[command(name = "work_echo")]
pub struct Echo {
    /// In JSON, not in MessagePack.
    #[arg(long)]
    json: bool,
}

impl Echo {
    /// Works until its host ends the stream.
    pub fn run(&self) -> Result<()> {
        work(Native { form: form(self.json), ..Native::new(Side::Worker) })
    }
}

fn work(codec: Native) -> Result<()> {
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let hello = WorkerHello { version: WORKER_VERSION, name: "echo".into() };
    socket.write_all(&codec.frames(&hello.into()))?;
    let (mut came, mut out) = (BytesMut::new(), BytesMut::new());
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let length = match socket.read(&mut chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        if length == 0 {
            return Ok(());
        }
        came.extend_from_slice(&chunk[..length]);
        while let Some(answer) = next(codec, &mut came)? {
            codec.encode(&answer, &mut out).ok().context("an answer is too large")?;
        }
        socket.write_all(&out)?;
        out.clear();
    }
}

/// The answer to the next message that is here whole.
fn next(codec: Native, came: &mut BytesMut) -> Result<Option<Message>> {
    let Some(frame) = Codec::<Message>::frame(&codec, came).ok().context("no frame")? else {
        return Ok(None);
    };
    let decoded = codec.decode(&mut Partial::default(), &came[frame.body]).ok().context("no message")?;
    came.advance(frame.end);
    Ok(Some(match decoded {
        Decoded::Packet(Message::Work(work)) => Worked { id: work.id, body: work.body }.into(),
        Decoded::Ping => Pong {}.into(),
        other => bail!("{other:?} is no work"),
    }))
}
