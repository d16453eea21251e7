//! A host with one worker and so many requests in flight to it, as ordered on stdin.
//!
//! - Invariant: the next request is made where the last one is answered, on the thread of the pools, as a table does
//!   that goes on.
//!
//! Read next: `ping.rs`, its opponent; `usher_workers`.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use usher_proto::Payload;
use usher_proto::codec::Form;
use usher_proto::message::NotDone;
use usher_workers::Workers;

use super::setting;
use crate::account::{Account, Limit, SILENCE_MAX};
use crate::orders;
use crate::slice::Slice;
use crate::station::Programs;

pub(super) const KIND: &str = "echo";
const BODY_BYTES: usize = 64;
/// What a request's number and its time are like, for their sizes on the wire.
pub(super) const ID_LIKE: u64 = 1_000_000;
pub(super) const LEFT_MS_LIKE: u32 = 10_000;

pub(super) fn body() -> Payload {
    vec![b'x'; BODY_BYTES].into()
}

pub(super) fn form(json: bool) -> Form {
    if json { Form::Json } else { Form::MessagePack }
}

/// Keeps requests in flight to a worker that gives them back.
#[derive(Debug, Parser)]
#[command(name = "work_host")]
pub struct Host {
    /// Requests at once.
    #[arg(long)]
    in_flight: u64,
    /// In JSON, not in MessagePack.
    #[arg(long)]
    json: bool,
}

/// The requests of a slice.
struct Pump {
    workers: Workers,
    account: Mutex<Account>,
    over: Sender<Option<NotDone>>,
    body: Payload,
}

impl Host {
    /// Obeys until told to quit.
    pub fn run(&self) -> Result<()> {
        let programs = Programs::locate()?;
        let mut command = vec![programs.beside("work_echo").display().to_string()];
        command.extend(self.json.then(|| "--json".to_owned()));
        let workers = setting::start(setting::group(command, 1, form(self.json)))?;
        let (over, ended) = channel();
        let pump = Arc::new(Pump { workers, account: Mutex::new(Account::new()?), over, body: body() });
        let done = orders::obey(|limit| self.slice(&pump, &ended, limit));
        if let Some(pump) = Arc::into_inner(pump) {
            pump.workers.stop();
        }
        done
    }

    fn slice(&self, pump: &Arc<Pump>, ended: &Receiver<Option<NotDone>>, limit: Limit) -> Result<Slice> {
        pump.account().start(limit);
        (0..self.in_flight).for_each(|_| pump.ask());
        let time = if let Limit::Time(time) = limit { time } else { Duration::ZERO };
        match ended.recv_timeout(time + SILENCE_MAX).context("a request was not answered")? {
            Some(why) => bail!("a request was not done: {why:?}"),
            None => Ok(pump.account().slice()),
        }
    }
}

impl Pump {
    fn account(&self) -> std::sync::MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more request, if there is to be one; after the last answer the slice is over.
    fn ask(self: &Arc<Self>) {
        let sent = {
            let mut account = self.account();
            let now = account.now();
            if account.grant(1, now) == 0 {
                let is_over = account.in_flight == 0;
                drop(account);
                if is_over {
                    self.end(None);
                }
                return;
            }
            account.in_flight += 1;
            now
        };
        let pump = Arc::clone(self);
        self.workers
            .work(setting::ask(KIND, self.body.clone()), Box::new(move |answer| pump.answered(sent, answer)));
    }

    fn answered(self: &Arc<Self>, sent: u64, answer: Result<Payload, NotDone>) {
        if let Err(why) = answer {
            return self.end(Some(why));
        }
        let mut account = self.account();
        let now = account.now();
        account.came_back(sent, now, 1);
        drop(account);
        self.ask();
    }

    fn end(&self, why: Option<NotDone>) {
        let _ = self.over.send(why); // whoever ordered it may have given up
    }
}
