//! First frames and handshakes at the door of each role, and the sealed frames that follow.
//!
//! The first byte says which door. A first frame is shown as it is; or a client of ours begins, and one byte of what
//! passes is altered: nothing that was altered gets any further.
//! Read next: `usher_runtime::door`, `usher_runtime::call`, `usher_secure::noise`.

use crate::fixed;
use arc_swap::ArcSwap;
use bytes::BytesMut;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use usher_hpserver::{Answer, Channel, Codec, Handshake, Keys, Offer, Partial};
use usher_proto::first_frame::{FirstFrame, Role};
use usher_runtime::answers::Seals;
use usher_runtime::call::{Call, Knowing, LoginKeys};
use usher_runtime::codec::{Native, Side};
use usher_runtime::door::{Door, Lock};

const ROLES: [Role; 4] = [Role::Login, Role::Hall, Role::Room, Role::Link];
/// What a server is called at its manager's.
const CALLER: &str = "room-1";
const TEXT_BYTES_MAX: usize = 4096;

static SEALS: LazyLock<Arc<Seals>> = LazyLock::new(|| {
    Arc::new(Seals {
        keys: ArcSwap::from_pointee(fixed::ticket_keys()),
        policy: fixed::policy(),
        ticket_ttl: Duration::from_secs(60),
        session_max: Duration::from_secs(3600),
    })
});

pub(super) fn run(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else { return };
    let role = match which & 0x30 {
        0 => ROLES[usize::from(which & 3)],
        0x10 => Role::Trunk,
        _ => Role::Workers,
    };
    let is_sealed = which & 4 == 0;
    if which & 8 == 0 {
        show(&door(role, is_sealed), role, rest);
    } else if let Some((altered, text)) = Altered::read(rest) {
        meet(role, is_sealed, altered, text);
    }
}

fn door(role: Role, is_sealed: bool) -> Door {
    let lock = match role {
        _ if !is_sealed => Lock::Plain,
        Role::Login => Lock::Login(Arc::new(fixed::login_key())),
        Role::Hall | Role::Room => Lock::Session,
        Role::Link | Role::Trunk | Role::Workers => Lock::Links(fixed::link_secret()),
    };
    Door { roles: vec![role], name: Some(fixed::server()), seals: Arc::clone(&SEALS), lock }
}

fn peer() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 1).into()
}

/// Shows a first frame as it is. Whoever is a player has shown the one good ticket; whoever is shown out hears why.
fn show(door: &Door, role: Role, first_frame: &[u8]) {
    match door.greet(first_frame, peer()) {
        Ok(greeted) => {
            let frame = FirstFrame::parse(first_frame).expect("what was taken is a first frame");
            assert_eq!(frame.to_bytes(), first_frame);
            let is_player = matches!(role, Role::Hall | Role::Room);
            assert_eq!(greeted.greeting.ticket.is_some(), is_player);
            assert!(!is_player || frame.ticket == fixed::SEALED_TICKET.as_bytes());
            let has_place = greeted.greeting.reservation.is_some();
            assert!(!has_place || frame.reservation == fixed::SEALED_RESERVATION.as_bytes());
            let _ = greeted.handshake.map(Handshake::accept);
        }
        Err(refusal) => {
            let client = Native::new(Side::Node);
            let frame = client.frame(&refusal.last_words).expect("a whole frame").expect("a whole frame");
            let said = client.decode(&mut Partial::default(), &refusal.last_words[frame.body]);
            assert!(said.is_ok(), "{said:?}");
        }
    }
}

/// Which byte of what is altered, and how.
#[derive(Clone, Copy)]
struct Altered {
    /// 0: the first frame; 1: its answer; 2: the first sealed frame.
    step: u8,
    at: u16,
    by: u8,
}

impl Altered {
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let ([step, high, low, by], text) = bytes.split_first_chunk()?;
        Some((Self { step: step % 3, at: u16::from_be_bytes([*high, *low]), by: *by }, text))
    }

    fn is_at(self, step: u8) -> bool {
        self.step == step && self.by != 0
    }

    fn apply(self, step: u8, body: &mut [u8]) {
        if self.is_at(step) && !body.is_empty() {
            body[usize::from(self.at) % body.len()] ^= self.by;
        }
    }
}

/// A client of ours at that door.
fn meet(role: Role, is_sealed: bool, altered: Altered, text: &[u8]) {
    let mut call = Box::new(call(role, is_sealed));
    let mut hello = body_of(&call.hello());
    altered.apply(0, &mut hello);
    let Ok(greeted) = door(role, is_sealed).greet(&hello, peer()) else {
        return assert!(altered.is_at(0), "our own first frame was refused");
    };
    let Some(handshake) = greeted.handshake else { return assert!(!is_sealed) };
    let Ok((welcome, there)) = handshake.accept() else {
        return assert!(altered.is_at(0), "our own handshake was refused");
    };
    assert!(!altered.is_at(0), "an altered first frame was taken");
    let mut answer = body_of(&welcome);
    altered.apply(1, &mut answer);
    let Ok(Answer::Welcome(Some(here))) = call.answered(&answer) else {
        return assert!(altered.is_at(1), "the server's own answer was refused");
    };
    assert!(!altered.is_at(1), "an altered answer was taken");
    speak(here, there, altered, text);
}

fn call(role: Role, is_sealed: bool) -> Call {
    let (ticket, knowing) = match role {
        Role::Login => ("", Knowing::LoginKeys(Arc::new(LoginKeys::new(vec![fixed::login_key().public()])))),
        Role::Hall | Role::Room => (fixed::SEALED_TICKET, Knowing::Session(fixed::SESSION_KEY)),
        Role::Link | Role::Trunk | Role::Workers => {
            (CALLER, Knowing::Link(fixed::link_secret().key_of(CALLER)))
        }
    };
    let reservation = fixed::SEALED_RESERVATION.as_bytes();
    let frame = FirstFrame { role, ticket: ticket.as_bytes(), reservation, noise: b"" };
    Call::new(&frame, if is_sealed { knowing } else { Knowing::Nothing })
}

/// What is sealed here opens there, once and in order, unless it was altered.
fn speak(mut here: Keys, mut there: Keys, altered: Altered, text: &[u8]) {
    let text = &text[..text.len().min(TEXT_BYTES_MAX)];
    let (mut wire, mut clear) = (BytesMut::new(), Vec::new());
    let frame = [&(text.len() as u16).to_be_bytes()[..], text].concat();
    here.seal.seal(&frame, &mut wire).expect("a fresh key");
    let mut sealed = body_of(&wire);
    altered.apply(2, &mut sealed);
    let opened = there.open.open(&sealed, &mut clear);
    assert_eq!(opened.is_ok(), !altered.is_at(2));
    assert_eq!(clear, if opened.is_ok() { text } else { b"" });
    assert!(there.open.open(&sealed, &mut clear).is_err(), "a frame opened twice");
}

/// The body of one whole frame.
fn body_of(frame: &[u8]) -> Vec<u8> {
    frame[2..].to_vec()
}
