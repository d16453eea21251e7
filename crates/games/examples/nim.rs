//! Nim at a terminal, against somebody who does anything legal: `cargo run -p usher-games --example nim -- 7`.
//!
//! What a room does with a hand, without the room: it asks who may act, hands over what they sent, and tells what came of it.
//!
//! Read next: `docs/writing-a-game.md`, where this is `src/main.rs` of a project of one's own, and `nim.rs` lies beside it.
#![forbid(unsafe_code)]

extern crate alloc;

/// Where the game is at home.
#[path = "../src"]
pub mod home {
    pub mod nim;
}

use std::io;

use home::nim;
use nim::Nim;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use usher_games::{self as game, Game, Rules, Seat};

const YOU: Seat = Seat(0);
const BOT: Seat = Seat(1);

fn main() -> io::Result<()> {
    let number = std::env::args().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default();
    let mut hand = Nim::new([number; 32]);
    let mut chance = ChaCha8Rng::from_seed([number; 32]);
    while hand.outcome().is_none() {
        let answer = if hand.to_act().contains(YOU) {
            println!("{}", hand.show());
            match io::stdin().lines().next() {
                Some(word) => hand.act(YOU, &meant(&hand, word?.trim())),
                None => Ok(hand.abandon(YOU)),
            }
        } else {
            let action = Nim::choose(&hand.view(Some(BOT)), BOT, &mut chance);
            hand.act(BOT, &action.unwrap_or_default())
        };
        match answer {
            Ok(events) => tell(&events),
            Err(why) => println!("no: {}", why.name()),
        }
    }
    println!("points: {:?}", hand.outcome().map(|outcome| outcome.scores).unwrap_or_default());
    Ok(())
}

/// The action that is called so; no action at all where none is.
fn meant(hand: &Nim, word: &str) -> game::Action {
    hand.legal_actions(YOU).into_iter().find(|action| Nim::describe(action) == word).unwrap_or_default()
}

fn tell(events: &[game::Event]) {
    for event in events {
        println!("seat {} {}", event.bytes[0], Nim::tell(&event.bytes));
    }
}
