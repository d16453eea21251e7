//! The door of a room server: shard 0, where connections begin and where it is known who is where.
//!
//! Why: capacity, presence and the link need one place that decides; floors need none of them.
//! Owns: the connections ([`guests`]), the places ([`places`]), what the manager was asked ([`requests`]), the
//! link. Does not own: what is said and played in a room.
//! Way in: knock, admission, `Enter`, claim, verdict, hand over to the floor. Who is in the room already with
//! the same login goes back to it without a claim, so a kept seat is there also while the manager is away.
//! Way out: the floor hands the connection back or says that its player is gone; then the place is free and
//! the manager is told until it acknowledged.
//! Limits: admission's three, `claims_pending_max`, and the rooms' capacities. Who has a place here is let in
//! above the first two of admission's: that is no new load. One login has one connection that idles at the
//! door, the latest, and no longer than `door_timeout`.
//! Read next: `exits.rs` for leaving and evictions, `link.rs` for the manager.

mod exits;
mod guests;
mod link;
mod moving;
mod places;
mod requests;

use super::{EVICTED, REPLACED, RoomConfig, RoomNote, Seen};
use crate::admission::{Admission, Decision};
use crate::uplink::Uplink;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use guests::{At, Guests};
use moving::Moving;
use places::{Places, Resident};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use requests::{Request, Requests, What};
use usher_proto::limits::OTHER_ROOMS_MAX;
use usher_proto::machine::Peer;
use usher_proto::message::{
    ActDenial, ActDenied, Busy, Chat, ChatDenial, ChatDenied, CloseReason, Closing, Enter, EnterDenial,
    EnterDenied, SitDenial, SitDenied, Stood, TableChat, TableDenial, TableDenied, Unwatched, WatchDenial,
    WatchDenied,
};
use usher_proto::{
    AccountId, Address, ConnId, Figures, Generation, Identity, Input, Message, Outbox, Output, Reservation,
    RoomNo, Time,
};

type Out = Outbox<RoomNote>;

/// Shard 0 of a room server.
#[derive(Debug)]
pub struct Door {
    config: Arc<RoomConfig>,
    admission: Admission,
    uplink: Uplink,
    /// Where players find this server, as the manager says.
    address: Address,
    guests: Guests,
    places: Places,
    requests: Requests,
    /// Logins being shown out, until none of them is here; true if the manager waits to hear that.
    evictions: BTreeMap<(AccountId, Generation), bool>,
    draining: bool,
    drained: bool,
    moving: Moving,
    jitter: ChaCha8Rng,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    entered: u64,
    left: u64,
    returned: u64,
    denied: u64,
    refused_busy: u64,
    refused_draining: u64,
    evicted: u64,
    replaced: u64,
    idle: u64,
    moved: u64,
}

/// How somebody gets into a room.
enum Way {
    /// The manager must be asked.
    Claim(RoomNo),
    /// This very login is in it already.
    Back(RoomNo, Resident),
}

impl Door {
    pub(super) fn new(config: &Arc<RoomConfig>, seed: u64) -> Self {
        Self {
            admission: Admission::new(&config.node),
            uplink: Uplink::new(&config.node),
            address: config.node.address.clone(),
            guests: Guests::new(seed),
            places: Places::new(config),
            requests: Requests::default(),
            evictions: BTreeMap::new(),
            draining: false,
            drained: false,
            moving: Moving::default(),
            jitter: ChaCha8Rng::seed_from_u64(seed),
            counts: Counts::default(),
            config: Arc::clone(config),
        }
    }

