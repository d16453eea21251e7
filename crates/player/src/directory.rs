//! Which room of a directory a player goes to.
//!
//! Why: people look for company, so fuller rooms draw more; a directory is up to a second old, so thousands
//! who read the same one must not all take the same room.
//! Invariant: a room's weight falls to nothing as it fills, so a crowd rarely meets a closed door.
//! Limits: the first [`TOP_ROOMS_MAX`] rooms with space are considered.
//! Read next: `journey.rs`.

use crate::dice::Dice;
use usher_proto::GameId;
use usher_proto::message::RoomEntry;

const TOP_ROOMS_MAX: usize = 16;

/// A room of this game with space, none to `avoid` unless there is nowhere else.
pub(crate) fn choose<'a>(
    rooms: &'a [RoomEntry],
    game: GameId,
    avoid: impl Fn(&RoomEntry) -> bool,
    dice: &mut Dice,
) -> Option<&'a RoomEntry> {
    let open = || rooms.iter().filter(move |room| room.game == game && weight(room) > 0);
    let elsewhere = || open().filter(|room| !avoid(room));
    draw(elsewhere, dice).or_else(|| draw(open, dice))
}

fn draw<'a, I>(rooms: impl Fn() -> I, dice: &mut Dice) -> Option<&'a RoomEntry>
where
    I: Iterator<Item = &'a RoomEntry>,
{
    let total = rooms().take(TOP_ROOMS_MAX).map(weight).sum();
    let mut at = dice.below(total);
    rooms().take(TOP_ROOMS_MAX).find(|room| {
        let weight = weight(room);
        let here = at < weight;
        at = at.saturating_sub(weight);
        here
    })
}

/// Grows with the people in it, up to where the free places begin to run out.
fn weight(room: &RoomEntry) -> u64 {
    let free = room.capacity.saturating_sub(room.population);
    u64::from(free.min(room.population.saturating_add(room.capacity / 4).max(1)))
}

#[cfg(test)]
mod unit {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use usher_proto::{Address, RoomNo};

    fn room(address: &str, room: u16, population: u32) -> RoomEntry {
        let (address, game) = (Address::from(address), GameId(1));
        RoomEntry { address, room: RoomNo(room), name: "".into(), game, population, capacity: 400 }
    }

    fn draws(rooms: &[RoomEntry], avoid: Option<&Address>) -> Vec<usize> {
        let mut dice = Dice::new(1);
        let mut count = vec![0; rooms.len()];
        for _ in 0..1000 {
            if let Some(chosen) = choose(rooms, GameId(1), |room| Some(&room.address) == avoid, &mut dice) {
                count[usize::from(chosen.room.0)] += 1;
            }
        }
        count
    }

    #[test]
    fn fuller_rooms_draw_more_but_full_ones_nobody() {
        let rooms = [room("a", 0, 0), room("a", 1, 120), room("a", 2, 400), room("b", 3, 395)];
        let count = draws(&rooms, None);
        assert_eq!(count[2], 0);
        assert!(count[1] > count[0] && count[0] > count[3] && count[3] > 0, "{count:?}");
        assert_eq!(count.iter().sum::<usize>(), 1000);
    }

    #[test]
    fn an_avoided_address_is_taken_only_when_there_is_no_other() {
        let rooms = [room("a", 0, 0), room("b", 1, 0)];
        let avoid = Address::from("b");
        assert_eq!(draws(&rooms, Some(&avoid)), [1000, 0]);
        assert_eq!(draws(&rooms[..1], Some(&Address::from("a"))), [1000]);
        assert_eq!(draws(&[], None), Vec::<usize>::new());
        let other_game = RoomEntry { game: GameId(9), ..room("a", 0, 0) };
        assert_eq!(choose(&[other_game], GameId(1), |_| false, &mut Dice::new(1)), None);
    }
}
