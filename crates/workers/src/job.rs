//! What is asked of a worker, until it is answered: as a message, by kind and key, and who is told.
//!
//! Owns: the request's own words. Does not own its fate; that is the pool's, which knows numbers alone.
//! Invariants: whoever asked is told once. An answer to something else than what was asked is no answer.
//! Limits: those of the messages; what passes them is not given to anybody. A worker that speaks JSON may say more than they
//! allow: of a reason the beginning is passed on, and any other answer has failed.
//! Read next: [`crate::service`].

use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use std::time::Duration;
use usher_games::worker::beginning;
use usher_hpserver::ConnId;
use usher_proto::codec::{self, Form};
use usher_proto::limits::{WORK_BYTES_MAX, WORK_KEY_BYTES_MAX, WORK_KIND_BYTES_MAX, WORK_WHY_BYTES_MAX};
use usher_proto::machine::Played;
use usher_proto::message::{HandPlayed, Look, NotDone, Play, PlayHand, PlayRefused, Undone, Work, Worked};
use usher_proto::{Message, Payload};

/// Below that a hand is not measured before it is sent: it fits.
const HAND_BYTES_SURE: usize = 8 * 1024;
/// What stands around an action, at most, in either form.
const DEED_BYTES: usize = 48;
/// What a character may become in JSON.
const JSON_BYTES_PER_BYTE: usize = 6;
/// Below that a look is not measured before it is passed on: it fits.
const LOOK_BYTES_SURE: usize = 8 * 1024;
/// What stands around a text in a look, and a number in it, at most.
const TEXT_BYTES: usize = 32;
const NUMBER_BYTES: usize = 5;
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
            Self::Work { body, .. } if body.len() > WORK_BYTES_MAX => return Some("the body is too long"),
            Self::Work { body, .. } if body.len() <= HAND_BYTES_SURE => return None,
            Self::Hand(_) | Self::Work { .. } => {}
        }
        let message = self.clone().message(u64::MAX, Duration::MAX);
        (!fits(form, &message)).then_some("it is longer than a message may be")
    }
}

fn fits(form: Form, message: &Message) -> bool {
    codec::encode(form, message, |_, _| {}).is_ok()
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
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Played(HandPlayed),
    Refused(PlayRefused),
    Worked(Worked),
    Undone(NotDone),
}

impl Outcome {
    /// What a worker said, with the number it said; anything else than an answer comes back.
    pub(crate) fn read(message: Message) -> Result<(u64, Self), Message> {
        let (id, outcome) = match message {
            Message::HandPlayed(it) => (it.id, Self::Played(it)),
            Message::PlayRefused(it) => (it.id, Self::Refused(it)),
            Message::Worked(it) => (it.id, Self::Worked(it)),
            Message::Undone(Undone { id, why }) => (id, Self::Undone(why)),
            other => return Err(other),
        };
        Ok((id, outcome.within_limits()))
    }

    /// As anybody may be told it: in JSON a worker may say more than that.
    fn within_limits(self) -> Self {
        match self {
            Self::Played(it) if !is_look_short(&it) => Self::too_long(),
            Self::Worked(it) if it.body.len() > WORK_BYTES_MAX => Self::too_long(),
            Self::Refused(it) => Self::Refused(PlayRefused { why: shortened(it.why), ..it }),
            Self::Undone(NotDone::Failed(why)) => Self::Undone(NotDone::Failed(shortened(why))),
            within => within,
        }
    }

