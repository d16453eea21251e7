"""The rules of rps.py: `python3 -m unittest discover crates/workers/examples/tests`."""

import random
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from rps import CHOICES, ROUNDS, Tournament, compare  # noqa: E402
from usher_worker import Refused, do, look  # noqa: E402

SEEDS = [bytes([number]) * 32 for number in range(50)]


def played(seed, deeds):
    """The hand after these deeds, and all that was ever shown of it."""
    hand = Tournament(seed)
    looks = [look(hand, "")]
    for deed in deeds:
        words = do(hand, deed)
        looks.append(look(hand, words))
    return hand, looks


def act(seat, action):
    return {"act": {"seat": seat, "action": action}}


def any_deeds(seed):
    """A hand as it may go: players choose, are late, and leave."""
    dice, hand, deeds = random.Random(seed), Tournament(seed), []
    seats = list(range(Tournament.seats))
    while hand.to_act():
        deed = act(hand.to_act()[0], dice.choice(CHOICES))
        if dice.random() < 0.1:
            deed = "timeout"
        if seats and dice.random() < 0.1:
            deed = {"abandon": {"seat": seats.pop(dice.randrange(len(seats)))}}
        do(hand, deed)
        deeds.append(deed)
    return deeds


class Rules(unittest.TestCase):
    def test_each_choice_loses_to_the_next(self):
        for one, other, gain in [
            ("paper", "rock", 1), ("scissors", "paper", 1), ("rock", "scissors", 1), ("rock", "paper", -1),
            ("paper", "scissors", -1), ("scissors", "rock", -1), ("rock", "rock", 0),
        ]:
            self.assertEqual(compare(one, other), gain, (one, other))

    def test_everybody_plays_everybody(self):
        deeds = [act(seat, choice) for seat, choice in enumerate(["rock", "rock", "paper", "scissors"])]
        hand, looks = played(SEEDS[0], deeds)
        self.assertEqual([it["words"] for it in looks[1:4]], [f"seat {seat} has chosen" for seat in range(3)])
        expected = "seat 3 has chosen; round 1: rock, rock, paper, scissors (+0 +0 +1 -1)"
        self.assertEqual(looks[4]["words"], expected)
        self.assertEqual([it["between_tricks"] for it in looks], [True, False, False, False, True])
        self.assertEqual(hand.show(None).split("\n")[:3], ["round 2 of 5", "seat 0: +0", "seat 1: +0"])

    def test_nobody_sees_a_choice_before_the_round_is_over(self):
        for choices in [["rock"], ["paper", "scissors"], ["rock", "rock", "paper"]]:
            deeds = [act(seat, choice) for seat, choice in enumerate(choices)]
            hand, looks = played(SEEDS[0], deeds)
            for viewer, view in enumerate(looks[-1]["views"]):
                own = choices[viewer : viewer + 1]
                self.assertEqual([it for it in CHOICES if it in view["shown"]], own, view)
            for words in (it["words"] for it in looks):
                self.assertFalse(any(choice in words for choice in CHOICES), words)

    def test_what_is_no_choice_is_refused_and_changes_nothing(self):
        hand, _ = played(SEEDS[0], [act(0, "rock")])
        before = [hand.show(viewer) for viewer in [None, 0, 1, 2, 3]]
        for deed in [act(1, "well"), act(1, ""), act(0, "rock"), act(2, "rock"), act(9, "rock")]:
            with self.assertRaises(Refused):
                do(hand, deed)
        self.assertEqual([hand.show(viewer) for viewer in [None, 0, 1, 2, 3]], before)

    def test_who_is_late_is_given_any_choice(self):
        choices = set()
        for seed in SEEDS:
            hand, _ = played(seed, ["timeout"] * Tournament.seats)
            self.assertEqual(hand.to_act(), [0], "who was late is asked again in the next round")
            choices.update(hand.show(None).split("round 1: ")[1].split(", "))
        self.assertEqual(choices, set(CHOICES))

    def test_who_left_is_asked_no_more(self):
        hand, looks = played(SEEDS[0], [{"abandon": {"seat": 1}}, act(0, "rock")])
        self.assertEqual(hand.to_act(), [2])
        self.assertIn("seat 1: +0, left", hand.show(None))
        do(hand, act(2, "rock"))
        self.assertIn("round 1: ", do(hand, act(3, "rock")))
        self.assertEqual(hand.to_act(), [0])
        self.assertEqual(do(hand, {"abandon": {"seat": 0}}), "seat 0 left")
        self.assertEqual(hand.to_act(), [2])

    def test_a_table_that_everybody_left_comes_to_its_end(self):
        hand, looks = played(SEEDS[0], [{"abandon": {"seat": seat}} for seat in [2, 0, 3, 1]])
        self.assertEqual(hand.to_act(), [])
        self.assertEqual(len(looks[-1]["views"]), Tournament.seats + 1)

    def test_random_play_ends_and_is_the_same_again(self):
        for seed in SEEDS:
            deeds = any_deeds(seed)
            hand, looks = played(seed, deeds)
            self.assertLessEqual(len(deeds), Tournament.seats * (ROUNDS + 1))
            self.assertEqual(sum(looks[-1]["end"]["scores"]), 0)
            self.assertEqual(looks, played(seed, deeds)[1])

    def test_equal_points_are_a_draw(self):
        deeds = [act(seat, "rock") for _ in range(ROUNDS) for seat in range(Tournament.seats)]
        hand, _ = played(SEEDS[0], deeds)
        self.assertEqual(hand.outcome(), ([0, 0, 0, 0], "draw"))
        with self.assertRaises(Refused):
            do(hand, act(0, "rock"))


if __name__ == "__main__":
    unittest.main()
