//! The way from a send lane to layer 1: frames for one connection gathered, sealed if it has a key, slow consumers held
//! back, the rest posted.
//!
//! It exists apart from `send` because it is the path that every byte passes. It owns bytes until layer 1 has them, and
//! decides nothing about who is sent what.
//!
//! Invariants: frames sent to one connection in a row are one payload. They are sealed when they leave, in that order:
//! what is kept for a slow consumer is kept in clear, and may be struck out. What is posted here reaches layer 1 before
//! anything that the lane posts later, on whichever thread: a worker hands its bytes to its own sockets only while no
//! older command waits for it.
//! Limits: `FRAMES_BYTES` of frames before they are a payload of their own; `Limits::high_water_bytes` in a backlog.
//! Read next: `backlog`; layer 1's `Io` and `Handle`.

use std::{collections::VecDeque, sync::atomic::Ordering::Relaxed};

use bytes::{Bytes, BytesMut};
use usher_completion::{ConnId, Io, Refused};

use crate::{
    CloseReason, Service,
    carriage::Trunks,
    fabric::Fabric,
    lane::{Bundle, Class},
    ready::Ready,
    receive::ReceiveItem,
    send::Outlet,
    trunk::{Ended, TrunkFrame},
};

/// Frames are written side by side into memory of this size, shared by the payloads cut from it.
const FRAMES_BYTES: usize = 16 * 1024;

pub(crate) struct Outbox {
    frames: BytesMut,
    /// Whose frames these are.
    addressee: Option<ConnId>,
    /// By worker.
    payloads: Vec<VecDeque<(ConnId, Bytes)>>,
    ends: Vec<(ConnId, End)>,
    /// A packet in clear, or frames sealed, on their way through.
    scratch: BytesMut,
    /// Who is aborted here and why, to be reported before layer 1 says that they ended.
    doomed: Vec<(ConnId, CloseReason)>,
    /// By listener: packets that the stage took, and bytes that it handed on.
    pub(crate) tallies: Vec<(u64, u64)>,
    conflated: u64,
    pub(crate) trunks: Trunks,
}

#[derive(Clone, Copy)]
enum End {
    Close,
    Abort,
}

impl Outbox {
    pub(crate) fn new(workers: usize, listeners: usize) -> Self {
        Self {
            frames: BytesMut::with_capacity(FRAMES_BYTES),
            addressee: None,
            payloads: vec![VecDeque::new(); workers],
            ends: Vec::new(),
            scratch: BytesMut::new(),
            doomed: Vec::new(),
            tallies: vec![(0, 0); listeners],
            conflated: 0,
            trunks: Trunks::default(),
        }
    }

    /// Nothing waits for layer 1.
    pub(crate) fn is_empty(&self) -> bool {
        self.payloads.iter().all(VecDeque::is_empty) && self.ends.is_empty()
    }

    /// A packet for one connection; not sent if it is too large for its codec.
    pub(crate) fn send_packet<S: Service>(
        &mut self,
        outlet: &mut Outlet,
        packet: &S::Packet,
        key: Option<u64>,
        fabric: &Fabric<S>,
    ) {
        let codec = &*fabric.listeners[outlet.listener.index()].codec;
        if let Some(bytes) = codec.frames(packet) {
            self.wrap();
            return self.send_shared(outlet, bytes, 1, key, fabric);
        }
        if outlet.carriage.is_some() && outlet.backlog.is_none() {
            self.wrap();
            let fits = self.ship_packet(outlet, packet, codec);
            self.tallies[outlet.listener.index()].0 += u64::from(fits);
            fabric.totals.too_large.fetch_add(u64::from(!fits), Relaxed);
            return;
        }
        let is_addressee = self.addressee == Some(outlet.id) && self.frames.len() < FRAMES_BYTES;
        if !is_addressee {
            self.wrap();
        }
        let before = self.frames.len();
        if !self.write(outlet, packet, fabric) {
            return;
        }
        self.tallies[outlet.listener.index()].0 += 1;
        if outlet.backlog.is_some() {
            // A copy: these bytes may wait for long, and memory shared with others' would wait with them.
            let bytes = Bytes::copy_from_slice(&self.frames);
            self.frames.clear();
            self.keep(outlet, bytes, key, fabric);
        } else if self.seal_behind(before, outlet) {
            self.tallies[outlet.listener.index()].1 += (self.frames.len() - before) as u64;
            self.addressee = Some(outlet.id);
        }
    }

