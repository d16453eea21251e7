//! A server's sending half of trunks: what is said to virtual connections, gathered in the records of their trunks.
//!
//! It exists so that a virtual connection is an outlet like any other. What one run of a send lane says to all who ride
//! on a trunk leaves in one write, and what is published to a group crosses the trunk once, however many of its members
//! ride there: the gateway multiplies it.
//!
//! Invariants: what is said to a virtual connection leaves in order, casts among it. One whose window is used up is in
//! no group at the gateway: what is published waits here with the rest, until credit comes.
//! Limits: a window each way (`trunk::WINDOW_BYTES`), then `high_water_bytes` in a backlog, as behind a socket that
//! refuses bytes; for all that a trunk's own socket refuses, the trunk listener's `high_water_bytes`.
//! Read next: `trunk`, the frames; `carry`, the receiving half; `send`.

use bytes::Bytes;
use usher_completion::ConnId;

use crate::{
    Codec, GroupId,
    outbox::Outbox,
    send::Outlet,
    trunk::{Ended, NOBODY, PAYLOAD_BYTES_MAX, Records, TrunkFrame, VirtualId, Window},
};

/// A longer publish goes to each member by itself. (A cast says its group, too.)
const CAST_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - 8;

/// How an outlet travels.
pub(crate) struct Carriage {
    trunk: ConnId,
    id: VirtualId,
    window: Window,
}

impl Carriage {
    pub(crate) fn new((trunk, id): (ConnId, VirtualId)) -> Self {
        Self { trunk, id, window: Window::default() }
    }
}

/// The trunks of a send lane that somebody rides on.
#[derive(Default)]
pub(crate) struct Trunks {
    trunks: Vec<Load>,
}

/// What is on one of them.
struct Load {
    trunk: ConnId,
    records: Records,
    /// Those who have not heard their last.
    riders: usize,
    /// The server is stopping: the trunk ends with these when all of them have.
    last_words: Option<Bytes>,
}

impl Trunks {
    fn load(&mut self, trunk: ConnId) -> &mut Load {
        let at = self.trunks.iter().position(|load| load.trunk == trunk).unwrap_or_else(|| {
            self.trunks.push(Load { trunk, records: Records::default(), riders: 0, last_words: None });
            self.trunks.len() - 1
        });
        &mut self.trunks[at]
    }

    fn put(&mut self, carriage: &Carriage, frame: &TrunkFrame<'_>) {
        self.load(carriage.trunk).records.put(carriage.id, frame);
    }

    /// What was gathered for one of them.
    pub(crate) fn take(&mut self) -> Option<(ConnId, Bytes)> {
        let load = self.trunks.iter_mut().find(|load| !load.records.is_empty())?;
        Some((load.trunk, load.records.take()))
    }

    /// Whether somebody still rides on it: then it ends with the last of them.
    pub(crate) fn ends_with_the_last(&mut self, trunk: ConnId, last_words: &Bytes) -> bool {
        let load = self.trunks.iter_mut().find(|load| load.trunk == trunk && load.riders > 0);
        load.map(|load| load.last_words = Some(last_words.clone())).is_some()
    }

    /// A trunk that was to end with the last of its riders, and has none.
    pub(crate) fn take_ended(&mut self) -> Option<(ConnId, Bytes)> {
        self.trunks.iter_mut().filter(|load| load.riders == 0).find_map(|load| {
            let words = load.last_words.take()?;
            Some((load.trunk, words))
        })
    }

    pub(crate) fn forget(&mut self, trunk: ConnId) {
        self.trunks.retain(|load| load.trunk != trunk);
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.trunks.len()
    }
}

/// A publish on its way to those of its members who ride.
#[derive(Default)]
pub(crate) struct Cast {
    trunks: Vec<(ConnId, VirtualId)>,
    spent: Vec<ConnId>,
}

impl Cast {
    /// Counts `bytes` for a member that rides and takes them now; false: they go to it by itself.
    pub(crate) fn add(&mut self, outlet: &mut Outlet, bytes: &Bytes) -> bool {
        let Some(carriage) = outlet.carriage.as_mut().filter(|_| outlet.backlog.is_none()) else {
            return false;
        };
        if bytes.len() > CAST_BYTES_MAX {
            return false;
        }
        if !self.trunks.iter().any(|(trunk, _)| *trunk == carriage.trunk) {
            self.trunks.push((carriage.trunk, NOBODY));
        }
        if !carriage.window.take(bytes.len()) {
            self.spent.push(outlet.id);
        }
        true
    }

    /// The member that is left out, if it rides.
    pub(crate) fn leave_out(&mut self, outlet: &Outlet) {
        let Some(carriage) = &outlet.carriage else { return };
        match self.trunks.iter_mut().find(|(trunk, _)| *trunk == carriage.trunk) {
            Some((_, except)) => *except = carriage.id,
            None => self.trunks.push((carriage.trunk, carriage.id)),
        }
    }