    fn too_long() -> Self {
        Self::Undone(NotDone::Failed("its answer is too long".into()))
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

/// Whether it can be passed on, also under a longer number.
fn is_look_short(played: &HandPlayed) -> bool {
    look_bytes(&played.look) <= LOOK_BYTES_SURE
        || fits(Form::MessagePack, &HandPlayed { id: u64::MAX, ..played.clone() }.into())
}

fn look_bytes(look: &Look) -> usize {
    let sights = look.views.iter().flat_map(|sight| sight.actions.iter().chain([&sight.shown]));
    let texts = sights.chain([&look.words]).chain(look.end.as_ref().map(|end| &end.reason));
    let numbers = look.to_act.len() + look.end.as_ref().map_or(0, |end| end.scores.len());
    texts.map(|text| TEXT_BYTES + text.len()).sum::<usize>() + NUMBER_BYTES * numbers
}

/// Of a reason as much as anybody may be told.
fn shortened(mut why: String) -> String {
    why.truncate(beginning(&why, WORK_WHY_BYTES_MAX).len());
    why
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

#[cfg(test)]
mod tests {
    use super::*;
    use usher_proto::message::{HandEnd, Sight};

    /// What is read of an answer with the number 7: it can be passed on under any.
    fn read(message: impl Into<Message>) -> Outcome {
        let (id, outcome) = Outcome::read(message.into()).unwrap();
        assert_eq!(id, 7);
        assert!(fits(Form::MessagePack, &outcome.clone().message(u64::MAX)), "{outcome:?}");
        outcome
    }

    fn is_too_long(outcome: &Outcome) -> bool {
        outcome.undone() == Some(&NotDone::Failed("its answer is too long".into()))
    }

    #[test]
    fn a_reason_is_cut_between_two_characters() {
        for (said, heard) in [("x".repeat(128), 128), ("x".repeat(129), 128), ("\u{20ac}".repeat(99), 126)] {
            let refused = read(PlayRefused { id: 7, why: said.clone() });
            let failed = read(Undone { id: 7, why: NotDone::Failed(said.clone()) });
            for outcome in [refused, failed] {
                let (Outcome::Refused(PlayRefused { why, .. }) | Outcome::Undone(NotDone::Failed(why))) =
                    outcome
                else {
                    panic!("{outcome:?}");
                };
                assert_eq!(why, said[..heard]);
            }
        }
    }

    #[test]
    fn a_body_that_is_too_long_has_failed() {
        let worked = |bytes| read(Worked { id: 7, body: vec![b'x'; bytes].into() });
        assert!(matches!(worked(WORK_BYTES_MAX), Outcome::Worked(it) if it.body.len() == WORK_BYTES_MAX));
        assert!(is_too_long(&worked(WORK_BYTES_MAX + 1)));
    }

    #[test]
    fn a_look_that_fits_no_message_has_failed() {
        let look = |shown: usize, actions: usize| Look {
            to_act: vec![0; 8],
            views: vec![Sight { actions: vec!["x".into(); actions], shown: "x".repeat(shown) }; 9],
            end: Some(HandEnd { scores: vec![i32::MIN; 8], reason: "won".into() }),
            ..Look::default()
        };
        let played = |look| read(HandPlayed { id: 7, look: Box::new(look) });
        for (shown, actions) in [(0, 0), (1_023, 0), (513, 255), (1_750, 0)] {
            assert!(matches!(played(look(shown, actions)), Outcome::Played(_)), "{shown}, {actions}");
        }
        let words = Look { words: "x".repeat(16_384), ..look(0, 0) };
        let scores = HandEnd { scores: vec![i32::MIN; 4_000], reason: "won".into() };
        let scores = Look { end: Some(scores), ..look(0, 0) };
        for wrong in [look(1_850, 0), look(0, 1_000), words, scores] {
            assert!(is_too_long(&played(wrong)));
        }
    }

    #[test]
    fn a_look_is_measured_under_the_longest_number() {
        let look = |words| Look { words: "x".repeat(words), ..Look::default() };
        let played = |id, words| HandPlayed { id, look: Box::new(look(words)) };
        let fits_under = |id, words| fits(Form::MessagePack, &played(id, words).into());
        let most = (0..16_384).rev().find(|words| fits_under(7, *words)).unwrap();
        assert!(!fits_under(u64::MAX, most));
        assert!(is_too_long(&read(played(7, most))));
    }

    #[test]
    fn work_that_is_too_long_is_given_to_nobody() {
        let work = |bytes| Job::Work { kind: "x".into(), key: None, body: vec![b'x'; bytes].into() };
        for form in [Form::MessagePack, Form::Json] {
            assert_eq!(work(WORK_BYTES_MAX).flaw(form), None);
            assert_eq!(work(WORK_BYTES_MAX + 1).flaw(form), Some("the body is too long"));
        }
    }
}