    /// Frames of `packets` packets that others are sent too.
    pub(crate) fn send_shared<S: Service>(
        &mut self,
        outlet: &mut Outlet,
        bytes: Bytes,
        packets: u64,
        key: Option<u64>,
        fabric: &Fabric<S>,
    ) {
        self.tallies[outlet.listener.index()].0 += packets;
        self.send(outlet, bytes, key, fabric);
    }

    /// Whole frames, after those that were gathered.
    pub(crate) fn send<S: Service>(
        &mut self,
        outlet: &mut Outlet,
        bytes: Bytes,
        key: Option<u64>,
        fabric: &Fabric<S>,
    ) {
        debug_assert!(self.addressee.is_none(), "frames were gathered and not wrapped");
        if bytes.is_empty() {
            return;
        }
        if outlet.backlog.is_some() {
            self.keep(outlet, bytes, key, fabric);
        } else {
            self.out(outlet, bytes);
        }
    }

    /// The packet as frames of its own; empty if it is too large for its codec.
    pub(crate) fn encode<S: Service>(
        &mut self,
        outlet: &Outlet,
        packet: &S::Packet,
        fabric: &Fabric<S>,
    ) -> Bytes {
        self.write(outlet, packet, fabric);
        self.frames.split().freeze()
    }

    /// The frames that were gathered become a payload.
    pub(crate) fn wrap(&mut self) {
        if let Some(conn) = self.addressee.take() {
            self.payloads[conn.worker()].push_back((conn, self.frames.split().freeze()));
        }
    }

    /// The last word: layer 1 flushes what it has, then closes.
    pub(crate) fn end(&mut self, outlet: &mut Outlet, last_words: Bytes) {
        self.release(outlet);
        if !last_words.is_empty() {
            self.out(outlet, last_words);
        }
        outlet.closing = true;
        if !self.alight(outlet, TrunkFrame::Close(Ended::Finished)) {
            self.ends.push((outlet.id, End::Close));
        }
    }

    pub(crate) fn abort(&mut self, outlet: &mut Outlet, why: Ended) {
        outlet.closing = true;
        outlet.backlog = None;
        if !self.alight(outlet, TrunkFrame::Reset(why)) {
            self.ends.push((outlet.id, End::Abort));
        }
    }

    /// What was kept goes to layer 1.
    pub(crate) fn release(&mut self, outlet: &mut Outlet) {
        let Some(backlog) = outlet.backlog.take() else { return };
        for bytes in backlog.into_parts() {
            self.out(outlet, bytes);
        }
    }

    /// Tells the receive lanes why before layer 1 can tell them that.
    pub(crate) fn report<S: Service>(&mut self, fabric: &Fabric<S>, ready: &mut Ready) {
        for (conn, reason) in self.doomed.drain(..) {
            let item = ReceiveItem::Doomed { conn, reason };
            fabric.to_receive(fabric.receive_spread.lane(conn), &mut Bundle::of(Class::Link, item), ready);
        }
        for ((packets, bytes), listener) in self.tallies.iter_mut().zip(&fabric.listeners) {
            if *packets + *bytes > 0 {
                listener.counters.packets_out.fetch_add(std::mem::take(packets), Relaxed);
                listener.counters.bytes_out.fetch_add(std::mem::take(bytes), Relaxed);
            }
        }
        if self.conflated > 0 {
            fabric.totals.conflated.fetch_add(std::mem::take(&mut self.conflated), Relaxed);
        }
    }