    /// Puts it on its trunks, if anybody rides there who takes it; who has used up his window with it.
    pub(crate) fn send(
        &mut self,
        group: GroupId,
        bytes: Option<&Bytes>,
        trunks: &mut Trunks,
    ) -> std::vec::Drain<'_, ConnId> {
        for (trunk, except) in self.trunks.drain(..) {
            if let Some(bytes) = bytes {
                trunks.load(trunk).records.put(except, &TrunkFrame::Cast { group, bytes });
            }
        }
        self.spent.drain(..)
    }
}

impl Outbox {
    /// Somebody rides from now on.
    pub(crate) fn boarded(&mut self, outlet: &Outlet) {
        if let Some(carriage) = &outlet.carriage {
            self.trunks.load(carriage.trunk).riders += 1;
        }
    }

    /// The gateway may let him in.
    pub(crate) fn admit(&mut self, outlet: &Outlet) {
        if let Some(carriage) = &outlet.carriage {
            self.trunks.put(carriage, &TrunkFrame::Admit);
        }
    }

    /// Whole frames for one who rides.
    pub(crate) fn ship(&mut self, outlet: &mut Outlet, bytes: &[u8]) {
        let Some(carriage) = &mut outlet.carriage else { return };
        self.tallies[outlet.listener.index()].1 += bytes.len() as u64;
        if !outlet.open {
            // In clear, before any handshake: `Close` is next.
            if bytes.len() <= PAYLOAD_BYTES_MAX {
                self.trunks.put(carriage, &TrunkFrame::Refuse(bytes));
            }
            return;
        }
        self.trunks.load(carriage.trunk).records.put_data(carriage.id, bytes);
        if !carriage.window.take(bytes.len()) && outlet.backlog.is_none() {
            self.stop(outlet);
        }
    }

    /// A packet for one who rides and takes it now; false: it is too large for its codec.
    pub(crate) fn ship_packet<P: 'static>(
        &mut self,
        outlet: &mut Outlet,
        packet: &P,
        codec: &dyn Codec<P>,
    ) -> bool {
        let Some(carriage) = &mut outlet.carriage else { return false };
        let records = &mut self.trunks.load(carriage.trunk).records;
        let Some(bytes) = records.put_written(carriage.id, |out| codec.encode(packet, out).is_ok()) else {
            return false;
        };
        self.tallies[outlet.listener.index()].1 += bytes as u64;
        if !carriage.window.take(bytes) {
            self.stop(outlet);
        }
        true
    }

    /// The window of one who rides is used up: what comes next waits here.
    pub(crate) fn stop(&mut self, outlet: &mut Outlet) {
        let Some(carriage) = &outlet.carriage else { return };
        outlet.backlog = Some(Box::default());
        for group in &outlet.groups {
            self.trunks.put(carriage, &TrunkFrame::Leave(*group));
        }
    }

    /// The gateway has given credit: what waited goes, as far as it reaches.
    pub(crate) fn credit(&mut self, outlet: &mut Outlet, bytes: u32) {
        let Some(carriage) = &mut outlet.carriage else { return };
        carriage.window.credit(bytes);
        let Some(mut backlog) = outlet.backlog.take() else { return };
        while !carriage.window.is_spent()
            && let Some(bytes) = backlog.pop()
        {
            self.tallies[outlet.listener.index()].1 += bytes.len() as u64;
            self.trunks.load(carriage.trunk).records.put_data(carriage.id, &bytes);
            carriage.window.take(bytes.len());
        }
        if carriage.window.is_spent() {
            outlet.backlog = Some(backlog);
            return;
        }
        for group in &outlet.groups {
            self.trunks.put(carriage, &TrunkFrame::Join(*group));
        }
    }

    /// One who rides joined a group; at the gateway only while he takes what is cast.
    pub(crate) fn joined(&mut self, outlet: &Outlet, group: GroupId) {
        if let Some(carriage) = outlet.carriage.as_ref().filter(|_| outlet.backlog.is_none()) {
            self.trunks.put(carriage, &TrunkFrame::Join(group));
        }
    }

    pub(crate) fn left(&mut self, outlet: &Outlet, group: GroupId) {
        if let Some(carriage) = outlet.carriage.as_ref().filter(|_| outlet.backlog.is_none()) {
            self.trunks.put(carriage, &TrunkFrame::Leave(group));
        }
    }

    /// The last of one who rides; false: he has a socket.
    pub(crate) fn alight(&mut self, outlet: &Outlet, last: TrunkFrame<'_>) -> bool {
        let Some(carriage) = &outlet.carriage else { return false };
        let load = self.trunks.load(carriage.trunk);
        load.riders = load.riders.saturating_sub(1); // of a trunk that was forgotten there are none
        load.records.put(carriage.id, &last);
        true
    }

    /// The gateway was the first to say that he is gone: so says this end.
    pub(crate) fn answer_close(&mut self, outlet: &Outlet) {
        if !outlet.closing {
            self.alight(outlet, TrunkFrame::Close(Ended::Finished));
        }
    }
}
