//! What holds for every game, whatever its rules: these tests know only the trait and run for all kinds.
//!
//! Read next: `../src/gomoku/tests.rs` for one game's rules.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use usher_games::doudizhu::Cards;
use usher_games::{
    ACTION_BYTES_MAX, Audience, EVENT_BYTES_MAX, Event, Game, GameKind, Illegal, Seat, Seats, VIEW_BYTES_MAX,
    bot,
};

/// No hand of any game lasts longer.
const TURNS_MAX: u32 = 1_000;

fn any_kind() -> impl Strategy<Value = GameKind> {
    prop::sample::select(GameKind::ALL)
}

fn seats(kind: GameKind) -> impl Iterator<Item = Seat> {
    (0..kind.seats()).map(Seat)
}

/// Whether the rules see no difference between two actions, of which `legal_actions` then has one.
fn are_alike(kind: GameKind, one: &[u8], other: &[u8]) -> bool {
    let ranks = |action: &[u8]| action.iter().copied().collect::<Cards>().ranks();
    match kind {
        GameKind::DouDizhu => one == other || (!ranks(one).is_empty() && ranks(one) == ranks(other)),
        _ => one == other,
    }
}

/// The server's hand and the views that a client at each seat, and a spectator, keep from the events alone.
struct Table {
    kind: GameKind,
    game: Box<dyn Game>,
    views: Vec<(Option<Seat>, Vec<u8>)>,
}

impl Table {
    fn new(kind: GameKind, seed: u64) -> Self {
        let mut bytes = [0; 32];
        ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        let game = kind.new_hand(bytes).expect("its rules are here");
        let viewers = seats(kind).map(Some).chain([None]);
        let views = viewers.map(|viewer| (viewer, game.view(viewer))).collect();
        Self { kind, game, views }
    }

    /// Tells everyone, and checks that each now sees what the server would show.
    fn tell(&mut self, events: &[Event]) {
        for (viewer, view) in &mut self.views {
            for event in events {
                assert!(event.bytes.len() <= EVENT_BYTES_MAX);
                let told = match event.to {
                    Audience::Everyone => true,
                    Audience::Only(seat) => *viewer == Some(seat),
                    Audience::Spectators => viewer.is_none(),
                };
                if told {
                    self.kind.apply(view, &event.bytes).expect("an event follows from the view");
                }
            }
            assert_eq!(*view, self.game.view(*viewer), "view of {viewer:?}");
        }
    }

    fn check(&self) {
        assert_eq!(self.game.outcome().is_some(), self.game.to_act().is_empty());
        assert!(self.game.turn() <= TURNS_MAX, "the hand does not end");
        for (_, view) in &self.views {
            assert!(view.len() <= VIEW_BYTES_MAX);
        }
        let Some(outcome) = self.game.outcome() else { return };
        assert_eq!(outcome.scores.len(), usize::from(self.kind.seats()));
        assert_eq!(outcome.scores.iter().sum::<i32>(), 0);
    }

    fn act(&mut self, seat: Seat, action: &[u8]) {
        let turn = self.game.turn();
        let events = self.game.act(seat, action).expect("the action is legal");
        assert_eq!(self.game.turn(), turn + 1);
        self.tell(&events);
        self.check();
    }

