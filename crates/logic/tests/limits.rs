//! The limits of games and those of the wire are the same.
//!
//! Why: neither crate knows the other; this one knows both.
//! Read next: `usher_games` and `usher_proto::limits`.

use usher_games as games;
use usher_proto::limits as wire;

#[test]
fn what_a_game_may_say_fits_the_wire() {
    let pairs = [
        (games::SEATS_MAX, wire::SEATS_MAX),
        (games::ACTION_BYTES_MAX, wire::ACTION_BYTES_MAX),
        (games::EVENT_BYTES_MAX, wire::EVENT_BYTES_MAX),
        (games::VIEW_BYTES_MAX, wire::VIEW_BYTES_MAX),
    ];
    for (game, wire) in pairs {
        assert_eq!(game, wire);
    }
}
