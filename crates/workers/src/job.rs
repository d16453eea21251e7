//! What is asked of a worker, until it is answered: as a message, by kind and key, and who is told.
//!
//! Owns: the request's own words. Does not own its fate; that is the pool's, which knows numbers alone.
//! Invariants: whoever asked is told once. An answer to something else than what was asked is no answer.
//! Limits: those of the messages; what passes them is not given to anybody.
//! Read next: [`crate::service`].

use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use std::time::Duration;
use usher_hpserver::ConnId;
use usher_proto::codec::{self, Form};
use usher_proto::limits::{WORK_KEY_BYTES_MAX, WORK_KIND_BYTES_MAX};
use usher_proto::machine::Played;
use usher_proto::message::{HandPlayed, NotDone, Play, PlayHand, PlayRefused, Undone, Work, Worked};
use usher_proto::{Message, Payload};

/// Below that a hand is not measured before it is sent: it fits.
const HAND_BYTES_SURE: usize = 8 * 1024;
/// What stands around an action, at most, in either form.
const DEED_BYTES: usize = 48;
/// What a character may become in JSON.
const JSON_BYTES_PER_BYTE: usize = 6;
/// The kind of a hand in logs and dead letters.
const HAND: &str = "hand";

/// Is told what comes of a hand.
pub type HearPlayed = Box<dyn FnOnce(Played) + Send>;
/// Is told what comes of work.
pub type HearWorked = Box<dyn FnOnce(Result<Payload, NotDone>) + Send>;

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    Hand(Box<Play>),
    Work { kind: String, key: Option<String>, body: Payload },
}

impl Job {
    pub(crate) fn kind(&self) -> &str {
        match self {
            Self::Hand(_) => HAND,
            Self::Work { kind, .. } => kind,
        }
    }

    pub(crate) fn is_hand(&self) -> bool {
        matches!(self, Self::Hand(_))
    }

    /// What it is about, of those that one worker is to have: a hand's is its table.
    pub(crate) fn key(&self) -> Option<u64> {
        let key = match self {
            Self::Hand(play) => play.hand.rsplit_once('/').map_or(play.hand.as_str(), |(table, _)| table),
            Self::Work { key, .. } => key.as_deref()?,
        };
        Some(FixedState::with_seed(0).hash_one(key))
    }

    /// As it is sent.
    pub(crate) fn message(self, id: u64, left: Duration) -> Message {
        let left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX);
        match self {
            Self::Hand(play) => PlayHand { id, left_ms, play }.into(),
            Self::Work { kind, key, body } => Work { id, left_ms, kind, key, body }.into(),
        }
    }

    /// Why no worker can be told it.
    pub(crate) fn flaw(&self, form: Form) -> Option<&'static str> {
        match self {
            Self::Hand(play) if hand_bytes(play) <= HAND_BYTES_SURE => return None,
            Self::Work { kind, .. } if kind.len() > WORK_KIND_BYTES_MAX => {
                return Some("the kind is too long");
            }
            Self::Work { key: Some(key), .. } if key.len() > WORK_KEY_BYTES_MAX => {
                return Some("the key is too long");
            }
            Self::Work { body, .. } if body.len() <= HAND_BYTES_SURE => return None,
            Self::Hand(_) | Self::Work { .. } => {}
        }
        let message = self.clone().message(u64::MAX, Duration::MAX);
        codec::encode(form, &message, |_, _| {}).is_err().then_some("it is longer than a message may be")
    }
}

fn hand_bytes(play: &Play) -> usize {
    use usher_proto::message::Deed;
    let deed = |deed: &Deed| match deed {
        Deed::Act { action, .. } => DEED_BYTES + JSON_BYTES_PER_BYTE * action.len(),
        Deed::Timeout | Deed::Abandon { .. } => DEED_BYTES,
    };
    let words = JSON_BYTES_PER_BYTE * (play.hand.len() + play.game.len());
    words + play.moves.iter().chain(&play.next).map(deed).sum::<usize>()
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Played(HandPlayed),
    Refused(PlayRefused),
    Worked(Worked),
    Undone(NotDone),
}

impl Outcome {
    /// What a worker said, with the number it said; anything else than an answer comes back.
    pub(crate) fn read(message: Message) -> Result<(u64, Self), Message> {
        Ok(match message {
            Message::HandPlayed(it) => (it.id, Self::Played(it)),
            Message::PlayRefused(it) => (it.id, Self::Refused(it)),
            Message::Worked(it) => (it.id, Self::Worked(it)),
            Message::Undone(Undone { id, why }) => (id, Self::Undone(why)),
            other => return Err(other),
        })
    }

    /// Why it is not done, if it is not.
    pub(crate) fn undone(&self) -> Option<&NotDone> {
        if let Self::Undone(why) = self { Some(why) } else { None }
    }

    /// Made to fit what was asked.
    pub(crate) fn to(self, is_hand: bool) -> Self {
        match self {
            Self::Played(_) | Self::Refused(_) if is_hand => self,
            Self::Worked(_) if !is_hand => self,
            Self::Undone(_) => self,
            _ => Self::Undone(NotDone::Failed("answered something else".into())),
        }
    }

    fn played(self) -> Played {
        match self {
            Self::Played(HandPlayed { look, .. }) => Played::Look(look),
            Self::Refused(PlayRefused { why, .. }) => Played::Refused(why),
            Self::Undone(why) => Played::Undone(why),
            Self::Worked(_) => Played::Undone(NotDone::Failed("answered something else".into())),
        }
    }

    fn worked(self) -> Result<Payload, NotDone> {
        match self {
            Self::Worked(Worked { body, .. }) => Ok(body),
            Self::Undone(why) => Err(why),
            Self::Played(_) | Self::Refused(_) => Err(NotDone::Failed("answered something else".into())),
        }
    }

    /// As a message under another number.
    pub(crate) fn message(self, id: u64) -> Message {
        match self {
            Self::Played(it) => HandPlayed { id, ..it }.into(),
            Self::Refused(it) => PlayRefused { id, ..it }.into(),
            Self::Worked(it) => Worked { id, ..it }.into(),
            Self::Undone(why) => Undone { id, why }.into(),
        }
    }
}

/// Who asked, and is to be told.
pub(crate) enum Asker {
    Hand(HearPlayed),
    Work(HearWorked),
    /// A room server elsewhere, which has its own number for it.
    Room {
        conn: ConnId,
        id: u64,
    },
}

impl Asker {
    /// Tells whoever is in this process; whoever is not is to be sent the message.
    pub(crate) fn tell(self, outcome: Outcome) -> Option<(ConnId, Message)> {
        match self {
            Self::Hand(hear) => hear(outcome.played()),
            Self::Work(hear) => hear(outcome.worked()),
            Self::Room { conn, id } => return Some((conn, outcome.message(id))),
        }
        None
    }
}