    fn seat_to_act(&self) -> Option<Seat> {
        self.game.to_act().iter().next()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Random legal play ends, and on the way every view and score is as the trait promises.
    #[test]
    fn random_play_ends(kind in any_kind(), seed: u64) {
        let mut table = Table::new(kind, seed);
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        while let Some(seat) = table.seat_to_act() {
            let actions = table.game.legal_actions(seat);
            prop_assert!(!actions.is_empty());
            let view = table.game.view(Some(seat));
            let known = kind.legal_actions(&view, seat).expect("a view");
            prop_assert_eq!(&known, &actions, "known from the view");
            let words: BTreeSet<_> = actions.iter().map(|action| kind.describe(action)).collect();
            prop_assert_eq!(words.len(), actions.len(), "two actions are called the same: {:?}", words);
            let action = &actions[rng.next_u32() as usize % actions.len()];
            prop_assert!(action.len() <= ACTION_BYTES_MAX);
            table.act(seat, action);
        }
        for seat in seats(kind) {
            prop_assert!(table.game.legal_actions(seat).is_empty());
            prop_assert_eq!(table.game.act(seat, &[0]), Err(Illegal::Over));
        }
    }

    /// After some play: whatever is offered is accepted, whatever else is refused and changes nothing.
    #[test]
    fn legal_is_what_is_accepted(kind in any_kind(), seed: u64, turns in 0u32..60, strange: Vec<u8>) {
        let play = || {
            let mut table = Table::new(kind, seed);
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            for _ in 0..turns {
                let Some(seat) = table.seat_to_act() else { break };
                let action = bot::choose(kind, &table.game.view(Some(seat)), seat, rng).expect("on turn");
                table.act(seat, &action);
            }
            table
        };
        let mut table = play();
        let pairs = (0..16).flat_map(|one| (0..16).map(move |other| vec![one, other]));
        let short = (0..=u8::MAX).map(|byte| vec![byte]).chain(pairs);
        for seat in (0..=kind.seats()).map(Seat) {
            let legal = table.game.legal_actions(seat);
            prop_assert_eq!(legal.is_empty(), !table.game.to_act().contains(seat));
            for action in short.clone().chain([strange.clone(), Vec::new()]) {
                let before = table.game.view(Some(seat));
                if legal.contains(&action) {
                    prop_assert!(play().game.act(seat, &action).is_ok());
                } else if table.game.act(seat, &action).is_err() {
                    prop_assert_eq!(table.game.view(Some(seat)), before);
                } else {
                    prop_assert!(legal.iter().any(|one| are_alike(kind, one, &action)), "{:?}", action);
                    table = play();
                }
            }
        }
    }

    /// A clock that runs out, or a player who leaves, at any moment: the hand goes on to its end, is told,
    /// and leaves nothing to do.
    #[test]
    fn lateness_and_leaving_are_answered(kind in any_kind(), seed: u64, leaves: bool, turns in 0u32..40) {
        let mut table = Table::new(kind, seed);
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let mut gone = Seats::NONE;
        while let Some(seat) = table.seat_to_act() {
            prop_assert!(!gone.contains(seat));
            if table.game.turn() < turns {
                let action = bot::choose(kind, &table.game.view(Some(seat)), seat, rng).expect("on turn");
                table.act(seat, &action);
                continue;
            }
            let leaver = Seat(rng.next_u32() as u8 % kind.seats());
            if leaves && gone.contains(leaver) {
                prop_assert_eq!(table.game.abandon(leaver), []);
                continue;
            }
            let turn = table.game.turn();
            let events = if leaves { table.game.abandon(leaver) } else { table.game.timeout() };
            gone = if leaves { gone.union(Seats::one(leaver)) } else { gone };
            prop_assert!(!events.is_empty());
            prop_assert_eq!(table.game.turn(), turn + 1);
            table.tell(&events);
            table.check();
        }
        prop_assert_eq!(table.game.outcome().map(|outcome| outcome.left), Some(gone));
        prop_assert_eq!(table.game.timeout(), []);
        prop_assert_eq!(table.game.abandon(Seat(0)), []);
        prop_assert_eq!(table.game.to_act(), Seats::NONE);
    }

    /// Bytes from anywhere are refused or understood, and never a panic.
    #[test]
    fn strange_views_and_events_are_survived(
        kind in any_kind(),
        seed: u64,
        event: Vec<u8>,
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut game = Table::new(kind, seed).game;
        let seat = game.to_act().iter().next().expect("a hand begins");
        let good = game.view(Some(seat));
        let told = game.act(seat, &game.legal_actions(seat)[0]).expect("the action is legal");
        let mut view = good.clone();
        for (at, byte) in spoilt {
            let offset = at.index(view.len());
            view[offset] = byte;
        }
        let before = view.clone();
        if kind.apply(&mut view, &event).is_err() {
            prop_assert_eq!(&view, &before);
        }
        // The ends of numbers are what hurts, with an event that would have followed.
        for (offset, end) in (0..good.len()).flat_map(|offset| [(offset, 0), (offset, u8::MAX)]) {
            let mut view = good.clone();
            view[offset] = end;
            let _ = kind.apply(&mut view, &told[0].bytes);
        }
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        for seat in 0..=u8::MAX {
            let _ = bot::choose(kind, &before, Seat(seat), rng);
        }
    }
}

#[test]
fn bots_end_their_hands_by_playing() {
    for &kind in GameKind::ALL {
        let mut turns = 0;
        let hands = 200;
        for seed in 0..hands {
            let mut table = Table::new(kind, seed);
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            while let Some(seat) = table.seat_to_act() {
                let action = bot::choose(kind, &table.game.view(Some(seat)), seat, rng).expect("on turn");
                table.act(seat, &action);
            }
            turns += u64::from(table.game.turn());
        }
        let mean = turns / hands;
        assert!((9..120).contains(&mean), "{kind}: {mean} turns a hand");
    }
}