    pub(super) fn handle(&mut self, now: Time, input: Input<RoomNote>, out: &mut Out) {
        match input {
            Input::Knock { conn, peer, reservation, .. } => {
                self.knock(now, conn, &peer, reservation.as_ref(), out);
            }
            Input::Connected { conn, .. } => self.connected(conn, out),
            Input::Message { conn, message } if self.uplink.is_link(conn) => {
                self.manager_said(now, message, out);
            }
            Input::Message { conn, message } => self.guest_said(now, conn, message, out),
            Input::Disconnected { conn } if self.uplink.is_link(conn) => self.link_down(now, out),
            Input::Disconnected { conn } => self.disconnected(conn, out),
            Input::LinkUp { conn } => self.link_up(now, conn, out),
            Input::LinkDown => self.link_down(now, out),
            Input::HandedOver { conn, note } => self.handed_back(now, conn, note, out),
            Input::Told { from, note } => self.told(now, from, note, out),
            Input::Drain => self.drain(out),
            Input::Timeout
            | Input::Answer { .. }
            | Input::Dialed { .. }
            | Input::DialFailed { .. }
            | Input::DrainServer { .. }
            | Input::Revoke { .. }
            | Input::Announce { .. } => {}
        }
        self.give_up_claims(now, out);
        self.show_idle_out(now, out);
        let load = (self.guests.len(), self.draining);
        self.uplink.end_step(now, &mut self.admission, load, || self.places.take_changed(), out);
        if self.draining && !self.drained && self.guests.len() == 0 && self.places.is_empty() {
            self.drained = true;
            out.push(Output::Drained);
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        [self.uplink.next_timeout(), self.requests.next_timeout(), self.guests.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn knock(&mut self, now: Time, conn: ConnId, peer: &Peer, kept: Option<&Reservation>, out: &mut Out) {
        let refusal = match peer {
            Peer::Player(identity) => match self.admit(now, identity, kept) {
                Ok(()) => {
                    self.make_room_for_a_knock(identity, out);
                    self.guests.add(conn, *identity, now + self.config.door_timeout);
                    out.push(Output::Admit(conn));
                    return;
                }
                Err(refusal) => refusal,
            },
            Peer::Stranger => Closing { reason: CloseReason::NoTicket }.into(),
            Peer::Server(_) => Closing { reason: CloseReason::WrongRole }.into(),
        };
        out.push(Output::Refuse(conn, refusal));
    }

    /// Whether this player may come in, or what to say instead. A room server redirects nobody: who is told
    /// Busy chooses another room at the hall.
    fn admit(&mut self, now: Time, identity: &Identity, kept: Option<&Reservation>) -> Result<(), Message> {
        let node = &self.config.node;
        if identity.world != node.world {
            return Err(Closing { reason: CloseReason::WrongWorld }.into());
        }
        if self.uplink.is_over(identity) {
            return Err(Closing { reason: CloseReason::Evicted }.into());
        }
        let serving = self.guests.len();
        if serving < node.connections_max && self.places.residences(identity.account).next().is_some() {
            return Ok(());
        }
        if self.draining {
            self.counts.refused_draining += 1;
            return Err(Closing { reason: CloseReason::Draining }.into());
        }
        if self.admission.decide(now, serving, kept) == Decision::Serve {
            return Ok(());
        }
        self.counts.refused_busy += 1;
        Err(Busy { retry_after_ms: self.retry_after_ms() }.into())
    }

    /// `busy_retry`, half of it up or down, so that those refused together do not come back together.
    fn retry_after_ms(&mut self) -> u32 {
        let mean = u32::try_from(self.config.node.busy_retry.as_millis()).unwrap_or(u32::MAX);
        (mean / 2).saturating_add(self.jitter.next_u32() % mean.max(1))
    }

    fn connected(&mut self, conn: ConnId, out: &mut Out) {
        let Some(guest) = self.guests.get(conn).filter(|guest| guest.at == At::Knocked) else { return };
        let identity = guest.identity;
        self.replace_idle(&identity, conn, out);
        self.guests.put(conn, At::Door);
    }

    fn guest_said(&mut self, now: Time, conn: ConnId, message: Message, out: &mut Out) {
        let Some(guest) = self.guests.get(conn) else { return };
        match (guest.at, message) {
            (At::Moving { seq }, Message::Leave(_)) => self.guests.put(conn, At::Leaving { seq }),
            (At::Closing | At::Inside | At::Moving { .. }, _) => {}
            (At::Door, Message::Enter(wish)) => self.enter(now, conn, &guest.identity, &wish, out),
            (At::Leaving { .. }, Message::Enter(_)) => self.deny(conn, EnterDenial::AlreadyInside, out),
            (At::Door | At::Claiming(_) | At::Leaving { .. }, message) => self.not_inside(conn, message, out),
            (At::Knocked, _) => self.close(conn, CloseReason::Unexpected, out),
        }
    }

    /// What belongs into a room, said outside: a late word of who just left, or an early one.
    fn not_inside(&mut self, conn: ConnId, message: Message, out: &mut Out) {
        match message {
            Message::Chat(Chat { request, .. }) | Message::TableChat(TableChat { request, .. }) => {
                out.send(conn, ChatDenied { request, reason: ChatDenial::NotInside });
            }
            Message::Sit(_) => out.send(conn, SitDenied { reason: SitDenial::NotInside }),
            Message::Stand(_) => out.send(conn, Stood { from: None, dismissed: false }),
            Message::Watch(_) => out.send(conn, WatchDenied { reason: WatchDenial::NotInside }),
            Message::Unwatch(_) => out.send(conn, Unwatched { table: None }),
            Message::WhoIsHere(_) => {} // nobody is, and nobody is told of anybody
            Message::Ready(_) | Message::SetTableRules(_) | Message::Dismiss(_) => {
                out.send(conn, TableDenied { reason: TableDenial::NotSeated });
            }
            Message::Act(act) => {
                out.send(conn, ActDenied { hand: act.hand, turn: act.turn, reason: ActDenial::NotSeated });
            }
            _ => self.close(conn, CloseReason::Unexpected, out),
        }
    }

    fn enter(&mut self, now: Time, conn: ConnId, identity: &Identity, wish: &Enter, out: &mut Out) {
        match self.way_in(identity, wish) {
            Ok(Way::Claim(room)) => self.claim(now, conn, identity, room, wish, out),
            Ok(Way::Back(room, resident)) => {
                self.counts.returned += 1;
                self.hand_over(room, Resident { conn, ..resident }, wish.into(), out);
            }
            Err(denial) => self.deny(conn, denial, out),
        }
    }

    fn way_in(&self, identity: &Identity, wish: &Enter) -> Result<Way, EnterDenial> {
        if self.is_superseded(identity) {
            return Err(EnterDenial::Superseded);
        }
        let mine = self.residence_of(identity, wish);
        match (mine, wish.room) {
            (Some((room, resident)), wished) if wished.is_none_or(|wished| wished == room) => {
                return Ok(Way::Back(room, resident));
            }
            (Some((room, _)), _) => {
                return Err(EnterDenial::Elsewhere { address: self.address.clone(), room });
            }
            (None, _) if self.draining => return Err(EnterDenial::Draining),
            (None, _) => {}
        }
        let room = self.room_with_space(identity, wish)?;
        if self.requests.len() >= self.config.claims_pending_max as usize {
            return Err(EnterDenial::Busy);
        }
        Ok(Way::Claim(room))
    }

    /// The room of the wished game where this very login is.
    fn residence_of(&self, identity: &Identity, wish: &Enter) -> Option<(RoomNo, Resident)> {
        let mut residences = self.places.residences(identity.account);
        residences.find(|&(room, resident)| {
            resident.identity == *identity && self.places.game_of(room) == Some(wish.game)
        })
    }

    fn room_with_space(&self, identity: &Identity, wish: &Enter) -> Result<RoomNo, EnterDenial> {
        let others = || EnterDenial::Full(self.places.emptiest(wish.game, OTHER_ROOMS_MAX));
        let Some(room) = wish.room else {
            let is_played = self.places.is_played(wish.game);
            return self.places.fullest(wish.game).ok_or(if is_played {
                others()
            } else {
                EnterDenial::NoSuchRoom
            });
        };
        if self.places.game_of(room) != Some(wish.game) {
            return Err(EnterDenial::NoSuchRoom);
        }
        // An older login's place, or one held for another connection's claim, is this account's already.
        if self.places.has(identity.account, room) || self.places.has_space(room) {
            return Ok(room);
        }
        Err(others())
    }

    fn claim(
        &mut self,
        now: Time,
        conn: ConnId,
        identity: &Identity,
        room: RoomNo,
        wish: &Enter,
        out: &mut Out,
    ) {
        let what = What::Claim { conn, seen: wish.into() };
        let deadline = now + self.config.claim_timeout;
        let number = self.ask(identity, room, what, Some(deadline), out);
        self.places.claim(identity.account, room, number);
        self.guests.put(conn, At::Claiming(number));
    }

    /// Asks the manager, now or when the link is up again.
    fn ask(
        &mut self,
        identity: &Identity,
        room: RoomNo,
        what: What,
        deadline: Option<Time>,
        out: &mut Out,
    ) -> u64 {
        let game = self.places.game_of(room).expect("invariant: only rooms that exist are asked about");
        let number = self.uplink.next_request();
        let request = Request { identity: *identity, game, room, what, sent: self.uplink.is_up() };
        let message = self.requests.add(number, request, deadline);
        self.uplink.send(message, out);
        number
    }

    /// The connection goes to its room's floor; from here on its place is this resident's.
    fn hand_over(&mut self, room: RoomNo, resident: Resident, seen: Seen, out: &mut Out) {
        let Resident { identity, conn, .. } = resident;
        self.places.settle(room, resident);
        self.guests.put(conn, At::Inside);
        let note = RoomNote::Enter { identity, room, seen };
        out.push(Output::HandOver { conn, to: self.config.floor_of(room), note });
    }

    fn deny(&mut self, conn: ConnId, reason: EnterDenial, out: &mut Out) {
        self.counts.denied += 1;
        out.send(conn, EnterDenied { reason });
    }

    pub(super) fn check_invariants(&self) {
        self.guests.check_invariants();
        self.places.check_invariants();
        self.admission.check_invariants();
        for (number, request) in self.requests.iter() {
            let What::Claim { conn, .. } = request.what else { continue };
            let waiting = self.guests.get(conn).expect("a claim waits for nobody");
            assert_eq!(waiting.at, At::Claiming(number));
            assert!(self.places.claims(request.identity.account, request.room).contains(&number));
        }
        for conn in self.guests.all() {
            let guest = self.guests.get(conn).expect("listed guests exist");
            if let At::Claiming(number) = guest.at {
                assert!(self.requests.get(number).is_some(), "{conn} waits for an answer to nothing");
            }
        }
        let moves =
            |conn: &ConnId| self.guests.get(*conn).is_some_and(|guest| matches!(guest.at, At::Moving { .. }));
        self.moving.check_invariants(self.guests.all().into_iter().filter(moves));
        for &(account, below) in self.evictions.keys() {
            assert!(self.is_here_below(account, below), "the eviction of {account} is long done");
        }
    }

    pub(super) fn figures(&self, figures: &mut Figures) {
        let counts = &self.counts;
        let (claims, releases) = self.requests.counts();
        let refused = [("busy", counts.refused_busy), ("draining", counts.refused_draining)];
        figures.gauge("usher_serving", "Connections at the door and in rooms.", self.guests.len().into());
        figures.gauge("usher_places_held", "Places in rooms, claimed or taken.", self.places.len() as u64);
        figures.gauge("usher_claims_pending", "Claims that wait for the manager.", claims);
        figures.gauge("usher_releases_pending", "Releases that wait for the manager.", releases);
        figures.gauge(
            "usher_evictions_pending",
            "Orders to put out an older login that are not carried out yet.",
            self.evictions.len() as u64,
        );
        figures.counter("usher_entered_total", "Players let into a room.", counts.entered);
        figures.counter("usher_left_total", "Players who left a room for the door.", counts.left);
        figures.counter(
            "usher_returned_total",
            "Players back in the room where they had a place.",
            counts.returned,
        );
        figures.counter(
            "usher_enter_denied_total",
            "Wishes to enter a room that were denied.",
            counts.denied,
        );
        figures.counters("usher_refused_total", "Who knocked and was refused, by reason.", "reason", refused);
        figures.counter("usher_evicted_total", EVICTED, counts.evicted);
        figures.counter("usher_replaced_total", REPLACED, counts.replaced);
        figures.counter(
            "usher_idle_closed_total",
            "Connections closed for standing at the door.",
            counts.idle,
        );
        figures.counter(
            "usher_moved_total",
            "Players shown to another server's room by a redirect when this server was emptied.",
            counts.moved,
        );
    }
}
