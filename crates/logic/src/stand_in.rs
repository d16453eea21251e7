//! What a worker would say of a hand, where the rules are here after all: for worlds that have no processes.
//!
//! Why: the simulator and the tests play hands whose rules are a worker's; and whoever writes a worker finds here what is
//! expected of one.
//! Owns: the words. An action is called as the game describes it, so that it is a text.
//! Invariant: the same question has the same answer; nothing is kept between two.
//! Read next: `docs/workers.md`.

use crate::hand::make;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use usher_games::{Event, Game, GameKind, Illegal, Seat};
use usher_proto::hand::Move;
use usher_proto::machine::Played;
use usher_proto::message::{Deed, HandEnd, Look, NotDone, Play, Sight};

/// Plays a hand as far as the question goes, by the rules of `kind`.
pub fn play(kind: GameKind, play: &Play) -> Played {
    let Some(mut game) = kind.new_hand(*play.seed) else { return Played::Undone(NotDone::NoWorker) };
    for deed in &play.moves {
        if let Err(illegal) = carry_out(kind, &mut *game, deed) {
            return Played::Undone(NotDone::Failed(format!("a move before: {illegal}")));
        }
    }
    match play.next.as_ref().map(|deed| carry_out(kind, &mut *game, deed)) {
        Some(Err(illegal)) => Played::Refused(illegal.name().into()),
        Some(Ok(events)) => Played::Look(Box::new(look(kind, &*game, words(kind, &events)))),
        None => Played::Look(Box::new(look(kind, &*game, String::new()))),
    }
}

fn carry_out(kind: GameKind, game: &mut dyn Game, deed: &Deed) -> Result<Vec<Event>, Illegal> {
    let done = match deed {
        Deed::Act { seat, action } => {
            let legal = game.legal_actions(Seat(*seat)).into_iter();
            let action = legal.into_iter().find(|legal| kind.describe(legal) == *action);
            Move::Act { seat: *seat, action: action.ok_or(Illegal::Malformed)? }
        }
        Deed::Timeout => Move::Timeout,
        Deed::Abandon { seat } => Move::Abandon { seat: *seat },
    };
    make(game, &done)
}

fn words(kind: GameKind, events: &[Event]) -> String {
    events.first().map_or(String::new(), |event| kind.tell(&event.bytes))
}

fn look(kind: GameKind, game: &dyn Game, words: String) -> Look {
    let sight = |viewer: Option<Seat>| Sight {
        actions: viewer.map_or(Vec::new(), |seat| {
            game.legal_actions(seat).iter().map(|action| kind.describe(action)).collect()
        }),
        shown: kind.show(&game.view(viewer)).unwrap_or_default(),
    };
    Look {
        words,
        to_act: game.to_act().iter().map(|seat| seat.0).collect(),
        views: (0..kind.seats()).map(|seat| Some(Seat(seat))).chain([None]).map(sight).collect(),
        between_tricks: game.is_between_tricks(),
        end: game
            .outcome()
            .map(|outcome| HandEnd { scores: outcome.scores, reason: outcome.reason.name().into() }),
    }
}