    /// Hands everything to layer 1; a worker that has no room now, if one has not. What is for others goes out.
    pub(crate) fn post<S: Service>(
        &mut self,
        fabric: &Fabric<S>,
        mut io: Option<&mut Io<'_>>,
    ) -> Option<usize> {
        let mut busy = None;
        for (worker, payloads) in self.payloads.iter_mut().enumerate() {
            if payloads.is_empty() {
                continue;
            }
            if let Some(io) = here(&mut io, worker) {
                payloads.drain(..).for_each(|(conn, bytes)| io.send(conn, bytes));
                continue;
            }
            match fabric.handle().send_batch(worker, std::iter::from_fn(|| payloads.pop_front())) {
                Ok(()) => {}
                Err(Refused::Busy) => busy = busy.or(Some(worker)),
                Err(Refused::Stopped) => payloads.clear(),
            }
        }
        let payloads = &self.payloads;
        for (conn, end) in self.ends.extract_if(.., |(conn, _)| payloads[conn.worker()].is_empty()) {
            match (here(&mut io, conn.worker()), end) {
                (Some(io), End::Close) => io.close(conn),
                (Some(io), End::Abort) => io.abort(conn),
                (None, End::Close) => fabric.handle().close(conn),
                (None, End::Abort) => fabric.handle().abort(conn),
            }
        }
        busy
    }

    /// Writes the packet behind the gathered frames; false, and nothing, if it is too large for its codec.
    fn write<S: Service>(&mut self, outlet: &Outlet, packet: &S::Packet, fabric: &Fabric<S>) -> bool {
        let before = self.frames.len();
        let written =
            fabric.listeners[outlet.listener.index()].codec.encode(packet, &mut self.frames).is_ok();
        if !written {
            self.frames.truncate(before);
            fabric.totals.too_large.fetch_add(1, Relaxed);
        }
        written
    }

    fn keep<S: Service>(&mut self, outlet: &mut Outlet, bytes: Bytes, key: Option<u64>, fabric: &Fabric<S>) {
        let Some(backlog) = &mut outlet.backlog else { return };
        self.conflated += u64::from(backlog.push(bytes, key));
        if backlog.bytes() > fabric.listeners[outlet.listener.index()].limits.high_water_bytes {
            self.doom(outlet, CloseReason::SlowConsumer);
        }
    }

    fn doom(&mut self, outlet: &mut Outlet, reason: CloseReason) {
        self.doomed.push((outlet.id, reason));
        self.abort(outlet, reason.into());
    }

    /// Seals the gathered frames from `before` on, if the connection has a key; false, and nothing, if that is spent.
    fn seal_behind(&mut self, before: usize, outlet: &mut Outlet) -> bool {
        let Some(seal) = &mut outlet.seal else { return true };
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.frames[before..]);
        self.frames.truncate(before);
        let sealed = seal.seal(&self.scratch, &mut self.frames).is_ok();
        if !sealed {
            self.frames.truncate(before);
            self.wrap();
            self.doom(outlet, CloseReason::KeySpent);
        }
        sealed
    }

    fn out(&mut self, outlet: &mut Outlet, mut bytes: Bytes) {
        if outlet.closing {
            return;
        }
        if outlet.carriage.is_some() {
            return self.ship(outlet, &bytes);
        }
        if let Some(seal) = &mut outlet.seal {
            self.scratch.clear();
            if self.scratch.capacity() < 2 * bytes.len() {
                self.scratch.reserve(FRAMES_BYTES.max(2 * bytes.len()));
            }
            if seal.seal(&bytes, &mut self.scratch).is_err() {
                return self.doom(outlet, CloseReason::KeySpent);
            }
            bytes = self.scratch.split().freeze();
        }
        self.tallies[outlet.listener.index()].1 += bytes.len() as u64;
        self.payloads[outlet.id.worker()].push_back((outlet.id, bytes));
    }
}

/// The sockets of `worker`, if this thread is that worker and no command of another thread waits for it.
fn here<'a, 'io>(io: &'a mut Option<&mut Io<'io>>, worker: usize) -> Option<&'a mut Io<'io>> {
    io.as_deref_mut().filter(|io| io.worker() == worker && io.is_caught_up())
}
